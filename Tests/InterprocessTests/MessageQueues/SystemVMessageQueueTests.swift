// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import InterprocessTestKit
import SystemPackage
import Testing

/// A private queue that goes with the handle.
func scratchSystemV(_ permissions: FilePermissions = .ownerOnly) throws(IPCError) -> SystemVMessageQueue {
    try SystemVMessageQueue(key: .private, mode: .createExclusive, permissions: permissions, lifetime: .removeOnClose)
}

@Suite(.bounded()) struct SystemVMessageQueueTests {
    @Test func theSelectionDecides() throws {
        let queue = try scratchSystemV()
        for (index, type) in [3, 1, 7, 3, 2].enumerated() { try queue.send([UInt8(index)], type: type) }
        #expect(try queue.tryReceive(.exactly(9)) == nil)
        #expect(try queue.receive(.exactly(7)) == .init(type: 7, bytes: [2]))
        #expect(try queue.receive(.lowestUpTo(5)) == .init(type: 1, bytes: [1]))
        #expect(try queue.receive(.allBut(3)) == .init(type: 2, bytes: [4]))
        #expect(try queue.receive() == .init(type: 3, bytes: [0]))
        #expect(try queue.tryReceive() == .init(type: 3, bytes: [3]))
        #expect(try queue.tryReceive() == nil)
        let error = #expect(throws: IPCError.self) { _ = try queue.tryReceive(.exactly(0)) }
        #expect(error?.code == .invalidArgument)
    }

    @Test func aLongMessageIsRefusedOrCutAsAsked() throws {
        let queue = try scratchSystemV()
        let text = (0..<3000).map { UInt8(truncatingIfNeeded: $0) }
        try queue.send(text, type: 4)
        var receipt: SystemVMessageQueue.Receipt?
        let none = try [UInt8](capacity: 1200) { (free: inout OutputSpan<UInt8>) throws(IPCError) in
            do throws(IPCError) { _ = try queue.tryReceive(into: &free) } catch {
                #expect(error.code == .messageTooLarge)
                #expect(error.hint.contains("longer than the 1200 bytes"))
            }
        }
        #expect(none.isEmpty)
        #expect(try queue.status().messageCount == 1)
        let start = try [UInt8](capacity: 1200) { (free: inout OutputSpan<UInt8>) throws(IPCError) in
            receipt = try queue.receive(into: &free, overlong: .truncate)
        }
        #expect(start == Array(text[..<1200]))
        #expect(receipt?.count == 1200)
        #expect(receipt?.lostCount == 1800)
        #expect(receipt?.type == 4)
        #expect(try queue.status().messageCount == 0)
    }

    @Test func peekingTakesNothing() throws {
        let queue = try scratchSystemV()
        try queue.send([1, 2], type: 5)
        try queue.send([], type: 6)
        #expect(try queue.peek() == .init(type: 5, bytes: [1, 2]))
        #expect(try queue.peek(at: 1) == .init(type: 6, bytes: []))
        #expect(try queue.peek(at: 2) == nil)
        #expect(try queue.status().messageCount == 2)
    }

    @Test func statusTellsWhatIsThere() throws {
        let scratch = ScratchName()
        let key = SystemVKey.number(scratch.key())
        let queue = try SystemVMessageQueue(
            key: key, mode: .createExclusive, permissions: [.ownerReadWrite, .groupRead], lifetime: .removeOnClose)
        #expect(try queue.status().lastSender == nil)
        try queue.send(Array("hello".utf8))
        let status = try queue.status()
        #expect(status.key == key)
        #expect(status.id == queue.id)
        #expect(status.messageCount == 1)
        #expect(status.queuedBytes == 5)
        #expect(status.permissions.rawValue == 0o640)
        #expect(status.lastSender == sysProcessID())
        #expect(status.lastReceiver == nil)
        #expect(status.lastSent != nil)
        #expect(status.lastReceived == nil)
        #expect(status.creatorUser == sysEffectiveUserID())
        try queue.setCapacity(100)
        try queue.setPermissions(.ownerRead)
        #expect(try queue.status().capacityBytes == 100)
        #expect(try queue.status().permissions == .ownerRead)
    }

    @Test func whatNeverFitsIsRefusedInsteadOfWaitingForEver() throws {
        let queue = try scratchSystemV()
        try queue.setCapacity(10)
        #expect(try queue.trySend([UInt8](repeating: 0, count: 8)))
        #expect(try !queue.trySend([1, 2, 3]))
        let error = #expect(throws: IPCError.self) { try queue.send([UInt8](repeating: 0, count: 11)) }
        #expect(error?.code == .messageTooLarge)
    }

    @Test func openingFindsWhatCreatingMade() throws {
        let scratch = ScratchName()
        let key = SystemVKey.number(scratch.key())
        let made = try SystemVMessageQueue(key: key, mode: .openOrCreate, lifetime: .removeOnClose)
        #expect(made.wasCreated == true)
        let found = try SystemVMessageQueue(key: key, mode: .openOrCreate)
        #expect(found.wasCreated == false)
        #expect(found.id == made.id)
        let byID = try SystemVMessageQueue(id: made.id)
        try byID.send([1])
        #expect(try found.receive().bytes == [1])
        try made.close()
        #expect(try !SystemVMessageQueue.exists(key: key))
        let error = #expect(throws: IPCError.self) { _ = try found.tryReceive() }
        #expect(error?.code == .removed)
    }

    @Test func ftokAgreesWithTheKernelsOtherUsers() throws {
        let queue = try SystemVMessageQueue(
            key: .path("/", project: 77), mode: .openOrCreate, lifetime: .removeOnClose)
        #expect(try SystemVMessageQueue.exists(key: .path("/", project: 77)))
        try queue.close()
    }

    @Test func aZeroKeyIsNoKey() {
        let error = #expect(throws: IPCError.self) {
            _ = try SystemVMessageQueue(key: .number(0), mode: .createExclusive)
        }
        #expect(error?.code == .invalidArgument)
        #expect(throws: IPCError.self) { _ = try SystemVMessageQueue(key: .private) }
    }
}
