// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import Synchronization
import SystemPackage

/// The threads that block in system calls which have no descriptor (`msgrcv`, `msgsnd`, `semop`) so that tasks can
/// await them.
///
/// They are started when first needed, shared by all objects, at most one per object and direction at work, and end
/// when idle. A wait that is cancelled or late is interrupted by a real-time signal whose handler does
/// nothing; that signal is the only disposition that this package ever changes, at the first such wait, and only if
/// the program has not given it a meaning of its own.
public enum WaiterThreads {
    /// How many such threads may exist at once; 64 unless changed. A wait that would need one more fails with
    /// ``IPCError/Code/tooManyWaiters`` instead of growing the process without bound.
    public static var limit: Int {
        get { pool.state.withLock { $0.limit } }
        set { pool.state.withLock { $0.limit = max(1, newValue) } }
    }

    /// The signal that interrupts a wait: SIGRTMAX − 1 unless changed before the first asynchronous wait on a System V object.
    ///
    /// - Throws: ``IPCError/Code/busy`` if a signal was claimed already; ``IPCError/Code/invalidArgument`` outside the real-time signals.
    public static func useSignal(_ number: Int32) throws(IPCError) {
        let maximum = sysRealtimeSignal(belowMaximum: 0)
        guard number >= 34 && number <= maximum else {
            throw IPCError(
                code: .invalidArgument, subject: "signal \(number)", hint: "choose a real-time signal, 34 to \(maximum)"
            )
        }
        let isClaimed = pool.state.withLock { state in
            if !state.isClaimed { state.signal = number }
            return state.isClaimed
        }
        if isClaimed {
            throw IPCError(
                code: .busy, subject: "signal \(number)",
                hint: "a signal is in use already; choose before the first wait")
        }
    }

    /// How many such threads exist at this moment.
    public static var count: Int { pool.state.withLock { $0.count } }

    static let pool = WaiterThreadPool()
}

/// Runs blocking operations on threads of their own and ends them on request.
final class WaiterThreadPool: Sendable {
    struct State {
        var limit = 64
        var signal = sysRealtimeSignal(belowMaximum: 1)
        var isClaimed = false
        var count = 0
        var queue: [BlockingOperation] = []
        var idle: [ThreadGate] = []
    }

    let state = Mutex(State())
    /// How long a thread without work stays, in nanoseconds.
    private let patience: UInt64 = 500_000_000

    /// Starts `operation` on an idle thread or a new one.
    func start(_ operation: BlockingOperation) throws(IPCError) {
        try claimSignal()
        enum Step { case wake(ThreadGate), create(CInt), refuse(Int) }
        let step = state.withLock { state -> Step in
            if let gate = state.idle.popLast() {
                state.queue.append(operation)
                return .wake(gate)
            }
            guard state.count < state.limit else { return .refuse(state.limit) }
            state.count += 1
            state.queue.append(operation)
            return .create(state.signal)
        }
        switch step {
        case .wake(let gate): gate.open()
        case .refuse(let limit):
            throw IPCError(
                code: .tooManyWaiters, subject: operation.subject,
                hint: "\(limit) threads wait already; raise WaiterThreads.limit or wait for fewer objects at once")
        case .create(let signal):
            do throws(Errno) {
                try sysStartThread(named: "ipc-waiter", interruptedBy: signal) { self.run() }
            } catch {
                let wasWaiting = state.withLock { state in
                    state.count -= 1
                    let place = state.queue.firstIndex { $0 === operation }
                    if let place { state.queue.remove(at: place) }
                    return place != nil
                }
                // Else a thread that has just become free has taken it.
                if wasWaiting { throw IPCError(error, "pthread_create", operation.subject) }
            }
        }
    }

    func claimSignal() throws(IPCError) {
        let claimed = state.withLock { state -> (Result<Bool, Errno>, CInt) in
            if state.isClaimed { return (.success(true), state.signal) }
            let signal = state.signal
            let result = Result { () throws(Errno) in try sysClaimInterruptSignal(signal) }
            if case .success(true) = result { state.isClaimed = true }
            return (result, signal)
        }
        switch claimed.0 {
        case .success(true): return
        case .success(false):
            throw IPCError(
                code: .busy, subject: "signal \(claimed.1)",
                hint:
                    "the program handles this signal itself; choose another with WaiterThreads.useSignal before the first wait"
            )
        case .failure(let error): throw IPCError(error, "sigaction", "signal \(claimed.1)")
        }
    }

    private func run() {
        let gate = ThreadGate()
        while true {
            while let operation = state.withLock({ $0.queue.isEmpty ? nil : $0.queue.removeFirst() }) {
                operation.run()
            }
            let hasWork = state.withLock { state in
                if state.queue.isEmpty { state.idle.append(gate) }
                return !state.queue.isEmpty
            }
            if hasWork { continue }
            if gate.pass(untilNanoseconds: sysMonotonicNanoseconds() + patience) {
                // Usually whoever opened it has taken it out; not if it was opened for work that is done by now.
                state.withLock { $0.idle.removeAll { $0 === gate } }
                continue
            }
            // Whoever took the gate out of `idle` has given or gives this thread something to do.
            let mayEnd = state.withLock { state in
                guard let place = state.idle.firstIndex(where: { $0 === gate }) else { return false }
                state.idle.remove(at: place)
                state.count -= 1
                return true
            }
            if mayEnd { return }
        }
    }

    var signal: CInt { state.withLock { $0.signal } }
}

/// One blocking system call that a waiter thread makes for somebody.
final class BlockingOperation: Sendable {
    private enum State {
        case queued
        case running(thread: Int32)
        case done
    }

    let subject: String
    private let state = Mutex((state: State.queued, end: Wakeup?.none))
    private let body: @Sendable () throws(Errno) -> Void
    private let completion: @Sendable (BlockingOperation, Result<Void, Errno>, Wakeup?) -> Void

    /// - Parameters:
    ///   - body: makes the call, without repeating it after an interruption.
    ///   - completion: on the waiter thread, or where the operation was called off before it began: the operation, its
    ///     result, and why it was called off.
    init(
        subject: String, body: @escaping @Sendable () throws(Errno) -> Void,
        completion: @escaping @Sendable (BlockingOperation, Result<Void, Errno>, Wakeup?) -> Void
    ) {
        self.subject = subject
        self.body = body
        self.completion = completion
    }

    func run() {
        let thread = sysThreadID()
        while true {
            let mayRun = state.withLock { state in
                if state.end != nil { return false }
                state.state = .running(thread: thread)
                return true
            }
            guard mayRun else { break }
            let result = Result { () throws(Errno) in try body() }
            let end = state.withLock { state in
                state.state = .done
                return state.end
            }
            // An interruption that nobody here asked for: the call goes on.
            if case .failure(.interrupted) = result, end == nil { continue }
            completion(self, result, end)
            return
        }
        let end = state.withLock { state in
            state.state = .done
            return state.end
        }
        completion(self, .failure(.interrupted), end)
    }

    /// Completes an operation that never began.
    func abandon(_ reason: Wakeup) { completion(self, .failure(.interrupted), reason) }

    /// Interrupts the call. The operation completes soon, with its result if the call was quicker.
    func callOff(_ reason: Wakeup) {
        let first = state.withLock { state in
            let first = state.end == nil
            if first { state.end = reason }
            return first
        }
        if first { nudge(after: 1) }
    }

    /// A signal that arrives between the check and the call interrupts nothing, so it is sent until the thread answers.
    private func nudge(after milliseconds: Int64) {
        // Under the lock: the thread cannot be gone, or at work for somebody else, while `running` stands.
        let isRunning = state.withLock { state in
            guard case .running(let thread) = state.state else { return false }
            try? sysInterruptThread(thread, with: WaiterThreads.pool.signal)
            return true
        }
        guard isRunning, let reactor = try? Reactor.shared() else { return }
        _ = reactor.schedule(at: .after(.milliseconds(milliseconds))) {
            self.nudge(after: min(milliseconds * 2, 50))
        }
    }
}
