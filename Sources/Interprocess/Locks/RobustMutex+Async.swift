// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import SystemPackage

extension RobustMutex {
    /// Runs `body` with the lock held; the task is suspended while somebody else holds it.
    ///
    /// A mutex belongs to a thread, so the body is synchronous and runs on the thread that takes the lock: the calling one if it
    /// is free, else a waiter thread of this library.
    ///
    /// - Parameter body: changes the value in place.
    /// - Throws: ``IPCError/Code/cancelled``, and then `body` has not run;
    ///   ``IPCError/Code/tooManyWaiters``; as ``withLock(_:)``.
    ///
    /// Blocking: no thread of the cooperative pool while it waits. A cancelled wait ends within 50 milliseconds: glibc lets no
    /// signal end the waiting for a mutex, so the waiter thread looks up as often.
    public func withLock<Result: Sendable>(
        _ body: @escaping @Sendable (inout State) throws -> Result
    ) async throws -> Result {
        try await withLock(until: .never, body)
    }

    /// Runs `body` with the lock held; the task is suspended while somebody else holds it, until `deadline`.
    ///
    /// - Throws: ``IPCError/Code/timedOut``, and then `body` has not run; as ``withLock(_:)``.
    public func withLock<Result: Sendable>(
        until deadline: Deadline, _ body: @escaping @Sendable (inout State) throws -> Result
    ) async throws -> Result {
        if let hold = try place.tryAcquire(core) { return try perform(hold, body) }
        let (core, place) = (core, place)
        return try await core.awaitLock(until: deadline) {
            guard let hold = try place.acquire(core, forAWhileUntil: deadline) else { return nil }
            // The signal that calls off a wait must not end a system call of the body.
            let signal = WaiterThreads.pool.signal
            sysBlockSignal(signal, true)
            defer { sysBlockSignal(signal, false) }
            let result = Swift.Result { try place.withState(State.self, body) }
            let outcome = place.release(hold)
            if outcome != 0 && (try? result.get()) != nil { throw core.overwritten(outcome) }
            return try result.get()
        }.get()
    }
}

extension RobustPlace {
    /// Waits a moment for the lock; nil if it is still held.
    func acquire(_ core: RobustCore, forAWhileUntil deadline: Deadline) throws(IPCError) -> HeldLock? {
        let moment = min(deadline, .after(.milliseconds(50)))
        let hold = slot.lock(until: moment)
        if hold.result == 0 { return HeldLock(hold) }
        return try core.resolve(hold, "pthread_mutex_clocklock") ? HeldLock(hold) : nil
    }
}

extension RobustCore {
    /// Repeats `attempt` on the lane's thread until it has a result, the deadline passes or the task is cancelled.
    func awaitLock<Result: Sendable>(
        until deadline: Deadline, _ attempt: @escaping @Sendable () throws -> Result?
    ) async throws(IPCError) -> Swift.Result<Result, any Error> {
        try await lane.performRepeatedly(call: "pthread_mutex_clocklock", until: deadline, attempt)
    }
}

extension WaiterThread {
    /// For waits that no signal ends: `attempt` returns nil after a moment, and is made again unless the wait was called off.
    func performRepeatedly<Success: Sendable>(
        call: String, until deadline: Deadline, _ attempt: @escaping @Sendable () throws -> Success?
    ) async throws(IPCError) -> Result<Success, any Error> {
        try await perform(call: call, until: deadline) { () throws(Errno) -> Result<Success, any Error> in
            do {
                if let success = try attempt() { return .success(success) }
            } catch let error as IPCError where error.errno == .interrupted {
                // By the signal that calls off waits.
            } catch { return .failure(error) }
            throw .interrupted
        }
    }
}
