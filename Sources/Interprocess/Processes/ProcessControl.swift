// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
public import SystemPackage

/// Control of other processes as a debugger has it: every stop of every thread is a ``TraceEvent``, and the thread goes on
/// when it is told to.
///
/// ```swift
/// let control = try await ProcessControl.spawn("/usr/bin/sort", arguments: ["sort", "names"])
/// for try await event in control.events {
///     print(event)
///     try await control.resume(event)
/// }
/// ```
///
/// Whatever is not answered stays stopped. Threads of one process stop one by one: the others run on, unless ``stop(_:)`` is
/// asked for.
///
/// Ownership: when the value goes, or with ``detach()``, breakpoints are taken out and every process goes on as it was,
/// with the signals that it had stopped for. A program that ``spawn(_:arguments:environment:directory:descriptors:options:)`` started is then
/// a child of this process like any other, to be waited for by who started it.
///
/// Blocking: the verbs without `await` block for as long as the kernel needs to make a call, and those that touch breakpoints until all threads
/// of the process have been stopped for a moment.
///
/// Concurrency: any number of tasks and threads may use it; all calls are made by one thread of its own, in order.
///
/// If a process dies: by SIGKILL even a stopped thread goes away at any instant. Answering such a thread does nothing, looking at it
/// throws ``IPCError/Code/notFound``, and an event tells its end.
///
/// Limits: one tracer a process. The end of a child of this very process is told here, and by `waitpid(2)` no more. A system call that the kernel does not restart by itself (`epoll_wait(2)`, `msgrcv(2)`, see
/// `signal(7)`) returns EINTR to the process when it is stopped in it.
///
/// The corresponding C function is `ptrace(2)`.
public struct ProcessControl: ~Copyable, Sendable {
    let core: ProcessControlCore
    /// The process that was attached to or started; its children have ids of their own.
    public let process: Int32

    private init(_ core: ProcessControlCore, _ process: Int32) {
        self.core = core
        self.process = process
    }

    deinit { _ = core.ask(ifOver: ()) { (tracer) throws(IPCError) in try tracer.detach(nil) } }

    // MARK: Attaching

    /// Takes a running process under control; blocks until each of its threads has stopped and told so.
    ///
    /// - Parameters:
    ///   - process: its id.
    ///   - options: what is told.
    /// - Returns: the control; the first events are a ``TraceEvent/Kind/stopped`` of each thread.
    /// - Throws: ``IPCError/Code/notFound``; ``IPCError/Code/permissionDenied``, with who traces it already, or what would help.
    ///
    /// The corresponding C function is `ptrace(2)` with PTRACE_SEIZE and PTRACE_INTERRUPT.
    public static func attach(to process: Int32, options: Options = Options()) throws(IPCError) -> ProcessControl {
        let (core, pending) = try startAttaching(process, options)
        try pending.block()
        return ProcessControl(core, process)
    }

    /// Takes a running process under control; suspends the task until each of its threads has stopped and told so.
    ///
    /// - Parameters:
    ///   - process: its id.
    ///   - options: what is told.
    /// - Returns: as the blocking form.
    /// - Throws: as the blocking form.
    public static func attach(
        to process: Int32, options: Options = Options()
    ) async throws(IPCError) -> ProcessControl {
        let (core, pending) = try startAttaching(process, options)
        try await pending.suspend()
        return ProcessControl(core, process)
    }

    private static func startAttaching(
        _ process: Int32, _ options: Options
    ) throws(IPCError) -> (core: ProcessControlCore, result: ProcessControlCore.Pending<Void>) {
        try ProcessControlCore.start("pid:\(process)", options) { (tracer) throws(IPCError) in
            guard process > 0, process != sysProcessID() else {
                throw IPCError(
                    .notPermitted, "ptrace", "pid:\(process)", hint: "a process cannot trace itself")
            }
            try tracer.attach(process)
        }
    }

    // MARK: Starting

    /// Starts a program under control; blocks until it is about to execute its first instruction.
    ///
    /// - Parameters:
    ///   - path: the program's file; no search.
    ///   - arguments: what it is given, its own name first.
    ///   - environment: `NAME=value` each; nil hands on that of this process.
    ///   - directory: where it runs; nil for where this process does.
    ///   - descriptors: its number → the number here. Beside these it gets 0 to 2 and nothing else. Signal dispositions and mask are the
    ///     default.
    ///   - options: what is told.
    /// - Returns: the control; the first event is ``TraceEvent/Kind/executed(formerThread:)``.
    /// - Throws: ``IPCError/Code/notFound``, ``IPCError/Code/permissionDenied`` and what else `execve(2)` may say.
    ///
    /// The corresponding C functions are `fork(2)`, `ptrace(2)` with PTRACE_SEIZE, and `execve(2)`.
    public static func spawn(
        _ path: FilePath, arguments: [String], environment: [String]? = nil, directory: FilePath? = nil,
        descriptors: [CInt: CInt] = [:], options: Options = Options()
    ) throws(IPCError) -> ProcessControl {
        let (core, pending) = try startProgram(path, arguments, environment, directory, descriptors, options)
        return ProcessControl(core, try pending.block())
    }

    /// Starts a program under control; suspends the task until it is about to execute its first instruction.
    ///
    /// - Parameters:
    ///   - path: the program's file; no search.
    ///   - arguments: what it is given, its own name first.
    ///   - environment: `NAME=value` each; nil hands on that of this process.
    ///   - directory: where it runs; nil for where this process does.
    ///   - descriptors: its number → the number here, as in the blocking form.
    ///   - options: what is told.
    /// - Returns: as the blocking form.
    /// - Throws: as the blocking form.
    public static func spawn(
        _ path: FilePath, arguments: [String], environment: [String]? = nil, directory: FilePath? = nil,
        descriptors: [CInt: CInt] = [:], options: Options = Options()
    ) async throws(IPCError) -> ProcessControl {
        let (core, pending) = try startProgram(path, arguments, environment, directory, descriptors, options)
        return ProcessControl(core, try await pending.suspend())
    }

    private static func startProgram(
        _ path: FilePath, _ arguments: [String], _ environment: [String]?, _ directory: FilePath?,
        _ descriptors: [CInt: CInt], _ options: Options
    ) throws(IPCError) -> (core: ProcessControlCore, result: ProcessControlCore.Pending<Int32>) {
        precondition(!arguments.isEmpty, "the first argument is the program's own name")
        let program = TracedProgram(
            path: path, arguments: arguments, environment: environment, directory: directory,
            descriptors: descriptors, ownGroup: false, fixedAddresses: false, filteredCalls: options.filteredCalls)
        return try ProcessControlCore.start(path.string, options) { (tracer) throws(IPCError) in
            try tracer.spawn(program)
        }
    }

    // MARK: Letting go

    /// Takes the breakpoints out and lets every process go on as it was; blocks until that is so.
    ///
    /// - Throws: nothing for processes that have ended.
    ///
    /// The corresponding C function is `ptrace(2)` with PTRACE_DETACH.
    public consuming func detach() throws(IPCError) { try letGo().block() }

    /// Takes the breakpoints out and lets every process go on as it was; suspends the task until that is so.
    ///
    /// - Throws: nothing for processes that have ended.
    public consuming func detach() async throws(IPCError) { try await letGo().suspend() }

    private func letGo() -> ProcessControlCore.Pending<Void> {
        core.ask(ifOver: ()) { (tracer) throws(IPCError) in
            if !tracer.threads.isEmpty { try tracer.detach(nil) }
        }
    }
}
