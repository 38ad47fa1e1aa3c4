// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import Synchronization
import SystemPackage

/// The one place of an object and direction in the waiter threads: what is asked of it runs in order, one call at a time.
///
/// For calls that do the thing itself (`msgsnd`). For calls that only find out whether it can be done, use ``BlockedReadiness``.
final class WaiterThread: Sendable {
    private struct State {
        var queue: [BlockingOperation] = []
        var isBusy = false
    }

    private let subject: String
    private let state = Mutex(State())

    init(subject: String) { self.subject = subject }

    /// Another one for the same object: what is asked of it does not wait for this one.
    func apart() -> WaiterThread { WaiterThread(subject: subject) }

    /// Makes `operation`, one blocking system call that is not repeated when interrupted, on a waiter thread.
    ///
    /// - Parameters:
    ///   - call: its name for errors.
    ///   - deadline: until when; the call is then interrupted. If it succeeds all the same, its result is returned.
    /// - Throws: `.cancelled`, `.timedOut`, `.tooManyWaiters`, and what the call fails with.
    func perform<Success: Sendable>(
        call: String, until deadline: Deadline = .never, _ operation: @escaping @Sendable () throws(Errno) -> Success
    ) async throws(IPCError) -> Success {
        let pending = try begin(operation)
        let timer = try timer(pending.operation, deadline)
        let wakeup = await pending.waiter.suspend(onCancel: { self.callOff(pending.operation, .cancelled) })
        if let (reactor, id) = timer { reactor.callOff(id) }
        return try conclude(pending, wakeup, call)
    }

    /// The same for a thread that blocks until then.
    func performBlocking<Success: Sendable>(
        call: String, until deadline: Deadline = .never, _ operation: @escaping @Sendable () throws(Errno) -> Success
    ) throws(IPCError) -> Success {
        let pending = try begin(operation)
        let timer = try timer(pending.operation, deadline)
        let wakeup = pending.waiter.block()
        if let (reactor, id) = timer { reactor.callOff(id) }
        return try conclude(pending, wakeup, call)
    }

    /// Ends whatever runs or waits to run, with `.cancelled`.
    func stop() {
        let queued = state.withLock { $0.queue }
        for operation in queued.reversed() { callOff(operation, .cancelled) }
    }

    // MARK: Internals

    private struct Pending<Success: Sendable>: Sendable {
        let waiter: Waiter
        let operation: BlockingOperation
        let result: ResultBox<Success>
    }

    private final class ResultBox<Success: Sendable>: Sendable {
        let value = Mutex<Result<Success, Errno>?>(nil)
    }

    private func begin<Success: Sendable>(
        _ body: @escaping @Sendable () throws(Errno) -> Success
    ) throws(IPCError) -> Pending<Success> {
        let waiter = Waiter()
        let box = ResultBox<Success>()
        let operation = BlockingOperation(subject: subject) { () throws(Errno) in
            let value = try body()
            box.value.withLock { $0 = .success(value) }
        } completion: { operation, result, end in
            if case .failure(let error) = result {
                box.value.withLock { $0 = .failure(error) }
                if error == .interrupted, let end {
                    waiter.fire(end)
                    self.proceed(after: operation)
                    return
                }
            }
            waiter.fire(.ready(0))
            self.proceed(after: operation)
        }
        let mayStart = state.withLock { state in
            state.queue.append(operation)
            if state.isBusy { return false }
            state.isBusy = true
            return true
        }
        if mayStart { try start(operation) }
        return Pending(waiter: waiter, operation: operation, result: box)
    }

    private func start(_ operation: BlockingOperation) throws(IPCError) {
        do throws(IPCError) { try WaiterThreads.pool.start(operation) } catch {
            state.withLock { state in
                state.queue.removeAll { $0 === operation }
                state.isBusy = false
            }
            throw error
        }
    }

    /// On the waiter thread: the head of the queue is done; the next one follows on another thread of the pool.
    private func proceed(after operation: BlockingOperation) {
        let next = state.withLock { state -> BlockingOperation? in
            guard state.queue.first === operation else { return nil }
            state.queue.removeFirst()
            state.isBusy = !state.queue.isEmpty
            return state.queue.first
        }
        guard let next else { return }
        do throws(IPCError) { try WaiterThreads.pool.start(next) } catch {
            // No thread to be had: this one makes the call.
            next.run()
        }
    }

    private func callOff(_ operation: BlockingOperation, _ reason: Wakeup) {
        let wasQueued = state.withLock { state in
            guard let place = state.queue.firstIndex(where: { $0 === operation }), place > 0 else { return false }
            state.queue.remove(at: place)
            return true
        }
        operation.callOff(reason)
        // It never began, so no thread will complete it.
        if wasQueued { operation.abandon(reason) }
    }

    private func timer(_ operation: BlockingOperation, _ deadline: Deadline) throws(IPCError) -> (Reactor, UInt64)? {
        if deadline == .never { return nil }
        let reactor = try Reactor.shared()
        return (reactor, reactor.schedule(at: deadline) { self.callOff(operation, .timedOut) })
    }

    private func conclude<Success>(
        _ pending: Pending<Success>, _ wakeup: Wakeup, _ call: String
    ) throws(IPCError) -> Success {
        switch (wakeup, pending.result.value.withLock { $0 }) {
        case (_, .success(let value)?): return value
        case (.cancelled, _):
            throw IPCError(code: .cancelled, call: call, subject: subject, hint: "the waiting task was cancelled")
        case (.timedOut, _): throw IPCError(.timedOut, call, subject)
        case (.failed(let error), _): throw error
        case (_, .failure(let error)?): throw IPCError(error, call, subject)
        case (.ready, nil): preconditionFailure("an operation completes with a result")
        }
    }
}
