// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls

/// A signal on its way to a process under control, with all that the kernel knows of it.
public struct TracedSignal: Sendable, Hashable {
    /// Which one.
    public var signal: Signal
    /// Why, in the numbers of `sigaction(2)`: 0 for kill(2), -1 for sigqueue(3), -6 for tgkill(2), greater than 0 from the kernel.
    public var code: Int32
    /// What goes with it.
    public var origin: Origin

    /// Where a signal comes from.
    public enum Origin: Sendable, Hashable {
        /// A process sent it; `value` only with sigqueue(3) and what is like it.
        case process(id: Int32, user: UInt32, value: Int32?)
        /// The processor: a fault at, or a trap because of, this address.
        case fault(address: UInt64)
        /// A child changed state (SIGCHLD): its id, user, and status or signal.
        case child(id: Int32, user: UInt32, status: Int32)
        /// A POSIX timer ran out.
        case timer(id: Int32, value: Int32)
        /// A descriptor became ready (SIGIO).
        case descriptor(number: Int32, band: Int64)
        /// A system call that a filter forbids (SIGSYS).
        case systemCall(number: Int32, address: UInt64)
        /// The kernel, for a reason of its own.
        case kernel
    }

    /// The process that sent it; nil if none did.
    public var sender: Int32? {
        if case .process(let id, _, _) = origin { id } else { nil }
    }

    /// The address that could not be accessed, or of the instruction that trapped; nil if it is no fault.
    public var faultAddress: UInt64? {
        if case .fault(let address) = origin { address } else { nil }
    }

    /// Whether an instruction of the thread caused it, so that going on without delivering it would cause it again.
    var isSynchronousFault: Bool { code > 0 && faultAddress != nil && signal != .trap }

    init(_ record: SignalRecord) {
        let fields = record.fields
        signal = Signal(unchecked: fields.number)
        code = fields.code
        origin = Self.origin(fields)
    }

    private static func origin(_ fields: SignalRecord.Fields) -> Origin {
        switch fields.code {
        case 0, -6: return .process(id: fields.process, user: fields.user, value: nil)
        case -2: return .timer(id: fields.timer, value: fields.value)
        case -5 where fields.number == 29: return .descriptor(number: fields.descriptor, band: fields.band)
        case ..<0: return .process(id: fields.process, user: fields.user, value: fields.value)
        case 0x80: return fields.number == 5 || fields.number == 11 ? .fault(address: fields.address) : .kernel
        default: break
        }
        switch fields.number {
        case 4, 5, 7, 8, 11: return .fault(address: fields.address)
        case 17: return .child(id: fields.process, user: fields.user, status: fields.status)
        case 29: return .descriptor(number: fields.descriptor, band: fields.band)
        case 31: return .systemCall(number: fields.call, address: fields.address)
        default: return .kernel
        }
    }
}

extension TracedSignal: CustomStringConvertible {
    /// `"SIGSEGV at 0x10"`, `"SIGTERM from 812"`.
    public var description: String {
        switch origin {
        case .process(let id, _, let value): "\(signal) from \(id)" + (value.map { " with \($0)" } ?? "")
        case .fault(let address): "\(signal) at 0x\(String(address, radix: 16))"
        case .child(let id, _, let status): "\(signal) of \(id) with \(status)"
        default: signal.description
        }
    }
}
