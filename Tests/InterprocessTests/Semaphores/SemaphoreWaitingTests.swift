// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import InterprocessTestKit
import Synchronization
import SystemPackage
import Testing

/// How many are inside at once, and the most that ever were.
private final class Crowd: Sendable {
    private let counts = Mutex((now: 0, most: 0, all: 0))

    func enter() {
        counts.withLock { counts in
            counts.now += 1
            counts.all += 1
            counts.most = max(counts.most, counts.now)
        }
    }

    func note(_ count: Int) { counts.withLock { $0.most = max($0.most, count) } }

    func leave() { counts.withLock { $0.now -= 1 } }

    var most: Int { counts.withLock { $0.most } }
    var all: Int { counts.withLock { $0.all } }
    var now: Int { counts.withLock { $0.now } }
}

/// What a task that waits on a semaphore of one kind or the other needs.
private protocol Waitable: Sendable {
    func take(until deadline: Deadline) async throws(IPCError)
    func give() throws(IPCError)
    func left() throws(IPCError) -> Int
}

extension Kept: Waitable where Value: Waitables & ~Copyable {
    fileprivate func take(until deadline: Deadline) async throws(IPCError) { try await value.take(until: deadline) }
    fileprivate func give() throws(IPCError) { try value.give() }
    fileprivate func left() throws(IPCError) -> Int { try value.left() }
}

private protocol Waitables: ~Copyable, Sendable {
    func take(until deadline: Deadline) async throws(IPCError)
    func give() throws(IPCError)
    func left() throws(IPCError) -> Int
}

extension PrivateSemaphore: Waitables {
    fileprivate func take(until deadline: Deadline) async throws(IPCError) { try await wait(until: deadline) }
    fileprivate func give() throws(IPCError) { try post() }
    fileprivate func left() throws(IPCError) -> Int { value }
}

extension SystemVSemaphoreSet: Waitables {
    fileprivate func take(until deadline: Deadline) async throws(IPCError) { try await wait(until: deadline) }
    fileprivate func give() throws(IPCError) { try post() }
    fileprivate func left() throws(IPCError) -> Int { try value() }
}

@Suite(.bounded()) struct SemaphoreWaitingTests {
    private static func kinds(_ value: Int) throws -> [any Waitable] {
        [Kept(try PrivateSemaphore(initialValue: value)), Kept(try scratchSet([value]))]
    }

    @Test func tasksAreLetInAsPermitsCome() async throws {
        for semaphore in try Self.kinds(0) {
            let crowd = Crowd()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<30 {
                    group.addTask {
                        try await semaphore.take(until: .never)
                        crowd.enter()
                    }
                }
                for _ in 0..<30 {
                    try semaphore.give()
                    await Task.yield()
                }
                try await group.waitForAll()
            }
            #expect(crowd.all == 30)
            #expect(try semaphore.left() == 0)
        }
    }

    @Test func deadlinesAndCancellationTakeNothing() async throws {
        for semaphore in try Self.kinds(0) {
            let late = await #expect(throws: IPCError.self) {
                try await semaphore.take(until: .after(.milliseconds(5)))
            }
            #expect(late?.code == .timedOut)
            let past = await #expect(throws: IPCError.self) { try await semaphore.take(until: .now) }
            #expect(past?.code == .timedOut)
            let waiting = Task { try await semaphore.take(until: .never) }
            try await Task.sleep(for: .milliseconds(5))
            waiting.cancel()
            let cancelled = await #expect(throws: IPCError.self) { try await waiting.value }
            #expect(cancelled?.code == .cancelled)
            try semaphore.give()
            #expect(try semaphore.left() == 1)
            // What is there is taken whatever the deadline, and even by a task that is cancelled.
            try await semaphore.take(until: .now)
            #expect(try semaphore.left() == 0)
        }
    }

    @Test func cancellingAtAnyMomentLosesNothing() async throws {
        for semaphore in try Self.kinds(0) {
            let (taken, given) = (Crowd(), 400)
            let giving = Task {
                for number in 0..<given {
                    try semaphore.give()
                    if number % 8 == 0 { await Task.yield() }
                }
            }
            while taken.all < given {
                let tasks = (0..<4).map { _ in
                    Task {
                        while true {
                            try await semaphore.take(until: .never)
                            taken.enter()
                        }
                    }
                }
                try await Task.sleep(for: .microseconds(Int.random(in: 0...1500)))
                for task in tasks { task.cancel() }
                // One that finds permits whenever it looks is never cancelled: it ends when there are none.
                for task in tasks { _ = await task.result }
            }
            try await giving.value
            #expect(taken.all == given)
            #expect(try semaphore.left() == 0)
        }
    }

    @Test func aPermitIsGivenBackHoweverTheBodyEnds() async throws {
        let semaphore = Kept(try PrivateSemaphore(initialValue: 3))
        let set = Kept(try scratchSet([0, 3]))
        let crowds = [Crowd(), Crowd()]
        await withTaskGroup(of: Void.self) { group in
            for number in 0..<60 {
                group.addTask {
                    let work = Task {
                        if number % 2 == 0 {
                            try await semaphore.value.withPermit { try await Self.work(crowds[0], number) }
                        } else {
                            try await set.value.withPermit(1) { try await Self.work(crowds[1], number) }
                        }
                    }
                    if number % 5 == 0 { work.cancel() }
                    _ = await work.result
                }
            }
        }
        #expect(semaphore.value.value == 3)
        #expect(try set.value.values() == [0, 3])
        #expect(crowds.allSatisfy { $0.most <= 3 && $0.now == 0 && $0.all > 10 })
    }

    private static func work(_ crowd: Crowd, _ number: Int) async throws {
        crowd.enter()
        defer { crowd.leave() }
        try await Task.sleep(for: .milliseconds(1))
        if number % 3 == 0 { throw Errno.ioError }
    }

    @Test func groupsAreAwaitedAsAWhole() async throws {
        let set = Kept(try scratchSet([1, 0, 1]))
        let id = set.value.id
        let waiting = Task { try await set.value.perform([.wait(0), .wait(1), .waitForZero(2)]) }
        try await Task.sleep(for: .milliseconds(5))
        // Others may meanwhile do what it waits for.
        let other = try SystemVSemaphoreSet(id: id)
        #expect(try other.tryWait(0))
        try other.post(1)
        try other.post(0)
        #expect(try other.values() == [1, 1, 1])
        #expect(try other.tryWait(2))
        try await waiting.value
        #expect(try other.values() == [0, 0, 0])
    }

    @Test func oneThatWaitsForOneDoesNotHinderOneThatWaitsForAnother() async throws {
        let set = Kept(try scratchSet([0, 0, 1]))
        let first = Task { try await set.value.wait(0) }
        try await Task.sleep(for: .milliseconds(5))
        let second = Task { try await set.value.wait(1) }
        let third = Task { try await set.value.waitForZero(2) }
        try await Task.sleep(for: .milliseconds(5))
        try set.value.setValue(0, of: 2)
        try await third.value
        try set.value.post(1)
        try await second.value
        try set.value.post(0)
        try await first.value
    }

    @Test func removalReachesEveryTask() async throws {
        let set = Kept(try scratchSet([0, 0]))
        let codes = try await withThrowingTaskGroup(of: IPCError?.self) { group in
            for number in 0..<20 {
                group.addTask {
                    do throws(IPCError) {
                        try await set.value.wait(number % 2)
                        return nil
                    } catch { return error }
                }
            }
            try await Task.sleep(for: .milliseconds(20))
            try set.value.remove()
            return try await group.reduce(into: []) { $0.append($1?.code) }
        }
        #expect(codes == Array(repeating: .removed, count: 20))
    }

    @Test func theFirstOfTwoSetsAndAQueue() async throws {
        let left = Kept(try scratchSet([0]))
        let right = Kept(try scratchSet([0, 1]))
        let pipe = try PipePair()
        let any = WaitAny([
            left.value.performable([.wait()]), right.value.performable([.wait(0), .waitForZero(1)]),
            try pipe.reader.readable(),
        ])
        #expect(try await any.first(until: .after(.milliseconds(5))) == nil)
        try right.value.post(0)
        #expect(try await any.first(until: .after(.milliseconds(5))) == nil)
        let waiting = Task { try await any.first() }
        try await Task.sleep(for: .milliseconds(5))
        try right.value.setValue(0, of: 1)
        #expect(try await waiting.value == 1)
        #expect(try right.value.values() == [1, 0])
        #expect(try right.value.tryPerform([.wait(0), .waitForZero(1)]))
        try await pipe.writer.write([1])
        #expect(try await any.first() == 2)
        try left.value.post()
        let both = Set([try await any.first(), try await any.first()])
        #expect(both == [0, 2])
        #expect(try left.value.value() == 1)
    }

    /// Two thousand tasks on fifty semaphores: more than there may be threads, and one thread each is enough.
    @Test func twoThousandTasksOnFiftyPOSIXSemaphores() async {
        await #expect(processExitsWith: .success) {
            try await Self.crowd(try (0..<50).map { _ in Kept(try PrivateSemaphore()) })
        }
    }

    @Test func twoThousandTasksOnFiftySystemVSets() async {
        await #expect(processExitsWith: .success) {
            try await Self.crowd(try (0..<50).map { _ in Kept(try scratchSet([0])) })
        }
    }

    private static func crowd(_ semaphores: [any Waitable]) async throws {
        let arrived = Crowd()
        let threads = Crowd()
        let tasks = (0..<2000).map { number in
            Task {
                try await semaphores[number % 50].take(until: number % 3 == 0 ? .after(.seconds(250)) : .never)
                arrived.enter()
                threads.note(WaiterThreads.count)
            }
        }
        // Every tenth goes before anything comes.
        for number in stride(from: 7, to: 2000, by: 10) { tasks[number].cancel() }
        for number in stride(from: 7, to: 2000, by: 10) {
            let error = await #expect(throws: IPCError.self) { try await tasks[number].value }
            #expect(error?.code == .cancelled)
        }
        for number in 0..<2000 where number % 10 != 7 { try semaphores[number % 50].give() }
        for (number, task) in tasks.enumerated() where number % 10 != 7 { try await task.value }
        #expect(arrived.all == 1800)
        #expect(threads.most <= WaiterThreads.limit)
        for semaphore in semaphores { #expect(try semaphore.left() == 0) }
    }

    @Test func moreThanThereMayBeThreadsIsSaid() async {
        await #expect(processExitsWith: .success) {
            WaiterThreads.limit = 2
            let semaphores = try (0..<3).map { _ in Kept(try PrivateSemaphore()) }
            let waiting = semaphores.prefix(2).map { semaphore in Task { try await semaphore.value.wait() } }
            while WaiterThreads.count < 2 { await Task.yield() }
            let error = await #expect(throws: IPCError.self) { try await semaphores[2].value.wait() }
            #expect(error?.code == .tooManyWaiters)
            for semaphore in semaphores { try semaphore.value.post() }
            for task in waiting { try await task.value }
            try await semaphores[2].value.wait()
        }
    }
}
