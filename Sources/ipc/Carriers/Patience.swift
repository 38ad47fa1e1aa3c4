// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls

/// Waiting for what cannot be awaited with a time limit: looking again, less and less often.
enum Patience {
    /// The first value that `attempt` gives; nil when the deadline passed first.
    static func retry<Value>(until deadline: Deadline, _ attempt: () throws -> Value?) throws -> Value? {
        var nanoseconds: UInt64 = 200_000
        while true {
            if let value = try attempt() { return value }
            if deadline.hasPassed { return nil }
            pause(nanoseconds: nanoseconds, until: deadline)
            nanoseconds = min(nanoseconds * 2, 10_000_000)
        }
    }

    static func pause(nanoseconds: UInt64, until deadline: Deadline) {
        let end = min(deadline.monotonicNanoseconds, sysMonotonicNanoseconds() + nanoseconds)
        // A descriptor that is none is never ready: what is left is the time limit.
        _ = try? sysPollOne(-1, writing: false, untilNanoseconds: end)
    }
}
