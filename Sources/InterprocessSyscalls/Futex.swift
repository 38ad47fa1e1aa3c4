// SPDX-License-Identifier: Apache-2.0
import CInterprocess
package import SystemPackage

/// futex(2), FUTEX_WAIT: sleeps while the word at `address` is `expected`.
///
/// Spurious returns are possible; the caller looks at the word again.
///
/// - Parameters:
///   - shared: whether processes other than this one may wake; a private wait and a shared wake do not meet.
///   - deadlineNanoseconds: of CLOCK_MONOTONIC; nil waits for ever.
/// - Throws: EAGAIN if the word was another, ETIMEDOUT, EINTR.
///
/// - Safety: `address` is mapped and aligned to 4 bytes for the whole wait.
@unsafe
package func sysFutexWait(
    _ address: UnsafeRawPointer, expected: UInt32, shared: Bool, deadlineNanoseconds: UInt64? = nil,
    retryOnInterrupt: Bool = true
) throws(Errno) {
    // SAFETY: the caller promises that the word stays; the kernel only reads it.
    let word = unsafe address.assumingMemoryBound(to: UInt32.self)
    if let deadlineNanoseconds {
        var limit = timespecOf(nanoseconds: deadlineNanoseconds)
        _ = try invoke("futex", retryOnInterrupt: retryOnInterrupt) {
            unsafe cip_futex_wait(word, expected, shared ? 1 : 0, &limit)
        }
    } else {
        _ = try invoke("futex", retryOnInterrupt: retryOnInterrupt) {
            unsafe cip_futex_wait(word, expected, shared ? 1 : 0, nil)
        }
    }
}

/// futex(2), FUTEX_WAKE: wakes at most `count` that wait on the word at `address`; returns how many.
///
/// - Safety: `address` is mapped and aligned to 4 bytes.
@unsafe @discardableResult
package func sysFutexWake(_ address: UnsafeRawPointer, count: Int32 = 1, shared: Bool) throws(Errno) -> Int {
    // SAFETY: the caller promises that the word is there; the kernel uses its place only.
    let word = unsafe address.assumingMemoryBound(to: UInt32.self)
    return try invoke("futex") { unsafe cip_futex_wake(word, count, shared ? 1 : 0) }
}
