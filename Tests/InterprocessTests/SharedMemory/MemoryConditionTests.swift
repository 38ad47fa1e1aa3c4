// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import InterprocessTestKit
import SystemPackage
import Testing

private let named: [ConditionCase] = [
    .row("shm_open", "does not exist") {
        refused(.notFound, .noSuchFileOrDirectory) { _ = try SharedMemoryObject(ScratchMemory().name) }
    },
    .row("shm_open", "other user's 0600 object") {
        let scratch = ScratchMemory()
        _ = try scratch.object()
        await #expect(processExitsWith: .success) { [name = scratch.name.description as String] in
            try ProcessState.becomeNobody()
            refused(.permissionDenied, .permissionDenied, hint: "user 65534") {
                _ = try SharedMemoryObject(ObjectName(name), access: .readOnly)
            }
            refused(.permissionDenied, .permissionDenied) {
                _ = try SharedMemoryObject(ObjectName(name), mode: .openOrCreate, byteCount: 1)
            }
            #expect(try SharedMemoryObject.exists(ObjectName(name)))
        }
    },
    .row("shm_open", "embedded slash in name") {
        answers(.invalidArgument) { _ = try TestSyscalls.openSharedMemory("/swift-ipc-test/second", create: true) }
        refused(.invalidName, hint: "one slash") { _ = try ObjectName("/swift-ipc-test/second") }
    },
    .row("shm_open", "RLIMIT_NOFILE") {
        await #expect(processExitsWith: .success) {
            let scratch = ScratchMemory()
            _ = try scratch.object()
            try ProcessState.limitDescriptors(40)
            try ProcessState.exhaustDescriptors()
            refused(.limitReached, .tooManyOpenFiles, hint: "RLIMIT_NOFILE is 40") {
                _ = try SharedMemoryObject(scratch.name)
            }
            refused(.limitReached, .tooManyOpenFiles, hint: "RLIMIT_NOFILE is 40") {
                _ = try MappedFile(scratch.directory.appending("x"), mode: .createExclusive, byteCount: 1)
            }
            refused(.limitReached, .tooManyOpenFiles) { _ = try SealedMemory(byteCount: 1) }
        }
    },
    .row("shm_open", "FD_CLOEXEC") {
        let scratch = ScratchMemory()
        let made = try scratch.object()
        let opened = try SharedMemoryObject(scratch.name)
        let memory = try SealedMemory(byteCount: 1)
        let file = try scratch.file()
        for number in [made.rawValue, opened.rawValue, memory.rawValue, file.rawValue] {
            #expect(try TestSyscalls.isCloseOnExec(number))
        }
        withExtendedLifetime(made.rawValue + opened.rawValue + memory.rawValue + file.rawValue) {}
    },
    .row("shm_open", "mode & umask") {
        await #expect(processExitsWith: .success) {
            ProcessState.setFileModeMask(0o077)
            let scratch = ScratchMemory()
            let all: FilePermissions = [.ownerReadWrite, .groupReadWrite, .otherReadWrite]
            let raw = OwnedDescriptor(
                adopting: try TestSyscalls.openSharedMemory(scratch.name.description, create: true, mode: 0o666))
            #expect(try sysStatus(raw.rawValue).permissions == 0o600)
            try SharedMemoryObject.unlink(scratch.name)
            // Through the library the mode that is asked for is the mode.
            #expect(try scratch.object(permissions: all).status().permissions == all)
        }
    },
    .row("shm_unlink", "not owner (sticky dir)") {
        let scratch = ScratchMemory()
        _ = try scratch.object(permissions: [.ownerReadWrite, .groupReadWrite, .otherReadWrite])
        await #expect(processExitsWith: .success) { [name = scratch.name.description as String] in
            try ProcessState.becomeNobody()
            refused(.permissionDenied, hint: "owner") { try SharedMemoryObject.unlink(ObjectName(name)) }
            let object = try SharedMemoryObject(ObjectName(name), removeOnClose: true)
            refused(.permissionDenied, .notPermitted) { try object.setPermissions(.ownerOnly) }
            refused(.permissionDenied, .notPermitted) { try object.setOwner(user: 65534) }
            do throws(IPCError) {
                try object.close()
                Issue.record("the name was removed")
            } catch { #expect(error.code == .permissionDenied) }
        }
    },
    .row("shm_unlink", "while mapped") {
        let scratch = ScratchMemory()
        let region = try scratch.object().map()
        try SharedMemoryObject.unlink(scratch.name)
        region.store(UInt64(1), at: 8000)
        // The name is free: another object.
        let second = try scratch.object(4096)
        #expect(try second.map().load(UInt64.self, at: 0) == 0)
        #expect(region.load(UInt64.self, at: 8000) == 1)
    },
    .row("load/store", "tmpfs full after ftruncate (no fallocate)") {
        await #expect(processExitsWith: .signal(7)) {
            try TestSyscalls.leaveMountNamespace()
            try TestSyscalls.mountMemory(at: "/dev/shm", byteCount: 65536)
            let object = try ScratchMemory().object(1 << 20, allocation: .sparse)
            try object.map().fill(with: 1)
        }
        await #expect(processExitsWith: .success) {
            try TestSyscalls.leaveMountNamespace()
            try TestSyscalls.mountMemory(at: "/dev/shm", byteCount: 65536)
            // An error where the kernel can be asked, and no signal.
            let region = try ScratchMemory().object(1 << 20, allocation: .sparse).map()
            refused(.truncated, .badAddress) { try region.advise(.populateForWriting) }
        }
    },
    .row("posix_fallocate", "tmpfs full") {
        await #expect(processExitsWith: .success) {
            try TestSyscalls.leaveMountNamespace()
            try TestSyscalls.mountMemory(at: "/dev/shm", byteCount: 65536)
            let scratch = ScratchMemory()
            refused(.limitReached, .noSpace, hint: "65536 of 65536 are free") { _ = try scratch.object(1 << 20) }
            #expect(try !SharedMemoryObject.exists(scratch.name))
            let object = try scratch.object(16384)
            refused(.limitReached, .noSpace) { try object.grow(to: 1 << 20) }
            #expect(try object.sizeBytes() == 16384)
            try object.grow(to: 65536)
            try object.map().fill(with: 1)
        }
    },
]

private let sealed: [ConditionCase] = [
    .row("memfd_create", "name NULL") {
        // A name of the library is a string.
        answers(.badAddress) { try TestSyscalls.memoryFileWithoutName() }
    },
    .row("memfd_create", "name > 249 bytes") {
        let long = String(repeating: "n", count: 250)
        answers(.invalidArgument) { _ = try sysCreateMemoryFile(long, flags: 0) }
        refused(.invalidName, .invalidArgument, hint: "at most 249 bytes") {
            _ = try SealedMemory(name: long, byteCount: 1)
        }
        _ = try SealedMemory(name: String(long.dropLast()), byteCount: 1)
    },
    .row("fcntl F_ADD_SEALS", "created without MFD_ALLOW_SEALING") {
        let raw = OwnedDescriptor(adopting: try sysCreateMemoryFile("swift-ipc-test", flags: 0))
        answers(.notPermitted) { try sysAddSeals(raw.rawValue, SealFlags.shrink) }
        try sysTruncate(raw.rawValue, 4096)
        refused(.malformed, hint: "shrink, grow is missing") {
            _ = try SealedMemory(adopting: OwnedDescriptor(adopting: try sysDuplicate(raw.rawValue)))
        }
    },
    .row("ftruncate smaller", "F_SEAL_SHRINK set") {
        let memory = try SealedMemory(byteCount: 8192, seals: .shrink)
        refused(.permissionDenied, .notPermitted) { try memory.shrink(to: 4096) }
        try memory.grow(to: 12_288)
    },
    .row("write", "F_SEAL_WRITE set") {
        let memory = try SealedMemory(byteCount: 4096, seals: .write)
        answers(.notPermitted) { _ = try sysWriteAt(memory.rawValue, offset: 0, [UInt8(1)].span) }
    },
    .row("mmap MAP_SHARED PROT_WRITE", "F_SEAL_WRITE set") {
        let memory = try SealedMemory(byteCount: 4096, seals: .write)
        refused(.permissionDenied, .notPermitted, hint: "seal") { _ = try memory.map() }
        _ = try memory.map(access: .readOnly)
    },
    .row("F_ADD_SEALS F_SEAL_FUTURE_WRITE", "a writable mapping exists") {
        let memory = try SealedMemory(byteCount: 4096)
        let old = try memory.map()
        try memory.seal(.futureWrite)
        old.store(UInt32(1), at: 0)
        refused(.permissionDenied, .notPermitted) { _ = try memory.map() }
        #expect(try memory.map(access: .readOnly).load(UInt32.self, at: 0) == 1)
    },
    .row("F_ADD_SEALS", "F_SEAL_SEAL already set") {
        let memory = try SealedMemory(byteCount: 4096, seals: .seal)
        refused(.permissionDenied, .notPermitted, hint: "further seals") { try memory.seal(.shrink) }
    },
    .row("open /proc/self/fd/N O_RDWR", "RO-dup'ed memfd handed over (no seal)") {
        let memory = try SealedMemory(byteCount: 4096)
        let handed = try memory.readOnlyDescriptor()
        answers(.badFileDescriptor) { _ = try sysWriteAt(handed.rawValue, offset: 0, [UInt8(1)].span) }
        let again = OwnedDescriptor(adopting: try TestSyscalls.reopenWritable(handed.rawValue))
        #expect(try sysWriteAt(again.rawValue, offset: 0, [UInt8(1)].span) == 1)
        // With a seal it does not help.
        try memory.seal(.futureWrite)
        answers(.notPermitted) { _ = try sysWriteAt(again.rawValue, offset: 0, [UInt8(1)].span) }
    },
    .row("memfd_create MFD_NOEXEC_SEAL", "fchmod +x") {
        let memory = try SealedMemory(byteCount: 4096)
        guard try memory.seals().contains(.exec) else { return }
        refused(.permissionDenied, .notPermitted, hint: "executable") {
            try memory.setPermissions([.ownerReadWriteExecute])
        }
        let program = try SealedMemory(byteCount: 4096, executable: true)
        try program.setPermissions([.ownerReadWriteExecute])
    },
]

private let posixTable = ConditionTable("posix-shm", named)
private let memfdTable = ConditionTable("memfd", sealed)

@Suite(.bounded()) struct MemoryConditionTests {
    @Test(.requiresRoot, arguments: posixTable.cases)
    func posix(_ each: ConditionCase) async throws { try await each.check() }

    @Test(arguments: memfdTable.cases) func memfd(_ each: ConditionCase) async throws { try await each.check() }

    @Test func everyRowHasACase() {
        #expect(posixTable.gaps == [])
        #expect(memfdTable.gaps == [])
    }
}
