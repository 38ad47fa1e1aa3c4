// SPDX-License-Identifier: Apache-2.0
@testable import Interprocess
import InterprocessSyscalls
import InterprocessTestKit
import Synchronization
import SystemPackage
import Testing

@Suite(.bounded()) struct SharedLockTests {
    final class Lock: Sendable {
        let lock: SharedReadWriteLock<Pair>
        init(_ lock: consuming SharedReadWriteLock<Pair>) { self.lock = lock }
        convenience init(_ memory: LockMemory, seats: Int = 4, recovery: SharedReadWriteLock<Pair>.Recovery = .keep)
            throws
        {
            self.init(
                try SharedReadWriteLock(creatingIn: memory, initial: Pair(), readerSeats: seats, recovery: recovery))
        }
        func read(_ held: Flag, until release: Flag) throws {
            try lock.withReadLock { _ in
                held.set()
                while !release.isSet { TestSyscalls.sleep(nanoseconds: 200_000) }
            }
        }
        func readOnAThread(until release: Flag) throws {
            let held = Flag()
            try TestSyscalls.startThread("reader") { try? self.read(held, until: release) }
            while !held.isSet { TestSyscalls.sleep(nanoseconds: 200_000) }
        }
        func tryWrite() throws -> Int? {
            try lock.tryWithWriteLock {
                $0.left += 1; return $0.left
            }
        }
        func tryRead() throws -> Int? { try lock.tryWithReadLock { $0.left } }
    }

    @Test func readersShareAndAWriterIsAlone() throws {
        let lock = try Lock(LockMemory(byteCount: 4096), seats: 2)
        #expect(try lock.tryWrite() == 1)
        let release = Flag()
        try lock.readOnAThread(until: release)
        #expect(try lock.tryRead() == 1)
        #expect(try lock.tryWrite() == nil)
        try lock.readOnAThread(until: release)
        // Both seats are taken.
        #expect(try lock.tryRead() == nil)
        expectRefusal(.timedOut, .timedOut) { try lock.lock.withReadLock(until: .after(.milliseconds(5))) { _ in } }
        expectRefusal(.timedOut, .timedOut) { try lock.lock.withWriteLock(until: .after(.milliseconds(5))) { _ in } }
        release.set()
        try lock.lock.withWriteLock(until: .after(.seconds(30))) { pair in
            pair.left = 7
            expectRefusal(.deadlock, .deadlock) { try lock.lock.withWriteLock { _ in } }
        }
        #expect(try lock.tryRead() == 7)
        expectRefusal(nil, .malformed) {
            _ = try SharedReadWriteLock<Int>(openingIn: lock.lock.core.memory, readerSeats: 2, recovery: .keep)
        }
    }

    @Test func tasksReadAndWrite() async throws {
        let lock = try Lock(LockMemory(byteCount: 4096))
        let release = Flag()
        try lock.readOnAThread(until: release)
        let cancelled = Task { try await lock.lock.withWriteLock { $0.left += 1000 } }
        try await Task.sleep(for: .milliseconds(20))
        cancelled.cancel()
        let error = await #expect(throws: IPCError.self) { try await cancelled.value }
        #expect(error?.code == .cancelled)
        let writers = (0..<10).map { _ in Task { try await lock.lock.withWriteLock { $0.left += 1 } } }
        try await Task.sleep(for: .milliseconds(5))
        release.set()
        for writer in writers { try await writer.value }
        #expect(try await lock.lock.withReadLock { $0.left } == 10)
    }

    @Test func deadReadersLeaveNothing() async {
        await #expect(processExitsWith: .success) {
            let memory = try LockMemory(byteCount: 4096)
            let lock = try Lock(memory, seats: 2, recovery: .giveUp)
            for _ in 0..<5 {
                try TestLocks.run(1, killing: 0) { _ in try lock.lock.withReadLock { _ in TestSyscalls.killSelf() } }
            }
            #expect(try lock.tryWrite() == 1)
            try TestLocks.run(1, killing: 0) { _ in try lock.lock.withWriteLock { _ in TestSyscalls.killSelf() } }
            expectRefusal(.previousOwnerDied, .ownerDied) { try lock.lock.withReadLock { _ in } }
            expectRefusal(.notRecoverable, .notRecoverable) { try lock.lock.withReadLock { _ in } }
            expectRefusal(.notRecoverable, .notRecoverable) { try lock.lock.withWriteLock { _ in } }
        }
    }

    @Test func aDeadWriterIsRepairedByReaderOrWriter() async {
        await #expect(processExitsWith: .success) {
            let memory = try LockMemory(byteCount: 4096)
            let lock = try Lock(
                memory,
                recovery: .repair {
                    $0.right = $0.left; return true
                })
            for read in [true, false] {
                try TestLocks.run(1, killing: 0) { _ in
                    try lock.lock.withWriteLock { pair in
                        pair.left += 1
                        TestSyscalls.killSelf()
                    }
                }
                let equal =
                    try read
                    ? lock.lock.withReadLock { $0.left == $0.right } : lock.lock.withWriteLock { $0.left == $0.right }
                #expect(equal)
            }
        }
    }

    @Test func aConditionWakesTasks() async throws {
        let memory = try LockMemory(byteCount: 4096)
        let mutex = SharedMutex(try RobustMutex(creatingIn: memory, initial: 0, recovery: .keep))
        let changed = try SharedCondition(creatingIn: memory, atByte: 1024)
        let opened = try SharedCondition(openingIn: memory, atByte: 1024)
        let waiting = Task {
            try await mutex.mutex.withLock(waitingOn: opened, until: { $0 == 3 }) {
                $0 += 1; return $0
            }
        }
        for value in 1...3 {
            try await Task.sleep(for: .milliseconds(5))
            try await mutex.mutex.withLock { $0 = value }
            changed.notifyAll()
        }
        #expect(try await waiting.value == 4)
        let late = await #expect(throws: IPCError.self) {
            try await mutex.mutex.withLock(waitingOn: changed, until: { $0 == 9 }, deadline: .after(.milliseconds(10)))
            { _ in }
        }
        #expect(late?.code == .timedOut)
        Self.waitsInVain(mutex, changed)
        struct Failure: Error {}
        await #expect(throws: Failure.self) {
            try await mutex.mutex.withLock(waitingOn: changed, until: { _ in throw Failure() }) { _ in }
        }
        #expect(try await mutex.mutex.withLock { $0 } == 4)
    }

    private static func waitsInVain(_ mutex: SharedMutex<Int>, _ condition: borrowing SharedCondition) {
        let error = #expect(throws: IPCError.self) {
            try mutex.mutex.withLock(waitingOn: condition, until: { $0 == 9 }, deadline: .after(.milliseconds(10))) {
                _ in
            }
        }
        #expect(error?.code == .timedOut)
    }

    @Test func tasksMeetAtABarrier() async throws {
        let memory = try LockMemory(byteCount: 4096)
        let first = try SharedBarrier(creatingIn: memory, parties: 3)
        let last = try await withThrowingTaskGroup(of: Bool.self) { group in
            for _ in 0..<2 {
                group.addTask { try await Self.come(memory) }
            }
            let late = try? await first.wait(until: .after(.milliseconds(1)))
            var count = late == true ? 1 : 0
            if late == nil { count += try await first.wait() ? 1 : 0 }
            return try await group.reduce(count) { $0 + ($1 ? 1 : 0) }
        }
        #expect(last == 1)
        let cancelled = Task { try await Self.come(memory) }
        try await Task.sleep(for: .milliseconds(20))
        cancelled.cancel()
        let error = await #expect(throws: IPCError.self) { _ = try await cancelled.value }
        #expect(error?.code == .cancelled)
        let waiting = first.waitingCount
        #expect(waiting == 0)
        let left = try SharedBarrier(openingIn: memory, parties: 3)
        let right = try SharedBarrier(openingIn: memory, parties: 3)
        expectRefusal(nil, .limitReached, hint: "all 3") { _ = try SharedBarrier(openingIn: memory, parties: 3) }
        left.close()
        right.close()
    }

    private static func come(_ memory: LockMemory) async throws -> Bool {
        let barrier = try SharedBarrier(openingIn: memory, parties: 3)
        return try await barrier.wait()
    }

    @Test func onceForTasks() async throws {
        let memory = try LockMemory(byteCount: 4096)
        let count = Counter()
        let once = try SharedOnce<Int>(creatingIn: memory)
        struct Failure: Error {}
        await #expect(throws: Failure.self) { _ = try await once.value { throw Failure() } }
        let values = try await withThrowingTaskGroup(of: Int.self) { group in
            for index in 1...20 {
                group.addTask {
                    try await SharedOnce<Int>(openingIn: memory).value {
                        count.add()
                        return index
                    }
                }
            }
            return try await group.reduce(into: Set<Int>()) { $0.insert($1) }
        }
        #expect(values.count == 1)
        #expect(count.value == 1)
    }

    final class Counter: Sendable {
        private let count = Atomic<Int>(0)
        func add() { count.wrappingAdd(1, ordering: .relaxed) }
        var value: Int { count.load(ordering: .relaxed) }
    }
}
