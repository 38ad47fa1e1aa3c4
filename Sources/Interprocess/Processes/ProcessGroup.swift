// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import SystemPackage

/// A group of processes, which signals reach together: a pipeline of a shell, a worker with all that it starts.
///
/// ```swift
/// var build = ProcessCommand("make", ["-j8"])
/// build.group = .own
/// let make = try ProcessHandle.spawn(build)
/// try make.ledGroup.send(.terminate)         // make and all its compilers
/// ```
///
/// The manual page is `setpgid(2)`.
public struct ProcessGroup: Sendable, Hashable {
    /// The number of the process that led it first.
    public let id: Int32

    /// A group by its number. The number stays taken while the group has any member; after that another may get it.
    public init(id: Int32) { self.id = id }

    /// The group of this process.
    public static var current: ProcessGroup { ProcessGroup(id: (try? sysGroup(of: 0)) ?? 0) }

    /// Sends a signal to every process of the group that this process may send it to.
    ///
    /// - Throws: ``IPCError/Code/notFound`` (ESRCH) if the group has no member; ``IPCError/Code/permissionDenied`` if none may be sent it.
    ///
    /// The corresponding C function is `killpg(3)`.
    public func send(_ signal: Signal) throws(IPCError) {
        guard id > 1 else {
            // 0 would be one's own group, 1 everything there is.
            throw IPCError(
                code: .invalidArgument, call: "kill", subject: "group \(id)", hint: "groups are numbers from 2 up")
        }
        do throws(Errno) { try sysKill(-id, signal.number) } catch {
            throw Signal.sendFailure(error, "kill", signal, "group \(id)")
        }
    }
}

extension ProcessHandle {
    /// The group that this process is in.
    ///
    /// - Throws: ``IPCError/Code/notFound`` if it has ended and was waited for.
    ///
    /// The corresponding C function is `getpgid(2)`.
    public func group() throws(IPCError) -> ProcessGroup { ProcessGroup(id: try asked("getpgid", sysGroup)) }

    /// The session that this process is in: the number of the process that led it first.
    ///
    /// The corresponding C function is `getsid(2)`.
    public func sessionID() throws(IPCError) -> Int32 { try asked("getsid", sysSession) }

    /// −20 (served first) to 19.
    ///
    /// The corresponding C function is `getpriority(2)`.
    public func niceness() throws(IPCError) -> Int32 { try asked("getpriority", sysNiceness) }

    /// The number of its parent.
    public func parentID() throws(IPCError) -> Int32 {
        try asked("openat") { (process) throws(Errno) in try ProcessFacts(process).parent }
    }

    /// When it was started: ticks of the kernel's clock since the machine's start. Number and start time together name a
    /// process for as long as the machine runs.
    public func startTime() throws(IPCError) -> UInt64 {
        try asked("openat") { (process) throws(Errno) in try ProcessFacts(process).startTime }
    }

    /// Whether it is stopped (SIGSTOP, Ctrl-Z, a debugger).
    public func isStopped() throws(IPCError) -> Bool {
        try asked("openat") { (process) throws(Errno) in "Tt".contains(try ProcessFacts(process).state) }
    }

    /// Asks about the number, and makes sure that it was this process's all the time.
    private func asked<Answer>(
        _ call: String, _ question: (Int32) throws(Errno) -> Answer
    ) throws(IPCError) -> Answer {
        do throws(Errno) {
            let answer = try question(processID)
            do throws(Errno) { try sysSignalProcess(rawValue, 0) } catch  where error == .notPermitted {}
            return answer
        } catch {
            let gone = error == .noSuchProcess || error == .noSuchFileOrDirectory
            throw IPCError(
                gone ? .noSuchProcess : error, call, subject, hint: gone ? "it has ended and was waited for" : "")
        }
    }
}

extension ProcessHandle {
    /// The group that this process leads or led, whose number is its own.
    public var ledGroup: LedGroup { LedGroup(core: core) }

    /// The group of a process that leads it, reached by the process's handle: never by a number that is another's by now.
    public struct LedGroup: Sendable {
        let core: ProcessCore

        /// Sends a signal to every process of the group that this process may send it to, also when the leader has ended.
        ///
        /// - Parameter value: what travels with it; 32 bits.
        /// - Throws: ``IPCError/Code/notFound`` if the group has no member any more, or never was; ``IPCError/Code/permissionDenied``;
        ///   ``IPCError/Code/unsupported`` for a value on a kernel before 6.9.
        ///
        /// Limits: before Linux 6.9, and once the leader was waited for, the number alone is there to go by; then the signal is refused
        /// (``IPCError/Code/notFound``).
        ///
        /// The corresponding C function is `pidfd_send_signal(2)` with `PIDFD_SIGNAL_PROCESS_GROUP`.
        public func send(_ signal: Signal, value: Int32? = nil) throws(IPCError) {
            let descriptor = core.descriptor.rawValue
            do throws(Errno) {
                do throws(Errno) {
                    try sysSignalProcess(descriptor, signal.number, value: value, scope: .group)
                } catch  where error == .invalidArgument {
                    // Before 6.9. While the leader is not reaped, the number is the group's.
                    if value != nil { throw .notSupported }
                    try sysSignalProcess(descriptor, 0)
                    try sysKill(-core.processID, signal.number)
                }
            } catch {
                throw Signal.sendFailure(error, "pidfd_send_signal", signal, "group \(core.processID)")
            }
        }
    }
}

/// What /proc/N/stat says.
struct ProcessFacts {
    var state: Character
    var parent: Int32
    var startTime: UInt64

    init(_ process: Int32) throws(Errno) {
        let text = try sysProcFile(FilePath("/proc/\(process)/stat"))
        guard let paren = text.lastIndex(of: ")") else { throw .noSuchProcess }
        let fields = text[text.index(after: paren)...].split(separator: " ")
        guard fields.count > 19, let state = fields[0].first, let parent = Int32(fields[1]),
            let startTime = UInt64(fields[19])
        else { throw .noSuchProcess }
        self.state = state
        self.parent = parent
        self.startTime = startTime
    }
}
