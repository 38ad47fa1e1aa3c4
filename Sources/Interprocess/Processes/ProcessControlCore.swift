// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import Synchronization
import SystemPackage

/// The tracer thread: it makes every call of ptrace(2), as the kernel demands, and others ask it to.
///
/// While a tracee runs it waits in wait4(2), and a signal that does nothing calls it away when somebody wants something; while all
/// stand still it waits at a gate.
final class ProcessControlCore: Sendable {
    typealias Decision = @Sendable (TraceEvent) -> ProcessControl.Answer

    fileprivate enum Mode { case working, waiting, resting, ended }

    fileprivate struct State {
        var mode = Mode.working
        var thread: Int32 = 0
        var commands: [@Sendable (Tracer) -> Void] = []
        var events: [TraceEvent] = []
        var decision: Decision?
        /// Why nothing more will come; nil without failure.
        var failure: IPCError?
    }

    let subject: String
    fileprivate let state = Mutex(State())
    private let gate = ThreadGate()
    /// Not 0 while there are events, or no more to come.
    let news: AwaitableDescriptor

    private init(_ subject: String) throws(IPCError) {
        self.subject = subject
        do throws(Errno) {
            news = AwaitableDescriptor(OwnedDescriptor(adopting: try sysEventCounter()))
        } catch { throw IPCError(error, "eventfd", subject) }
    }

    /// Starts the thread and lets it make the first step.
    static func start<Success: Sendable>(
        _ subject: String, _ options: ProcessControl.Options,
        _ first: @escaping @Sendable (Tracer) throws(IPCError) -> Success
    ) throws(IPCError) -> (core: ProcessControlCore, result: Pending<Success>) {
        let core = try ProcessControlCore(subject)
        try WaiterThreads.pool.claimSignal()
        let pending = core.enqueue(first)
        do throws(Errno) {
            try sysStartThread(named: "ipc-tracer", interruptedBy: WaiterThreads.pool.signal) { core.run(options) }
        } catch { throw IPCError(error, "pthread_create", subject) }
        return (core, pending)
    }

    // MARK: Asking the thread

    /// Something asked of the thread.
    struct Pending<Success: Sendable>: Sendable {
        let waiter = Waiter()
        let box = ResultBox<Success>()

        func block() throws(IPCError) -> Success {
            _ = waiter.block()
            return try box.take()
        }

        func suspend() async throws(IPCError) -> Success {
            // It takes no time worth cancelling.
            _ = await waiter.suspend(onCancel: {})
            return try box.take()
        }
    }

    final class ResultBox<Success: Sendable>: Sendable {
        let value = Mutex<Result<Success, IPCError>?>(nil)

        func take() throws(IPCError) -> Success {
            guard let result = value.withLock({ $0 }) else { preconditionFailure("an answer comes with a result") }
            return try result.get()
        }
    }

    /// Has `body` run on the tracer thread.
    ///
    /// - Parameter ifOver: the answer when nothing is under control any more; nil for a failure.
    func ask<Success: Sendable>(
        ifOver: Success? = nil, _ body: @escaping @Sendable (Tracer) throws(IPCError) -> Success
    ) -> Pending<Success> {
        let pending = enqueue(ifOver: ifOver, body)
        nudge(after: 1)
        return pending
    }

    private func enqueue<Success: Sendable>(
        ifOver: Success? = nil, _ body: @escaping @Sendable (Tracer) throws(IPCError) -> Success
    ) -> Pending<Success> {
        let pending = Pending<Success>()
        let isLate = state.withLock { state in
            if state.mode == .ended { return true }
            state.commands.append { tracer in
                let result = Result { () throws(IPCError) in try body(tracer) }
                pending.box.value.withLock { $0 = result }
                pending.waiter.fire(.ready(0))
            }
            return false
        }
        if isLate {
            pending.box.value.withLock { $0 = ifOver.map { .success($0) } ?? .failure(gone) }
            pending.waiter.fire(.ready(0))
        }
        return pending
    }

    private var gone: IPCError {
        IPCError(.noSuchProcess, "ptrace", subject, hint: "nothing is under control any more: it ended, or was let go")
    }

    /// A signal that arrives before the thread is in the call interrupts nothing, so it is sent until the thread answers.
    private func nudge(after milliseconds: Int64) {
        let (mode, thread) = state.withLock { state in
            // Under the lock, so that the thread cannot have ended.
            if state.mode == .waiting, !state.commands.isEmpty {
                try? sysInterruptThread(state.thread, with: WaiterThreads.pool.signal)
            }
            return (state.commands.isEmpty ? .working : state.mode, state.thread)
        }
        _ = thread
        if mode == .resting { gate.open() }
        guard mode == .waiting, let reactor = try? Reactor.shared() else { return }
        _ = reactor.schedule(at: .after(.milliseconds(milliseconds))) { self.nudge(after: min(milliseconds * 2, 50)) }
    }

    // MARK: Events

    /// The next event. Nil inside if all is over, nil outside if there is none yet.
    func tryNext() throws(IPCError) -> TraceEvent?? {
        try state.withLock { (state) throws(IPCError) -> TraceEvent?? in
            if !state.events.isEmpty {
                let event = state.events.removeFirst()
                if state.events.isEmpty, state.mode != .ended { _ = try? sysEventCounterTake(news.rawValue) }
                return .some(event)
            }
            guard state.mode == .ended else { return nil }
            if let failure = state.failure { throw failure }
            return .some(nil)
        }
    }

    /// From now on `decision` answers events, on the tracer thread; what it leaves stopped, and all without it, is queued.
    func setDecision(_ decision: Decision?) { state.withLock { $0.decision = decision } }

    private func publish(_ events: [TraceEvent]) {
        if events.isEmpty { return }
        state.withLock { state in
            let wasEmpty = state.events.isEmpty
            state.events += events
            if wasEmpty { try? sysEventCounterAdd(news.rawValue, 1) }
        }
    }

    // MARK: The thread

    private func run(_ options: ProcessControl.Options) {
        let thread = sysThreadID()
        state.withLock { $0.thread = thread }
        var failure: IPCError?
        do throws(IPCError) {
            let guardian: TraceGuardian?
            do throws(Errno) {
                guardian = options.ifControllerDies == .guardian ? try TraceGuardian() : nil
            } catch { throw IPCError(error, "clone", "guardian of \(subject)") }
            let tracer = Tracer(TraceCalls(guardian: guardian), options)
            try serve(tracer)
        } catch {
            failure = error
        }
        let rest = state.withLock { state in
            state.mode = .ended
            state.failure = failure
            try? sysEventCounterAdd(news.rawValue, 1)
            defer { state.commands = [] }
            return state.commands
        }
        // What was asked too late is answered all the same: there is nobody left.
        let empty = Tracer(TraceCalls(), options)
        for command in rest { command(empty) }
    }

    private func serve(_ tracer: Tracer) throws(IPCError) {
        var hasBegun = false
        while true {
            let (commands, decision) = state.withLock { state in
                defer { state.commands = [] }
                state.mode = .working
                return (state.commands, state.decision)
            }
            for command in commands { command(tracer) }
            hasBegun = hasBegun || !commands.isEmpty
            try dispatch(tracer, decision)
            if hasBegun, tracer.isFinished { return }
            let runs = tracer.hasRunningThreads || !tracer.backlog.isEmpty
            let mayWait = state.withLock { state in
                if !state.commands.isEmpty { return false }
                state.mode = runs ? .waiting : .resting
                return true
            }
            if !mayWait { continue }
            if runs { try wait(tracer) } else { _ = gate.pass() }
        }
    }

    /// One event, and with several threads all that have come by now: else the first of them would always come first.
    private func wait(_ tracer: Tracer) throws(IPCError) {
        do throws(Errno) {
            guard let first = try tracer.next(blocking: true) else { return }
            state.withLock { $0.mode = .working }
            if tracer.threads.count > 1 {
                while tracer.backlog.count < 64, let more = try? tracer.calls.wait(blocking: false) {
                    tracer.backlog.append(more)
                }
            }
            do throws(IPCError) { try tracer.handle(first.thread, first.status) } catch {
                throw error.errno ?? .ioError
            }
        } catch {
            if error == .interrupted { return }
            if error == .noChildProcess { return tracer.allGone() }
            throw IPCError(error, "wait4", subject)
        }
    }

    /// Answers events, or tells them to who asks.
    private func dispatch(_ tracer: Tracer, _ decision: Decision?) throws(IPCError) {
        while !tracer.events.isEmpty {
            let events = tracer.events
            tracer.events = []
            for event in events {
                if case .ended = event.kind { tracer.reap(event.process) }
                guard let decision else {
                    publish([event])
                    continue
                }
                let answer = decision(event)
                if !event.wantsAnswer { continue }
                if answer.resumption == nil { publish([event]) } else { try tracer.resume(event.thread, answer) }
            }
        }
    }
}

extension ProcessControlCore {
    /// Whether there is nothing more to come and nothing left to take.
    var isOver: Bool { state.withLock { $0.mode == .ended && $0.events.isEmpty } }
}
