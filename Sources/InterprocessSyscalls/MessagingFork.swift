// SPDX-License-Identifier: Apache-2.0
import CInterprocess
package import SystemPackage

/// Prepares the process for a fork: made once, at the first use of messaging.
///
/// - Returns: the address of a word (8 bytes, aligned, for the life of the process) that is not 0 in this process and 0 in a
///   child that it forks (`MADV_WIPEONFORK`; the kernel does it, whoever calls fork, and however). In such a child the call
///   gives the same address.
package func sysForkGenerationAddress() throws(Errno) -> UnsafeRawPointer {
    _ = try invoke("pthread_atfork") { cip_fork_guard_install() }
    // SAFETY: installed, so the page is there, and nobody unmaps it.
    guard let word = unsafe cip_fork_guard_word() else { throw Errno.noMemory }
    return unsafe UnsafeRawPointer(word)
}

/// Whether this process was forked from one that had used messaging: nothing of that may be used here, and nothing new begun,
/// since the threads stayed behind.
package func sysIsForkedChild() -> Bool {
    // SAFETY: null before the first use, else a page that is never unmapped.
    unsafe cip_fork_guard_word().map { unsafe $0.pointee == 0 } ?? false
}

/// A descriptor that a forked child shall not keep alive: there its number becomes a socket without a peer.
///
/// Every mark is taken back, with ``sysUnmarkForFork(_:)``, before the descriptor is closed.
package func sysMarkForFork(_ descriptor: CInt) throws(Errno) {
    _ = try invoke("pthread_atfork") { cip_fork_guard_install() }
    _ = cip_fork_guard_mark(descriptor)
}

/// Takes the mark back.
package func sysUnmarkForFork(_ descriptor: CInt) { cip_fork_guard_unmark(descriptor) }
