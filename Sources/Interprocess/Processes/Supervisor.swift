// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import Synchronization

/// A pool of worker processes that are kept alive: one that dies is started again, later each time, and all are ended together.
///
/// ```swift
/// var workers = Supervisor.Options(count: 4)
/// workers.grace = .seconds(10)
/// let pool = Supervisor(workers) { number in ProcessCommand("/usr/libexec/worker", ["\(number)"]) }
/// for await event in pool.events { print(event) }
/// …
/// await pool.drain()
/// ```
///
/// Ownership: the last reference gone, workers are ended as by ``drain()``, without anybody waiting for it.
///
/// Concurrency: every method may be called from any task.
///
/// If a process dies: a worker is replaced. If this process is killed, workers are sent ``Options/signalAtParentDeath``.
public final class Supervisor: Sendable {
    /// What is to be kept alive, and how patiently.
    public struct Options: Sendable, Hashable {
        /// How many workers there are.
        public var count: Int
        /// Which ends call for another worker.
        public var restart = Restart.always
        /// How long the first restart waits; each further one of the same worker twice as long.
        public var firstDelay = Duration.milliseconds(100)
        /// No restart waits longer.
        public var longestDelay = Duration.seconds(30)
        /// A worker that ran so long has proven itself: its next restart waits ``firstDelay`` again.
        public var provenAfter = Duration.seconds(10)
        /// A worker that ends more often than this within ``crashWindow`` is given up.
        public var crashLimit = 5
        /// Over how long its ends are counted.
        public var crashWindow = Duration.seconds(60)
        /// How long workers have to end by themselves when the pool is drained.
        public var grace = Duration.seconds(5)
        /// Whether each worker leads a process group of its own, which ends as a whole.
        public var ownGroups = true
        /// What workers are sent if this process dies.
        public var signalAtParentDeath: Signal? = .terminate

        /// So many workers; everything else as it says above.
        public init(count: Int) { self.count = count }
    }

    /// Which ends call for another worker.
    public enum Restart: Sendable, Hashable {
        /// Every end.
        case always
        /// An end by a signal or with a code other than 0.
        case afterFailure
        /// None: each worker runs once.
        case never
    }

    /// What happened in the pool.
    public enum Event: Sendable, Hashable {
        /// A worker runs.
        case started(worker: Int, processID: Int32)
        /// A worker could not be started; it counts as an end.
        case notStarted(worker: Int, IPCError)
        /// A worker has ended.
        case ended(worker: Int, ProcessExit)
        /// It will be started again.
        case restarting(worker: Int, after: Duration)
        /// It will not: it ended too often in too short a time.
        case gaveUp(worker: Int, endings: Int)
        /// It will not: it was to run once, or ended well.
        case finished(worker: Int)
        /// No worker runs and none will; the last event.
        case drained
    }

    private struct State {
        var tasks: [Task<Void, Never>] = []
        var running: [Int: Int32] = [:]
        var isDraining = false
        var lasting = 0
    }

    /// What the tasks of the workers share; they do not keep the supervisor.
    private final class Core: Sendable {
        let options: Options
        let command: @Sendable (Int) -> ProcessCommand
        let news: AsyncStream<Event>.Continuation
        let state = Mutex(State())

        init(
            _ options: Options, _ news: AsyncStream<Event>.Continuation,
            _ command: @escaping @Sendable (Int) -> ProcessCommand
        ) {
            self.options = options
            self.command = command
            self.news = news
        }
    }

    private let core: Core

    /// What happens, from the first start to ``Event/drained``, kept until somebody iterates; for one iteration.
    public let events: AsyncStream<Event>

    /// Starts the workers.
    ///
    /// - Parameters:
    ///   - options: how many, and how they are kept alive.
    ///   - command: what a worker runs; it is asked again before each start. Workers are numbered from 0.
    public init(_ options: Options, command: @escaping @Sendable (_ worker: Int) -> ProcessCommand) {
        precondition(options.count > 0, "a pool has one worker at least")
        let (events, news) = AsyncStream.makeStream(of: Event.self)
        self.events = events
        let core = Core(options, news, command)
        self.core = core
        core.state.withLock { state in
            state.lasting = options.count
            state.tasks = (0..<options.count).map { worker in
                Task.detached { await Self.keepAlive(worker, core) }
            }
        }
    }

    deinit { Self.beginDraining(core) }

    /// The processes of the workers that run now, by worker.
    public var processIDs: [Int: Int32] { core.state.withLock { $0.running } }

    /// Ends all workers, each as ``ProcessHandle/terminate(grace:wholeGroup:)``, and starts none any more. Returns when none is left.
    public func drain() async {
        Self.beginDraining(core)
        await settled()
    }

    /// Returns when no worker runs and none will: all have finished, were given up, or the pool was drained.
    public func settled() async {
        for task in core.state.withLock({ $0.tasks }) { await task.value }
    }

    private static func beginDraining(_ core: Core) {
        let tasks = core.state.withLock { state in
            state.isDraining = true
            return state.tasks
        }
        for task in tasks { task.cancel() }
    }

    // MARK: One worker

    private static func keepAlive(_ worker: Int, _ core: Core) async {
        var patience = RestartPatience(core.options)
        while !core.state.withLock({ $0.isDraining }) {
            let began = Deadline.now
            let end = await run(worker, core)
            if core.state.withLock({ $0.isDraining }) { break }
            let isFailure = end.map { !$0.isSuccess } ?? true
            guard core.options.restart == .always || core.options.restart == .afterFailure && isFailure else {
                core.news.yield(.finished(worker: worker))
                break
            }
            guard let delay = patience.next(began: began, ended: .now) else {
                core.news.yield(.gaveUp(worker: worker, endings: patience.count))
                break
            }
            core.news.yield(.restarting(worker: worker, after: delay))
            try? await Task.sleep(for: delay)
        }
        let isLast = core.state.withLock { state in
            state.lasting -= 1
            return state.lasting == 0
        }
        if isLast {
            core.news.yield(.drained)
            core.news.finish()
        }
    }

    /// One life of a worker; nil if it could not begin.
    private static func run(_ worker: Int, _ core: Core) async -> ProcessExit? {
        var command = core.command(worker)
        if core.options.ownGroups, command.group == nil { command.group = .own }
        if command.signalAtParentDeath == nil { command.signalAtParentDeath = core.options.signalAtParentDeath }
        guard let process = start(command, worker, core) else { return nil }
        core.state.withLock { $0.running[worker] = process.processID }
        core.news.yield(.started(worker: worker, processID: process.processID))
        let end = await awaitEnd(process, core.options)
        core.state.withLock { $0.running[worker] = nil }
        core.news.yield(.ended(worker: worker, end))
        return end
    }

    private static func start(_ command: ProcessCommand, _ worker: Int, _ core: Core) -> ProcessCore? {
        do throws(IPCError) { return try ProcessHandle.spawn(command).core } catch {
            core.news.yield(.notStarted(worker: worker, error))
            return nil
        }
    }

    /// Its end; if the pool is drained meanwhile, brought about.
    private static func awaitEnd(_ process: ProcessCore, _ options: Options) async -> ProcessExit {
        if let end = try? await ProcessHandle(process).exit() { return end }
        // Cancelled. The grace is waited for all the same, in a task that is not.
        return await Task.detached { await Self.terminate(process, options) }.value
    }

    private static func terminate(_ core: ProcessCore, _ options: Options) async -> ProcessExit {
        let handle = ProcessHandle(core)
        let end = try? await handle.terminate(grace: options.grace, wholeGroup: options.ownGroups)
        // What the worker itself has started and left behind in its group.
        if options.ownGroups { try? handle.ledGroup.send(.kill) }
        return end ?? ProcessExit(processID: core.processID)
    }
}

/// How long to wait before the next start, and when to stop trying.
struct RestartPatience {
    private let options: Supervisor.Options
    private var endings: [Deadline] = []
    private var delay: Duration

    init(_ options: Supervisor.Options) {
        self.options = options
        delay = options.firstDelay
    }

    /// Ends within the window.
    var count: Int { endings.count }

    /// nil if the worker ended too often.
    mutating func next(began: Deadline, ended: Deadline) -> Duration? {
        endings.removeAll { $0 + options.crashWindow < ended }
        endings.append(ended)
        if endings.count > options.crashLimit { return nil }
        if began + options.provenAfter <= ended { delay = options.firstDelay }
        defer { delay = min(delay * 2, options.longestDelay) }
        return delay
    }
}
