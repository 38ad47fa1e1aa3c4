// SPDX-License-Identifier: Apache-2.0
import CInterprocess
package import SystemPackage

/// What membarrier(2) is asked for.
package enum BarrierCommand: CInt, Sendable {
    /// On all running threads of processes that have registered.
    case globalExpedited = 2
    case registerGlobalExpedited = 4
    /// On all running threads of this process.
    case privateExpedited = 8
    case registerPrivateExpedited = 16
}

/// membarrier(2): when it returns, other threads have gone through a full fence since it was called.
package func sysMemoryBarrier(_ command: BarrierCommand) throws(Errno) {
    _ = try invoke("membarrier") { cip_membarrier(command.rawValue) }
}

/// A word that ``sysFutexWaitAny(_:deadlineNanoseconds:)`` waits on.
package struct FutexWord {
    fileprivate let waiter: cip_futex_waiter

    /// - Parameters:
    ///   - address: of the word.
    ///   - expected: the wait is over at once if the word is another.
    ///   - shared: whether processes other than this one may wake.
    ///
    /// - Safety: `address` is mapped and aligned to 4 bytes for the whole wait.
    @unsafe
    package init(_ address: UnsafeRawPointer, expected: UInt32, shared: Bool) {
        // SAFETY: the address only. Flags: FUTEX_32 is 2, FUTEX_PRIVATE_FLAG 128.
        waiter = cip_futex_waiter(
            expected: UInt64(expected), address: UInt64(UInt(bitPattern: address)), flags: shared ? 2 : 2 | 128,
            reserved: 0)
    }
}

/// The most words that one wait takes (FUTEX_WAITV_MAX).
package let futexWordsAtMost = 128

/// futex_waitv(2), Linux 5.16: sleeps while each of the words is what is expected of it.
///
/// - Throws: EAGAIN if one was another, ETIMEDOUT, EINTR, ENOSYS.
package func sysFutexWaitAny(
    _ words: [FutexWord], deadlineNanoseconds: UInt64? = nil, retryOnInterrupt: Bool = true
) throws(Errno) {
    var waiters = words.map(\.waiter)
    let count = UInt32(waiters.count)
    var limit = timespecOf(nanoseconds: deadlineNanoseconds ?? 0)
    // SAFETY: the kernel reads `count` entries of the array and the limit, during the call only.
    _ = try unsafe waiters.withUnsafeMutableBufferPointer { (buffer) throws(Errno) in
        try invoke("futex_waitv", retryOnInterrupt: retryOnInterrupt) {
            deadlineNanoseconds == nil
                ? unsafe cip_futex_waitv(buffer.baseAddress, count, nil)
                : unsafe cip_futex_waitv(buffer.baseAddress, count, &limit)
        }
    }
}

/// Lets the processor know that this is a loop that waits.
package func sysSpinPause() { cip_spin_pause() }

/// mmap(2) with MAP_FIXED: replaces what is mapped at `address`.
///
/// - Parameter descriptor: nil maps zeroed private memory.
///
/// - Safety: the whole range belongs to the caller, and whoever uses it can live with what comes in its place.
@unsafe
package func sysReplaceMapping(
    _ address: UnsafeMutableRawPointer, byteCount: Int, with descriptor: CInt?
) throws(Errno) {
    let flags = MAP_FIXED | (descriptor == nil ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED)
    _ = try invoke("mmap") {
        // SAFETY: the caller promises it.
        unsafe Int(bitPattern: mmap(address, byteCount, PROT_READ | PROT_WRITE, flags, descriptor ?? -1, 0))
    }
    // What a child gets by fork would be a second holder.
    // SAFETY: the same range; advice changes nothing here.
    _ = try invoke("madvise") { unsafe madvise(address, byteCount, CInt(MADV_DONTFORK)) }
}
