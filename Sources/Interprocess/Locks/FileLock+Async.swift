// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import SystemPackage

extension FileLock {
    /// Locks; the task is suspended while others are in the way.
    ///
    /// - Parameters:
    ///   - strength: shared or exclusive.
    ///   - range: which bytes; ``Kind/flock`` knows the whole file only.
    ///   - deadline: until when.
    /// - Throws: ``IPCError/Code/cancelled`` and ``IPCError/Code/timedOut``, and then nothing has changed;
    ///   ``IPCError/Code/tooManyWaiters``; as ``lock(_:_:retryOnInterrupt:)``.
    ///
    /// Blocking: no thread of the cooperative pool. Beyond the first attempt a waiter thread is in `fcntl(2)` or
    /// `flock(2)`, one for each wait.
    public func lock(
        _ strength: Strength = .exclusive, _ range: ByteRange = .whole, until deadline: Deadline = .never
    ) async throws(IPCError) {
        if try tryLock(strength, range) { return }
        if Task.isCancelled {
            throw IPCError(code: .cancelled, call: call, subject: subject, hint: "the waiting task was cancelled")
        }
        if deadline.hasPassed { throw late() }
        let (number, kind, lock) = (descriptor.rawValue, kind, strength.lock)
        do throws(IPCError) {
            try await WaiterThread(subject: subject).perform(call: call, until: deadline) { () throws(Errno) in
                try Self.apply(number, kind, lock, range, wait: true, retryOnInterrupt: false)
            }
        } catch { throw refined(error, strength) }
    }

    /// Runs `body` with the lock held, and releases it. The body may suspend: the lock belongs to the handle, not to a
    /// thread.
    ///
    /// - Throws: as ``lock(_:_:until:)``, and what `body` throws.
    public func withLock<Result: ~Copyable>(
        _ strength: Strength = .exclusive, _ range: ByteRange = .whole, until deadline: Deadline = .never,
        _ body: () async throws -> Result
    ) async throws -> Result {
        try await lock(strength, range, until: deadline)
        defer { try? unlock(range) }
        return try await body()
    }
}
