// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import InterprocessTestKit
import SystemPackage
import Testing

private let mapping: [ConditionCase] = [
    .row("mmap", "length 0") {
        refused(.invalidArgument, .invalidArgument, hint: "at least one byte") {
            _ = try MappedRegion.anonymous(byteCount: 0)
        }
        let object = try ScratchMemory().object()
        refused(.invalidArgument, .invalidArgument) { _ = try object.map(byteCount: 0) }
    },
    .row("mmap", "offset not page aligned") {
        let object = try ScratchMemory().object()
        refused(.invalidArgument, .invalidArgument, hint: "multiple of the page size") {
            _ = try object.map(offsetBytes: 100)
        }
    },
    .row("mmap", "fd is a pipe") {
        let pipe = try TestSyscalls.pipe()
        TestSyscalls.close(pipe.writing)
        let reading = OwnedDescriptor(adopting: pipe.reading)
        let error = #expect(throws: IPCError.self) {
            _ = try MappedRegion(reading, byteCount: 4096, access: .readOnly, subject: "pipe")
        }
        #expect(error?.code == .permissionDenied || error?.code == .unsupported)
    },
    .row("mmap", "RLIMIT_AS exceeded") {
        await #expect(processExitsWith: .success) {
            let scratch = ScratchMemory()
            let object = try scratch.object(1 << 30, allocation: .sparse)
            var region = try object.map(byteCount: 4096)
            let segment = try SystemVSharedMemory(
                key: .private, mode: .createExclusive, byteCount: 1 << 30, lifetime: .removeOnClose)
            try TestSyscalls.setMemoryLimit(.addressSpace, 1 << 20)
            refused(.outOfMemory, .noMemory, hint: "RLIMIT_AS is 1048576 bytes") { _ = try object.map() }
            refused(.outOfMemory, .noMemory) { try object.remap(&region) }
            #expect(region.byteCount == 4096)
            region.store(UInt8(1), at: 0)
            refused(.outOfMemory, .noMemory, hint: "RLIMIT_AS") { _ = try segment.attach() }
        }
    },
    .row("load", "beyond EOF page of mapped file") {
        let scratch = ScratchMemory()
        await #expect(processExitsWith: .signal(7)) { [path = scratch.path().string as String] in
            let file = try MappedFile(FilePath(path), mode: .createExclusive, byteCount: 8192)
            let region = try file.map()
            try file.shrink(to: 100)
            TestSyscalls.touch(region.base + 4096)
        }
        let file = try scratch.file()
        refused(.invalidArgument, .invalidArgument) { _ = try file.map(byteCount: 8193) }
    },
    .row("store", "PROT_READ mapping") {
        await #expect(processExitsWith: .signal(11)) {
            TestSyscalls.poke(try ScratchMemory().object().map(access: .readOnly).base, 1)
        }
        // Through the library it is a precondition, before any memory is touched: MappedRegionTests.
    },
    .row("msync", "MS_SYNC|MS_ASYNC") {
        let region = try ScratchMemory().file().map()
        // The library's modes cannot say both.
        answers(.invalidArgument) {
            try sysSynchronize(
                region.base, byteCount: 4096, flags: SynchronizeFlags.synchronous | SynchronizeFlags.asynchronous)
        }
        refused(.invalidArgument, .invalidArgument, hint: "multiple of") { try region.synchronize(range: 1..<2) }
    },
    .row("msync", "range not mapped") {
        await #expect(processExitsWith: .success) {
            let region = try MappedRegion.anonymous(byteCount: 4096)
            let base = region.base
            try region.close()
            answers(.noMemory) { try sysSynchronize(base, byteCount: 4096, flags: SynchronizeFlags.synchronous) }
        }
    },
    .row("ftruncate", "fd O_RDONLY") {
        let scratch = ScratchMemory()
        _ = try scratch.object()
        let object = try SharedMemoryObject(scratch.name, access: .readOnly)
        refused(.invalidArgument, .invalidArgument, hint: "opened for reading") { try object.shrink(to: 1) }
        refused(.permissionDenied, .permissionDenied, hint: "not opened for this access") {
            _ = try object.map(access: .readWrite)
        }
    },
    .row("store MAP_PRIVATE", "two processes") {
        let scratch = ScratchMemory()
        let object = try scratch.object()
        let shared = try object.map()
        await #expect(processExitsWith: .success) { [name = scratch.name.description as String] in
            let own = try SharedMemoryObject(ObjectName(name)).map(sharing: .privateCopy)
            own.store(UInt8(1), at: 0)
            #expect(own.load(UInt8.self, at: 0) == 1 && own.sharing == .privateCopy)
        }
        #expect(shared.load(UInt8.self, at: 0) == 0)
    },
]

private let segments: [ConditionCase] = [
    .row("shmget IPC_CREAT|IPC_EXCL", "exists") {
        let scratch = ScratchMemory()
        _ = try SystemVSharedMemory(key: scratch.key, mode: .createExclusive, byteCount: 100)
        refused(.alreadyExists, .fileExists, hint: ".openExisting") { _ = try scratch.segment() }
    },
    .row("shmget", "no segment, no IPC_CREAT") {
        refused(.notFound, .noSuchFileOrDirectory) { _ = try SystemVSharedMemory(key: ScratchMemory().key) }
    },
    .row("shmget", "size > existing segment") {
        let scratch = ScratchMemory()
        let segment = try scratch.segment(8192)
        refused(.invalidArgument, .invalidArgument, hint: "has 8192 bytes, and 8193 were asked for") {
            _ = try SystemVSharedMemory(key: scratch.key, byteCount: 8193)
        }
        #expect(try segment.status().sizeBytes == 8192)
    },
    .row("shmget", "no permission") {
        let scratch = ScratchMemory()
        let segment = try scratch.segment()
        await #expect(processExitsWith: .success) {
            [key = scratch.key.rawValue as Int32, id = segment.id as Int32] in
            try ProcessState.becomeNobody()
            answers(.permissionDenied) { _ = try sysSegmentGet(key, mode: 0o600) }
            // The library opens without asking for a right, and attaching says it.
            let segment = try SystemVSharedMemory(key: .number(key))
            #expect(segment.id == id)
            refused(.permissionDenied, .permissionDenied, hint: "user 65534") { _ = try segment.attach() }
        }
    },
    .row("shmget", "kernel.shmmax exceeded") {
        await #expect(processExitsWith: .success) {
            try TestSyscalls.leaveIPCNamespace()
            try Checkout.write("1000000\n", to: "/proc/sys/kernel/shmmax")
            refused(.invalidArgument, .invalidArgument, hint: "kernel.shmmax is 1000000") {
                _ = try SystemVSharedMemory(key: .private, mode: .createExclusive, byteCount: 1_000_001)
            }
            try Checkout.write("1\n", to: "/proc/sys/kernel/shmmni")
            let one = try SystemVSharedMemory(key: .private, mode: .createExclusive, byteCount: 1)
            refused(.limitReached, .noSpace, hint: "kernel.shmmni is 1") {
                _ = try SystemVSharedMemory(key: .private, mode: .createExclusive, byteCount: 1)
            }
            try one.remove()
        }
    },
    .row("shmat", "id invalid / destroyed") {
        let segment = try privateSegment()
        try segment.remove()
        refused(.removed, hint: "removed after") { _ = try segment.attach() }
        answers(.invalidArgument) { _ = try sysAttachSegment(segment.id, readOnly: false) }
        answers(.invalidArgument) { _ = try sysAttachSegment(-1, readOnly: false) }
    },
    .row("shmat", "no permission") {
        let segment = try privateSegment(permissions: [.ownerReadWrite, .otherRead])
        await #expect(processExitsWith: .success) { [id = segment.id as Int32] in
            try ProcessState.becomeNobody()
            let segment = try SystemVSharedMemory(id: id)
            refused(.permissionDenied, .permissionDenied) { _ = try segment.attach() }
            #expect(try segment.attach(.readOnly).load(UInt8.self, at: 0) == 0)
        }
    },
    .row("shmat SHM_RDONLY", "store to mapping") {
        await #expect(processExitsWith: .signal(11)) {
            let segment = try SystemVSharedMemory(
                key: .private, mode: .createExclusive, byteCount: 1, lifetime: .whileAttached)
            TestSyscalls.poke(try segment.attach(.readOnly).base, 1)
        }
    },
    .row("shmctl IPC_RMID", "while attached") {
        let scratch = ScratchMemory()
        let segment = try scratch.segment()
        let region = try segment.attach()
        try segment.remove()
        region.store(UInt8(1), at: 0)
        refused(.notFound, .noSuchFileOrDirectory) { _ = try SystemVSharedMemory(key: scratch.key) }
        #expect(try segment.status().isRemoved)
        try region.close()
        refused(.removed) { _ = try segment.status() }
    },
    .row("shmctl IPC_RMID", "not owner") {
        let segment = try privateSegment(permissions: [.ownerReadWrite, .otherReadWrite])
        await #expect(processExitsWith: .success) { [id = segment.id as Int32] in
            try ProcessState.becomeNobody()
            let segment = try SystemVSharedMemory(id: id)
            refused(.permissionDenied, .notPermitted, hint: "owner") { try segment.remove() }
            refused(.permissionDenied, .notPermitted) { try segment.setPermissions(.ownerOnly) }
            refused(.permissionDenied, .notPermitted) { try segment.setOwner(user: 65534) }
            refused(.permissionDenied, .notPermitted) { try segment.lockInMemory() }
        }
    },
    .row("shmctl", "invalid command") {
        let segment = try privateSegment()
        answers(.invalidArgument) { _ = try sysSegmentControl(segment.id, command: 9999) }
    },
    .row("fork/exec/exit", "attached segment") {
        await #expect(processExitsWith: .success) {
            let segment = try privateSegment()
            let region = try segment.attach()
            let child = try TestSyscalls.fork()
            if child == 0 {
                // Inherited; a program that is executed has it no longer (Peer, below, executes one).
                region.store(UInt64((try? segment.status().attachmentCount) ?? 0), at: 0)
                TestSyscalls.killSelf()
            }
            #expect(try sysWait(child) == .signaled(9))
            #expect(region.load(UInt64.self, at: 0) == 2)
            #expect(try segment.status().attachmentCount == 1)
            let peer = try Peer(["cat"])
            #expect(try segment.status().attachmentCount == 1)
            _ = try peer.finish()
        }
    },
]

private let mappingTable = ConditionTable("mmap", mapping)
private let segmentTable = ConditionTable("sysv-shm", segments)

@Suite(.bounded()) struct MappingConditionTests {
    @Test(arguments: mappingTable.cases) func mmap(_ each: ConditionCase) async throws { try await each.check() }

    @Test(.requiresRoot, arguments: segmentTable.cases)
    func systemV(_ each: ConditionCase) async throws { try await each.check() }

    @Test func everyRowHasACase() {
        #expect(mappingTable.gaps == [])
        #expect(segmentTable.gaps == [])
    }
}
