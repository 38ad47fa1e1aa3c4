// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import Synchronization
import SystemPackage

extension ProcessHandle {
    /// Starts a program in a new process, a child of this one.
    ///
    /// Nothing is left to find out later: if the program cannot be started, the error says why, and no process is left.
    ///
    /// - Parameter command: the program and everything that its process is to have.
    /// - Throws: with the call that failed: ``IPCError/Code/notFound`` (ENOENT: the program, its interpreter, or the directory),
    ///   ``IPCError/Code/permissionDenied`` (EACCES, EPERM), ``IPCError/Code/wrongKind`` (ENOEXEC: no program),
    ///   ``IPCError/Code/badDescriptor`` for a descriptor that is not open, ``IPCError/Code/messageTooLarge`` (E2BIG: arguments and
    ///   environment), ``IPCError/Code/wouldBlock`` (EAGAIN: too many processes), ``IPCError/Code/invalidArgument`` for a NUL
    ///   in a string, ``IPCError/Code/limitReached``, ``IPCError/Code/outOfMemory``.
    ///
    /// Blocking: until the child has become the program; the thread alone.
    ///
    /// Concurrency: safe beside any number of threads: between the birth of the process and the program, no code of this
    /// program runs in it.
    ///
    /// The corresponding C functions are `clone(2)` with `CLONE_PIDFD` and `CLONE_VFORK`, and `execve(2)`.
    public static func spawn(_ command: ProcessCommand) throws(IPCError) -> ProcessHandle {
        guard command.descriptors.values.contains(.null) else { return try start(command, null: -1) }
        let null: OwnedDescriptor
        do throws(Errno) { null = OwnedDescriptor(adopting: try sysOpen("/dev/null", flags: 2)) } catch {
            throw IPCError(error, "openat", "file:/dev/null")
        }
        let handle = try start(command, null: null.rawValue)
        try? null.close()
        return handle
    }

    private static func start(_ command: ProcessCommand, null: CInt) throws(IPCError) -> ProcessHandle {
        let plan = try command.plan(null: null)
        do throws(SpawnFailure) {
            if plan.deathSignal == nil { return ProcessHandle(spawned: try sysSpawn(plan)) }
            return ProcessHandle(spawned: try SpawnerThread.shared.spawn(plan))
        } catch {
            throw command.failure(error, plan)
        }
    }
}

extension ProcessCommand {
    func plan(null: CInt) throws(IPCError) -> SpawnPlan {
        var variables: [String]?
        switch environment {
        case .inherited: variables = nil
        case .only(let given): variables = given.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
        case .changed(let changes):
            variables =
                sysEnvironment().filter { variable in
                    guard let name = variable.split(separator: "=", maxSplits: 1).first else { return true }
                    return changes[String(name)] == nil
                }
                + changes.sorted { $0.key < $1.key }.compactMap { name, value in value.map { "\(name)=\($0)" } }
        }
        for text in [program, name ?? ""] + arguments + (variables ?? []) + [directory?.string ?? ""]
        where text.utf8.contains(0) {
            throw IPCError(
                code: .invalidArgument, subject: subject, hint: "a NUL cannot be in an argument, a variable or a path")
        }
        var numbers: [CInt: CInt] = [:]
        for (target, source) in descriptors {
            guard target >= 0 else {
                throw IPCError(code: .invalidArgument, subject: subject, hint: "descriptors are not negative")
            }
            if case .number(let number) = source { numbers[target] = number } else { numbers[target] = null }
        }
        var plan = SpawnPlan(
            try file(), arguments: [name ?? program] + arguments, environment: variables, descriptors: numbers)
        plan.directory = directory
        plan.newSession = startsSession
        switch group {
        case .own: plan.group = startsSession ? nil : 0
        case .existing(let number): plan.group = number
        case nil: break
        }
        plan.terminal = terminal
        plan.foreground = terminal != nil
        plan.niceness = niceness.map { Int32(clamping: $0) }
        plan.fileModeMask = fileModeMask.map { UInt32($0.rawValue) & 0o777 }
        plan.limits = limits.sorted { $0.key.number < $1.key.number }.map {
            SpawnPlan.Limit(resource: $0.key.number, soft: $0.value.soft ?? .max, hard: $0.value.hard ?? .max)
        }
        plan.blocked = blockedSignals.bits
        plan.ignored = ignoredSignals.bits
        plan.deathSignal = signalAtParentDeath?.number
        return plan
    }

    var subject: String { "program \(program)" }

    /// The program's file, looked for in PATH as execvp(3) does.
    private func file() throws(IPCError) -> FilePath {
        if program.contains("/") { return FilePath(program) }
        var refused = false
        let path = environment.path ?? "/usr/local/bin:/bin:/usr/bin"
        for folder in path.split(separator: ":", omittingEmptySubsequences: false) where !program.isEmpty {
            let file = FilePath(folder.isEmpty ? "." : String(folder)).appending(program)
            guard let status = try? sysStatus(file, followLinks: true), status.kind == .regular else { continue }
            if status.permissions & 0o111 != 0 { return file }
            refused = true
        }
        throw IPCError(
            refused ? .permissionDenied : .noSuchFileOrDirectory, "execve", subject,
            hint: refused ? "the file in PATH may not be executed" : "it is in none of the folders of PATH: \(path)")
    }

    func failure(_ failure: SpawnFailure, _ plan: SpawnPlan) -> IPCError {
        var hint = ""
        switch (failure.call, failure.error) {
        case ("execve", .noSuchFileOrDirectory):
            hint =
                (try? sysStatus(plan.path, followLinks: true)) == nil
                ? "there is no such file" : "the file is there, but not the interpreter that it names"
        case ("execve", .permissionDenied): hint = "the file, or a folder on the way, may not be executed"
        case ("execve", Errno(rawValue: 8)):
            return IPCError(
                code: .wrongKind, call: "execve", errno: failure.error, subject: subject,
                hint: "the file is no program of this machine; a script begins with #! and its interpreter")
        case ("execve", Errno(rawValue: 7)): hint = "arguments and environment are too long together"
        case ("chdir", _): hint = "the directory is \(directory?.string ?? "")"
        case ("fcntl", .badFileDescriptor), ("dup2", .badFileDescriptor):
            hint = "one of the descriptors that it is to get is not open"
        case ("setpgid", _): hint = "the group must exist in the same session"
        case ("setpriority", _): hint = "priority is raised with CAP_SYS_NICE only"
        case ("setrlimit", _): hint = "a hard limit is raised with CAP_SYS_RESOURCE only, and no soft limit is above it"
        case ("ioctl", _):
            hint = "descriptor \(terminal ?? -1) of the child is to be a terminal that no other session controls"
        case ("clone", .resourceTemporarilyUnavailable):
            hint =
                "RLIMIT_NPROC is \(ResourceLimit.processes.ofThisProcess.soft.map(String.init) ?? "none"), or the control group is full"
        default: break
        }
        return IPCError(failure.error, failure.call, subject, hint: hint)
    }
}

extension ProcessCommand.Environment {
    /// Where programs are looked for: in the PATH of the new process.
    var path: String? {
        switch self {
        case .inherited: sysEnvironmentVariable("PATH")
        case .only(let variables): variables["PATH"]
        case .changed(let changes): changes["PATH"] ?? sysEnvironmentVariable("PATH")
        }
    }
}

/// A thread that spawns and never ends. To the kernel the parent of a process, by whose death it is told, is the thread that made
/// it; a thread of the pool may end at any time.
final class SpawnerThread: Sendable {
    static let shared = SpawnerThread()

    private struct State {
        var isStarted = false
        var jobs: [@Sendable () -> Void] = []
    }

    private let state = Mutex(State())
    private let gate = ThreadGate()

    func spawn(_ plan: SpawnPlan) throws(SpawnFailure) -> SpawnedProcess {
        do throws(Errno) { try start() } catch { throw SpawnFailure(error: error, call: "pthread_create") }
        let box = ResultBox()
        let done = ThreadGate()
        state.withLock {
            $0.jobs.append {
                let outcome = Result { () throws(SpawnFailure) in try sysSpawn(plan) }
                box.value.withLock { $0 = outcome }
                done.open()
            }
        }
        gate.open()
        _ = done.pass()
        guard let outcome = box.value.withLock({ $0 }) else { preconditionFailure("the spawner has answered") }
        return try outcome.get()
    }

    private final class ResultBox: Sendable {
        let value = Mutex<Result<SpawnedProcess, SpawnFailure>?>(nil)
    }

    private func start() throws(Errno) {
        try state.withLock { (state) throws(Errno) in
            if state.isStarted { return }
            try sysStartThread(named: "ipc-spawner") { self.run() }
            state.isStarted = true
        }
    }

    private func run() {
        while true {
            let jobs = state.withLock { state in
                defer { state.jobs = [] }
                return state.jobs
            }
            for job in jobs { job() }
            if jobs.isEmpty { _ = gate.pass() }
        }
    }
}
