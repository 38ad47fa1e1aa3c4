// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import InterprocessTestKit
import SystemPackage
import Testing

@Suite(.bounded()) struct SystemVLifetimeTests {
    private func exists(_ id: Int32) -> Bool { (try? sysMessageQueueState(id)) != nil }

    @Test func theQueueGoesWithItsLastUser() throws {
        let scratch = ScratchName()
        let (key, directory) = (SystemVKey.number(scratch.key()), scratch.directory)
        let first = try SystemVMessageQueue(key: key, mode: .openOrCreate, lifetime: .whileUsed(in: directory))
        let second = try SystemVMessageQueue(key: key, mode: .openOrCreate, lifetime: .whileUsed(in: directory))
        let third = try SystemVMessageQueue(id: first.id, lifetime: .whileUsed(in: directory))
        let id = first.id
        #expect(second.id == id)
        try first.close()
        #expect(exists(id))
        try third.send([1])
        try third.close()
        #expect(try second.receive().bytes == [1])
        try second.close()
        #expect(!exists(id))
        #expect(try TestSyscalls.entries(of: directory) == [])
    }

    @Test func theDefaultDirectoryIsTheUsersOwn() throws {
        let queue = try SystemVMessageQueue(key: .private, mode: .createExclusive, lifetime: .whileUsed())
        let id = queue.id
        let status = try sysStatus(FilePath("/dev/shm/interprocess-\(sysEffectiveUserID())"))
        #expect(status.kind == .directory)
        #expect(status.permissions == 0o700)
        do {
            let second = try SystemVMessageQueue(id: id, lifetime: .whileUsed())
            try second.send([1])
        }
        #expect(exists(id))
        try queue.close()
        #expect(!exists(id))
    }

    /// What a child does that holds a use of the queue until it is killed.
    private func killedUser(_ key: SystemVKey, _ directory: FilePath) async {
        await #expect(processExitsWith: .signal(9)) {
            [key = key.rawValue as Int32, path = directory.string as String] in
            let queue = try SystemVMessageQueue(
                key: .number(key), mode: .openOrCreate, lifetime: .whileUsed(in: FilePath(path)))
            try await queue.send([9])
            try sysSignalProcess(try sysOpenProcess(sysProcessID()), 9)
        }
    }

    @Test func aKilledUserDoesNotCount() async throws {
        let scratch = ScratchName()
        let (key, directory) = (SystemVKey.number(scratch.key()), scratch.directory)
        let queue = try SystemVMessageQueue(key: key, mode: .createExclusive, lifetime: .whileUsed(in: directory))
        let id = queue.id
        await killedUser(key, directory)
        #expect(try await queue.receive().bytes == [9])
        try queue.close()
        #expect(!exists(id))
    }

    @Test func whatTheLastKilledUserLeftIsRemovedByTheNext() async throws {
        let scratch = ScratchName()
        let (key, directory) = (SystemVKey.number(scratch.key()), scratch.directory)
        await killedUser(key, directory)
        let left = try SystemVMessageQueue(key: key).id
        let queue = try SystemVMessageQueue(key: key, mode: .openOrCreate, lifetime: .whileUsed(in: directory))
        #expect(queue.wasCreated == true)
        #expect(!exists(left))
        #expect(try queue.tryReceive() == nil)
        try queue.close()

        await killedUser(key, directory)
        expectFailure(.noSuchFileOrDirectory, .notFound) {
            _ = try SystemVMessageQueue(key: key, lifetime: .whileUsed(in: directory))
        }
        await killedUser(key, directory)
        #expect(try SystemVMessageQueue.removeUnused(in: directory) == 1)
        #expect(try !SystemVMessageQueue.exists(key: key))
    }

    @Test func usersThatComeAndGoNeverMeetAQueueThatIsGone() async throws {
        let scratch = ScratchName()
        let (key, directory) = (SystemVKey.number(scratch.key()), scratch.directory)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<4 {
                group.addTask {
                    for number in 0..<100 {
                        let queue = try SystemVMessageQueue(
                            key: key, mode: .openOrCreate, lifetime: .whileUsed(in: directory))
                        try await queue.send([UInt8(number)])
                        _ = try queue.tryReceive()
                        try queue.close()
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(try !SystemVMessageQueue.exists(key: key))
        #expect(try TestSyscalls.entries(of: directory) == [])
    }

    @Test func removeOnCloseWakesTheOthers() async throws {
        let scratch = ScratchName()
        let key = SystemVKey.number(scratch.key())
        let owner = try SystemVMessageQueue(key: key, mode: .createExclusive, lifetime: .removeOnClose)
        let waiting = Task { () async throws -> Void in _ = try await SystemVMessageQueue(key: key).receive() }
        try await Task.sleep(for: .milliseconds(20))
        try owner.close()
        let error = await #expect(throws: IPCError.self) { try await waiting.value }
        #expect(error?.code == .removed || error?.code == .notFound)
    }
}
