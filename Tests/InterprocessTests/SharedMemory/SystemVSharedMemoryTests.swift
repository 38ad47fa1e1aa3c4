// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import InterprocessTestKit
import SystemPackage
import Testing

@Suite(.bounded()) struct SystemVSharedMemoryTests {
    private func exists(_ id: Int32) -> Bool { (try? sysSegmentState(id)) != nil }

    @Test func whatOneWritesAnotherReads() throws {
        let scratch = ScratchMemory()
        let segment = try scratch.segment(5000)
        let region = try segment.attach()
        #expect(region.byteCount == 5000)
        region.store(UInt32(17), at: 4996)
        let byKey = try SystemVSharedMemory(key: scratch.key, byteCount: 5000)
        let byID = try SystemVSharedMemory(id: segment.id)
        #expect(byKey.id == segment.id && byKey.wasCreated == false)
        let view = try byID.attach(.readOnly)
        #expect(view.load(UInt32.self, at: 4996) == 17)
        let status = try segment.status()
        #expect(status.attachmentCount == 2 && status.sizeBytes == 5000 && !status.isRemoved)
        #expect(status.creatorProcess == sysProcessID() && status.lastProcess == sysProcessID())
        #expect(status.key == scratch.key && status.lastAttached != nil && status.lastDetached == nil)
        #expect(status.permissions == .ownerOnly && status.ownerUser == sysEffectiveUserID())
        try view.close()
        #expect(try segment.status().attachmentCount == 1)
        #expect(try segment.status().lastDetached != nil)
    }

    @Test func aRemovedSegmentLivesUntilItsLastAttachmentEnds() throws {
        let scratch = ScratchMemory()
        let segment = try scratch.segment()
        let id = segment.id
        let region = try segment.attach()
        try segment.close()
        #expect(try !SystemVSharedMemory.exists(key: scratch.key))
        let status = try SystemVSharedMemory(id: id).status()
        #expect(status.isRemoved && status.key == .private && status.attachmentCount == 1)
        region.store(UInt8(1), at: 0)
        try region.close()
        #expect(!exists(id))
        refused(.notFound, .invalidArgument, hint: "no segment") { _ = try SystemVSharedMemory(id: id) }
    }

    @Test func oneThatGoesWithItsLastUser() async throws {
        let segment = try SystemVSharedMemory(
            key: .private, mode: .createExclusive, byteCount: 4096, lifetime: .whileAttached)
        let id = segment.id
        let region = try segment.attach()
        #expect(try segment.status().isRemoved)
        // Others attach it by its id, even now, and being killed ends their use.
        await #expect(processExitsWith: .signal(9)) { [id = id as Int32] in
            let region = try SystemVSharedMemory(id: id).attach()
            region.store(UInt8(5), at: 0)
            TestSyscalls.killSelf()
        }
        #expect(region.load(UInt8.self, at: 0) == 5)
        #expect(exists(id))
        try region.close()
        #expect(!exists(id))
        refused(.removed) { _ = try segment.attach() }
        refused(.removed) { _ = try segment.status() }
        refused(.removed) { try segment.remove() }
        refused(.removed) { try segment.setPermissions(.ownerOnly) }
    }

    @Test func keysAndModes() throws {
        let scratch = ScratchMemory()
        refused(.notFound, .noSuchFileOrDirectory) { _ = try SystemVSharedMemory(key: scratch.key) }
        refused(.invalidArgument, hint: "IPC_PRIVATE") { _ = try SystemVSharedMemory(key: .private) }
        refused(.invalidArgument, hint: "IPC_PRIVATE") {
            _ = try SystemVSharedMemory(key: .number(0), mode: .createExclusive, byteCount: 1)
        }
        refused(.invalidArgument, .invalidArgument, hint: "at least one") {
            _ = try SystemVSharedMemory(key: scratch.key, mode: .createExclusive)
        }
        let segment = try scratch.segment()
        let second = try SystemVSharedMemory(key: scratch.key, mode: .openOrCreate, byteCount: 100)
        #expect(second.id == segment.id && second.wasCreated == false)
        try segment.setPermissions([.ownerReadWrite, .groupRead])
        #expect(try segment.status().permissions == [.ownerReadWrite, .groupRead])
        try SystemVSharedMemory.remove(key: scratch.key)
        #expect(try !SystemVSharedMemory.exists(key: scratch.key))
    }

    @Test(.requiresRoot) func ownerAndMemoryLock() throws {
        let segment = try privateSegment()
        try segment.setOwner(user: 65534, group: 65534)
        try segment.lockInMemory()
        let status = try segment.status()
        #expect(status.ownerUser == 65534 && status.ownerGroup == 65534 && status.creatorUser == 0)
        #expect(status.isLockedInMemory)
        try segment.unlockFromMemory()
        #expect(try !segment.status().isLockedInMemory)
    }

    @Test func itHasOneSizeForEver() throws {
        var region = try privateSegment().attach()
        refused(.unsupported, hint: "one size") { try region.resize(to: 100_000) }
        #expect(region.byteCount == 8192)
    }
}
