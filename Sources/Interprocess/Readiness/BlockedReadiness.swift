// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import Synchronization
import SystemPackage

/// The readiness of something that has no descriptor: while anybody waits, one waiter thread blocks in a call that ends
/// when the object is ready and takes nothing from it.
///
/// When the call ends, everybody who waits is woken and tries for himself.
final class BlockedReadiness: ReadinessSource {
    private struct State {
        var waiters: [(waiter: Waiter, index: Int)] = []
        var operation: BlockingOperation?
        var failure: IPCError?
    }

    private let subject: String
    private let call: String
    private let block: @Sendable () throws(Errno) -> Void
    private let isReady: @Sendable () throws(IPCError) -> Bool
    private let state = Mutex(State())

    /// - Parameters:
    ///   - call: the name of the call that blocks, for errors.
    ///   - isReady: asks without blocking and takes nothing.
    ///   - block: the call that blocks until it is so, not repeated when interrupted.
    init(
        subject: String, call: String, isReady: @escaping @Sendable () throws(IPCError) -> Bool,
        block: @escaping @Sendable () throws(Errno) -> Void
    ) {
        self.subject = subject
        self.call = call
        self.isReady = isReady
        self.block = block
    }

    /// The asynchronous face of a verb: tries until `attempt` has a result, and suspends in between.
    func attempt<Result: ~Copyable>(
        until deadline: Deadline = .never, _ attempt: () throws(IPCError) -> Result?
    ) async throws(IPCError) -> Result {
        while true {
            if let result = try attempt() { return result }
            if deadline.hasPassed { throw IPCError(.timedOut, call, subject) }
            let waiter = Waiter()
            try enlist(waiter, index: 0)
            let timer = try timer(waiter, deadline)
            let wakeup = await waiter.suspend()
            if let (reactor, id) = timer { reactor.callOff(id) }
            try conclude(wakeup, waiter)
        }
    }

    /// The same for a thread that blocks until then.
    func attemptBlocking<Result: ~Copyable>(
        until deadline: Deadline = .never, _ attempt: () throws(IPCError) -> Result?
    ) throws(IPCError) -> Result {
        while true {
            if let result = try attempt() { return result }
            if deadline.hasPassed { throw IPCError(.timedOut, call, subject) }
            let waiter = Waiter()
            try enlist(waiter, index: 0)
            let timer = try timer(waiter, deadline)
            let wakeup = waiter.block()
            if let (reactor, id) = timer { reactor.callOff(id) }
            try conclude(wakeup, waiter)
        }
    }

    /// The handle closes: everybody who waits is told, the thread is freed.
    func stop() {
        let error = IPCError(code: .badDescriptor, subject: subject, hint: "it was closed here")
        let (waiters, operation) = state.withLock { state in
            defer { state.waiters = [] }
            state.failure = error
            return (state.waiters, state.operation)
        }
        operation?.callOff(.cancelled)
        for (waiter, _) in waiters { waiter.fire(.failed(error)) }
    }

    // MARK: ReadinessSource

    func arm(_ waiter: Waiter, index: Int) throws(IPCError) {
        if try isReady() {
            waiter.fire(.ready(index))
        } else {
            try enlist(waiter, index: index)
        }
    }

    func disarm(_ waiter: Waiter) {
        let needless = state.withLock { state -> BlockingOperation? in
            state.waiters.removeAll { $0.waiter === waiter }
            return state.waiters.isEmpty ? state.operation : nil
        }
        // Nobody waits: the thread is wanted elsewhere.
        needless?.callOff(.cancelled)
    }

    // MARK: Internals

    private func enlist(_ waiter: Waiter, index: Int) throws(IPCError) {
        let fresh = try state.withLock { (state) throws(IPCError) -> BlockingOperation? in
            if let failure = state.failure { throw failure }
            state.waiters.append((waiter, index))
            if state.operation != nil { return nil }
            let operation = BlockingOperation(subject: subject, body: block) { _, result, _ in self.complete(result) }
            state.operation = operation
            return operation
        }
        if let fresh { try start(fresh) }
    }

    private func start(_ operation: BlockingOperation) throws(IPCError) {
        do throws(IPCError) { try WaiterThreads.pool.start(operation) } catch {
            let waiters = state.withLock { state in
                defer { state.waiters = [] }
                state.operation = nil
                return state.waiters
            }
            for (waiter, _) in waiters { waiter.fire(.failed(error)) }
            throw error
        }
    }

    private func complete(_ result: Result<Void, Errno>) {
        let (waiters, next) = state.withLock { state -> ([(waiter: Waiter, index: Int)], BlockingOperation?) in
            state.operation = nil
            if case .failure(.interrupted) = result, state.failure == nil {
                // Called off when nobody waited, but somebody came meanwhile.
                guard !state.waiters.isEmpty else { return ([], nil) }
                let operation = BlockingOperation(subject: subject, body: block) { _, result, _ in self.complete(result)
                }
                state.operation = operation
                return ([], operation)
            }
            defer { state.waiters = [] }
            return (state.waiters, nil)
        }
        if let next { try? start(next) }
        for (waiter, index) in waiters {
            switch result {
            case .success: waiter.fire(.ready(index))
            case .failure(let error): waiter.fire(.failed(IPCError(error, call, subject)))
            }
        }
    }

    private func timer(_ waiter: Waiter, _ deadline: Deadline) throws(IPCError) -> (Reactor, UInt64)? {
        if deadline == .never { return nil }
        let reactor = try Reactor.current()
        return (reactor, reactor.schedule(at: deadline) { waiter.fire(.timedOut) })
    }

    private func conclude(_ wakeup: Wakeup, _ waiter: Waiter) throws(IPCError) {
        disarm(waiter)
        switch wakeup {
        case .ready: return
        case .timedOut: throw IPCError(.timedOut, call, subject)
        case .cancelled:
            throw IPCError(code: .cancelled, call: call, subject: subject, hint: "the waiting task was cancelled")
        case .failed(let error): throw error
        }
    }
}
