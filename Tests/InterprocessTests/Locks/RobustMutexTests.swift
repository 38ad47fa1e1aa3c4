// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import InterprocessTestKit
import SystemPackage
import Testing

struct Pair: SharedPayload {
    var left = 0
    var right = 0
}

/// A mutex that several tasks use.
final class SharedMutex<State: SharedPayload>: Sendable {
    let mutex: RobustMutex<State>
    init(_ mutex: consuming RobustMutex<State>) { self.mutex = mutex }
    /// In a synchronous place, where the synchronous overload is meant.
    func hold(_ held: Flag, until release: Flag) throws {
        try mutex.withLock { _ in
            held.set()
            while !release.isSet { TestSyscalls.sleep(nanoseconds: 200_000) }
        }
    }
    func holdOnAThread(until release: Flag) throws {
        let held = Flag()
        try TestSyscalls.startThread("holder") { try? self.hold(held, until: release) }
        while !held.isSet { TestSyscalls.sleep(nanoseconds: 200_000) }
    }
}

@Suite(.bounded()) struct RobustMutexTests {
    @Test func aValueIsGuarded() throws {
        let memory = try LockMemory(byteCount: 4096)
        let mutex = try RobustMutex(creatingIn: memory, initial: Pair(left: 3, right: 4), recovery: .giveUp)
        let other = try RobustMutex<Pair>(openingIn: memory, recovery: .giveUp)
        #expect(
            try mutex.withLock {
                $0.left += 1; return $0.right
            } == 4)
        #expect(try other.tryWithLock { $0.left } == 4)
        #expect(try other.withLock(until: .now) { $0.left } == 4)
        struct Failure: Error {}
        #expect(throws: Failure.self) {
            try mutex.withLock {
                $0.left = 9; throw Failure()
            }
        }
        #expect(try other.withLock { $0.left } == 9)
        #expect(RobustMutex<Pair>.byteCount == 192)
    }

    @Test func theSameThreadTwiceIsADeadlockThatIsTold() throws {
        let mutex = try RobustMutex(creatingIn: LockMemory(byteCount: 4096), initial: 0, recovery: .keep)
        try mutex.withLock { _ in
            expectRefusal(.deadlock, .deadlock, hint: "this thread") { try mutex.withLock { _ in } }
            expectRefusal(.deadlock, .deadlock) { _ = try mutex.tryWithLock { _ in } }
        }
        let recursive = try RobustMutex(
            creatingIn: LockMemory(byteCount: 4096), initial: NoState(), recovery: .keep, recursive: true)
        #expect(try recursive.withLock { _ in try recursive.withLock { _ in try recursive.withLock { _ in 5 } } } == 5)
        let free = try recursive.tryWithLock { _ in true }
        #expect(free == true)
    }

    @Test func anotherTypeIsRefused() throws {
        let memory = try LockMemory(byteCount: 4096)
        _ = try RobustMutex(creatingIn: memory, initial: Pair(), recovery: .keep)
        expectRefusal(nil, .malformed, hint: "another type") {
            _ = try RobustMutex<Int>(openingIn: memory, recovery: .keep)
        }
        expectRefusal(nil, .malformed, hint: "no lock") {
            _ = try RobustMutex<Pair>(openingIn: memory, atByte: 64, recovery: .keep)
        }
        for offset in [-64, 1, 4096 - 64, 4096, Int.max & ~63] {
            expectRefusal(nil, .invalidArgument) {
                _ = try RobustMutex<Pair>(openingIn: memory, atByte: offset, recovery: .keep)
            }
        }
        expectRefusal(nil, .malformed) {
            _ = try RobustMutex<Int>(adopting: memory, mutexOffsetBytes: 1024, stateOffsetBytes: 0, recovery: .keep)
        }
    }

    @Test func tasksWaitAndCanBeCancelled() async throws {
        let shared = SharedMutex(try RobustMutex(creatingIn: LockMemory(byteCount: 4096), initial: 0, recovery: .keep))
        let release = Flag()
        try shared.holdOnAThread(until: release)
        let busy = try shared.mutex.tryWithLock { $0 }
        #expect(busy == nil)
        let late = await #expect(throws: IPCError.self) {
            try await shared.mutex.withLock(until: .after(.milliseconds(10))) { $0 += 100 }
        }
        #expect(late?.code == .timedOut)
        let cancelled = Task { try await shared.mutex.withLock { $0 += 100 } }
        try await Task.sleep(for: .milliseconds(20))
        cancelled.cancel()
        let error = await #expect(throws: IPCError.self) { try await cancelled.value }
        #expect(error?.code == .cancelled)
        let waiting = (0..<20).map { _ in
            Task {
                try await shared.mutex.withLock {
                    $0 += 1; return sysThreadID()
                }
            }
        }
        try await Task.sleep(for: .milliseconds(20))
        release.set()
        for task in waiting { _ = try await task.value }
        #expect(try await shared.mutex.withLock { $0 } == 20)
    }

    @Test func aDeadlineHoldsForThreads() throws {
        let shared = SharedMutex(try RobustMutex(creatingIn: LockMemory(byteCount: 4096), initial: 0, recovery: .keep))
        let release = Flag()
        try shared.holdOnAThread(until: release)
        expectRefusal(.timedOut, .timedOut) { try shared.mutex.withLock(until: .after(.milliseconds(5))) { $0 = 1 } }
        expectRefusal(.timedOut, .timedOut) { try shared.mutex.withLock(until: .now) { $0 = 1 } }
        release.set()
        #expect(try shared.mutex.withLock(until: .after(.seconds(30))) { $0 } == 0)
    }

    @Test func twoThousandWaitersOnFiftyMutexes() async {
        await #expect(processExitsWith: .success) {
            let memory = try LockMemory(byteCount: 50 * 192)
            var all: [SharedMutex<Int>] = []
            for index in 0..<50 {
                all.append(
                    SharedMutex(try RobustMutex(creatingIn: memory, atByte: 192 * index, initial: 0, recovery: .keep)))
            }
            let release = Flag()
            for mutex in all { try mutex.holdOnAThread(until: release) }
            let mutexes = all
            try await withThrowingTaskGroup(of: Void.self) { group in
                for index in 0..<2000 {
                    group.addTask { try await mutexes[index % 50].mutex.withLock { $0 += 1 } }
                }
                group.addTask {
                    try await Task.sleep(for: .milliseconds(100))
                    #expect(WaiterThreads.count <= 50)
                    release.set()
                }
                try await group.waitForAll()
            }
            for mutex in all { #expect(try await mutex.mutex.withLock { $0 } == 40) }
        }
    }

    /// A thread that ends while it holds the lock is a dead owner too.
    private static func abandon(_ memory: LockMemory) throws {
        let done = Flag()
        try TestSyscalls.startThread("abandons") {
            let slot = RobustMutex<Int>.mutexOffsetBytes
            TestLocks.abandon(memory, at: slot)
            done.set()
        }
        while !done.isSet { TestSyscalls.sleep(nanoseconds: 100_000) }
        // Until the kernel has ended the thread, the lock is simply held.
    }

    @Test func theNextOneIsToldAndRepairs() throws {
        let memory = try LockMemory(byteCount: 4096)
        let mutex = try RobustMutex(
            creatingIn: memory, initial: 7,
            recovery: .repair {
                $0 += 100; return true
            })
        try Self.abandon(memory)
        #expect(try mutex.withLock { $0 } == 107)
        #expect(try mutex.withLock { $0 } == 107)
        let reset = try RobustMutex<Int>(openingIn: memory, recovery: .reset(to: 1))
        try Self.abandon(memory)
        #expect(try reset.withLock(until: .after(.seconds(30))) { $0 } == 1)
        let keep = try RobustMutex<Int>(openingIn: memory, recovery: .keep)
        try Self.abandon(memory)
        while try keep.tryWithLock({ $0 }) == nil { TestSyscalls.sleep(nanoseconds: 100_000) }
    }

    @Test func whoGivesUpTellsEverybody() async throws {
        let memory = try LockMemory(byteCount: 4096)
        let mutex = SharedMutex(try RobustMutex(creatingIn: memory, initial: 7, recovery: .giveUp))
        try Self.abandon(memory)
        Self.refuses(mutex)
        let error = await #expect(throws: IPCError.self) { _ = try await mutex.mutex.withLock { $0 } }
        #expect(error?.code == .notRecoverable)
        let again = try RobustMutex<Int>(openingIn: memory, recovery: .keep)
        let other = #expect(throws: IPCError.self) { _ = try again.tryWithLock { $0 } }
        #expect(other?.code == .notRecoverable)
    }

    private static func refuses(_ mutex: SharedMutex<Int>) {
        expectRefusal(.previousOwnerDied, .ownerDied) { _ = try mutex.mutex.withLock { $0 } }
        expectRefusal(.notRecoverable, .notRecoverable, hint: "make both anew") { _ = try mutex.mutex.withLock { $0 } }
    }

    @Test func namesAppearComplete() throws {
        let scratch = ScratchName()
        let name = scratch.objectName("mutex")
        defer { try? LockMemory.unlink(name) }
        expectRefusal(.noSuchFileOrDirectory, .notFound) {
            _ = try RobustMutex(name, mode: .openExisting, initial: 0, recovery: .keep)
        }
        let made = try RobustMutex(name, mode: .openOrCreate, initial: 5, recovery: .keep)
        let opened = try RobustMutex(name, mode: .openOrCreate, initial: 9, recovery: .keep)
        #expect(try opened.withLock { $0 } == 5)
        try made.withLock { $0 = 6 }
        #expect(try opened.withLock { $0 } == 6)
        expectRefusal(.fileExists, .alreadyExists) {
            _ = try RobustMutex(name, mode: .createExclusive, initial: 0, recovery: .keep)
        }
        expectRefusal(nil, .malformed, hint: "another type") {
            _ = try RobustMutex(name, initial: UInt8(0), recovery: .keep)
        }
        #expect(try sysStatus(FilePath("/dev/shm\(name)")).permissions == 0o600)
        try LockMemory.unlink(name)
        expectRefusal(.noSuchFileOrDirectory, .notFound) { try LockMemory.unlink(name) }
        try made.withLock { $0 = 7 }
        #expect(try opened.withLock { $0 } == 7)
    }

    @Test func whatIsNotALockIsRefused() throws {
        let scratch = ScratchName()
        let name = scratch.objectName("mutex")
        let path = FilePath("/dev/shm\(name)")
        defer { try? LockMemory.unlink(name) }
        for text in ["", "short", String(repeating: "x", count: 5000)] {
            try Checkout.write(text, to: path)
            expectRefusal(nil, .malformed) { _ = try RobustMutex(name, initial: 0, recovery: .keep) }
        }
        // A descriptor that may shrink is refused before it is mapped.
        let memory = try LockMemory(byteCount: 4096)
        let passed = try #require(try memory.duplicateDescriptor()?.release())
        _ = try LockMemory(receiving: OwnedDescriptor(adopting: passed))
        let loose = try sysCreateMemoryFile("loose", flags: 0)
        try sysTruncate(loose, 4096)
        expectRefusal(nil, .malformed, hint: "sealed") {
            _ = try LockMemory(receiving: OwnedDescriptor(adopting: loose))
        }
    }
}
