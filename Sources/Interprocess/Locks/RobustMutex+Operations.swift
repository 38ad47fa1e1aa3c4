// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import SystemPackage

extension RobustMutex {
    /// Runs `body` with the lock held.
    ///
    /// - Parameter body: changes the value in place. What it has changed when it throws stays changed.
    /// - Returns: what `body` returns.
    /// - Throws: ``IPCError``, and then `body` has not run: ``IPCError/Code/ownerDied`` if the last owner died and
    ///   the recovery gave up, ``IPCError/Code/notRecoverable`` after that, ``IPCError/Code/deadlock`` if this thread holds
    ///   the lock, ``IPCError/Code/malformed`` if somebody has written over it. What `body` throws.
    ///
    /// Blocking: the thread, while somebody else holds it, even if that one is stopped.
    ///
    /// The corresponding C function is `pthread_mutex_lock(3)`.
    @inlinable
    public func withLock<Result: ~Copyable>(_ body: (inout State) throws -> Result) throws -> Result {
        let hold = try place.acquire(core)
        return try perform(hold, body)
    }

    /// Runs `body` with the lock held, if it is free.
    ///
    /// - Returns: nil if somebody else holds it, and then `body` has not run.
    /// - Throws: as ``withLock(_:)``.
    ///
    /// The corresponding C function is `pthread_mutex_trylock(3)`.
    @inlinable
    public func tryWithLock<Result: ~Copyable>(_ body: (inout State) throws -> Result) throws -> Result? {
        guard let hold = try place.tryAcquire(core) else { return nil }
        return try perform(hold, body)
    }

    /// Runs `body` with the lock held; waits for it until `deadline`.
    ///
    /// - Throws: ``IPCError/Code/timedOut``; as ``withLock(_:)``.
    ///
    /// The corresponding C function is `pthread_mutex_clocklock(3)`.
    @inlinable
    public func withLock<Result: ~Copyable>(
        until deadline: Deadline, _ body: (inout State) throws -> Result
    ) throws -> Result {
        let hold = try place.acquire(core, until: deadline)
        return try perform(hold, body)
    }

    @inlinable
    func perform<Result: ~Copyable>(
        _ hold: HeldLock, _ body: (inout State) throws -> Result
    ) throws -> Result {
        let result: Result
        do { result = try place.withState(State.self, body) } catch {
            _ = place.release(hold)
            throw error
        }
        let outcome = place.release(hold)
        if outcome != 0 { throw core.overwritten(outcome) }
        return result
    }
}

/// What a mutex that is held needs to be released.
@frozen @usableFromInline
struct HeldLock {
    @usableFromInline let previous: UInt
    @usableFromInline let next: UInt

    @inline(__always) init(_ hold: RobustHold) {
        previous = hold.previous
        next = hold.next
    }

    @inline(__always) var hold: RobustHold { RobustHold(result: 0, previous: previous, next: next) }
}

extension RobustPlace {
    @usableFromInline
    func acquire(_ core: RobustCore) throws(IPCError) -> HeldLock {
        let hold = slot.lock()
        if hold.result != 0 { _ = try core.resolve(hold, "pthread_mutex_lock") }
        return HeldLock(hold)
    }

    @usableFromInline
    func tryAcquire(_ core: RobustCore) throws(IPCError) -> HeldLock? {
        let hold = slot.tryLock()
        if hold.result != 0 { if try !core.resolve(hold, "pthread_mutex_trylock") { return nil } }
        return HeldLock(hold)
    }

    @usableFromInline
    func acquire(_ core: RobustCore, until deadline: Deadline) throws(IPCError) -> HeldLock {
        let hold = slot.lock(until: deadline)
        if hold.result != 0 {
            if try !core.resolve(hold, "pthread_mutex_clocklock") {
                throw IPCError(
                    .timedOut, "pthread_mutex_clocklock", core.memory.subject, hint: "somebody else holds the lock")
            }
        }
        return HeldLock(hold)
    }

    /// 0, or what is wrong with the mutex; it is released in any case.
    @usableFromInline
    func release(_ held: HeldLock) -> CInt { slot.unlock(held.hold) }
}
