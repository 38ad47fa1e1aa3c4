// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import InterprocessTestKit
import Synchronization
import SystemPackage
import Testing

@Suite(.bounded()) struct SystemVWaitingTests {
    /// A handle that several tasks use.
    final class Shared: Sendable {
        let queue: SystemVMessageQueue
        init(_ queue: consuming SystemVMessageQueue) { self.queue = queue }
        convenience init() throws { self.init(try scratchSystemV()) }
    }

    @Test func aTaskAwaitsAMessageOfItsSelection() async throws {
        let shared = try Shared()
        let waiting = Task { try await shared.queue.receive(.exactly(5)) }
        try await shared.queue.send([1], type: 4)
        try await Task.sleep(for: .milliseconds(20))
        try await shared.queue.send([2], type: 5)
        #expect(try await waiting.value == .init(type: 5, bytes: [2]))
        #expect(try await shared.queue.receive() == .init(type: 4, bytes: [1]))
    }

    @Test func deadlinesEndWaitsAndLeaveTheMessages() async throws {
        let shared = try Shared()
        let late = await #expect(throws: IPCError.self) {
            _ = try await shared.queue.receive(until: .after(.milliseconds(10)))
        }
        #expect(late?.code == .timedOut)
        try shared.queue.setCapacity(4)
        try await shared.queue.send([1, 2, 3, 4])
        let full = await #expect(throws: IPCError.self) {
            try await shared.queue.send([5], until: .after(.milliseconds(10)))
        }
        #expect(full?.code == .timedOut)
        #expect(try await shared.queue.receive(until: .now).bytes == [1, 2, 3, 4])
        #expect(try shared.queue.status().messageCount == 0)
    }

    @Test func deadlinesHoldForThreadsToo() throws {
        let queue = try scratchSystemV()
        try queue.setCapacity(4)
        try queue.send([1, 2, 3, 4])
        let full = #expect(throws: IPCError.self) { try queue.send([5], until: .after(.milliseconds(10))) }
        #expect(full?.code == .timedOut)
        #expect(try queue.receive(until: .now).bytes == [1, 2, 3, 4])
        let late = #expect(throws: IPCError.self) { _ = try queue.receive(until: .after(.milliseconds(10))) }
        #expect(late?.code == .timedOut)
    }

    @Test func aSenderAwaitsRoom() async throws {
        let shared = try Shared()
        try shared.queue.setCapacity(4)
        try await shared.queue.send([1, 2, 3, 4])
        let sending = Task { try await shared.queue.send([5, 6], type: 2) }
        try await Task.sleep(for: .milliseconds(10))
        #expect(try await shared.queue.receive().bytes == [1, 2, 3, 4])
        try await sending.value
        #expect(try await shared.queue.receive() == .init(type: 2, bytes: [5, 6]))
    }

    @Test func removalReachesEveryWaiter() async throws {
        let shared = try Shared()
        let codes = try await withThrowingTaskGroup(of: IPCError.Code?.self) { group in
            for index in 0..<20 {
                group.addTask {
                    do {
                        _ = try await shared.queue.receive(index % 2 == 0 ? .any : .exactly(3))
                        return nil
                    } catch let error as IPCError { return error.code }
                }
            }
            try await Task.sleep(for: .milliseconds(30))
            try shared.queue.remove()
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(codes == Array(repeating: .removed, count: 20))
    }

    @Test func aMessageWithoutBytesIsNotLost() async throws {
        let shared = try Shared()
        let waiting = Task { try await shared.queue.receive(.exactly(2)) }
        try await Task.sleep(for: .milliseconds(20))
        try await shared.queue.send([], type: 2)
        #expect(try await waiting.value == .init(type: 2, bytes: []))

        // Only waited for: the handle keeps it, and a lower type that the queue has comes first.
        let any = WaitAny([try shared.queue.receivable()])
        let first = Task { try await any.first() }
        try await Task.sleep(for: .milliseconds(20))
        try await shared.queue.send([], type: 7)
        #expect(try await first.value == 0)
        try await shared.queue.send([9], type: 3)
        #expect(try shared.queue.tryReceive(.exactly(6)) == nil)
        #expect(try shared.queue.tryReceive(.lowestUpTo(9)) == .init(type: 3, bytes: [9]))
        #expect(try shared.queue.tryReceive(.allBut(7)) == nil)
        #expect(try shared.queue.tryReceive(.lowestUpTo(9)) == .init(type: 7, bytes: []))
        #expect(try shared.queue.tryReceive() == nil)
    }

    @Test func whatAHandleKeptGoesBackWhenItCloses() async throws {
        let owner = try scratchSystemV()
        let handle = try SystemVMessageQueue(id: owner.id)
        try await owner.send([], type: 8)
        let index = try await WaitAny([try handle.receivable()]).first()
        #expect(index == 0)
        #expect(try owner.status().messageCount == 0)
        try handle.close()
        #expect(try owner.tryReceive() == .init(type: 8, bytes: []))
    }

    @Test func theFirstOfTwoSystemVQueuesAndAPOSIXQueue() async throws {
        let (left, right) = (try Shared(), try Shared())
        let posix = try ScratchQueue().make()
        let any = WaitAny([
            try left.queue.receivable(), try right.queue.receivable(.exactly(2)), try posix.receivable(),
        ])
        #expect(try await any.first(until: .after(.milliseconds(5))) == nil)
        try await right.queue.send([1], type: 1)
        #expect(try await any.first(until: .after(.milliseconds(5))) == nil)
        let waiting = Task { try await any.first() }
        try await Task.sleep(for: .milliseconds(10))
        try await right.queue.send([2], type: 2)
        #expect(try await waiting.value == 1)
        #expect(try right.queue.tryReceive(.exactly(2)) == .init(type: 2, bytes: [2]))
        try await posix.send([3])
        #expect(try await any.first() == 2)
        try await left.queue.send([4])
        let both = Set([try await any.first(), try await any.first()])
        #expect(both == [0, 2])
        #expect(try posix.tryReceive()?.bytes == [3])
        #expect(try left.queue.tryReceive()?.bytes == [4])
    }

    @Test func aHundredWaitersOnTenQueuesUseTenThreads() async throws {
        let queues = try (0..<10).map { _ in try Shared() }
        let most = Atomic<Int>(0)
        let total = try await withThrowingTaskGroup(of: Int.self) { group in
            for index in 0..<100 {
                group.addTask { Int(try await queues[index % 10].queue.receive().bytes[0]) }
            }
            try await Task.sleep(for: .milliseconds(50))
            most.store(WaiterThreads.count, ordering: .relaxed)
            for index in 0..<100 { try await queues[index % 10].queue.send([UInt8(index)]) }
            return try await group.reduce(0, +)
        }
        #expect(total == (0..<100).reduce(0, +))
        // Other tests run beside this one.
        #expect(most.load(ordering: .relaxed) <= WaiterThreads.limit)
        for shared in queues { #expect(try shared.queue.status().messageCount == 0) }
    }

    @Test func cancellingAtAnyMomentLosesNothing() async throws {
        let shared = try Shared()
        let total = 400
        let counted = Box(Mutex([]))
        let sending = Task {
            for number in 1...total {
                // Every third has no bytes: its number is its type.
                let bytes = number % 3 == 0 ? [] : [UInt8(truncatingIfNeeded: number)]
                try await shared.queue.send(bytes, type: number)
                if number % 16 == 0 { await Task.yield() }
            }
        }
        while counted.count < total {
            let tasks = (0..<4).map { _ in
                Task {
                    while !Task.isCancelled {
                        let message = try await shared.queue.receive()
                        counted.add(message.type)
                    }
                }
            }
            try await Task.sleep(for: .microseconds(Int.random(in: 0...1500)))
            for task in tasks { task.cancel() }
            for task in tasks { _ = await task.result }
        }
        try await sending.value
        #expect(counted.sorted == Array(1...total))
        #expect(try shared.queue.tryReceive() == nil)
    }

    @Test func cancelledSendersSentNothing() async throws {
        let shared = try Shared()
        try shared.queue.setCapacity(64)
        let outcome = Box(Mutex([]))
        let senders = (0..<200).map { index in
            Task {
                try await shared.queue.send([UInt8](repeating: 1, count: 16), type: index + 1)
                outcome.add(index + 1)
            }
        }
        let cancelling = Task {
            for index in senders.indices.shuffled().prefix(120) {
                senders[index].cancel()
                await Task.yield()
            }
        }
        let draining = Task {
            var got: [Int] = []
            while !Task.isCancelled {
                if let message = try? await shared.queue.receive() { got.append(message.type) }
            }
            return got
        }
        await cancelling.value
        for sender in senders { _ = await sender.result }
        draining.cancel()
        var got = await draining.value
        while let message = try shared.queue.tryReceive() { got.append(message.type) }
        #expect(got.sorted() == outcome.sorted)
    }

    final class Box: Sendable {
        private let values: Mutex<[Int]>
        init(_ values: consuming sending Mutex<[Int]>) { self.values = values }
        func add(_ value: Int) { values.withLock { $0.append(value) } }
        var count: Int { values.withLock { $0.count } }
        var sorted: [Int] { values.withLock { $0.sorted() } }
    }
}
