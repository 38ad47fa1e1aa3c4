// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import SystemPackage

// MARK: One semaphore

extension SystemVSemaphoreSet {
    /// Takes from one semaphore of the set; waits while it has less.
    ///
    /// - Parameters:
    ///   - number: which of the set, from 0.
    ///   - amount: how much, 1 to 32767.
    ///   - undo: whether the kernel gives it back when this process ends, in whatever way.
    ///   - retryOnInterrupt: whether a signal handler that runs in this thread leaves the wait as it is.
    /// - Throws: as ``perform(_:retryOnInterrupt:)``.
    ///
    /// Blocking: the thread, while there is not so much.
    ///
    /// The corresponding C function is `semop(2)`.
    public func wait(
        _ number: Int = 0, by amount: Int = 1, undo: Bool = false, retryOnInterrupt: Bool = true
    ) throws(IPCError) {
        let operation = Operation.wait(number, by: amount, undo: undo)
        let error = sysSemaphoreOperate(id, operation.packed, retryOnInterrupt: retryOnInterrupt)
        if error != 0 { throw core.failure(error, operation) }
    }

    /// Takes from one semaphore of the set if there is so much.
    ///
    /// - Returns: false if there is less.
    /// - Throws: as ``perform(_:retryOnInterrupt:)``.
    ///
    /// Blocking: never.
    ///
    /// The corresponding C function is `semop(2)` with `IPC_NOWAIT`.
    public func tryWait(_ number: Int = 0, by amount: Int = 1, undo: Bool = false) throws(IPCError) -> Bool {
        let operation = Operation.wait(number, by: amount, undo: undo, noWait: true)
        let error = sysSemaphoreOperate(id, operation.packed)
        if error == 0 { return true }
        if Errno(rawValue: error) == .wouldBlock { return false }
        throw core.failure(error, operation)
    }

    /// Takes from one semaphore of the set; waits until `deadline` while it has less.
    ///
    /// - Throws: ``IPCError/Code/timedOut``; as ``perform(_:retryOnInterrupt:)``.
    ///
    /// The corresponding C function is `semtimedop(2)`.
    public func wait(
        _ number: Int = 0, by amount: Int = 1, undo: Bool = false, until deadline: Deadline,
        retryOnInterrupt: Bool = true
    ) throws(IPCError) {
        try core.perform(
            [.wait(number, by: amount, undo: undo)], until: deadline, retryOnInterrupt: retryOnInterrupt)
    }

    /// Adds to one semaphore of the set, and lets those proceed that now can.
    ///
    /// - Parameters:
    ///   - number: which of the set, from 0.
    ///   - amount: how much, 1 to 32767.
    ///   - undo: for what was taken with undo, so that it is not given back a second time at the end of the process.
    /// - Throws: ``IPCError/Code/limitReached`` (ERANGE) beyond ``maximumValue``, and nothing is changed; as
    ///   ``perform(_:retryOnInterrupt:)``.
    ///
    /// Blocking: never.
    ///
    /// The corresponding C function is `semop(2)`.
    public func post(_ number: Int = 0, by amount: Int = 1, undo: Bool = false) throws(IPCError) {
        let operation = Operation.post(number, by: amount, undo: undo)
        let error = sysSemaphoreOperate(id, operation.packed)
        if error != 0 { throw core.failure(error, operation) }
    }

    /// Waits until one semaphore of the set is 0; changes nothing.
    ///
    /// - Parameters:
    ///   - number: which of the set, from 0.
    ///   - deadline: until when.
    ///   - retryOnInterrupt: whether a signal handler that runs in this thread leaves the wait as it is.
    /// - Throws: ``IPCError/Code/timedOut``; as ``perform(_:retryOnInterrupt:)``. Read permission is enough.
    ///
    /// The corresponding C functions are `semop(2)` and `semtimedop(2)`.
    public func waitForZero(
        _ number: Int = 0, until deadline: Deadline = .never, retryOnInterrupt: Bool = true
    ) throws(IPCError) {
        try core.perform([.waitForZero(number)], until: deadline, retryOnInterrupt: retryOnInterrupt)
    }

    // A body that does not suspend fits the asynchronous form too, which is meant wherever one may suspend.
    /// Runs `body` with a permit of one semaphore, and gives it back however the body ends.
    ///
    /// - Parameters:
    ///   - number: which of the set, from 0.
    ///   - amount: how much, 1 to 32767.
    ///   - undo: whether the kernel gives it back if this process ends within the body.
    ///   - deadline: until when to wait for the permit; the body may take as long as it likes.
    ///   - body: what needs the permit.
    /// - Throws: what the body throws; as ``wait(_:by:undo:until:retryOnInterrupt:)``, and then the body was not run.
    ///
    /// If a process dies: with undo its permits come back; whoever has the next must reckon with what the dead had begun.
    @_disfavoredOverload
    public func withPermit<Result: ~Copyable>(
        _ number: Int = 0, by amount: Int = 1, undo: Bool = true, until deadline: Deadline = .never,
        _ body: () throws -> Result
    ) throws -> Result {
        if deadline == .never {
            try wait(number, by: amount, undo: undo)
        } else {
            try wait(number, by: amount, undo: undo, until: deadline)
        }
        let result: Result
        do { result = try body() } catch {
            try? post(number, by: amount, undo: undo)
            throw error
        }
        try post(number, by: amount, undo: undo)
        return result
    }
}

// MARK: Groups

extension SystemVSemaphoreSet {
    /// Performs a group of operations as a whole; waits until all of them can be done.
    ///
    /// ```swift
    /// try set.perform([.wait(0), .waitForZero(1), .post(2, by: 2)])
    /// ```
    ///
    /// - Parameters:
    ///   - operations: done in this order, one at least. One and the same semaphore may come more than once.
    ///   - retryOnInterrupt: whether a signal handler that runs in this thread leaves the wait as it is.
    /// - Throws, and nothing was changed: ``IPCError/Code/wouldBlock`` (EAGAIN) if an operation that is not to wait would
    ///   have to; ``IPCError/Code/limitReached`` for more operations than `kernel.sem` allows (E2BIG), a value beyond
    ///   ``maximumValue`` (ERANGE), no room to note an undo (ENOSPC); ``IPCError/Code/invalidArgument`` for a semaphore that the
    ///   set does not have (EFBIG) and for no operation; ``IPCError/Code/removed`` (EIDRM, or EINVAL if it was removed
    ///   before the call); ``IPCError/Code/permissionDenied``; ``IPCError/Code/interrupted``.
    ///
    /// Blocking: the thread.
    ///
    /// Concurrency: while a group waits, others can do what it waits for; nothing of it is done in advance.
    ///
    /// The corresponding C function is `semop(2)`.
    public func perform(_ operations: [Operation], retryOnInterrupt: Bool = true) throws(IPCError) {
        try core.perform(operations, retryOnInterrupt: retryOnInterrupt)
    }

    /// Performs a group of operations if all of them can be done at once.
    ///
    /// - Returns: false if one would have to wait, and then none was done.
    /// - Throws: as ``perform(_:retryOnInterrupt:)``.
    ///
    /// Blocking: never.
    ///
    /// The corresponding C function is `semop(2)` with `IPC_NOWAIT`.
    public func tryPerform(_ operations: [Operation]) throws(IPCError) -> Bool {
        try core.tryPerform(operations)
    }

    /// Performs a group of operations as a whole; waits until `deadline` for all of them to be possible.
    ///
    /// - Throws: ``IPCError/Code/timedOut``; as ``perform(_:retryOnInterrupt:)``.
    ///
    /// The corresponding C function is `semtimedop(2)`.
    public func perform(
        _ operations: [Operation], until deadline: Deadline, retryOnInterrupt: Bool = true
    ) throws(IPCError) {
        try core.perform(operations, until: deadline, retryOnInterrupt: retryOnInterrupt)
    }
}
