// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
public import SystemPackage

/// A program and everything that its process is to have: exactly these descriptors, this environment, directory, group,
/// session, limits, priority, masks.
///
/// ```swift
/// var command = ProcessCommand("/usr/bin/sort", ["-n"])
/// command.descriptors = [0: .number(input.rawValue), 1: 1, 2: .null]
/// command.limits = [.cpuSeconds: .both(2)]
/// let sort = try ProcessHandle.spawn(command)
/// ```
public struct ProcessCommand: Sendable, Hashable {
    /// The program: a path, or a word without `/` that is looked for in PATH.
    public var program: String
    /// What it is given, without its own name.
    public var arguments: [String]
    /// The first argument, which by custom is the program's own name; nil is ``program``.
    public var name: String?
    /// Its environment.
    public var environment: Environment = .inherited
    /// The child's descriptors, all of them: what is not listed is closed, whoever opened it.
    public var descriptors: [CInt: ChildDescriptor] = [0: 0, 1: 1, 2: 2]
    /// Its working directory; nil is this process's.
    public var directory: FilePath?
    /// Its process group; nil is this process's.
    public var group: Group?
    /// Whether it leads a new session, without a controlling terminal. It leads its group then, too.
    public var startsSession = false
    /// Its descriptor of a terminal that shall be its controlling one (with ``startsSession``), and whose foreground group its
    /// own becomes.
    public var terminal: CInt?
    /// Limits that differ from this process's.
    public var limits: [ResourceLimit: ResourceLimit.Value] = [:]
    /// −20 (served first) to 19; nil is this process's.
    public var niceness: Int?
    /// Which permissions files that it creates do not get; nil is this process's.
    public var fileModeMask: FilePermissions?
    /// Which signals it begins with blocked. None by default, whatever this process blocks.
    public var blockedSignals: SignalSet = []
    /// Which signals it begins with ignored; all others have their default effect, whatever this process does with them.
    public var ignoredSignals: SignalSet = []
    /// What it is sent when this process ends, in whatever way; nil is nothing. A program that gains privileges by being started
    /// (set-user-ID) does not keep this.
    public var signalAtParentDeath: Signal?

    /// A program with arguments; everything else as it says above.
    public init(_ program: String, _ arguments: [String] = []) {
        self.program = program
        self.arguments = arguments
    }

    /// A line for `/bin/sh`; `arguments` are its `$1`, `$2`, ….
    public static func shell(_ line: String, _ arguments: [String] = []) -> ProcessCommand {
        ProcessCommand("/bin/sh", ["-c", line, "sh"] + arguments)
    }

    /// The running program once more, with other arguments.
    public static func thisProgram(_ arguments: [String]) -> ProcessCommand {
        var command = ProcessCommand("/proc/self/exe", arguments)
        command.name = CommandLine.arguments.first
        return command
    }

    /// What becomes one of the child's descriptors.
    public enum ChildDescriptor: Sendable, Hashable, ExpressibleByIntegerLiteral {
        /// The open file behind this number here. It stays open here.
        case number(CInt)
        /// `/dev/null`.
        case null

        /// ``number(_:)``.
        public init(integerLiteral value: CInt) { self = .number(value) }
    }

    /// The variables that a program starts with.
    public enum Environment: Sendable, Hashable {
        /// Those of this process.
        case inherited
        /// These and no other.
        case only([String: String])
        /// Those of this process, but these changed; nil takes one out.
        case changed([String: String?])
    }

    /// A process group.
    public enum Group: Sendable, Hashable {
        /// A new one that it leads, with its own number.
        case own
        /// One that exists, in the same session.
        case existing(Int32)
    }
}

/// A limit of a process.
///
/// The manual page is `getrlimit(2)`.
public struct ResourceLimit: Sendable, Hashable, CustomStringConvertible {
    let number: CInt
    /// As the manual spells it: `"RLIMIT_NOFILE"`.
    public let description: String

    /// The highest descriptor number, plus one.
    public static let descriptors = ResourceLimit(number: ResourceLimits.descriptors, description: "RLIMIT_NOFILE")
    /// Seconds of processor time; SIGXCPU comes at the soft limit.
    public static let cpuSeconds = ResourceLimit(number: ResourceLimits.cpuSeconds, description: "RLIMIT_CPU")
    /// Bytes of address space.
    public static let addressSpaceBytes = ResourceLimit(
        number: ResourceLimits.addressSpace, description: "RLIMIT_AS")
    /// Bytes of data segments.
    public static let dataBytes = ResourceLimit(number: ResourceLimits.data, description: "RLIMIT_DATA")
    /// Bytes of the main thread's stack.
    public static let stackBytes = ResourceLimit(number: ResourceLimits.stack, description: "RLIMIT_STACK")
    /// Bytes of a core file.
    public static let coreBytes = ResourceLimit(number: ResourceLimits.core, description: "RLIMIT_CORE")
    /// Bytes of a file that it writes.
    public static let fileBytes = ResourceLimit(number: ResourceLimits.fileSize, description: "RLIMIT_FSIZE")
    /// Bytes locked in memory.
    public static let lockedBytes = ResourceLimit(number: ResourceLimits.lockedMemory, description: "RLIMIT_MEMLOCK")
    /// Bytes in POSIX message queues of the user.
    public static let messageQueueBytes = ResourceLimit(
        number: ResourceLimits.messageQueueBytes, description: "RLIMIT_MSGQUEUE")
    /// Processes of the user.
    public static let processes = ResourceLimit(number: ResourceLimits.processes, description: "RLIMIT_NPROC")
    /// Signals that wait for processes of the user.
    public static let pendingSignals = ResourceLimit(
        number: ResourceLimits.pendingSignals, description: "RLIMIT_SIGPENDING")

    /// What the kernel enforces, and up to where the process may raise that itself.
    public struct Value: Sendable, Hashable {
        /// What is enforced; nil is no limit.
        public var soft: UInt64?
        /// Up to where it may be raised; nil is no limit.
        public var hard: UInt64?

        /// Two values; nil is no limit.
        public init(soft: UInt64?, hard: UInt64?) {
            self.soft = soft
            self.hard = hard
        }

        /// The same for both: the process cannot raise it again.
        public static func both(_ value: UInt64?) -> Value { Value(soft: value, hard: value) }
    }

    /// The limit of this process now.
    ///
    /// The corresponding C function is `getrlimit(2)`.
    public var ofThisProcess: Value {
        guard let now = try? sysResourceLimit(number) else { return .both(nil) }
        return Value(soft: now.soft == .max ? nil : now.soft, hard: now.hard == .max ? nil : now.hard)
    }
}
