// SPDX-License-Identifier: Apache-2.0
// What only tests of pipes need: the calling thread's pending signals.
import CInterprocess

extension TestSyscalls {
    /// Keeps a signal from the calling thread until it is admitted.
    package static func blockSignal(_ number: CInt) {
        var only = sigset_t()
        // SAFETY: the set is a local that lives through the calls.
        unsafe sigemptyset(&only)
        unsafe sigaddset(&only, number)
        unsafe pthread_sigmask(SIG_BLOCK, &only, nil)
    }

    /// Whether the calling thread keeps a signal back.
    package static func isBlocked(_ number: CInt) -> Bool {
        var now = sigset_t()
        // SAFETY: a local, which the call fills.
        unsafe pthread_sigmask(SIG_BLOCK, nil, &now)
        // SAFETY: as above.
        return unsafe sigismember(&now, number) == 1
    }

    /// Takes a signal that is pending and blocked; false if none is.
    package static func takePending(_ number: CInt) -> Bool {
        var only = sigset_t()
        var none = timespec(tv_sec: 0, tv_nsec: 0)
        // SAFETY: locals; no siginfo is asked for.
        unsafe sigemptyset(&only)
        unsafe sigaddset(&only, number)
        return unsafe sigtimedwait(&only, nil, &none) == number
    }
}
