// SPDX-License-Identifier: Apache-2.0
@testable import Interprocess
import InterprocessSyscalls
import InterprocessTestKit
import SystemPackage
import Testing

/// A mutex beside its library face, for what that leaves no way to do.
private struct Bare {
    let memory: LockMemory
    let mutex: UnsafeMutableRawPointer
    let kind: Int32

    init() throws {
        memory = try LockMemory(byteCount: 4096)
        mutex = memory.pointer(64)
        try sysMutexInitialize(mutex, recursive: false)
        kind = try #require(sysMutexKind(mutex))
    }

    /// A thread takes it and ends.
    func abandon() throws {
        let (memory, done) = (memory, Flag())
        try TestSyscalls.startThread("abandons") {
            TestLocks.abandon(memory, at: 64)
            done.set()
        }
        while !done.isSet { TestSyscalls.sleep(nanoseconds: 100_000) }
    }
}

private let mutexRows: [ConditionCase] = [
    .row("pthread_mutex_consistent then unlock", "after EOWNERDEAD") {
        let bare = try Bare()
        try bare.abandon()
        let hold = sysMutexLock(bare.mutex, kind: bare.kind)
        #expect(hold.result == RobustHold.ownerDied)
        try sysMutexConsistent(bare.mutex)
        #expect(sysMutexUnlock(bare.mutex, hold, kind: bare.kind) == 0)
        let next = sysMutexLock(bare.mutex, kind: bare.kind)
        #expect(next.result == 0)
        #expect(sysMutexUnlock(bare.mutex, next, kind: bare.kind) == 0)
    },
    .row("pthread_mutex_lock", "unlocked without consistent after EOWNERDEAD") {
        let bare = try Bare()
        try bare.abandon()
        let hold = sysMutexLock(bare.mutex, kind: bare.kind)
        #expect(hold.result == RobustHold.ownerDied)
        #expect(sysMutexUnlock(bare.mutex, hold, kind: bare.kind) == 0)
        #expect(sysMutexLock(bare.mutex, kind: bare.kind).result == RobustHold.notRecoverable)
    },
    .row("pthread_mutex_lock", "ERRORCHECK, same thread again") {
        let bare = try Bare()
        let hold = sysMutexLock(bare.mutex, kind: bare.kind)
        #expect(sysMutexLock(bare.mutex, kind: bare.kind).result == RobustHold.deadlock)
        #expect(sysMutexUnlock(bare.mutex, hold, kind: bare.kind) == 0)
    },
    .row("pthread_mutex_trylock", "held by another") {
        let shared = SharedMutex(try RobustMutex(creatingIn: LockMemory(byteCount: 4096), initial: 0, recovery: .keep))
        let release = Flag()
        try shared.holdOnAThread(until: release)
        let none = try shared.mutex.tryWithLock { $0 }
        #expect(none == nil)
        let hold = sysMutexTryLock(shared.mutex.core.slot.mutex, kind: shared.mutex.core.slot.kind)
        #expect(hold.result == RobustHold.busy)
        release.set()
    },
    .row("pthread_mutex_timedlock", "invalid nsec, would block") {
        // A deadline of the library is a number of nanoseconds and cannot be so.
        let shared = SharedMutex(try RobustMutex(creatingIn: LockMemory(byteCount: 4096), initial: 0, recovery: .keep))
        let release = Flag()
        try shared.holdOnAThread(until: release)
        for wrong in [-1, 1_000_000_000] {
            let result = sysMutexTimedLock(shared.mutex.core.slot.mutex, seconds: 1, nanoseconds: wrong)
            #expect(Errno(rawValue: result) == .invalidArgument)
        }
        release.set()
    },
    .row("pthread_mutex_unlock", "ERRORCHECK, not owner") {
        let bare = try Bare()
        #expect(Errno(rawValue: TestMutex.unlock(bare.mutex)) == .notPermitted)
    },
    .row("get_robust_list", "no such pid") {
        #expect(throws: Errno.noSuchProcess) { _ = try sysRobustListLength(of: 4_194_303) }
        let length = try sysRobustListLength(of: 0)
        #expect(length == 24)
    },
    .row("set_robust_list", "wrong len") {
        #expect(throws: Errno.invalidArgument) { try sysSetRobustList(length: 8) }
        try sysSetRobustList(length: 24)
    },
]

private let futexRows: [ConditionCase] = [
    .row("FUTEX_WAIT", "timeout") {
        let memory = try LockMemory(byteCount: 64)
        #expect(throws: Errno.timedOut) {
            try memory.word(at: 0).wait(
                0, untilNanoseconds: sysMonotonicNanoseconds() + 2_000_000, retryOnInterrupt: true)
        }
        #expect(throws: Errno.wouldBlock) {
            try memory.word(at: 0).wait(1, untilNanoseconds: .max >> 1, retryOnInterrupt: true)
        }
    },
    .row("FUTEX_WAIT", "signal") {
        await #expect(processExitsWith: .success) {
            let memory = try LockMemory(byteCount: 64)
            try SignalStorm.run {
                #expect(throws: Errno.interrupted) {
                    try memory.word(at: 0).wait(0, untilNanoseconds: .max >> 1, retryOnInterrupt: false)
                }
            }
        }
    },
    .row("FUTEX_WAKE", "MAP_SHARED word, waiter in another process") {
        await #expect(processExitsWith: .success) {
            let isWoken = try wakesAcrossProcesses(shared: true)
            #expect(isWoken)
        }
    },
    .row("FUTEX_WAKE|PRIVATE", "MAP_SHARED word, waiter in another process") {
        await #expect(processExitsWith: .success) {
            let isWoken = try wakesAcrossProcesses(shared: false)
            #expect(!isWoken)
        }
    },
]

/// Whether a wake reaches a child that waits on a word of shared memory.
private func wakesAcrossProcesses(shared: Bool) throws -> Bool {
    let memory = try LockMemory(byteCount: 64)
    let child = try TestSyscalls.fork()
    if child == 0 {
        try? memory.word(at: 0).wait(0, untilNanoseconds: .max >> 1, retryOnInterrupt: true)
        TestSyscalls.killSelf()
    }
    TestLocks.waitUntilBlocked(child)
    let woken = try sysFutexWake(memory.pointer(0), count: 1, shared: shared)
    if woken == 0 { try sysKill(child, 9) }
    _ = try sysWait(child)
    return woken == 1
}

private let fileRows: [ConditionCase] = [
    .row("flock", "invalid op") {
        let scratch = ScratchName()
        let lock = try FileLock(scratch.path(), kind: .flock)
        #expect(throws: Errno.invalidArgument) { try sysFlock(lock.rawValue, operation: 0x40) }
    },
    .row("fcntl F_SETLK", "held by another process") {
        await #expect(processExitsWith: .success) {
            let scratch = ScratchName()
            let path = scratch.path()
            let lock = try FileLock(path, kind: .process)
            let child = try TestSyscalls.fork()
            if child == 0 {
                if let other = try? FileLock(path, kind: .process) {
                    try? other.lock()
                    TestLocks.sleepForEver(holding: other)
                }
            }
            while try lock.obstacle() == nil { TestSyscalls.sleep(nanoseconds: 100_000) }
            #expect(throws: Errno.wouldBlock) {
                try sysRecordLock(
                    lock.rawValue, .exclusive, RecordRange(start: 0, length: 0), owner: .process, wait: false)
            }
            #expect(try lock.obstacle()?.processID == child)
            #expect(try !lock.tryLock())
            try sysKill(child, 9)
            try lock.lock()
            _ = try sysWait(child)
        }
    },
    .row("fcntl F_SETLK (POSIX)", "any fd of that file closed in process") {
        await #expect(processExitsWith: .success) {
            let stays = try staysLocked(.process)
            #expect(!stays)
        }
    },
    .row("fcntl F_OFD_SETLK", "any other fd of that file closed") {
        await #expect(processExitsWith: .success) {
            let stays = try staysLocked(.openFile)
            #expect(stays)
        }
    },
    .row("fcntl F_OFD_SETLK", "owner forked; parent dies, child keeps fd") {
        await #expect(processExitsWith: .success) {
            let scratch = ScratchName()
            let path = scratch.path()
            let watcher = try FileLock(path)
            let memory = try LockMemory(byteCount: 64)
            let owner = try TestSyscalls.fork()
            if owner == 0 {
                if let lock = try? FileLock(path) {
                    try? lock.lock()
                    if let child = try? TestSyscalls.fork() {
                        if child == 0 { TestLocks.sleepForEver(holding: lock) }
                        memory.store(UInt32(bitPattern: child), at: 0)
                    }
                    TestLocks.sleepForEver(holding: lock)
                }
            }
            while memory.load32(at: 0) == 0 { TestSyscalls.sleep(nanoseconds: 100_000) }
            let grandchild = Int32(bitPattern: memory.load32(at: 0))
            try sysKill(owner, 9)
            _ = try sysWait(owner)
            // The owner is gone, the lock is not: and who holds it can be found.
            #expect(try !watcher.tryLock())
            #expect(try watcher.holders().map(\.processID) == [grandchild])
            try sysKill(grandchild, 9)
            try watcher.lock(until: .after(.seconds(30)))
        }
    },
]

/// Whether a lock survives that another descriptor of its file is opened and closed in the same process.
private func staysLocked(_ kind: FileLock.Kind) throws -> Bool {
    let scratch = ScratchName()
    let path = scratch.path()
    let lock = try FileLock(path, kind: kind)
    try lock.lock()
    try sysClose(try sysOpen(path, flags: 0))
    let child = try TestSyscalls.fork()
    if child == 0 {
        let free = (try? FileLock(path, kind: kind).tryLock()) ?? false
        if free { TestSyscalls.killSelf() }
        TestSyscalls.abortProcess()
    }
    return try sysWait(child) == .signaled(6)
}

private let tables = [
    ConditionTable("robust-mutex", mutexRows), ConditionTable("futex", futexRows),
    ConditionTable("file-lock", fileRows),
]

@Suite(.bounded()) struct LockConditionTests {
    @Test(arguments: tables.flatMap(\.cases)) func row(_ each: ConditionCase) async throws { try await each.check() }

    @Test func everyRowHasACase() { #expect(tables.flatMap(\.gaps) == []) }

    /// Two processes that each hold what the other waits for: the kernel tells one of them.
    @Test func aCircleOfProcessLocksIsTold() async {
        await #expect(processExitsWith: .success) {
            let scratch = ScratchName()
            let path = scratch.path()
            let (first, second) = (
                FileLock.ByteRange(startBytes: 0, countBytes: 1), FileLock.ByteRange(startBytes: 1, countBytes: 1)
            )
            let lock = try FileLock(path, kind: .process)
            try lock.lock(.exclusive, first)
            let child = try TestSyscalls.fork()
            if child == 0 {
                if let other = try? FileLock(path, kind: .process) {
                    try? other.lock(.exclusive, second)
                    try? other.lock(.exclusive, first)
                }
                TestSyscalls.killSelf()
            }
            while try lock.obstacle(to: .exclusive, second) == nil { TestSyscalls.sleep(nanoseconds: 100_000) }
            TestLocks.waitUntilBlocked(child)
            expectRefusal(.deadlock, .deadlock, hint: "wait") { try lock.lock(.exclusive, second) }
            try lock.unlock()
            _ = try sysWait(child)
        }
    }

    @Test func aSignalEndsAWaitOnlyIfAsked() async {
        await #expect(processExitsWith: .success) {
            let scratch = ScratchName()
            for kind in [FileLock.Kind.openFile, .flock] {
                let lock = try FileLock(scratch.path(), kind: kind)
                let other = try lock.reopened()
                try lock.lock()
                try SignalStorm.run {
                    expectRefusal(.interrupted, .interrupted) { try other.lock(retryOnInterrupt: false) }
                    expectRefusal(.timedOut, .timedOut) { try other.lock(until: .after(.milliseconds(20))) }
                    try lock.unlock()
                    try other.lock()
                }
            }
            let shared = SharedMutex(
                try RobustMutex(creatingIn: LockMemory(byteCount: 4096), initial: 0, recovery: .keep))
            let release = Flag()
            try shared.holdOnAThread(until: release)
            try SignalStorm.run {
                expectRefusal(.timedOut, .timedOut) {
                    try shared.mutex.withLock(until: .after(.milliseconds(20))) { _ in }
                }
                release.set()
                try shared.mutex.withLock { $0 += 1 }
            }
        }
    }
}
