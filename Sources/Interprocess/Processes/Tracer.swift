// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import SystemPackage

/// The threads under control and what is known of them. Lives on the tracer thread and nowhere else.
final class Tracer {
    let calls: TraceCalls
    let options: ProcessControl.Options
    var threads: [Int32: TracedThread] = [:]
    var processes: [Int32: TracedProcess] = [:]
    /// New threads that stopped before their maker told of them.
    var strangers: [Int32: TraceStatus] = [:]
    /// New threads that ended before their maker told of them, and when.
    var departed: [Int32: (status: TraceStatus, time: Deadline)] = [:]
    /// What wait4 has told and nobody has looked at yet.
    var backlog: [(thread: Int32, status: TraceStatus)] = []
    /// Children of this process.
    var started: Set<Int32> = []
    /// What is to be told.
    var events: [TraceEvent] = []

    init(_ calls: TraceCalls, _ options: ProcessControl.Options) {
        self.calls = calls
        self.options = options
    }

    /// The options of a tracee; EXITKILL comes and goes with breakpoints.
    func flags(_ space: AddressSpace?) -> TraceFlags {
        var flags: TraceFlags = [.marked, .fork, .vfork, .vforkDone, .clone, .exec, .exit]
        if options.filteredCalls != nil { flags.insert(.seccomp) }
        switch options.ifControllerDies {
        case .kill: flags.insert(.exitKill)
        case .leaveRunning: if let space, !space.breakpoints.isEmpty { flags.insert(.exitKill) }
        case .guardian: break
        }
        return flags
    }

    var hasRunningThreads: Bool {
        threads.values.contains {
            switch $0.state {
            case .running, .listening, .starting: true
            default: false
            }
        }
    }

    var isFinished: Bool { threads.isEmpty && strangers.isEmpty && events.isEmpty }

    /// A call on a thread: that it is gone is no failure, an event will say so.
    @discardableResult
    func attempt(_ thread: TracedThread, _ call: () throws(Errno) -> Void) throws(IPCError) -> Bool {
        do throws(Errno) {
            try call()
            return true
        } catch  where error == .noSuchProcess {
            // Killed: wait4 tells next.
            thread.state = .running
            return false
        } catch {
            throw IPCError(error, "ptrace", "pid:\(thread.process.id)")
        }
    }

    func tell(_ thread: TracedThread, _ kind: TraceEvent.Kind) {
        guard thread.process.isFollowed else { return }
        events.append(TraceEvent(process: thread.process.id, thread: thread.id, kind: kind))
    }

    // MARK: Waiting

    /// The next event of a thread, of one or of all, from the backlog or from the kernel.
    func next(_ thread: Int32 = -1, blocking: Bool) throws(Errno) -> (thread: Int32, status: TraceStatus)? {
        if let place = backlog.firstIndex(where: { thread == -1 || $0.thread == thread }) {
            return backlog.remove(at: place)
        }
        return try calls.wait(thread, blocking: blocking)
    }

    /// Waits for one event and takes it; EINTR is taken for none.
    func pump() throws(IPCError) {
        do throws(Errno) {
            if let (thread, status) = try next(blocking: true) { try take(thread, status) }
        } catch {
            if error == .interrupted { return }
            if error == .noChildProcess { return allGone() }
            throw IPCError(error, "wait4", "pid:\(processes.keys.first ?? 0)")
        }
    }

    private func take(_ thread: Int32, _ status: TraceStatus) throws(Errno) {
        // The failures of single calls are told as the end of the thread.
        do throws(IPCError) { try handle(thread, status) } catch { throw error.errno ?? .ioError }
    }

    /// Nobody is left, and for some we were not told.
    func allGone() {
        for thread in threads.values.sorted(by: { $0.id < $1.id }) {
            remove(thread, .killed(.kill, dumpedCore: false))
        }
        strangers = [:]
    }

    // MARK: Threads

    func add(_ id: Int32, to process: TracedProcess, _ state: TracedThread.State) -> TracedThread {
        let thread = TracedThread(id: id, process: process, state: state)
        threads[id] = thread
        process.threadCount += 1
        return thread
    }

    func remove(_ thread: TracedThread, _ ending: TraceEvent.Ending) {
        guard threads.removeValue(forKey: thread.id) != nil else { return }
        let process = thread.process
        process.threadCount -= 1
        let isLast = process.threadCount == 0
        if isLast || thread.id == process.id {
            if !isLast {
                // The first thread tells the end of the process, which is told when all others are gone.
                for other in threads.values where other.process === process { threads[other.id] = nil }
            }
            processes[process.id] = nil
            forget(process)
            if process.isFollowed {
                events.append(TraceEvent(process: process.id, thread: process.id, kind: .ended(ending)))
            }
        } else {
            tell(thread, .threadEnded(ending))
        }
        adoptStrangers()
    }

    /// Threads that lost their maker before they could be told of. The end of the maker and the first stop of what it made come
    /// in either order.
    func adoptStrangers() {
        for (id, status) in strangers where hasLostItsMaker(id) {
            let leader = TracePermission.status(id, "Tgid:") ?? id
            let process =
                processes[leader] ?? newProcess(leader, AddressSpace(of: leader), isFollowed: options.followsChildren)
            strangers[id] = nil
            let thread = add(id, to: process, .starting)
            try? handle(thread.id, status)
        }
    }

    private func hasLostItsMaker(_ id: Int32) -> Bool {
        let leader = TracePermission.status(id, "Tgid:") ?? id
        // A thread goes with its process: as long as that is there, its maker is.
        if leader != id { return processes[leader] == nil }
        return TracePermission.status(id, "PPid:").map { processes[$0] == nil } ?? true
    }

    func newProcess(_ id: Int32, _ space: AddressSpace, isFollowed: Bool) -> TracedProcess {
        let process = TracedProcess(id: id, space: space, isFollowed: isFollowed)
        processes[id] = process
        return process
    }
}

/// A process under control.
final class TracedProcess {
    let id: Int32
    var space: AddressSpace
    var threadCount = 0
    /// False for a child that only has to get rid of its maker's breakpoints.
    var isFollowed: Bool

    init(id: Int32, space: AddressSpace, isFollowed: Bool) {
        self.id = id
        self.space = space
        self.isFollowed = isFollowed
    }
}

/// The memory that processes share, as far as breakpoints go: vfork(2) makes a second user of the same.
final class AddressSpace {
    /// Address to what stood there.
    var breakpoints: [UInt64: UInt64]
    /// The process whose memory it was first.
    let owner: Int32

    init(of owner: Int32, _ breakpoints: [UInt64: UInt64] = [:]) {
        self.owner = owner
        self.breakpoints = breakpoints
    }
}

/// A thread under control.
final class TracedThread {
    enum State {
        /// Attached by the kernel, its first stop is to come.
        case starting
        case running
        /// In a group stop, and told to stay there.
        case listening
        /// Stopped for a moment, for a purpose of our own.
        case halted
        /// The same in a group stop.
        case haltedInGroup
        case stopped(Stop)
    }

    /// Why it stands still.
    enum Stop {
        /// A signal is about to be delivered.
        case signal(Int32, SignalRecord)
        case groupStop
        /// At a SIGTRAP of ours: a signal can be put in its place.
        case trap
        case other
    }

    /// A signal that came at the wrong moment and waits for its turn.
    struct Held {
        var number: Int32
        var record: SignalRecord
    }

    let id: Int32
    let process: TracedProcess
    var state: State
    /// How it was last told to go on.
    var resumption = TraceCalls.Resumption.run
    /// Whether a stop was asked for that shall be told.
    var stopAsked = false
    /// Whether a stop was asked for that shall not be told.
    var haltAsked = false
    /// In vfork(2): stands still until its child executes, whatever it is told.
    var isInVfork = false
    /// On its way out: executes nothing any more, and stops for nobody.
    var isExiting = false
    var held: [Held] = []
    /// The system call that it is in.
    var call: TracedSystemCall?

    init(id: Int32, process: TracedProcess, state: State) {
        self.id = id
        self.process = process
        self.state = state
    }

    var isStopped: Bool {
        switch state {
        case .stopped, .halted, .haltedInGroup: true
        default: false
        }
    }

    var stop: Stop? {
        if case .stopped(let stop) = state { stop } else { nil }
    }
}
