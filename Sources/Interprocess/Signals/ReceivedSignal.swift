// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls

/// One signal that came, with what the kernel and the sender told of it.
///
/// The corresponding C type is `siginfo_t`.
public struct ReceivedSignal: Sendable, Hashable {
    /// Which one.
    public var signal: Signal
    /// How it came to be sent.
    public var code: Code
    /// Who sent it, in the process numbers of this process's namespace; nil where nobody did (a timer, the kernel). The kernel
    /// vouches for it if the code is ``Code/user`` or ``Code/thread``; with ``Code/queue`` it is what the sender wrote there,
    /// which in a sender that means well is the truth.
    public var senderProcessID: Int32?
    /// The sender's real user id; as ``senderProcessID``.
    public var senderUserID: UInt32?
    /// The value that the sender gave, 0 if he gave none with sigqueue(3); nil for signals that carry none.
    public var value: Int32?
    /// How a child changed, of SIGCHLD: the exit code, or the signal that ended, stopped or continued it.
    public var childStatus: Int32?

    /// How a signal came to be sent.
    public struct Code: Sendable, Hashable, CustomStringConvertible {
        /// What siginfo_t says.
        public let rawValue: Int32

        /// A code by its number.
        public init(rawValue: Int32) { self.rawValue = rawValue }

        /// kill(2).
        public static let user = Code(rawValue: 0)
        /// The kernel, for reasons of its own: Ctrl-C, a broken pipe.
        public static let kernel = Code(rawValue: 0x80)
        /// sigqueue(3), or this library with a value.
        public static let queue = Code(rawValue: -1)
        /// A timer of timer_create(2).
        public static let timer = Code(rawValue: -2)
        /// mq_notify(3).
        public static let messageQueue = Code(rawValue: -3)
        /// tgkill(2), raise(3).
        public static let thread = Code(rawValue: -6)

        /// `"SI_QUEUE"`; of SIGCHLD `"CLD_EXITED"`.
        public var description: String { name(of: nil) }

        func name(of signal: Signal?) -> String {
            switch rawValue {
            case 0: return "SI_USER"
            case 0x80: return "SI_KERNEL"
            case -1: return "SI_QUEUE"
            case -2: return "SI_TIMER"
            case -3: return "SI_MESGQ"
            case -4: return "SI_ASYNCIO"
            case -5: return "SI_SIGIO"
            case -6: return "SI_TKILL"
            case -60: return "SI_ASYNCNL"
            default: break
            }
            let child = ["CLD_EXITED", "CLD_KILLED", "CLD_DUMPED", "CLD_TRAPPED", "CLD_STOPPED", "CLD_CONTINUED"]
            if signal == .child, (1...6).contains(rawValue) { return child[Int(rawValue) - 1] }
            return "\(rawValue)"
        }
    }

    /// The code in the words of the manual: `"SI_QUEUE"`, `"CLD_EXITED"`.
    public var codeName: String { code.name(of: signal) }

    init(_ raw: SignalInformation) {
        // The kernel gives numbers of 1 to 64 only.
        signal = Signal(unchecked: raw.signal)
        code = Code(rawValue: raw.code)
        let isChild = signal == .child && raw.code > 0 && raw.code <= 6
        switch code {
        case .user, .thread, .queue, .messageQueue:
            (senderProcessID, senderUserID) = (raw.process, raw.user)
        default:
            if isChild { (senderProcessID, senderUserID) = (raw.process, raw.user) }
        }
        switch code {
        case .queue, .timer, .messageQueue: value = raw.value
        default: break
        }
        if isChild { childStatus = raw.status }
    }
}

extension ReceivedSignal: CustomStringConvertible {
    /// `"SIGRTMIN+3 42 from 812"`.
    public var description: String {
        var text = "\(signal)"
        if let value { text += " \(value)" }
        if let senderProcessID { text += " from \(senderProcessID)" }
        return text
    }
}
