// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls

/// Something that a process under control did. But for ``Kind/threadEnded(_:)`` and ``Kind/ended(_:)``, its thread
/// stands still from then on, until it is answered with ``ProcessControl/resume(_:_:)``.
public struct TraceEvent: Sendable, Hashable {
    /// The process: the id of its first thread.
    public var process: Int32
    /// The thread that stopped.
    public var thread: Int32
    /// What happened.
    public var kind: Kind

    /// What can happen. More may come; give a `switch` a `default`.
    public enum Kind: Sendable, Hashable {
        /// The thread stopped because it was asked to: by attaching, or by ``ProcessControl/stop(_:)``.
        case stopped
        /// A signal, or a trap of the processor, is about to be delivered. The answer decides whether it is.
        case signal(TracedSignal)
        /// A breakpoint is about to be passed; the instruction at its address has not been executed.
        case breakpoint(address: UInt64)
        /// One instruction was executed, as asked with ``ProcessControl/Resumption/step``.
        case stepped
        /// A system call begins (``ProcessControl/Options/systemCalls``).
        case systemCallEntry(TracedSystemCall)
        /// A system call ends. `call` is what began; nil if that was before we looked.
        case systemCallExit(call: TracedSystemCall?, result: SystemCallResult)
        /// Another program runs in the process; none of its instructions has been executed. All other threads are gone, and
        /// if one of them called exec, `formerThread` is the id that it had.
        case executed(formerThread: Int32)
        /// A child process or thread was made. It reports ``started`` itself, unless children are not followed.
        case created(Creation, id: Int32)
        /// The child that was made with vfork(2) has executed or ended: the parent goes on.
        case childReleased
        /// A new thread or child process is about to execute its first instruction.
        case started
        /// All threads of the process stop, by SIGSTOP, SIGTSTP, SIGTTIN or SIGTTOU. The answer keeps the thread stopped, as
        /// it would be if nobody looked, until SIGCONT.
        case groupStop(Signal)
        /// The group stop is over, by SIGCONT.
        case continued
        /// The thread is about to end; its memory and registers can still be read (``ProcessControl/Options/endings``).
        case ending(Ending)
        /// A thread that is not the last of its process has ended. Wants no answer.
        case threadEnded(Ending)
        /// The process has ended. Wants no answer.
        case ended(Ending)
    }

    /// What was made by clone(2).
    public enum Creation: Sendable, Hashable {
        /// A process with a copy of the memory.
        case fork
        /// A process that borrows the memory until it executes.
        case vfork
        /// A thread, or whatever else clone(2) makes.
        case thread
    }

    /// How a thread or process ended.
    public typealias Ending = ProcessExit.Reason

    /// Whether the thread waits for an answer.
    public var wantsAnswer: Bool {
        switch kind {
        case .threadEnded, .ended: false
        default: true
        }
    }
}

extension TraceEvent: CustomStringConvertible {
    /// `"pid:812: breakpoint(address: 0x401136)"`, with the thread where it is not the first.
    public var description: String {
        let place = thread == process ? "pid:\(process)" : "pid:\(process) thread \(thread)"
        switch kind {
        case .breakpoint(let address): return "\(place): breakpoint at 0x\(String(address, radix: 16))"
        case .signal(let signal): return "\(place): \(signal)"
        default: return "\(place): \(kind)"
        }
    }
}

extension TraceEvent.Ending {
    init?(_ status: TraceStatus) {
        switch status.meaning {
        case .exited(let code): self = .exited(code)
        case .killed(let signal, let core): self = .killed(Signal(unchecked: signal), dumpedCore: core)
        default: return nil
        }
    }
}
