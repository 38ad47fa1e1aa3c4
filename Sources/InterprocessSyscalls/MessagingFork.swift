// SPDX-License-Identifier: Apache-2.0
import CInterprocess
package import SystemPackage

/// Prepares the process for a fork: made once, at the first use of messaging.
///
/// - Returns: the address of a word (8 bytes, aligned, for the life of the process) that is not 0 in this process and 0 in a
///   child that it forks (`MADV_WIPEONFORK`; the kernel does it, whoever calls fork, and however). A child that begins anew
///   gets another word.
package func sysForkGenerationAddress() throws(Errno) -> UnsafeRawPointer {
    _ = try invoke("pthread_atfork") { cip_fork_guard_install() }
    // SAFETY: installed, so the page is there, and nobody unmaps it.
    guard let word = unsafe cip_fork_guard_word() else { throw Errno.noMemory }
    return unsafe UnsafeRawPointer(word)
}

/// By which an object knows the process that made it.
@safe package struct ForkWord: @unchecked Sendable {
    private let address: UnsafePointer<UInt64>

    /// The word of this process.
    package static func current() throws(Errno) -> ForkWord {
        // SAFETY: a word of 8 bytes that stays for the life of the process.
        try unsafe ForkWord(address: sysForkGenerationAddress().assumingMemoryBound(to: UInt64.self))
    }

    private init(address: UnsafePointer<UInt64>) {
        // SAFETY: kept only; see `current()`.
        unsafe self.address = address
    }

    /// False in a child that was forked since: what it has of the parent's is not to be used.
    package var isOurs: Bool {
        // SAFETY: the page is never unmapped; only the kernel changes it, in a child before that runs.
        unsafe address.pointee != 0
    }
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
