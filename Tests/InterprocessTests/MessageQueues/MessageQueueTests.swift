// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import InterprocessTestKit
import SystemPackage
import Testing

/// A queue's name that no other test has; the queue is gone at the end.
struct ScratchQueue {
    let scratch = ScratchName()
    let name: ObjectName

    init() { name = scratch.objectName() }

    func make(
        _ maxMessages: Int = 4, _ size: Int = 64, access: MessageQueue.Access = .both,
        permissions: FilePermissions = .ownerOnly
    ) throws(IPCError) -> MessageQueue {
        try MessageQueue(
            name, mode: .createExclusive, access: access, permissions: permissions,
            limits: .init(maxMessages: maxMessages, messageSizeBytes: size))
    }
}

@Suite(.bounded()) struct MessageQueueTests {
    @Test func highestPriorityComesFirstThenTheOldest() throws {
        let scratch = ScratchQueue()
        let queue = try scratch.make()
        #expect(queue.wasCreated == true)
        try queue.send([1], priority: 0)
        try queue.send([2], priority: 9)
        try queue.send([3], priority: 9)
        try queue.send([], priority: MessageQueue.priorityCount - 1)
        #expect(try queue.receive() == .init(bytes: [], priority: 32767))
        #expect(try queue.receive() == .init(bytes: [2], priority: 9))
        #expect(try queue.tryReceive() == .init(bytes: [3], priority: 9))
        #expect(try queue.receive(until: .now) == .init(bytes: [1], priority: 0))
        #expect(try queue.tryReceive() == nil)
    }

    @Test func aFullQueueIsAValueAndADeadlineAnError() throws {
        let scratch = ScratchQueue()
        let queue = try scratch.make(2, 8)
        #expect(try queue.trySend([1]))
        #expect(try queue.trySend([2]))
        #expect(try !queue.trySend([3]))
        let error = #expect(throws: IPCError.self) { try queue.send([3], until: .after(.milliseconds(5))) }
        #expect(error?.code == .timedOut)
        #expect(error?.hint == "the queue is full: 2 of 2 messages")
        let empty = try ScratchQueue().make()
        #expect(throws: IPCError.self) { _ = try empty.receive(until: .now) }
    }

    @Test func theBufferFacesAppend() throws {
        let scratch = ScratchQueue()
        let queue = try scratch.make(4, 8)
        try queue.send([7, 8], priority: 5)
        try queue.send([9], priority: 4)
        var receipts: [MessageQueue.Receipt] = []
        let bytes = try [UInt8](capacity: 20) { (free: inout OutputSpan<UInt8>) throws(IPCError) in
            receipts.append(try queue.receive(into: &free))
            if let receipt = try queue.tryReceive(into: &free) { receipts.append(receipt) }
        }
        #expect(bytes == [7, 8, 9])
        #expect(receipts.map(\.count) == [2, 1])
        #expect(receipts.map(\.priority) == [5, 4])
    }

    @Test func statusTellsWhatIsThere() throws {
        let scratch = ScratchQueue()
        let queue = try scratch.make(3, 32, permissions: [.ownerReadWrite, .groupReadWrite, .otherWrite])
        try queue.send(Array("hello".utf8))
        let status = try queue.status()
        #expect(status.messageCount == 1)
        #expect(status.queuedBytes == 5)
        #expect(status.limits == .init(maxMessages: 3, messageSizeBytes: 32))
        #expect(status.ownerUser == sysEffectiveUserID())
        #expect(status.permissions.rawValue == 0o662)
        #expect(status.notifiedProcess == nil)
        try queue.setPermissions(.ownerRead)
        #expect(try queue.status().permissions == .ownerRead)
    }

    @Test func theModeAskedForIsTheModeGiven() async {
        await #expect(processExitsWith: .success) {
            ProcessState.setFileModeMask(0o777)
            let scratch = ScratchQueue()
            let queue = try scratch.make(permissions: [.ownerReadWrite, .groupRead, .otherWrite])
            #expect(try queue.status().permissions.rawValue == 0o642)
        }
    }

    @Test func openingFindsWhatCreatingMade() throws {
        let scratch = ScratchQueue()
        let name = scratch.name
        #expect(try !MessageQueue.exists(name))
        let made = try MessageQueue(name, mode: .openOrCreate, limits: .init(maxMessages: 1, messageSizeBytes: 16))
        #expect(made.wasCreated == true)
        #expect(try MessageQueue.exists(name))
        let found = try MessageQueue(name, mode: .openOrCreate, access: .receiveOnly)
        #expect(found.wasCreated == false)
        #expect(found.limits == .init(maxMessages: 1, messageSizeBytes: 16))
        try made.send([42])
        #expect(try found.receive().bytes == [42])
        #expect(try MessageQueue(name, access: .sendOnly).status().queuedBytes == nil)
    }

    @Test func removeOnCloseRemovesTheNameOnce() throws {
        let scratch = ScratchQueue()
        let name = scratch.name
        do {
            let queue = try MessageQueue(name, mode: .createExclusive, removeOnClose: true)
            #expect(queue.limits == .systemDefault)
        }
        #expect(try !MessageQueue.exists(name))
        let queue = try MessageQueue(name, mode: .createExclusive, removeOnClose: true)
        try MessageQueue.unlink(name)
        try queue.close()
    }

    @Test func aNotificationComesOnce() async throws {
        let scratch = ScratchQueue()
        let queue = try scratch.make()
        let arrival = try queue.notification()
        #expect(try !arrival.hasFired())
        #expect(try queue.status().notifiedProcess == sysProcessID())
        let error = #expect(throws: IPCError.self) { _ = try queue.notification() }
        #expect(error?.code == .busy)
        try await queue.send([1])
        try await arrival.wait(until: .after(.seconds(20)))
        #expect(try queue.status().notifiedProcess == nil)
        _ = try await queue.receive()
        try await queue.send([2])
        #expect(try !arrival.hasFired())
    }

    @Test func theEndOfANotificationEndsTheRegistration() throws {
        let scratch = ScratchQueue()
        let queue = try scratch.make()
        try queue.notification().close()
        #expect(try queue.status().notifiedProcess == nil)
        let arrival = try queue.notification()
        try MessageQueue(scratch.name).close()
        let error = #expect(throws: IPCError.self) { try arrival.wait(until: .after(.seconds(20))) }
        #expect(error?.code == .disconnected)
    }
}
