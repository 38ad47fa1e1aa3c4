// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import SystemPackage

/// How processes come under control, and how they leave it.
extension Tracer {
    /// Seizes every thread of a process and stops each.
    func attach(_ process: Int32) throws(IPCError) {
        let group = TracePermission.status(process, "Tgid:") ?? process
        guard group == process else {
            throw IPCError(
                .noSuchProcess, "ptrace", "pid:\(process)", hint: "it is a thread of process \(group): attach to that")
        }
        let space = AddressSpace(of: process)
        let traced = newProcess(process, space, isFollowed: true)
        var refusal: Errno?
        // Until a look at all threads finds no new one: what is made meanwhile by a thread that is ours is ours already.
        var isComplete = false
        while !isComplete {
            isComplete = true
            for id in Self.threadIDs(of: process) where threads[id] == nil && strangers[id] == nil {
                do throws(Errno) {
                    try calls.seize(id, flags(space))
                    let thread = add(id, to: traced, .running)
                    thread.stopAsked = true
                    try calls.interrupt(id)
                    isComplete = false
                } catch {
                    if error == .noSuchProcess || backlog.contains(where: { $0.thread == id }) { continue }
                    if error == .notPermitted, !threads.isEmpty { continue }
                    refusal = error
                }
            }
            if refusal != nil { break }
        }
        guard traced.threadCount > 0 else {
            processes[process] = nil
            let error = refusal ?? .noSuchProcess
            throw IPCError(
                error, "ptrace", "pid:\(process)",
                hint: error == .notPermitted ? TracePermission.hint(process) : "there is no such process")
        }
        if let refusal {
            try detach(process)
            throw IPCError(refusal, "ptrace", "pid:\(process)")
        }
        // All of them stand still before anybody hears of it.
        while threads.values.contains(where: { if case .running = $0.state, $0.stopAsked { true } else { false } }) {
            try pump()
        }
        if processes[process] == nil {
            events = []
            throw IPCError(.noSuchProcess, "ptrace", "pid:\(process)", hint: "it ended meanwhile")
        }
    }

    static func threadIDs(of process: Int32) -> [Int32] {
        guard let directory = try? sysOpen(FilePath("/proc/\(process)/task"), flags: InspectionOpen.directory) else {
            return []
        }
        defer { try? sysClose(directory) }
        var all: [Int32] = []
        while let part = try? sysReadDirectory(directory) {
            all += part.compactMap { Int32(String(decoding: $0.name, as: UTF8.self)) }
        }
        return all
    }

    /// Starts a program whose first instruction is yet to be executed when this returns.
    func spawn(_ program: TracedProgram) throws(IPCError) -> Int32 {
        let subject = program.path.string
        let start: TracedStart
        do throws(Errno) { start = try sysStartTraced(program, by: calls.guardian) } catch {
            throw IPCError(error, "clone", subject)
        }
        defer { try? sysClose(start.report) }
        started.insert(start.process)
        let process = newProcess(start.process, AddressSpace(of: start.process), isFollowed: true)
        do throws(Errno) {
            defer { try? sysClose(start.gate) }
            try calls.seize(start.process, flags(process.space))
            _ = try sysWrite(start.gate, [UInt8(1)].span)
        } catch {
            // The gate is closed: the child goes by itself, or has gone because something could not be arranged.
            processes[start.process] = nil
            _ = try? sysWait(start.process)
            if let told = Self.report(start) { throw IPCError(told, "execve", subject, hint: Self.notStarted) }
            throw IPCError(error, "ptrace", "pid:\(start.process)", hint: TracePermission.hint(start.process))
        }
        let thread = add(start.process, to: process, .running)
        while threads[thread.id] === thread {
            if events.contains(where: { if case .executed = $0.kind { true } else { false } }) { return thread.id }
            // On its way to the program it may be hit by signals; nobody is told of them.
            if case .stopped(let stop) = thread.state {
                events = []
                if case .signal(let number, _) = stop {
                    try go(thread, .run, signal: number)
                } else {
                    try go(thread, .run)
                }
            }
            try pump()
        }
        events = []
        reap(start.process)
        throw IPCError(Self.report(start) ?? .noSuchProcess, "execve", subject, hint: Self.notStarted)
    }

    private static let notStarted = "the program could not be started"

    /// Why a child that has ended could not execute; nil if that is not why it ended.
    private static func report(_ start: TracedStart) -> Errno? {
        guard let told = try? sysReadFile(start.report, limit: 4), told.count == 4 else { return nil }
        return Errno(rawValue: told.reversed().reduce(Int32(0)) { $0 << 8 | Int32($1) })
    }

    /// A child of ours that a guardian traced is ours to bury.
    func reap(_ process: Int32) {
        if calls.guardian != nil, started.remove(process) != nil { _ = try? sysWait(process) }
    }

    // MARK: Leaving

    /// Takes the breakpoints out and lets every thread of a process, or of all, go on as it was.
    func detach(_ process: Int32?) throws(IPCError) {
        let leaving = processes.values.filter { $0.isFollowed && (process == nil || $0.id == process) }
        for each in leaving {
            let space = each.space
            try halt(space, listening: true)
            let isShared = processes.values.contains {
                $0 !== each && $0.space === space && !leaving.contains { $0 === each }
            }
            if !isShared, let thread = try? stoppedThread(space) {
                for (address, original) in space.breakpoints { try restore(address, original, thread) }
                forget(each)
                space.breakpoints = [:]
            }
        }
        for each in leaving {
            each.isFollowed = false
            for thread in threads.values where thread.process === each && thread.isStopped { try detach(thread) }
        }
        events.removeAll { event in leaving.contains { $0.id == event.process } }
    }

    /// Detaches one stopped thread, with the signal that it had stopped for.
    func detach(_ thread: TracedThread) throws(IPCError) {
        var signal: Int32 = 0
        let (process, id, held) = (thread.process.id, thread.id, thread.held)
        try attempt(thread) { () throws(Errno) in
            if case .signal(let number, let record) = thread.state.stop {
                signal = number
                try calls.setSignal(of: id, record)
            }
            for each in held { try sysQueueThreadSignal(process: process, thread: id, each.number, each.record) }
            try calls.setOptions(id, .marked)
            try calls.detach(id, signal: signal)
        }
        // Gone or let go: nothing more is heard of it.
        threads[id] = nil
        thread.process.threadCount -= 1
        if thread.process.threadCount == 0 { processes[process] = nil }
    }
}

extension TracedThread.State {
    var stop: TracedThread.Stop? { if case .stopped(let stop) = self { stop } else { nil } }
}
