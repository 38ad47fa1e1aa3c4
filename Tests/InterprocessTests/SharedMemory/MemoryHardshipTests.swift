// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import InterprocessTestKit
import SystemPackage
import Testing

/// Limits, a full file system, others who truncate, stop and die.
@Suite(.bounded()) struct MemoryHardshipTests {
    @Test(.requiresRoot) func aFileOnAFullFileSystem() async {
        await #expect(processExitsWith: .success) {
            try TestSyscalls.leaveMountNamespace()
            let scratch = ScratchMemory()
            try TestSyscalls.mountMemory(at: scratch.directory, byteCount: 65536)
            refused(.limitReached, .noSpace, hint: "are free") { _ = try scratch.file(1 << 20) }
            #expect(try TestSyscalls.entries(of: scratch.directory) == [])
            let file = try scratch.file(32768)
            let region = try file.map()
            #expect(try file.write([UInt8](repeating: 1, count: 65536).span, at: 0) == 65536)
            refused(.limitReached, .noSpace) { try file.write([UInt8](repeating: 1, count: 4096).span, at: 65536) }
            region.fill(with: 2)
            TestSyscalls.unmount(scratch.directory)
        }
    }

    @Test func theLimitOfFileSizesIsAnErrorAndNoSignal() async {
        await #expect(processExitsWith: .success) {
            try TestSyscalls.setMemoryLimit(.fileSize, 10_000)
            let scratch = ScratchMemory()
            refused(.limitReached, .fileTooLarge, hint: "RLIMIT_FSIZE, which is 10000") {
                _ = try scratch.object(10_001)
            }
            let file = try scratch.file(10_000)
            refused(.limitReached, .fileTooLarge) { try file.grow(to: 10_001) }
            refused(.limitReached, .fileTooLarge) { try file.write([UInt8(1)].span, at: 10_000) }
            refused(.limitReached, .fileTooLarge) { _ = try SealedMemory(byteCount: 10_001) }
        }
    }

    @Test(.requiresRoot) func theLimitOfLockedMemory() async {
        await #expect(processExitsWith: .success) {
            try TestSyscalls.setMemoryLimit(.lockedMemory, 65536)
            try ProcessState.becomeNobody()
            let region = try MappedRegion.anonymous(byteCount: 1 << 20)
            refused(.outOfMemory, .noMemory, hint: "1048576 bytes were to be locked; RLIMIT_MEMLOCK is 65536 bytes") {
                try region.lockInMemory()
            }
            try region.lockInMemory(range: 0..<65536)
            refused(.outOfMemory, .noMemory) { _ = try MappedRegion.anonymous(byteCount: 1 << 20, options: .locked) }
            try region.unlockFromMemory()
            try TestSyscalls.setMemoryLimit(.lockedMemory, 0)
            refused(.permissionDenied, .notPermitted, hint: "is 0 bytes") { try region.lockInMemory(range: 0..<4096) }
        }
    }

    @Test func aFileThatAnotherMakesShorterIsReadAllTheSame() throws {
        let scratch = ScratchMemory()
        let file = try scratch.file(4 * 4096)
        let region = try file.map()
        region.fill(with: 7)
        let peer = try Peer.python("import os, sys; os.truncate(sys.argv[1], 5000)", [file.path.string])
        #expect(try peer.finish().status == .exited(0))
        let bytes = try [UInt8](capacity: 4 * 4096) { (free: inout OutputSpan<UInt8>) throws(IPCError) in
            // Up to the end of the page in which the file ends; what is behind the end reads as zero.
            #expect(try region.copyBytesChecked(into: &free, at: 0) == 8192)
        }
        #expect(bytes[4999] == 7 && bytes[5000] == 0)
        refused(.truncated, .badAddress, hint: "before offset 8192") {
            _ = try [UInt8](capacity: 1) { (free: inout OutputSpan<UInt8>) throws(IPCError) in
                try region.copyBytesChecked(into: &free, at: 8192)
            }
        }
        #expect(try region.writeChecked([1, 2, 3, 4].span, at: 8190) == 2)
        refused(.truncated, .badAddress) { try region.writeChecked([1].span, at: 12_000) }
        refused(.truncated, .badAddress) { try region.advise(.populateForReading) }
        #expect(try file.read(upTo: 100_000, at: 0).count == 5000)
        refused(.invalidArgument, hint: "5000 bytes") { _ = try file.map(byteCount: 8192) }
        let empty = try file.map(byteCount: 5000)
        try file.shrink(to: 0)
        refused(.truncated, .badAddress) {
            _ = try [UInt8](capacity: 1) { (free: inout OutputSpan<UInt8>) throws(IPCError) in
                try empty.copyBytesChecked(into: &free)
            }
        }
    }

    @Test func theGuardMakesAnErrorOfTheFault() async {
        await #expect(processExitsWith: .success) {
            let scratch = ScratchMemory()
            let file = try scratch.file(4 * 4096)
            let whole = try GuardedRegion(file.map(access: .readOnly))
            let other = try GuardedRegion(file.map(byteCount: 4096, access: .readOnly))
            #expect(try whole.withBytes { $0[16_383] } == 0)
            try file.shrink(to: 4096)
            let error = #expect(throws: IPCError.self) {
                try whole.withBytes { bytes in
                    var sum = 0
                    for index in bytes.indices { sum += Int(bytes[index]) }
                    return sum
                }
            }
            #expect(error?.code == .truncated)
            #expect(whole.isTorn && !other.isTorn)
            #expect(throws: IPCError.self) { try whole.withBytes { $0[0] } }
            refused(.truncated) { try whole.check() }
            #expect(try other.withBytes { $0[4095] } == 0)
            // Mapped again it is as the file is now.
            try file.grow(to: 8192)
            #expect(try GuardedRegion(file.map()).withBytes { $0.count } == 8192)
        }
    }

    @Test func faultsElsewhereGoWhereTheyWent() async {
        // To the handler that was there before.
        await #expect(processExitsWith: .exitCode(77)) {
            TestSyscalls.installBusHandler()
            let file = try ScratchMemory().file()
            let guarded = try GuardedRegion(file.map())
            let other = try file.map()
            try file.shrink(to: 0)
            #expect(throws: IPCError.self) { try guarded.withBytes { $0[0] } }
            TestSyscalls.touch(other.base)
        }
        // To the default, which ends the process.
        await #expect(processExitsWith: .signal(7)) {
            let file = try ScratchMemory().file()
            let guarded = try GuardedRegion(file.map())
            let other = try file.map()
            try file.shrink(to: 0)
            _ = guarded.isTorn
            TestSyscalls.touch(other.base)
        }
        // So does a SIGBUS that somebody sends.
        await #expect(processExitsWith: .signal(7)) {
            _ = try GuardedRegion(ScratchMemory().file().map())
            TestSyscalls.admitSignal(7)
            try sysSignalProcess(try sysOpenProcess(sysProcessID()), 7)
            while true { TestSyscalls.sleep(nanoseconds: 1_000_000) }
        }
        // Without the guard there is no handler.
        await #expect(processExitsWith: .success) {
            let file = try ScratchMemory().file()
            _ = try file.map()
            #expect(ProcessState.hasDefaultDisposition(7))
            _ = try GuardedRegion(file.map())
            #expect(!ProcessState.hasDefaultDisposition(7))
        }
    }

    @Test func guardedRegionsHaveAnEnd() async {
        await #expect(processExitsWith: .success) {
            let file = try ScratchMemory().file()
            try Self.hold(file, 256)
            try Self.hold(file, 256)
            refused(.limitReached, hint: "256 regions") { try Self.hold(file, 257) }
            try Self.hold(file, 256)
        }
    }

    @Test func signalsInterruptNothing() async {
        await #expect(processExitsWith: .success) {
            let scratch = ScratchMemory()
            try SignalStorm.run {
                let object = try scratch.object(1 << 22)
                var region = try object.map(options: .populated)
                try object.grow(to: 1 << 23)
                try object.remap(&region)
                region.fill(with: 1)
                try region.synchronize()
                try region.lockInMemory(range: 0..<4096)
                refused(.timedOut) { try wait(object, .after(.milliseconds(20))) }
                let segment = try privateSegment()
                try segment.attach().fill(with: 2)
                _ = try SealedMemory(byteCount: 1 << 22, seals: .immutable) {
                    (region: borrowing MappedRegion) throws(IPCError) in region.fill(with: 3)
                }
            }
            @Sendable func wait(_ object: borrowing SharedMemoryObject, _ deadline: Deadline) throws(IPCError) {
                try object.waitForSize(atLeast: 1 << 24, until: deadline)
            }
        }
    }

    private static func hold(_ file: borrowing MappedFile, _ count: Int) throws {
        let region = try GuardedRegion(file.map())
        if count > 1 { try hold(file, count - 1) }
        try region.check()
    }

    /// A stopped process holds its mappings and nothing else: who works with the memory does not notice.
    @Test func aStoppedPeerStopsNobody() throws {
        let scratch = ScratchMemory()
        let region = try scratch.object().map()
        let peer = try Peer.python(
            """
            import mmap, os, sys
            m = mmap.mmap(os.open('/dev/shm' + sys.argv[1], os.O_RDWR), 0)
            print('ready'); sys.stdin.readline(); print(m[0])
            """, [scratch.name.description])
        try peer.expect("ready")
        peer.kill(19)
        region.store(UInt8(33), at: 0)
        try SharedMemoryObject(scratch.name).grow(to: 100_000)
        try SharedMemoryObject.unlink(scratch.name)
        peer.kill(18)
        try peer.send("go")
        try peer.expect("33")
    }

    @Test func anObjectThatIsForkedIsTheSame() async {
        await #expect(processExitsWith: .success) {
            let scratch = ScratchMemory()
            let object = try scratch.object(4096)
            var region = try object.map()
            let own = try object.map(sharing: .privateCopy)
            own.store(UInt8(1), at: 100)
            let child = try TestSyscalls.fork()
            if child == 0 {
                region.store(own.load(UInt8.self, at: 100) + 1, at: 0)
                own.store(UInt8(77), at: 100)
                try? object.grow(to: 8192)
                TestSyscalls.killSelf()
            }
            #expect(try sysWait(child) == .signaled(9))
            #expect(region.load(UInt8.self, at: 0) == 2 && own.load(UInt8.self, at: 100) == 1)
            #expect(try object.remap(&region))
            #expect(region.byteCount == 8192)
        }
    }
}
