// SPDX-License-Identifier: Apache-2.0
public import Interprocess

/// A limit of the kernel or of this process, and its value now.
public struct Limit: Sendable, Hashable {
    /// Whose limit it is.
    public enum Scope: String, Sendable, Hashable {
        /// The whole system, or this namespace; root raises it with `sysctl(8)`.
        case system
        /// This process; `ulimit`, or systemd's `Limit…=`, sets it.
        case process
    }

    /// What to give to `sysctl(8)` (`"fs.mqueue.msg_max"`), or the name of the resource (`"RLIMIT_NOFILE"`).
    public var name: String
    /// Whose it is.
    public var scope: Scope
    /// The value; nil means that there is no limit.
    public var value: UInt64?
    /// Of a process limit, how far the process may raise it itself; nil means that there is no limit.
    public var ceiling: UInt64?
    /// How much of it is used, where the kernel says.
    public var used: UInt64?
    /// Whether the number counts bytes.
    public var isBytes: Bool
    /// What it limits, in a few words.
    public var meaning: String
    /// The kinds of object that it limits.
    public var kinds: Set<Address.Kind>
}
