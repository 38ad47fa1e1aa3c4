// SPDX-License-Identifier: Apache-2.0
// Robust mutexes in shared memory. A mutex is a `pthread_mutex_t` of glibc, so that C can share it; its memory may be
// written by others, and glibc believes what it reads there. What can be checked is checked here.
import CInterprocess
import Synchronization
package import SystemPackage

/// How an attempt to lock ended. While a mutex is held it is in a list of its thread whose pointers lie in the shared memory:
/// they are kept here as well, to be compared when it is released.
@frozen
package struct RobustHold: Sendable {
    /// 0, EOWNERDEAD (held as well), or why it is not held.
    package var result: CInt
    package var previous: UInt
    package var next: UInt

    package init(result: CInt, previous: UInt = 0, next: UInt = 0) {
        self.result = result
        self.previous = previous
        self.next = next
    }

    package static let corrupted: CInt = EBADMSG
    package static let ownerDied: CInt = EOWNERDEAD
    package static let busy: CInt = EBUSY
    package static let late: CInt = ETIMEDOUT
    package static let notRecoverable: CInt = ENOTRECOVERABLE
    package static let deadlock: CInt = EDEADLK
}

/// How many bytes a mutex takes; 40 on x86-64, 48 on arm64.
package var mutexSizeBytes: Int { cip_mutex_size() }

/// Makes a mutex: PTHREAD_PROCESS_SHARED, PTHREAD_MUTEX_ROBUST, ERRORCHECK or RECURSIVE.
///
/// - Safety: 64 bytes at `mutex`, aligned to 8, are mapped and used for nothing else.
@unsafe
package func sysMutexInitialize(_ mutex: UnsafeMutableRawPointer, recursive: Bool) throws(Errno) {
    try invokeReturningErrno("pthread_mutex_init") {
        // SAFETY: the caller promises the memory.
        unsafe cip_mutex_init_robust(mutex.assumingMemoryBound(to: pthread_mutex_t.self), recursive ? 1 : 0)
    }
}

/// The kind that glibc has noted in a mutex; nil if it is none that is robust and shared between processes.
///
/// - Safety: as above.
@unsafe
package func sysMutexKind(_ mutex: UnsafeMutableRawPointer) -> Int32? {
    // SAFETY: within the mutex.
    let kind = unsafe mutex.load(fromByteOffset: cip_mutex_kind_offset(), as: Int32.self)
    // 16 robust, 128 shared; the low two bits are the type.
    return kind & ~3 == 144 ? kind : nil
}

@inline(__always)
private func hold(_ mutex: UnsafeMutableRawPointer, _ result: CInt) -> RobustHold {
    // SAFETY: within the mutex.
    let list = unsafe mutex + cip_mutex_list_offset()
    return unsafe RobustHold(
        result: result, previous: list.load(as: UInt.self), next: list.load(fromByteOffset: 8, as: UInt.self))
}

@inline(__always)
private func isIntact(_ mutex: UnsafeMutableRawPointer, _ kind: Int32) -> Bool {
    // SAFETY: within the mutex.
    unsafe mutex.load(fromByteOffset: cip_mutex_kind_offset(), as: Int32.self) == kind
}

/// pthread_mutex_lock(3), but for one who waits looking up every 100 ms. Not interrupted by signals.
///
/// A wake-up can be lost: a waiter is woken and killed before it takes the mutex, and somebody else takes it in between without
/// the mark that others wait. The kernel finds an owner and does nothing, the owner finds no mark and wakes nobody.
///
/// - Parameter kind: what ``sysMutexKind(_:)`` said; another one is refused, because it would lead glibc elsewhere.
///
/// - Safety: a mutex is at `mutex` and stays mapped until it is released.
@unsafe
package func sysMutexLock(_ mutex: UnsafeMutableRawPointer, kind: Int32) -> RobustHold {
    #if DEBUG
        if let injected = Faults.next("pthread_mutex_lock") { return RobustHold(result: injected.rawValue) }
    #endif
    // SAFETY: the caller promises it.
    guard unsafe isIntact(mutex, kind) else { return RobustHold(result: RobustHold.corrupted) }
    let result = unsafe pthread_mutex_trylock(mutex.assumingMemoryBound(to: pthread_mutex_t.self))
    if result == EBUSY { return unsafe waitLookingUp(mutex, kind, .max) }
    if result == ENOTRECOVERABLE { unsafe letGo(mutex) }
    return unsafe hold(mutex, result)
}

@inline(never)
private func waitLookingUp(_ mutex: UnsafeMutableRawPointer, _ kind: Int32, _ deadline: UInt64) -> RobustHold {
    while true {
        // SAFETY: as for who calls; the time is a local.
        guard unsafe isIntact(mutex, kind) else { return RobustHold(result: RobustHold.corrupted) }
        let next = min(deadline, sysMonotonicNanoseconds() &+ 100_000_000)
        var time = timespecOf(nanoseconds: next)
        let result = unsafe pthread_mutex_clocklock(
            mutex.assumingMemoryBound(to: pthread_mutex_t.self), CLOCK_MONOTONIC, &time)
        if result != ETIMEDOUT || next >= deadline { return unsafe hold(mutex, result) }
    }
}

/// pthread_mutex_trylock(3).
///
/// - Safety: as ``sysMutexLock(_:kind:)``.
@unsafe
package func sysMutexTryLock(_ mutex: UnsafeMutableRawPointer, kind: Int32) -> RobustHold {
    #if DEBUG
        if let injected = Faults.next("pthread_mutex_trylock") { return RobustHold(result: injected.rawValue) }
    #endif
    // SAFETY: the caller promises it.
    guard unsafe isIntact(mutex, kind) else { return RobustHold(result: RobustHold.corrupted) }
    let result = unsafe pthread_mutex_trylock(mutex.assumingMemoryBound(to: pthread_mutex_t.self))
    if result == ENOTRECOVERABLE { unsafe letGo(mutex) }
    return unsafe hold(mutex, result)
}

/// glibc's trylock takes a mutex that is not recoverable, says so, and forgets to release it: whoever waited for it would
/// not be told. Unlocking it would make it look sound.
@inline(never)
private func letGo(_ mutex: UnsafeMutableRawPointer) {
    // SAFETY: the word is the first of the mutex; only its holder, this thread, changes it from its own number.
    let word = unsafe mutex.assumingMemoryBound(to: Atomic<UInt32>.self)
    guard unsafe word.pointee.load(ordering: .relaxed) & 0x3fff_ffff == UInt32(bitPattern: gettid()) else { return }
    unsafe word.pointee.store(0, ordering: .releasing)
    _ = try? unsafe sysFutexWake(UnsafeRawPointer(mutex), count: .max, shared: true)
}

/// pthread_mutex_clocklock(3) by CLOCK_MONOTONIC, looking up every 100 ms as well.
///
/// - Safety: as ``sysMutexLock(_:kind:)``.
@unsafe
package func sysMutexLock(
    _ mutex: UnsafeMutableRawPointer, kind: Int32, untilNanoseconds deadline: UInt64
) -> RobustHold {
    #if DEBUG
        if let injected = Faults.next("pthread_mutex_clocklock") { return RobustHold(result: injected.rawValue) }
    #endif
    // SAFETY: the caller promises the mutex.
    return unsafe waitLookingUp(mutex, kind, deadline)
}

/// pthread_mutex_timedlock(3) with a time as it is, for tests of what is refused.
///
/// - Safety: as ``sysMutexLock(_:kind:)``.
@unsafe
package func sysMutexTimedLock(_ mutex: UnsafeMutableRawPointer, seconds: Int, nanoseconds: Int) -> CInt {
    var time = timespec(tv_sec: seconds, tv_nsec: nanoseconds)
    // SAFETY: the caller promises the mutex; the time is a local.
    return unsafe pthread_mutex_timedlock(mutex.assumingMemoryBound(to: pthread_mutex_t.self), &time)
}

/// pthread_mutex_consistent(3), after EOWNERDEAD.
///
/// - Safety: as ``sysMutexLock(_:kind:)``.
@unsafe
package func sysMutexConsistent(_ mutex: UnsafeMutableRawPointer) throws(Errno) {
    // SAFETY: the caller promises it.
    try invokeReturningErrno("pthread_mutex_consistent") {
        unsafe pthread_mutex_consistent(mutex.assumingMemoryBound(to: pthread_mutex_t.self))
    }
}

/// pthread_mutex_unlock(3). Not made to fail by tests: a mutex that stays locked is a failure of itself.
///
/// - Returns: 0; or what the call said, after what was overwritten has been put right so far that the mutex is released.
///
/// - Safety: as ``sysMutexLock(_:kind:)``.
@unsafe
package func sysMutexUnlock(_ mutex: UnsafeMutableRawPointer, _ hold: RobustHold, kind: Int32) -> CInt {
    // SAFETY: within the mutex.
    guard unsafe isIntact(mutex, kind) else {
        unsafe mutex.storeBytes(of: kind, toByteOffset: cip_mutex_kind_offset(), as: Int32.self)
        _ = unsafe sysMutexUnlock(mutex, hold, kind: kind)
        return RobustHold.corrupted
    }
    let list = unsafe mutex + cip_mutex_list_offset()
    let (previous, next) = unsafe (list.load(as: UInt.self), list.load(fromByteOffset: 8, as: UInt.self))
    if previous != hold.previous || next != hold.next { unsafe mendList(mutex, hold) }
    let result = unsafe pthread_mutex_unlock(mutex.assumingMemoryBound(to: pthread_mutex_t.self))
    return result == 0 ? 0 : unsafe releaseByForce(mutex, result)
}

/// What glibc is about to write through was changed since the mutex was locked: by other robust mutexes that this thread has
/// locked or released meanwhile, or by somebody who wrote over it.
@inline(never)
private func mendList(_ mutex: UnsafeMutableRawPointer, _ hold: RobustHold) {
    // SAFETY: the list head is this thread's own; every other address is read by the kernel, which tells if it is none.
    let list = unsafe mutex + cip_mutex_list_offset()
    let own = UInt(bitPattern: list) + 8
    var head: UnsafeMutableRawPointer?
    var length = 0
    guard unsafe cip_get_robust_list(0, &head, &length) == 0, let head = unsafe head else { return }
    let first = unsafe head.load(as: UInt.self) & ~1
    let start = UInt(bitPattern: head)
    // A link of the list is the address of its `next`, with `prev` 8 bytes before it.
    func leadsHere(_ previous: UInt) -> Bool {
        previous == start ? first == own : word(at: previous & ~1).map { $0 & ~1 == own } ?? false
    }
    func comesFromHere(_ next: UInt) -> Bool { word(at: (next & ~1) &- 8).map { $0 & ~1 == own } ?? false }
    let links = unsafe (list.load(as: UInt.self), list.load(fromByteOffset: 8, as: UInt.self))
    let previous = [links.0, hold.previous].first(where: leadsHere) ?? start
    let next = [links.1, hold.next].first(where: comesFromHere) ?? start
    unsafe list.storeBytes(of: previous, as: UInt.self)
    unsafe list.storeBytes(of: next, toByteOffset: 8, as: UInt.self)
}

/// A word of this process by way of the kernel; nil where nothing is mapped.
private func word(at address: UInt) -> UInt? {
    var value: UInt = 0
    // SAFETY: the kernel writes into the local only, and reads `address` with care.
    let count = unsafe withUnsafeMutableBytes(of: &value) { bytes in
        var local = unsafe iovec(iov_base: bytes.baseAddress, iov_len: 8)
        var remote = unsafe iovec(iov_base: UnsafeMutableRawPointer(bitPattern: address), iov_len: 8)
        return unsafe process_vm_readv(getpid(), &local, 1, &remote, 1, 0)
    }
    return count == 8 ? value : nil
}

/// The word of the mutex no longer says that this thread holds it, though it does: somebody wrote over it.
@inline(never)
private func releaseByForce(_ mutex: UnsafeMutableRawPointer, _ result: CInt) -> CInt {
    // SAFETY: within the mutex. The bit says that somebody may wait.
    unsafe mutex.storeBytes(of: UInt32(bitPattern: gettid()) | 0x8000_0000, as: UInt32.self)
    unsafe mutex.storeBytes(of: gettid(), toByteOffset: cip_mutex_owner_offset(), as: Int32.self)
    _ = unsafe pthread_mutex_unlock(mutex.assumingMemoryBound(to: pthread_mutex_t.self))
    return result
}

/// pthread_sigmask(3) for one signal of the calling thread.
package func sysBlockSignal(_ signal: CInt, _ blocked: Bool) {
    var set = sigset_t()
    // SAFETY: a local of the size that the calls fill and read.
    unsafe sigemptyset(&set)
    unsafe sigaddset(&set, signal)
    _ = unsafe pthread_sigmask(blocked ? SIG_BLOCK : SIG_UNBLOCK, &set, nil)
}

/// get_robust_list(2) of a thread; how many bytes its head has.
package func sysRobustListLength(of thread: Int32) throws(Errno) -> Int {
    var head: UnsafeMutableRawPointer?
    var length = 0
    // SAFETY: two locals that the call fills; the address is not used.
    _ = try invoke("get_robust_list") { unsafe cip_get_robust_list(thread, &head, &length) }
    return length
}

/// set_robust_list(2) with the list that the calling thread has, and a length of the caller's choice; for tests.
package func sysSetRobustList(length: Int) throws(Errno) {
    var head: UnsafeMutableRawPointer?
    var known = 0
    // SAFETY: the same head as before; the kernel refuses other lengths than its own.
    _ = unsafe cip_get_robust_list(0, &head, &known)
    _ = try invoke("set_robust_list") { unsafe cip_set_robust_list(head, length) }
}
