// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls

/// An absolute point of the monotonic clock until which a call may wait.
///
/// Absolute, so that a wait that is interrupted and taken up again does not grow; monotonic, so that
/// setting the wall clock changes nothing. `.now` is a deadline that has passed: the call does what it
/// can at once.
public struct Deadline: Sendable, Hashable, Comparable {
    /// Nanoseconds of `CLOCK_MONOTONIC`.
    public var monotonicNanoseconds: UInt64

    /// A deadline by what CLOCK_MONOTONIC shows then.
    public init(monotonicNanoseconds: UInt64) {
        self.monotonicNanoseconds = monotonicNanoseconds
    }

    /// This moment.
    public static var now: Deadline { Deadline(monotonicNanoseconds: sysMonotonicNanoseconds()) }

    /// A point that never comes.
    public static let never = Deadline(monotonicNanoseconds: .max)

    /// A deadline that has passed: one look, and no wait.
    public static var immediately: Deadline { Deadline(monotonicNanoseconds: 0) }

    /// `duration` from now; a negative duration is now.
    public static func after(_ duration: Duration) -> Deadline { now + duration }

    /// A deadline that is later by `duration`; one that would not fit is ``never``.
    public static func + (deadline: Deadline, duration: Duration) -> Deadline {
        let (sum, overflow) = deadline.monotonicNanoseconds.addingReportingOverflow(duration.clampedNanoseconds)
        return overflow ? .never : Deadline(monotonicNanoseconds: sum)
    }

    /// Whether `left` comes first.
    public static func < (left: Deadline, right: Deadline) -> Bool {
        left.monotonicNanoseconds < right.monotonicNanoseconds
    }

    /// Whether the point has passed.
    public var hasPassed: Bool { self != .never && self <= .now }

    /// What is left, zero if it has passed; nil for ``never``.
    public var remaining: Duration? { remainingNanoseconds.map { .nanoseconds($0) } }

    package var remainingNanoseconds: UInt64? {
        if self == .never { return nil }
        let now = sysMonotonicNanoseconds()
        return monotonicNanoseconds > now ? monotonicNanoseconds - now : 0
    }
}

extension Duration {
    /// Whole nanoseconds between 0 and the largest that a deadline can hold.
    package var clampedNanoseconds: UInt64 {
        let (seconds, attoseconds) = components
        if seconds < 0 || attoseconds < 0 { return 0 }
        let (whole, overflow) = UInt64(seconds).multipliedReportingOverflow(by: 1_000_000_000)
        if overflow { return .max }
        let (sum, overflows) = whole.addingReportingOverflow(UInt64(attoseconds) / 1_000_000_000)
        return overflows ? .max : sum
    }
}
