// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import InterprocessTestKit
import SystemPackage
import Testing

@Suite(.bounded()) struct MappedFileTests {
    @Test func whatIsStoredIsInTheFile() throws {
        let scratch = ScratchMemory()
        let path = scratch.path("ledger")
        let file = try MappedFile(path, mode: .openOrCreate, byteCount: 8192)
        #expect(file.wasCreated == true)
        #expect(try file.status().permissions == .ownerOnly)
        let region = try file.map()
        region.write(Array("paid".utf8), at: 4096)
        try region.synchronize()
        try region.synchronize(.asynchronous, range: 4096..<8192)
        try region.synchronize(.invalidate)
        #expect(try Array(Checkout.contents(of: path)[4096..<4100]) == Array("paid".utf8))
        try file.write(Array("PAID".utf8).span, at: 4096)
        #expect(region.copyBytes(4096..<4100) == Array("PAID".utf8))
        #expect(try file.read(upTo: 100, at: 8190).count == 2)
        #expect(try file.read(upTo: 100, at: 9000) == [])
        refused(.invalidArgument, .invalidArgument) { _ = try file.read(upTo: 1, at: -1) }
        let again = try MappedFile(path, mode: .openOrCreate, byteCount: 1, access: .readOnly)
        #expect(again.wasCreated == false)
        refused(.badDescriptor, .badFileDescriptor) { try again.write([UInt8(1)].span, at: 0) }
    }

    @Test func onlyRegularFilesAreMapped() throws {
        let scratch = ScratchMemory()
        let fifo = scratch.path("fifo")
        try NamedPipe(fifo).create()
        refused(.wrongKind, hint: "regular file") { _ = try MappedFile(fifo) }
        refused(.wrongKind) { _ = try MappedFile(scratch.directory) }
        refused(.wrongKind) { _ = try MappedFile("/dev/null") }
        refused(.notFound) { _ = try MappedFile(scratch.path()) }
        refused(.notFound) { _ = try MappedFile("/no/such/folder/file", mode: .createExclusive, byteCount: 1) }
        #expect(try !MappedFile.exists(fifo))
    }

    @Test func aPathIsTakenOnce() throws {
        let scratch = ScratchMemory()
        let path = scratch.path()
        let file = try MappedFile(
            path, mode: .createExclusive, byteCount: 10, permissions: [.ownerReadWrite, .groupReadWrite],
            removeOnClose: true)
        #expect(try file.status().permissions == [.ownerReadWrite, .groupReadWrite])
        refused(.alreadyExists, .fileExists) { _ = try MappedFile(path, mode: .createExclusive, byteCount: 10) }
        #expect(try MappedFile.exists(path))
        try file.close()
        #expect(try !MappedFile.exists(path))
        refused(.notFound) { try MappedFile.unlink(path) }
    }

    @Test func aFileWithoutRoomToReserveMayBeSparse() throws {
        let scratch = ScratchMemory()
        let file = try scratch.file(1 << 30, allocation: .sparse)
        let before = try file.status()
        #expect(before.sizeBytes == 1 << 30 && before.allocatedBytes < 1 << 20)
        let region = try file.map()
        region.store(UInt8(1), at: 1 << 29)
        #expect(try file.read(upTo: 1, at: 1 << 29) == [1])
        #expect(try file.read(upTo: 1, at: 1 << 28) == [0])
    }

    /// The directory has no O_TMPFILE (here: every call that asks for it is told so), so a name that nobody looks for serves.
    @Test(.enabled(if: FaultPlan.isAvailable, "faults exist in debug builds only"))
    func fileSystemsWithoutNamelessFiles() async {
        await #expect(processExitsWith: .success) {
            let scratch = ScratchMemory()
            Faults.fail("openat", with: .notSupported)
            let file = try MappedFile(scratch.path("old"), mode: .createExclusive, byteCount: 4096) {
                (region: borrowing MappedRegion) throws(IPCError) in region.fill(with: 9)
            }
            #expect(try file.read(upTo: 2, at: 0) == [9, 9])
            #expect(try file.status().permissions == .ownerOnly)
            #expect(try TestSyscalls.entries(of: scratch.directory).count == 1)
            // What fails there leaves nothing either.
            Faults.fail("openat", with: .notSupported)
            Faults.fail("fallocate", with: .noSpace)
            refused(.limitReached, .noSpace) { _ = try scratch.object() }
            Faults.fail("openat", with: .notSupported)
            Faults.fail("renameat2", with: .fileExists)
            refused(.alreadyExists) { _ = try scratch.object() }
            #expect(try !SharedMemoryObject.exists(scratch.name))
            let left = try TestSyscalls.entries(of: "/dev/shm").filter {
                $0.contains("interprocess-\(sysProcessID())-")
            }
            #expect(left == [])
        }
    }
}
