// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls

extension SystemVSemaphoreSet {
    /// Performs a group of operations as a whole; the task is suspended until all of them can be done.
    ///
    /// - Parameters:
    ///   - operations: done in this order, one at least, and half as many as `kernel.sem` allows at most.
    ///   - deadline: until when; what can be done at once is done even if it has passed.
    /// - Throws: ``IPCError/Code/cancelled`` and ``IPCError/Code/timedOut``; ``IPCError/Code/tooManyWaiters``; as
    ///   ``perform(_:retryOnInterrupt:)``. In every case nothing was changed.
    ///
    /// Blocking: no thread of the cooperative pool. While tasks wait for a group, one thread of the handle waits in a `semop(2)` that
    /// changes nothing and tells when the group can be done; then each of them tries. Undo works as everywhere: it
    /// belongs to the process, not to a thread. Threads and programs that wait in the kernel themselves come first.
    ///
    /// The corresponding C function is `semop(2)`.
    public func perform(_ operations: [Operation], until deadline: Deadline = .never) async throws(IPCError) {
        try await core.performAwaiting(operations, until: deadline)
    }

    /// Takes from one semaphore of the set; the task is suspended while it has less.
    ///
    /// - Parameters:
    ///   - number: which of the set, from 0.
    ///   - amount: how much, 1 to 32767.
    ///   - undo: whether the kernel gives it back when this process ends, in whatever way.
    ///   - deadline: until when.
    /// - Throws: as ``perform(_:until:)``.
    ///
    /// The corresponding C function is `semop(2)`.
    public func wait(
        _ number: Int = 0, by amount: Int = 1, undo: Bool = false, until deadline: Deadline = .never
    ) async throws(IPCError) {
        try await core.performAwaiting([.wait(number, by: amount, undo: undo)], until: deadline)
    }

    /// Waits until one semaphore of the set is 0; the task is suspended meanwhile.
    ///
    /// - Throws: as ``perform(_:until:)``.
    ///
    /// The corresponding C function is `semop(2)`.
    public func waitForZero(_ number: Int = 0, until deadline: Deadline = .never) async throws(IPCError) {
        try await core.performAwaiting([.waitForZero(number)], until: deadline)
    }

    /// Runs `body` with a permit of one semaphore, and gives it back however the body ends, cancellation included.
    ///
    /// - Parameters:
    ///   - number: which of the set, from 0.
    ///   - amount: how much, 1 to 32767.
    ///   - undo: whether the kernel gives it back if this process ends within the body.
    ///   - deadline: until when to wait for the permit; the body may take as long as it likes.
    ///   - body: what needs the permit.
    /// - Throws: what the body throws; as ``perform(_:until:)``, and then the body was not run.
    ///
    /// If a process dies: with undo its permits come back; whoever has the next must reckon with what the dead had begun.
    public func withPermit<Result>(
        _ number: Int = 0, by amount: Int = 1, undo: Bool = true, until deadline: Deadline = .never,
        _ body: () async throws -> Result
    ) async throws -> Result {
        try await wait(number, by: amount, undo: undo, until: deadline)
        let result: Result
        do { result = try await body() } catch {
            try? post(number, by: amount, undo: undo)
            throw error
        }
        try post(number, by: amount, undo: undo)
        return result
    }

    /// That a group of operations could be done: a token for ``WaitAny``. Do it with ``tryPerform(_:)``.
    ///
    /// Waiting changes nothing. It needs write permission, like the group, and it counts as an operation: the status of the
    /// set shows its time and process.
    ///
    /// - Parameter operations: half as many as `kernel.sem` allows at most.
    public func performable(_ operations: [Operation]) -> Readiness {
        Readiness(core.readiness(operations))
    }
}
