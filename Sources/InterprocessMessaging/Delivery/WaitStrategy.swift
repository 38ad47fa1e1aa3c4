// SPDX-License-Identifier: Apache-2.0

/// What a thread does while it waits for a message, or for room to send one.
///
/// Tasks that `await` do not use it: they are suspended.
public enum WaitStrategy: Sendable, Hashable {
    /// Looks again and again. The shortest latency, for a whole processor.
    case spinning
    /// Sleeps at once: no processor time, and a wake-up of some microseconds.
    case blocking
    /// Looks for a while, then sleeps.
    case adaptive(spin: Duration)

    /// Looks for 50 microseconds, then sleeps: what comes soon costs no wake-up.
    public static let standard = WaitStrategy.adaptive(spin: .microseconds(50))

    /// How long to look before sleeping; nil: always.
    var spinNanoseconds: UInt64? {
        switch self {
        case .spinning: nil
        case .blocking: UInt64(0)
        case .adaptive(let spin): spin.clampedNanoseconds
        }
    }
}
