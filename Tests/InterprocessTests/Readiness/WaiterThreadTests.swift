// SPDX-License-Identifier: Apache-2.0
@testable import Interprocess
import InterprocessSyscalls
import Synchronization
import SystemPackage
import Testing

/// A descriptor that nobody may await, so that only a blocked thread learns of it: an eventfd in blocking mode.
private final class BlockingCounter: Sendable {
    let owned: OwnedDescriptor
    init() throws { owned = OwnedDescriptor(adopting: try sysEventCounter(nonBlocking: false, semaphore: true)) }

    func take() throws(Errno) -> UInt64 { try sysEventCounterTake(owned.rawValue, retryOnInterrupt: false) }
    func add(_ count: UInt64) throws { try sysEventCounterAdd(owned.rawValue, count) }

    func tryTake() throws(IPCError) -> UInt64? {
        do throws(Errno) {
            if try sysPoll(owned.rawValue, for: .readable, nanoseconds: 0).isEmpty { return nil }
            return try take()
        } catch { throw IPCError(error, "read", "counter") }
    }

    func makeReadiness() -> BlockedReadiness {
        BlockedReadiness(subject: "counter", call: "ppoll") { () throws(IPCError) in
            do throws(Errno) { return try !sysPoll(self.owned.rawValue, for: .readable, nanoseconds: 0).isEmpty } catch
            {
                throw IPCError(error, "ppoll", "counter")
            }
        } block: { () throws(Errno) in
            _ = try sysPoll(self.owned.rawValue, for: .readable, nanoseconds: nil)
        }
    }
}

@Suite struct WaiterThreadTests {
    @Test func theCallsResultComesBack() async throws {
        let counter = try BlockingCounter()
        let lane = WaiterThread(subject: "counter")
        async let taken = lane.perform(call: "read") { () throws(Errno) in try counter.take() }
        try counter.add(1)
        #expect(try await taken == 1)
    }

    @Test func cancellationInterruptsTheCallAndTheNextOneRuns() async throws {
        let counter = try BlockingCounter()
        let lane = WaiterThread(subject: "counter")
        for _ in 0..<50 {
            let task = Task { try await lane.perform(call: "read") { () throws(Errno) in try counter.take() } }
            try await Task.sleep(for: .microseconds(Int64.random(in: 0..<2000)))
            task.cancel()
            let error = await #expect(throws: IPCError.self) { _ = try await task.value }
            #expect(error?.code == .cancelled)
        }
        try counter.add(1)
        let taken = try await lane.perform(call: "read") { () throws(Errno) in try counter.take() }
        #expect(taken == 1)
    }

    @Test func whatCannotBeginYetIsCancelledAtOnce() async throws {
        let counter = try BlockingCounter()
        let lane = WaiterThread(subject: "counter")
        let first = Task { try await lane.perform(call: "read") { () throws(Errno) in try counter.take() } }
        try await Task.sleep(for: .milliseconds(10))
        let second = Task { try await lane.perform(call: "read") { () throws(Errno) in try counter.take() } }
        try await Task.sleep(for: .milliseconds(10))
        second.cancel()
        let error = await #expect(throws: IPCError.self) { _ = try await second.value }
        #expect(error?.code == .cancelled)
        try counter.add(1)
        #expect(try await first.value == 1)
    }

    @Test func theDeadlineInterruptsBothFaces() async throws {
        let counter = try BlockingCounter()
        let lane = WaiterThread(subject: "counter")
        let late = await #expect(throws: IPCError.self) {
            _ = try await lane.perform(call: "read", until: .after(.milliseconds(20))) { () throws(Errno) in
                try counter.take()
            }
        }
        #expect(late?.code == .timedOut)
        let blocked = #expect(throws: IPCError.self) {
            _ = try lane.performBlocking(call: "read", until: .after(.milliseconds(20))) { () throws(Errno) in
                try counter.take()
            }
        }
        #expect(blocked?.code == .timedOut)
    }

    @Test func anErrorOfTheCallIsTheOperationsError() async throws {
        let lane = WaiterThread(subject: "nothing")
        let error = await #expect(throws: IPCError.self) {
            try await lane.perform(call: "msgsnd") { () throws(Errno) in throw Errno.identifierRemoved }
        }
        #expect(error?.code == .removed)
        #expect(error?.call == "msgsnd")
    }
}

@Suite struct BlockedReadinessTests {
    @Test func eachOfManyTasksTakesOneWithOneThread() async throws {
        let counter = try BlockingCounter()
        let readiness = counter.makeReadiness()
        let total = 100
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<total {
                group.addTask {
                    // One at a time may poll and take: the counter itself has no call that does not block.
                    _ = try await readiness.attempt { () throws(IPCError) in
                        try Self.turn.withLock { _ throws(IPCError) in try counter.tryTake() }
                    }
                }
            }
            try await Task.sleep(for: .milliseconds(20))
            for _ in 0..<total { try counter.add(1) }
            try await group.waitForAll()
        }
        #expect(try counter.tryTake() == nil)
    }
    private static let turn = Mutex(0)

    @Test func twoObjectsWithoutDescriptorAndOneWithAreAwaitedTogether() async throws {
        let first = try BlockingCounter()
        let second = try BlockingCounter()
        let third = AwaitableDescriptor(OwnedDescriptor(adopting: try sysEventCounter()))
        let any = WaitAny([
            Readiness(first.makeReadiness()), Readiness(second.makeReadiness()), try third.readiness(.readable),
        ])
        #expect(try await any.first(until: .after(.milliseconds(20))) == nil)
        async let early = any.first()
        try await Task.sleep(for: .milliseconds(10))
        try second.add(1)
        #expect(try await early == 1)
        // Nothing was taken.
        #expect(try second.tryTake() == 1)
        try sysEventCounterAdd(third.rawValue, 1)
        #expect(try await any.first() == 2)
    }

    @Test func cancellationAtRandomMomentsLeavesNothingBehind() async throws {
        let counter = try BlockingCounter()
        let readiness = counter.makeReadiness()
        for _ in 0..<100 {
            let task = Task {
                try await readiness.attempt { () throws(IPCError) in try counter.tryTake() }
            }
            try await Task.sleep(for: .microseconds(Int64.random(in: 0..<500)))
            task.cancel()
            let error = await #expect(throws: IPCError.self) { _ = try await task.value }
            #expect(error?.code == .cancelled)
        }
        try counter.add(1)
        let taken = try await readiness.attempt { () throws(IPCError) in try counter.tryTake() }
        #expect(taken == 1)
    }

    @Test func closingTellsThoseWhoWait() async throws {
        let counter = try BlockingCounter()
        let readiness = counter.makeReadiness()
        let task = Task { try await readiness.attempt { () throws(IPCError) in try counter.tryTake() } }
        try await Task.sleep(for: .milliseconds(10))
        readiness.stop()
        let error = await #expect(throws: IPCError.self) { _ = try await task.value }
        #expect(error?.code == .badDescriptor)
    }

    @Test func theBoundIsAnErrorOfItsOwn() async {
        await #expect(processExitsWith: .success) {
            WaiterThreads.limit = 1
            let first = try BlockingCounter()
            let second = try BlockingCounter()
            let held = Task { try await first.makeReadiness().attempt { () throws(IPCError) in try first.tryTake() } }
            while WaiterThreads.count < 1 { await Task.yield() }
            try await Task.sleep(for: .milliseconds(20))
            do {
                _ = try await second.makeReadiness().attempt { () throws(IPCError) in try second.tryTake() }
                fatalError("there was a thread beyond the limit")
            } catch let error as IPCError {
                precondition(error.code == .tooManyWaiters)
            }
            try first.add(1)
            let taken = try await held.value
            precondition(taken == 1)
        }
    }

    @Test func aSignalOfTheProgramsOwnIsNotTaken() async {
        await #expect(processExitsWith: .success) {
            let isClaimed = try sysClaimInterruptSignal(sysRealtimeSignal(belowMaximum: 1))
            precondition(isClaimed)
            let counter = try BlockingCounter()
            do {
                _ = try await counter.makeReadiness().attempt { () throws(IPCError) in try counter.tryTake() }
                fatalError("the signal was taken")
            } catch let error as IPCError {
                precondition(error.code == .busy)
            }
            try WaiterThreads.useSignal(sysRealtimeSignal(belowMaximum: 3))
            try counter.add(1)
            let taken = try await counter.makeReadiness().attempt { () throws(IPCError) in try counter.tryTake() }
            precondition(taken == 1)
        }
    }
}
