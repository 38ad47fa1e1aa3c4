// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import SystemPackage

/// Fences that one process makes others go through, so that those who send need none: `membarrier(2)`.
///
/// A seccomp filter may forbid the call; then both sides of a pair fence instead, which the hand-shake agrees on.
enum ProcessBarrier {
    /// Whether this process takes part: it has registered, so that the barriers of others reach it and its own are allowed.
    static let isAvailable: Bool = {
        do throws(Errno) {
            try sysMemoryBarrier(.registerGlobalExpedited)
            try sysMemoryBarrier(.registerPrivateExpedited)
            return true
        } catch { return false }
    }()

    /// Every process that takes part. False: the kernel refused, and whoever wanted to sleep may not.
    static func reachEverybody() -> Bool { reach(.globalExpedited) }

    /// The threads of this process.
    static func reachOwnThreads() -> Bool { reach(.privateExpedited) }

    private static func reach(_ command: BarrierCommand) -> Bool {
        do throws(Errno) {
            try sysMemoryBarrier(command)
            return true
        } catch { return false }
    }
}
