// SPDX-License-Identifier: Apache-2.0

extension POSIXSemaphore where Self: ~Copyable {
    /// Takes a permit; waits while there is none.
    ///
    /// - Parameter retryOnInterrupt: whether a signal handler that runs in this thread leaves the wait as it is.
    /// - Throws: ``IPCError/Code/interrupted``.
    ///
    /// Blocking: the thread, while the value is 0. With a permit there, one atomic instruction and no system call.
    ///
    /// The corresponding C function is `sem_wait(3)`.
    @inlinable
    public func wait(retryOnInterrupt: Bool = true) throws(IPCError) {
        if core.word.tryTake() { return }
        try core.waiting.wait(retryOnInterrupt: retryOnInterrupt)
    }

    /// Takes a permit if there is one.
    ///
    /// - Returns: false if there is none.
    ///
    /// Blocking: never.
    ///
    /// The corresponding C function is `sem_trywait(3)`.
    @inlinable
    public func tryWait() throws(IPCError) -> Bool {
        if core.word.tryTake() { return true }
        return try core.waiting.tryWait()
    }

    /// Takes a permit; waits until `deadline` while there is none.
    ///
    /// The deadline is monotonic: setting the wall clock, on which `sem_timedwait(3)` counts, changes nothing.
    ///
    /// - Parameters:
    ///   - deadline: until when; a permit that is there is taken even if it has passed.
    ///   - retryOnInterrupt: whether a signal handler that runs in this thread leaves the wait as it is.
    /// - Throws: ``IPCError/Code/timedOut``; ``IPCError/Code/interrupted``.
    ///
    /// The corresponding C function is `sem_clockwait(3)` with `CLOCK_MONOTONIC`.
    @inlinable
    public func wait(until deadline: Deadline, retryOnInterrupt: Bool = true) throws(IPCError) {
        if core.word.tryTake() { return }
        try core.waiting.wait(until: deadline, retryOnInterrupt: retryOnInterrupt)
    }

    /// Adds a permit, and wakes one who waits.
    ///
    /// Anybody may, also who never took one.
    ///
    /// - Throws: ``IPCError/Code/limitReached`` (EOVERFLOW) at ``maximumValue``, and nothing is changed.
    ///
    /// Blocking: never. With nobody waiting, one atomic instruction and no system call.
    ///
    /// The corresponding C function is `sem_post(3)`.
    @inlinable
    public func post() throws(IPCError) {
        if core.word.tryGive() { return }
        try core.waiting.post()
    }

    // A body that does not suspend fits the asynchronous form too, which is meant wherever one may suspend.
    /// Runs `body` with a permit, and gives it back however the body ends.
    ///
    /// - Parameters:
    ///   - deadline: until when to wait for the permit; the body may take as long as it likes.
    ///   - body: what needs the permit.
    /// - Throws: what the body throws; as ``wait(until:retryOnInterrupt:)``, and then the body was not run; as ``post()``.
    ///
    /// If a process dies: a process that is killed within the body does not give the permit back.
    @_disfavoredOverload
    public func withPermit<Result: ~Copyable>(
        until deadline: Deadline = .never, _ body: () throws -> Result
    ) throws -> Result {
        try wait(until: deadline)
        let result: Result
        do { result = try body() } catch {
            try? post()
            throw error
        }
        try post()
        return result
    }
}
