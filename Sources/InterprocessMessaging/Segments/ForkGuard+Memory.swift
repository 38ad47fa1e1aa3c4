// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessStructures
import InterprocessSyscalls
import SystemPackage

/// A forked child has the handles, and neither the mappings nor the threads: its handles refuse.
enum ForkGuard {
    /// 0 in a forked child.
    static func word() throws(IPCError) -> SharedWord {
        do throws(Errno) {
            let address = unsafe try sysForkGenerationAddress()
            // SAFETY: a word that is mapped for the life of the process; it is only loaded.
            return unsafe SharedWord(UnsafeMutableRawPointer(mutating: address))
        } catch { throw IPCError(error, "pthread_atfork", "messaging") }
    }

    static func failure(_ subject: String) -> IPCError {
        IPCError(
            code: .unsupported, subject: subject,
            hint:
                "it was opened before fork(2) and belongs to the parent; open it anew, in a process that was not forked"
        )
    }
}
