// SPDX-License-Identifier: Apache-2.0

extension ProcessControl {
    /// What is controlled, and what is told.
    public struct Options: Sendable, Hashable {
        /// Whether every system call stops at its beginning and at its end.
        public var systemCalls: Bool
        /// Whether child processes come under control as well; new threads always do.
        public var followsChildren: Bool
        /// Whether a thread stops once more when it is about to end.
        public var endings: Bool
        /// What happens to the processes if this one dies.
        public var ifControllerDies: ControllerDeath
        /// The system calls that a program started with these options stops at, by a filter of the kernel's: all others cost
        /// nothing. Nil for all.
        package var filteredCalls: [Int]?

        /// Options; the defaults are those of a debugger.
        public init(
            systemCalls: Bool = false, followsChildren: Bool = true, endings: Bool = false,
            ifControllerDies: ControllerDeath = .leaveRunning
        ) {
            self.systemCalls = systemCalls
            self.followsChildren = followsChildren
            self.endings = endings
            self.ifControllerDies = ifControllerDies
        }
    }

    /// What happens to processes under control if their controller dies, killed in whatever way.
    public enum ControllerDeath: Sendable, Hashable {
        /// They go on as if nobody had looked, as long as no breakpoint is set. While one is, they are killed
        /// (PTRACE_O_EXITKILL): to run into a trap that nobody handles would end them anyhow, later and somewhere.
        case leaveRunning
        /// They are killed.
        case kill
        /// They go on, even if breakpoints are set: a process of its own, which makes all the calls in this one's name, takes
        /// the breakpoints out and lets go.
        case guardian
    }

    /// How a thread goes on.
    public enum Resumption: Sendable, Hashable {
        /// Until something happens.
        case run
        /// For one instruction.
        case step
    }

    /// What becomes of the signal that a thread stopped for.
    public enum Delivery: Sendable, Hashable {
        /// It is delivered, as if nobody had looked.
        case asReported
        /// It is not delivered.
        case suppressed
        /// Another one is delivered instead; also after a breakpoint, where there was none.
        case replaced(by: Signal)
    }

    /// The answer to an event.
    public struct Answer: Sendable, Hashable {
        /// How the thread goes on; nil if it stays where it is and the event goes to ``ProcessControl/events``.
        public var resumption: Resumption?
        /// What becomes of its signal.
        public var delivery: Delivery

        /// An answer.
        public init(_ resumption: Resumption?, delivering delivery: Delivery = .asReported) {
            self.resumption = resumption
            self.delivery = delivery
        }

        /// The thread goes on as if nobody had looked.
        public static let goOn = Answer(.run)
        /// The thread stays stopped until ``ProcessControl/resume(_:_:)``.
        public static let keepStopped = Answer(nil)
    }
}
