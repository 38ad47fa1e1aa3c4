// SPDX-License-Identifier: Apache-2.0
// What tests do to locks that no user of the library can.
import CInterprocess

package enum TestMutex {
    /// pthread_mutex_lock(3) by the calling thread, and nothing more.
    ///
    /// - Safety: a mutex is at `mutex`.
    @unsafe @discardableResult
    package static func lock(_ mutex: UnsafeMutableRawPointer) -> CInt {
        // SAFETY: the caller promises it.
        unsafe pthread_mutex_lock(mutex.assumingMemoryBound(to: pthread_mutex_t.self))
    }

    /// pthread_mutex_unlock(3).
    ///
    /// - Safety: as above.
    @unsafe @discardableResult
    package static func unlock(_ mutex: UnsafeMutableRawPointer) -> CInt {
        // SAFETY: the caller promises it.
        unsafe pthread_mutex_unlock(mutex.assumingMemoryBound(to: pthread_mutex_t.self))
    }
}
