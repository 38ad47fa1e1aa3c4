// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls

/// How a process ended, as far as the kernel tells the asker.
///
/// The parent is told everything. Others are told that it ended at once, and how since Linux 6.15 once the parent has
/// asked as well.
public struct ProcessExit: Sendable, Hashable {
    /// How a process came to its end.
    public enum Reason: Sendable, Hashable {
        /// It called exit(3) with this code, 0 to 255.
        case exited(Int32)
        /// A signal ended it.
        case killed(Signal, dumpedCore: Bool)
    }

    /// Which process it was.
    public var processID: Int32
    /// How it ended; nil if the kernel does not tell.
    public var reason: Reason?
    /// What it used, with all children that it had waited for; only the parent is told.
    public var usage: ResourceUsage?

    /// Whether it ended by itself with code 0.
    public var isSuccess: Bool { reason == .exited(0) }
    /// The code, if it ended by itself.
    public var code: Int32? { if case .exited(let code) = reason { code } else { nil } }
    /// The signal, if one ended it.
    public var signal: Signal? { if case .killed(let signal, _) = reason { signal } else { nil } }

    init(processID: Int32, reason: Reason? = nil, usage: ResourceUsage? = nil) {
        self.processID = processID
        self.reason = reason
        self.usage = usage
    }

    init(_ raw: ChildEnd) {
        processID = raw.process
        reason =
            switch raw.status {
            case .exited(let code): .exited(code)
            case .signaled(let number): .killed(Signal(unchecked: number), dumpedCore: raw.dumpedCore)
            }
        usage = raw.usage.map(ResourceUsage.init)
    }
}

extension ProcessExit: CustomStringConvertible {
    /// `"812 exited with 0"`, `"812 was ended by SIGKILL"`.
    public var description: String {
        switch reason {
        case .exited(let code): "\(processID) exited with \(code)"
        case .killed(let signal, let core): "\(processID) was ended by \(signal)\(core ? ", with a core file" : "")"
        case nil: "\(processID) has ended"
        }
    }
}

/// What a process used in its life.
///
/// The corresponding C type is `struct rusage`.
public struct ResourceUsage: Sendable, Hashable {
    /// Time in its own code.
    public var userTime: Duration
    /// Time in the kernel on its behalf.
    public var systemTime: Duration
    /// The most memory that it had resident at once.
    public var maxResidentBytes: UInt64
    /// Page faults without reading, and with.
    public var minorFaults: UInt64
    /// Page faults that had to read from a device.
    public var majorFaults: UInt64
    /// Blocks of 512 bytes read from and written to storage.
    public var blocksRead: UInt64
    /// Blocks written to a device.
    public var blocksWritten: UInt64
    /// How often it gave up the processor, and how often it was taken from it.
    public var voluntarySwitches: UInt64
    /// How often another was given the processor.
    public var involuntarySwitches: UInt64

    init(_ raw: ProcessUsage) {
        userTime = .nanoseconds(raw.userNanoseconds)
        systemTime = .nanoseconds(raw.systemNanoseconds)
        maxResidentBytes = raw.maxResidentBytes
        minorFaults = raw.minorFaults
        majorFaults = raw.majorFaults
        blocksRead = raw.blocksRead
        blocksWritten = raw.blocksWritten
        voluntarySwitches = raw.voluntarySwitches
        involuntarySwitches = raw.involuntarySwitches
    }
}
