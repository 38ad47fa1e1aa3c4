// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import Synchronization
import SystemPackage

/// One thread that waits for any number of descriptors and deadlines on behalf of tasks.
///
/// Nothing needs to be done to use it: the first `await` of any mechanism starts ``shared()``. A reactor is
/// also a `TaskExecutor`: a task that lives on it (`Task(executorPreference: reactor) { … }`) is resumed by
/// the very thread that saw its descriptor become ready, without a change of thread. Such a task must not
/// block; it holds up all others of this reactor.
///
/// Concurrency: every method may be called from any thread.
///
/// If a process dies: the ends of its pipes and sockets become ready with the end of the stream.
///
/// The corresponding C function is `epoll_pwait2(2)`.
public final class Reactor: TaskExecutor, Sendable {
    /// What the thread and the others share.
    private struct State: ~Copyable {
        var jobs: [UnownedJob] = []
        var timers = TimerQueue()
        /// Slot number → who watches there. Numbers are used again, with another tag.
        var watches: [Registration?] = []
        var freeSlots: [Int] = []
        var isSleeping = false
        var isStopping = false
    }

    private let state = Mutex(State())
    private let epoll: OwnedDescriptor
    private let bell: OwnedDescriptor
    private let threadID = Atomic<Int32>(0)
    let number: Int

    private static let bellToken = UInt64.max
    private static let registry = Mutex((shared: Reactor?.none, all: [Int: WeakReactor](), next: 0))
    private struct WeakReactor { weak var reactor: Reactor? }

    /// The reactor that serves all tasks which do not live on one of their own; started at first use.
    ///
    /// - Throws: ``IPCError/Code/limitReached`` (EMFILE) or ``IPCError/Code/outOfMemory`` if it cannot be started; the next call
    ///   tries again.
    public static func shared() throws(IPCError) -> Reactor {
        if let reactor = registry.withLock({ $0.shared }) { return reactor }
        let fresh = try Reactor(name: "ipc-reactor")
        let winner = registry.withLock { registry in
            if registry.shared == nil { registry.shared = fresh }
            return registry.shared ?? fresh
        }
        if winner !== fresh { fresh.stop() }
        return winner
    }

    /// A reactor with a thread of its own, for tasks that shall not share one. End it with ``stop()``.
    ///
    /// - Parameter name: what debuggers and `ps -L` show; fifteen bytes are kept.
    /// - Throws: ``IPCError/Code/limitReached`` (EMFILE), ``IPCError/Code/outOfMemory``.
    public init(name: String) throws(IPCError) {
        do throws(Errno) { epoll = OwnedDescriptor(adopting: try sysEpollCreate()) } catch {
            throw IPCError(error, "epoll_create1", "reactor \(name)")
        }
        do throws(Errno) { bell = OwnedDescriptor(adopting: try sysEventCounter()) } catch {
            throw IPCError(error, "eventfd", "reactor \(name)")
        }
        number = Self.registry.withLock { registry in
            registry.next += 1
            return registry.next
        }
        do throws(Errno) {
            try sysEpollControl(epoll.rawValue, .add, bell.rawValue, .readable, token: Self.bellToken)
        } catch {
            throw IPCError(error, "epoll_ctl", "reactor \(name)")
        }
        do throws(Errno) { try sysStartThread(named: name) { self.run() } } catch {
            throw IPCError(error, "pthread_create", "reactor \(name)")
        }
        Self.registry.withLock { $0.all[number] = WeakReactor(reactor: self) }
    }

    /// Ends the thread once the jobs at hand are done. Waits that are still pending fail with
    /// ``IPCError/Code/cancelled``. Tasks must no longer live on it.
    public func stop() {
        let orphans = state.withLock { state in
            state.isStopping = true
            return state.watches.compactMap { $0 }
        }
        _ = Self.registry.withLock { $0.all.removeValue(forKey: number) }
        for orphan in orphans {
            orphan.end(failing: IPCError(code: .cancelled, subject: "reactor", hint: "the reactor was stopped"))
        }
        ring()
    }

    /// The reactor on whose thread the caller runs, else the shared one.
    package static func current() throws(IPCError) -> Reactor {
        let thread = sysThreadID()
        let mine = registry.withLock { registry in
            registry.all.values.lazy.compactMap(\.reactor).first {
                $0.threadID.load(ordering: .relaxed) == thread
            }
        }
        if let mine { return mine }
        return try shared()
    }

    // MARK: TaskExecutor

    /// Runs a job of a task that lives here; called by the concurrency runtime.
    public func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        let mustRing = state.withLock { state in
            state.jobs.append(job)
            return state.isSleeping
        }
        if mustRing { ring() }
    }

    // MARK: Timers

    /// Runs `action` on the reactor's thread at `deadline`; the number calls it off.
    package func schedule(at deadline: Deadline, _ action: @escaping @Sendable () -> Void) -> UInt64 {
        let (id, mustRing) = state.withLock { state in
            let earliest = state.timers.earliest
            let id = state.timers.add(deadline.monotonicNanoseconds, action)
            return (id, state.isSleeping && state.timers.earliest != earliest)
        }
        if mustRing { ring() }
        return id
    }

    package func callOff(_ timer: UInt64) {
        state.withLock { $0.timers.remove(timer) }
    }

    // MARK: Watches

    /// Gives a registration its slot and tells epoll of it.
    func add(_ registration: Registration, _ events: EpollEvents) throws(Errno) -> Int {
        let slot = state.withLock { state in
            if let free = state.freeSlots.popLast() {
                state.watches[free] = registration
                return free
            }
            state.watches.append(registration)
            return state.watches.count - 1
        }
        do throws(Errno) {
            try sysEpollControl(
                epoll.rawValue, .add, registration.descriptor, events, token: registration.token(slot: slot))
        } catch {
            forget(slot)
            throw error
        }
        return slot
    }

    func modify(_ registration: Registration, slot: Int, _ events: EpollEvents) throws(Errno) {
        try sysEpollControl(
            epoll.rawValue, .modify, registration.descriptor, events, token: registration.token(slot: slot))
    }

    func remove(_ registration: Registration, slot: Int) {
        // Explicit: closing would not do it if another process holds the same open file.
        try? sysEpollControl(epoll.rawValue, .delete, registration.descriptor)
        forget(slot)
    }

    private func forget(_ slot: Int) {
        state.withLock { state in
            state.watches[slot] = nil
            state.freeSlots.append(slot)
        }
    }

    // MARK: The thread

    private func ring() {
        while true {
            do throws(Errno) {
                try sysEventCounterAdd(bell.rawValue, 1)
                return
            } catch  where error == .resourceTemporarilyUnavailable || error == .badFileDescriptor {
                // It rings already, or there is nobody left to hear it.
                return
            } catch {
                // A bell that is not rung is a wait that never ends.
                continue
            }
        }
    }

    private func run() {
        threadID.store(sysThreadID(), ordering: .relaxed)
        var buffer = EpollBuffer(capacity: 256)
        while true {
            // Jobs that beget jobs, as a task does that yields in a loop, are not to keep descriptors waiting for ever.
            for _ in 0..<16 where !runJobs() { break }
            let timeout = state.withLock { state -> UInt64? in
                if !state.jobs.isEmpty || state.isStopping { return 0 }
                state.isSleeping = true
                guard let earliest = state.timers.earliest else { return nil }
                let now = sysMonotonicNanoseconds()
                return earliest > now ? earliest - now : 0
            }
            // EINTR and the like: there is nothing to report, and the next round asks again.
            try? buffer.wait(epoll.rawValue, nanoseconds: timeout)
            let (due, isStopping) = state.withLock { state in
                state.isSleeping = false
                let due = state.timers.earliest == nil ? [] : state.timers.takeDue(at: sysMonotonicNanoseconds())
                return (due, state.isStopping)
            }
            for action in due { action() }
            dispatch(buffer)
            if isStopping { break }
        }
        while runJobs() {}
    }

    /// False if there were none.
    private func runJobs() -> Bool {
        let batch = state.withLock { state in
            let batch = state.jobs
            state.jobs = []
            return batch
        }
        for job in batch { runJob(job, on: self) }
        return !batch.isEmpty
    }

    private func dispatch(_ buffer: borrowing EpollBuffer) {
        for index in buffer.indices {
            let (token, events) = buffer[index]
            if token == Self.bellToken {
                _ = try? sysEventCounterTake(bell.rawValue)
                continue
            }
            let slot = Int(token & 0xffff_ffff)
            let registration = state.withLock { $0.watches.indices.contains(slot) ? $0.watches[slot] : nil }
            // An event of a descriptor that was closed meanwhile carries the old tag.
            if let registration, registration.token(slot: slot) == token { registration.deliver(events) }
        }
    }
}
