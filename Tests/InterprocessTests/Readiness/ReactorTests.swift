// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import Synchronization
import SystemPackage
import Testing

/// An eventfd: the simplest descriptor that becomes ready.
private func makeCounter() throws -> AwaitableDescriptor {
    AwaitableDescriptor(OwnedDescriptor(adopting: try sysEventCounter()))
}

@Suite struct ReactorTests {
    @Test func aTaskWakesWhenTheDescriptorIsReady() async throws {
        let counter = try makeCounter()
        let number = counter.rawValue
        async let ring: Void = {
            try await Task.sleep(for: .milliseconds(20))
            try sysEventCounterAdd(number, 1)
        }()
        #expect(try await counter.wait(for: .readable))
        try await ring
    }

    @Test func readinessIsAState() async throws {
        let counter = try makeCounter()
        try sysEventCounterAdd(counter.rawValue, 1)
        for _ in 0..<3 { #expect(try await counter.wait(for: .readable, until: .after(.seconds(10)))) }
    }

    @Test func theDeadlineEndsTheWait() async throws {
        let counter = try makeCounter()
        #expect(try await counter.wait(for: .readable, until: .after(.milliseconds(20))) == false)
        #expect(try await counter.wait(for: .readable, until: .now) == false)
        #expect(try counter.isReady(.writable))
    }

    @Test func cancellationEndsTheWait() async throws {
        let task = Task {
            let counter = try makeCounter()
            return try await counter.wait(for: .readable)
        }
        try await Task.sleep(for: .milliseconds(20))
        task.cancel()
        let error = await #expect(throws: IPCError.self) { _ = try await task.value }
        #expect(error?.code == .cancelled)
    }

    @Test func manyTasksWaitForOneDescriptorAndEachTakesOne() async throws {
        let total = 500
        let counter = Shared(try makeCounter(semaphore: true))
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<total {
                group.addTask {
                    _ = try await counter.value.attempt(.readable, "counter") { () throws(IPCError) -> UInt64? in
                        do throws(Errno) { return try sysEventCounterTake(counter.value.rawValue) } catch
                            where error == .resourceTemporarilyUnavailable
                        {
                            return nil
                        } catch { throw IPCError(error, "read", "counter") }
                    }
                    counter.taken.add(1, ordering: .relaxed)
                }
            }
            for _ in 0..<total { try sysEventCounterAdd(counter.value.rawValue, 1) }
            try await group.waitForAll()
        }
        #expect(counter.taken.load(ordering: .relaxed) == total)
    }

    @Test func anOrdinaryFileIsAlwaysReady() async throws {
        let file = AwaitableDescriptor(OwnedDescriptor(adopting: try sysOpen("/proc/self/exe", flags: 0)))
        #expect(try await file.wait(for: .readable, until: .after(.seconds(10))))
    }

    @Test func aTaskLivesOnAReactorOfItsOwn() async throws {
        let reactor = try Reactor(name: "test")
        defer { reactor.stop() }
        let task = Task(executorPreference: reactor) {
            let counter = try makeCounter()
            let first = sysThreadID()
            let expired = try await counter.wait(for: .readable, until: .after(.milliseconds(5)))
            return (first == sysThreadID(), expired)
        }
        let (sameThread, ready) = try await task.value
        #expect(sameThread && !ready)
    }

    @Test func cancellationAtRandomMomentsLosesNoWait() async throws {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<200 {
            let microseconds = Int64.random(in: 0..<300, using: &random)
            let task = Task {
                let counter = try makeCounter()
                return try await counter.wait(for: .readable, until: .after(.microseconds(150)))
            }
            try await Task.sleep(for: .microseconds(microseconds))
            task.cancel()
            switch await task.result {
            case .success(let ready): #expect(!ready)
            case .failure(let error): #expect((error as? IPCError)?.code == .cancelled)
            }
        }
    }
}

@Suite struct WaitAnyTests {
    @Test func theFirstOfSeveralWakes() async throws {
        let a = try makeCounter()
        let b = try makeCounter()
        let any = WaitAny([try a.readiness(.readable), try b.readiness(.readable)])
        #expect(try await any.first(until: .after(.milliseconds(10))) == nil)
        try sysEventCounterAdd(b.rawValue, 1)
        #expect(try await any.first() == 1)
        try sysEventCounterAdd(a.rawValue, 1)
        _ = try sysEventCounterTake(b.rawValue)
        #expect(try await any.first() == 0)
    }

    @Test func aSourceThatIsAlwaysReadyStarvesNobody() async throws {
        let a = try makeCounter()
        let b = try makeCounter()
        try sysEventCounterAdd(a.rawValue, 1)
        try sysEventCounterAdd(b.rawValue, 1)
        let any = WaitAny([try a.readiness(.readable), try b.readiness(.readable)])
        var seen: Set<Int> = []
        for _ in 0..<64 { if let index = try await any.first() { seen.insert(index) } }
        #expect(seen == [0, 1])
    }

    @Test func theBlockingFormNeedsNoTask() throws {
        let a = try makeCounter()
        let any = WaitAny([try a.readiness(.readable)])
        #expect(try any.first(until: .after(.milliseconds(10))) == nil)
        try sysEventCounterAdd(a.rawValue, 1)
        #expect(try any.first() == 0)
    }

    @Test func aClosedSourceIsAnError() async throws {
        let a = try makeCounter()
        let readiness = try a.readiness(.readable)
        let waiting = Task { try await readiness.wait() }
        try await Task.sleep(for: .milliseconds(10))
        try a.close()
        let error = await #expect(throws: IPCError.self) { _ = try await waiting.value }
        #expect(error?.code == .badDescriptor)
    }
}

private func makeCounter(semaphore: Bool) throws -> AwaitableDescriptor {
    AwaitableDescriptor(OwnedDescriptor(adopting: try sysEventCounter(semaphore: semaphore)))
}

/// Shares a noncopyable value between tasks.
private final class Shared: Sendable {
    let value: AwaitableDescriptor
    let taken = Atomic<Int>(0)
    init(_ value: consuming AwaitableDescriptor) { self.value = value }
}
