// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
public import SystemPackage

/// A system call of a process under control.
public struct TracedSystemCall: Sendable, Hashable {
    /// Its number, in the count of ``architecture``.
    public var number: Int
    /// The six registers that a system call has, whether it uses them or not.
    public var arguments: [UInt64]
    /// The `AUDIT_ARCH_…` number: a program of 32 bits counts its calls otherwise.
    public var architecture: UInt32
    /// Where the program goes on after it.
    public var instructionPointer: UInt64
    /// The stack pointer of the thread.
    public var stackPointer: UInt64

    /// Whether the numbers are those of this very machine, as ``SystemCallNumber`` has them.
    public var isNative: Bool { architecture == sysAuditArchitecture }
}

/// What a system call returned.
public struct SystemCallResult: Sendable, Hashable {
    /// What stands in the result's register: a negative errno for a failure.
    public var rawValue: Int64
    /// Whether it failed.
    public var isError: Bool

    /// The value; nil if it failed.
    public var value: Int64? { isError ? nil : rawValue }

    /// The error; nil if it succeeded.
    public var errno: Errno? { isError ? Errno(rawValue: CInt(truncatingIfNeeded: -rawValue)) : nil }

    /// Whether the kernel will make the call again by itself: it was interrupted, and nobody will see that (512 to 516).
    public var isRestarting: Bool { isError && (-516 ... -512).contains(rawValue) }
}
