// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import InterprocessTestKit
import Synchronization
import SystemPackage
import Testing

@Suite(.bounded()) struct MessageQueueWaitingTests {
    final class Shared: Sendable {
        let queue: MessageQueue
        init(_ queue: consuming MessageQueue) { self.queue = queue }
    }

    final class Numbers: Sendable {
        private let values = Mutex<[Int]>([])
        func add(_ value: Int) { values.withLock { $0.append(value) } }
        var count: Int { values.withLock { $0.count } }
        var sorted: [Int] { values.withLock { $0.sorted() } }
    }

    @Test func tasksAwaitMessagesAndRoom() async throws {
        let shared = Shared(try ScratchQueue().make(2, 8))
        let total = 300
        let got = Numbers()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for lane in 0..<3 {
                group.addTask {
                    for number in stride(from: lane, to: total, by: 3) {
                        try await shared.queue.send(
                            [UInt8(number & 255), UInt8(number >> 8)], priority: UInt32(number % 5))
                    }
                }
                group.addTask {
                    for _ in 0..<total / 3 {
                        let bytes = try await shared.queue.receive().bytes
                        got.add(Int(bytes[0]) | Int(bytes[1]) << 8)
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(got.sorted == Array(0..<total))
    }

    @Test func cancellingAtAnyMomentLosesNothing() async throws {
        let shared = Shared(try ScratchQueue().make(10, 8))
        let total = 400
        let got = Numbers()
        let sending = Task {
            for number in 0..<total { try await shared.queue.send([UInt8(number & 255), UInt8(number >> 8)]) }
        }
        while got.count < total {
            let tasks = (0..<4).map { _ in
                Task {
                    while !Task.isCancelled {
                        let bytes = try await shared.queue.receive().bytes
                        got.add(Int(bytes[0]) | Int(bytes[1]) << 8)
                    }
                }
            }
            try await Task.sleep(for: .microseconds(Int.random(in: 0...1000)))
            for task in tasks { task.cancel() }
            for task in tasks { _ = await task.result }
        }
        try await sending.value
        #expect(got.sorted == Array(0..<total))
        #expect(try shared.queue.tryReceive() == nil)
    }

    @Test func cancellationIsAnErrorOfItsOwn() async throws {
        let shared = Shared(try ScratchQueue().make(1, 8))
        let receiving = Task { try await shared.queue.receive() }
        try await Task.sleep(for: .milliseconds(5))
        receiving.cancel()
        let error = await #expect(throws: IPCError.self) { _ = try await receiving.value }
        #expect(error?.code == .cancelled)
        try await shared.queue.send([1])
        let sending = Task { try await shared.queue.send([2]) }
        try await Task.sleep(for: .milliseconds(5))
        sending.cancel()
        let other = await #expect(throws: IPCError.self) { try await sending.value }
        #expect(other?.code == .cancelled)
        #expect(try shared.queue.status().messageCount == 1)
    }

    @Test func theBufferFaceCanBeAwaited() async throws {
        let shared = Shared(try ScratchQueue().make(1, 8))
        let sending = Task { try await shared.queue.send([7, 7, 7], priority: 3) }
        let memory = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: 8)
        defer { memory.deallocate() }
        var free = OutputSpan(buffer: memory, initializedCount: 0)
        let receipt = try await shared.queue.receive(into: &free)
        #expect(free.count == 3)
        try await sending.value
        #expect(receipt.count == 3)
        #expect(receipt.priority == 3)
        #expect(memory[2] == 7)
    }

    @Test func aSenderThatIsKilledWhileItWaitsTakesNothingWithIt() async throws {
        let scratch = ScratchQueue()
        let queue = try scratch.make(1, 8)
        try await queue.send([1])
        let peer = try Peer.python(
            "import ctypes, sys; lib = ctypes.CDLL(None); q = lib.mq_open(sys.argv[1].encode(), 2); print('open'); "
                + "lib.mq_send(q, b'2', 1, 0)", [scratch.name.description])
        try peer.expect("open")
        TestSyscalls.sleep(nanoseconds: 20_000_000)
        peer.kill()
        _ = try peer.wait()
        #expect(try queue.tryReceive()?.bytes == [1])
        #expect(try queue.tryReceive() == nil)
        #expect(try queue.trySend([3]))
    }

    @Test func everyCallMayFailOnce() async {
        await #expect(processExitsWith: .success) {
            let scratch = ScratchName()
            let report = try await FaultPlan.sweep { () async throws in
                let name = scratch.objectName()
                let queue = try MessageQueue(
                    name, mode: .openOrCreate, limits: .init(maxMessages: 2, messageSizeBytes: 8), removeOnClose: true)
                try await queue.send([1])
                _ = try queue.status()
                _ = try await queue.receive()
                let arrival = try queue.notification()
                try await queue.send([1])
                try await arrival.wait(until: .after(.seconds(5)))
                try arrival.close()
                _ = try queue.tryReceive()
                try queue.close()
            }
            #expect(report.problems == [])
            #expect(report.runs > 10)
        }
    }

    @Test func everySystemVCallMayFailOnce() async {
        await #expect(processExitsWith: .success) {
            let scratch = ScratchName()
            let report = try await FaultPlan.sweep { () async throws in
                let queue = try SystemVMessageQueue(
                    key: .private, mode: .createExclusive, lifetime: .whileUsed(in: scratch.directory))
                let id = queue.id
                defer { try? sysMessageQueueRemove(id) }
                try await queue.send([1])
                _ = try queue.status()
                _ = try await queue.receive()
                do throws(IPCError) { _ = try await queue.receive(until: .after(.milliseconds(3))) } catch {
                    if error.code != .timedOut { throw error }
                }
                try queue.close()
            }
            #expect(report.problems == [])
            #expect(report.runs > 10)
        }
    }
}
