// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls

/// A signal of Linux: a number with a name.
///
/// ```swift
/// Signal.terminate                 // SIGTERM
/// Signal.realTime(3)               // SIGRTMIN+3
/// try Signal("usr1").number        // 10
/// ```
///
/// Standard signals (1 to 31) are flags: one that is pending already swallows the next of its kind, and its value. Real-time
/// signals (``realTimeNumbers``) are queued, each with its value, and of one number delivered in the order in which they
/// were sent; of several numbers the lowest comes first.
///
/// What cannot be received is told by ``receivability``.
///
/// The manual page is `signal(7)`.
public struct Signal: Sendable, Hashable, Comparable {
    /// 1 to 64.
    public let number: Int32

    /// A signal by its number; nil if there is none.
    public init?(number: Int32) {
        guard (1...64).contains(number) else { return nil }
        self.number = number
    }

    init(unchecked number: Int32) { self.number = number }

    /// A signal by its name, with or without SIG, in any case, or by its number: `USR1`, `SIGRTMIN+3`, `rtmax-1`, `10`.
    ///
    /// - Throws: ``IPCError/Code/invalidArgument`` for what is none.
    public init(_ name: String) throws(IPCError) {
        guard let number = SignalNames.number(of: name) else {
            throw IPCError(
                code: .invalidArgument, subject: "signal \(name)",
                hint: "names are USR1, SIGTERM, SIGRTMIN+3; numbers 1 to 64")
        }
        self.number = number
    }

    /// The real-time signal so many above SIGRTMIN.
    ///
    /// - Parameter offset: 0 to 30; anything else is misuse.
    public static func realTime(_ offset: Int) -> Signal {
        precondition((0...30).contains(offset), "there are 31 real-time signals, 0 to 30")
        return Signal(unchecked: realTimeNumbers.lowerBound + Int32(offset))
    }

    /// What the C library leaves of the kernel's real-time signals to programs. It keeps 32 and 33 to itself.
    public static var realTimeNumbers: ClosedRange<Int32> { SignalNames.realTime }

    /// Whether each is queued, instead of being a flag.
    public var isRealTime: Bool { Self.realTimeNumbers.contains(number) }

    /// Whether one number is below the other; of pending signals the lowest is delivered first.
    public static func < (left: Signal, right: Signal) -> Bool { left.number < right.number }

    /// SIGHUP: the terminal is gone; to many servers "read your configuration".
    public static let hangUp = Signal(unchecked: 1)
    /// SIGINT: Ctrl-C.
    public static let interrupt = Signal(unchecked: 2)
    /// SIGQUIT: Ctrl-\.
    public static let quit = Signal(unchecked: 3)
    /// SIGILL: an instruction that is none.
    public static let illegalInstruction = Signal(unchecked: 4)
    /// SIGTRAP: a breakpoint.
    public static let trap = Signal(unchecked: 5)
    /// SIGABRT: abort(3).
    public static let abort = Signal(unchecked: 6)
    /// SIGBUS: memory behind a mapping that is not there.
    public static let busError = Signal(unchecked: 7)
    /// SIGFPE: division by zero.
    public static let arithmetic = Signal(unchecked: 8)
    /// SIGKILL: the end, without appeal.
    public static let kill = Signal(unchecked: 9)
    /// SIGUSR1.
    public static let user1 = Signal(unchecked: 10)
    /// SIGSEGV: memory that is not mapped.
    public static let segmentationFault = Signal(unchecked: 11)
    /// SIGUSR2.
    public static let user2 = Signal(unchecked: 12)
    /// SIGPIPE: a write that nobody reads.
    public static let brokenPipe = Signal(unchecked: 13)
    /// SIGALRM: alarm(2).
    public static let alarm = Signal(unchecked: 14)
    /// SIGTERM: please end.
    public static let terminate = Signal(unchecked: 15)
    /// SIGCHLD: a child ended, stopped or goes on.
    public static let child = Signal(unchecked: 17)
    /// SIGCONT: go on.
    public static let proceed = Signal(unchecked: 18)
    /// SIGSTOP: stop, without appeal.
    public static let stop = Signal(unchecked: 19)
    /// SIGTSTP: Ctrl-Z.
    public static let terminalStop = Signal(unchecked: 20)
    /// SIGTTIN: a background process reads from the terminal.
    public static let terminalInput = Signal(unchecked: 21)
    /// SIGTTOU: a background process writes to the terminal.
    public static let terminalOutput = Signal(unchecked: 22)
    /// SIGURG: urgent data at a socket.
    public static let urgent = Signal(unchecked: 23)
    /// SIGXCPU: RLIMIT_CPU.
    public static let cpuLimit = Signal(unchecked: 24)
    /// SIGXFSZ: RLIMIT_FSIZE.
    public static let fileSizeLimit = Signal(unchecked: 25)
    /// SIGWINCH: the terminal has another size.
    public static let windowSize = Signal(unchecked: 28)
    /// SIGIO: a descriptor is ready.
    public static let io = Signal(unchecked: 29)
    /// SIGPWR: the power fails.
    public static let power = Signal(unchecked: 30)
    /// SIGSYS: a system call that a filter forbids.
    public static let badSystemCall = Signal(unchecked: 31)
}

extension Signal: CustomStringConvertible {
    /// `"SIGUSR1"`, `"SIGRTMIN+3"`.
    public var description: String { SignalNames.name(of: number) }
}

extension Signal {
    /// Whether, and why not, a signal can be received as a value.
    public enum Receivability: Sendable, Hashable {
        /// It can.
        case receivable
        /// SIGKILL and SIGSTOP: the kernel gives them to no program.
        case uncatchable
        /// SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS: the faulting instruction cannot go on until the handler has done
        /// something about it, so another thread is no place to hear of it; with such a signal blocked, the
        /// kernel ends the process at the fault. For that there are handlers of the program's own and crash reporters.
        case synchronousFault
        /// 32 and 33: the C library cancels threads and changes user ids with them.
        case reservedForTheCLibrary
    }

    /// Whether ``SignalReceiver`` can receive it.
    public var receivability: Receivability {
        switch number {
        case 9, 19: .uncatchable
        case 4, 5, 7, 8, 11, 31: .synchronousFault
        case 32, 33: .reservedForTheCLibrary
        default: .receivable
        }
    }

    /// What the kernel does with it where no program says otherwise.
    public enum DefaultAction: Sendable, Hashable {
        /// The process ends.
        case terminate
        /// The process ends and leaves a core file, if its limits allow one.
        case dumpCore
        /// The process stops until SIGCONT.
        case stop
        /// A stopped process goes on.
        case proceed
        /// Nothing.
        case ignore
    }

    /// What it does to a process that has made no arrangements.
    public var defaultAction: DefaultAction {
        switch number {
        case 3, 4, 5, 6, 7, 8, 11, 24, 25, 31: .dumpCore
        case 17, 23, 28: .ignore
        case 18: .proceed
        case 19, 20, 21, 22: .stop
        default: .terminate
        }
    }
}
