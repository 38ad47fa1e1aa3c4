// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import InterprocessTestKit
import SystemPackage
import Testing

@Suite(.bounded()) struct SharedMemoryObjectTests {
    @Test func whatOneWritesAnotherReads() throws {
        let scratch = ScratchMemory()
        let object = try scratch.object()
        #expect(object.wasCreated == true)
        let region = try object.map()
        region.write(Array("hello".utf8), at: 4090)
        let other = try SharedMemoryObject(scratch.name, access: .readOnly)
        #expect(other.wasCreated == false)
        let view = try other.map()
        #expect(view.access == .readOnly)
        #expect(view.byteCount == 8192)
        #expect(view.copyBytes(4090..<4095) == Array("hello".utf8))
        // The object and its mappings are two things.
        try other.close()
        try object.close()
        try SharedMemoryObject.unlink(scratch.name)
        region.store(UInt8(7), at: 0)
        #expect(view.load(UInt8.self, at: 0) == 7)
    }

    @Test func itAppearsWhole() throws {
        let scratch = ScratchMemory()
        let name = scratch.name
        let object = try SharedMemoryObject(
            name, mode: .openOrCreate, byteCount: 10_000, permissions: [.ownerReadWrite, .groupRead]
        ) { (region: borrowing MappedRegion) throws(IPCError) in
            region.fill(with: 0x5a)
            #expect((try? SharedMemoryObject.exists(name)) == false)
        }
        let status = try object.status()
        #expect(status.sizeBytes == 10_000 && status.allocatedBytes >= 10_000)
        #expect(status.permissions == [.ownerReadWrite, .groupRead])
        #expect(status.linkCount == 1 && status.seals == .seal)
        #expect(status.fileName == "/dev/shm" + name.description)
        #expect(try object.map(byteCount: 100).copyBytes(0..<100) == [UInt8](repeating: 0x5a, count: 100))
        let second = try SharedMemoryObject(name, mode: .openOrCreate, byteCount: 1) {
            (_: borrowing MappedRegion) throws(IPCError) in Issue.record("nothing is made")
        }
        #expect(second.wasCreated == false)
        #expect(try second.sizeBytes() == 10_000)
        #expect(try SharedMemoryObject.names().contains(name))
    }

    @Test func aFailingPreparationLeavesNothing() throws {
        let scratch = ScratchMemory()
        let error = #expect(throws: IPCError.self) {
            _ = try SharedMemoryObject(scratch.name, mode: .createExclusive, byteCount: 4096) {
                (_: borrowing MappedRegion) throws(IPCError) in
                throw IPCError(code: .malformed, subject: "the test")
            }
        }
        #expect(error?.subject == "the test")
        #expect(try !SharedMemoryObject.exists(scratch.name))
    }

    @Test func theModesOfCreation() throws {
        let scratch = ScratchMemory()
        refused(.notFound, .noSuchFileOrDirectory, hint: ".openOrCreate") { _ = try SharedMemoryObject(scratch.name) }
        refused(.invalidArgument, hint: "byteCount") {
            _ = try SharedMemoryObject(scratch.name, mode: .createExclusive)
        }
        _ = try scratch.object()
        refused(.alreadyExists, .fileExists) { _ = try scratch.object() }
        try SharedMemoryObject.unlink(scratch.name)
        refused(.notFound, .noSuchFileOrDirectory) { try SharedMemoryObject.unlink(scratch.name) }
    }

    @Test func manyAtOnceGetOneObject() async throws {
        let scratch = ScratchMemory()
        let name = scratch.name
        let created = try await withThrowingTaskGroup(of: Bool.self) { group in
            for number in 1...32 {
                group.addTask {
                    let array = try SharedArray<UInt64>(name, mode: .openOrCreate, count: 8, repeating: UInt64(number))
                    let first = array[0]
                    #expect((0..<8).allSatisfy { array[$0] == first })
                    let object = try SharedMemoryObject(name, mode: .openOrCreate, byteCount: 1)
                    return object.wasCreated
                }
            }
            return try await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
        }
        #expect(created == 0)
    }

    @Test func removeOnCloseTakesItsOwnNameOnly() throws {
        let scratch = ScratchMemory()
        let first = try SharedMemoryObject(
            scratch.name, mode: .createExclusive, byteCount: 100, removeOnClose: true)
        try SharedMemoryObject.unlink(scratch.name)
        let second = try scratch.object()
        try first.close()
        #expect(try SharedMemoryObject.exists(scratch.name))
        try second.close()
        do { _ = try SharedMemoryObject(scratch.name, removeOnClose: true) }
        #expect(try !SharedMemoryObject.exists(scratch.name))
    }

    @Test func growsWhileOthersLook() async throws {
        let scratch = ScratchMemory()
        let owner = try scratch.object(4096)
        let reader = try SharedMemoryObject(scratch.name, access: .readOnly)
        var view = try reader.map()
        #expect(try !reader.remap(&view))
        refused(.timedOut, hint: "4096 bytes") { try Self.await(reader, 4097, .now) }
        try owner.grow(to: 100_000)
        #expect(try await reader.waitForSize(atLeast: 100_000, until: .after(.seconds(5))) == 100_000)
        try owner.map().store(UInt32(99), at: 99_000)
        #expect(try reader.remap(&view))
        #expect(view.byteCount == 100_000)
        #expect(view.load(UInt32.self, at: 99_000) == 99)
        try owner.shrink(to: 5000)
        #expect(try reader.remap(&view))
        #expect(view.byteCount == 5000)
        refused(.invalidArgument) { try owner.shrink(to: 6000) }
        refused(.invalidArgument, .invalidArgument, hint: "reading") { try reader.shrink(to: 1) }
        refused(.badDescriptor, .badFileDescriptor, hint: "reading") { try reader.grow(to: 1 << 20) }
    }

    private static func await(_ object: borrowing SharedMemoryObject, _ count: Int, _ deadline: Deadline) throws {
        try object.waitForSize(atLeast: count, until: deadline)
    }

    @Test func partsAndTheirBounds() throws {
        let object = try ScratchMemory().object(3 * 4096)
        let part = try object.map(offsetBytes: 4096, byteCount: 10)
        part.store(UInt8(3), at: 9)
        #expect(part.offsetBytes == 4096)
        #expect(try object.map().load(UInt8.self, at: 4105) == 3)
        refused(.invalidArgument, .invalidArgument, hint: "12288 bytes") { _ = try object.map(byteCount: 12_289) }
        refused(.invalidArgument, .invalidArgument) { _ = try object.map(offsetBytes: 12_288) }
        refused(.invalidArgument, .invalidArgument) { _ = try object.map(offsetBytes: -4096) }
        refused(.invalidArgument, .invalidArgument, hint: "page size") { _ = try object.map(offsetBytes: 1) }
    }

    @Test func anObjectWithoutBytesIsNotReady() throws {
        let scratch = ScratchMemory()
        let raw = OwnedDescriptor(adopting: try TestSyscalls.openSharedMemory(scratch.name.description, create: true))
        let object = try SharedMemoryObject(scratch.name)
        refused(.wouldBlock, hint: "no bytes yet") { _ = try object.map() }
        try sysTruncate(raw.rawValue, 4096)
        #expect(try object.waitForSize(until: .now) == 4096)
        _ = try object.map()
    }

    @Test func aCancelledWaitSaysSo() async throws {
        let scratch = ScratchMemory()
        _ = try scratch.object(4096)
        let name = scratch.name
        let waiting = Task { () async throws -> Void in
            try await SharedMemoryObject(name).waitForSize(atLeast: 8192, until: .never)
        }
        waiting.cancel()
        let error = await #expect(throws: IPCError.self) { try await waiting.value }
        #expect(error?.code == .cancelled)
    }

    @Test func whatIsNoMemoryInItsPlace() throws {
        let scratch = ScratchMemory()
        let path = FilePath("/dev/shm" + scratch.name.description)
        try NamedPipe(path).create()
        for access in [MappedRegion.Access.readOnly, .readWrite] {
            refused(.wrongKind, hint: "regular file") { _ = try SharedMemoryObject(scratch.name, access: access) }
        }
        refused(.alreadyExists) { _ = try scratch.object() }
        #expect(try !SharedMemoryObject.exists(scratch.name))
        try SharedMemoryObject.unlink(scratch.name)
        // Through a link nobody is led elsewhere.
        let file = try scratch.file()
        #expect(try Peer(["ln", "-s", file.path.string, path.string]).finish().status == .exited(0))
        let error = #expect(throws: IPCError.self) { _ = try SharedMemoryObject(scratch.name) }
        #expect(error?.errno == .tooManySymbolicLinkLevels, "\(String(describing: error))")
    }

    @Test(.requiresRoot) func modeAndOwnerChange() throws {
        let object = try ScratchMemory().object()
        try object.setPermissions([.ownerReadWrite, .otherRead])
        try object.setOwner(user: 65534, group: 65534)
        let status = try object.status()
        #expect(status.permissions == [.ownerReadWrite, .otherRead])
        #expect(status.ownerUser == 65534 && status.ownerGroup == 65534)
    }
}
