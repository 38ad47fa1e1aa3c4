// SPDX-License-Identifier: Apache-2.0

extension POSIXSemaphore where Self: ~Copyable {
    /// Takes a permit; the task is suspended while there is none.
    ///
    /// Tasks that wait by one handle are served in their order.
    ///
    /// - Parameter deadline: until when; a permit that is there is taken even if it has passed.
    /// - Throws: ``IPCError/Code/cancelled`` and ``IPCError/Code/timedOut``, and then no permit was taken;
    ///   ``IPCError/Code/tooManyWaiters``. A task that is cancelled when its permit has just come keeps it: the call returns.
    ///
    /// Blocking: no thread of the cooperative pool. While tasks wait, one thread of the handle is in `sem_wait(3)`, for one
    /// of them after the other. A semaphore cannot be waited for without taking from it, so there is no ``Readiness`` for
    /// ``WaitAny``; ``SystemVSemaphoreSet/performable(_:)`` has one.
    ///
    /// The corresponding C function is `sem_wait(3)`.
    public func wait(until deadline: Deadline = .never) async throws(IPCError) {
        if core.word.tryTake() { return }
        try await core.waiting.awaitPermit(until: deadline)
    }

    /// Runs `body` with a permit, and gives it back however the body ends, cancellation included.
    ///
    /// - Parameters:
    ///   - deadline: until when to wait for the permit; the body may take as long as it likes.
    ///   - body: what needs the permit.
    /// - Throws: what the body throws; as ``wait(until:)``, and then the body was not run; as ``post()``.
    ///
    /// If a process dies: a process that is killed within the body does not give the permit back.
    public func withPermit<Result>(
        until deadline: Deadline = .never, _ body: () async throws -> Result
    ) async throws -> Result {
        try await wait(until: deadline)
        let result: Result
        do { result = try await body() } catch {
            try? post()
            throw error
        }
        try post()
        return result
    }
}
