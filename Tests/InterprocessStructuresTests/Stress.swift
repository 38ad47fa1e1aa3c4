// SPDX-License-Identifier: Apache-2.0
import Glibc
import InterprocessSyscalls

/// `INTERPROCESS_STRESS_SECONDS` makes tests that run at random, or on several threads, go on for so long, each case of them.
enum Stress {
    static let seconds = getenv("INTERPROCESS_STRESS_SECONDS").flatMap { Int(String(cString: $0)) } ?? 0
    /// What a test may take.
    static let limit = Duration.seconds(300 + seconds * 8)

    /// At least so many times, and until the time is over.
    static func rounds(_ count: Int = 1, _ body: (Int) throws -> Void) rethrows {
        let end = sysMonotonicNanoseconds() + UInt64(seconds) * 1_000_000_000
        var round = 0
        while round < count || (seconds > 0 && sysMonotonicNanoseconds() < end) {
            try body(round)
            round += 1
        }
        if seconds > 0 { print("\(round) rounds") }
    }
}
