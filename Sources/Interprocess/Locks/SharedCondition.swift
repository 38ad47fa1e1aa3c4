// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
public import SystemPackage

/// That the value of a ``RobustMutex`` has changed, for those who wait until it is as they need it.
///
/// ```swift
/// // One process                                       // another
/// try box.withLock(waitingOn: filled,                  try box.withLock { $0.count += 1 }
///                  until: { $0.count > 0 }) {          filled.notifyAll()
///     $0.count -= 1
/// }
/// ```
///
/// Waiting always names what is waited for, and always looks again: a wake-up is a hint, the value decides.
///
/// Concurrency: any number may wait and notify. ``notifyAll()`` wakes everybody, on purpose: a wake-up for one would be lost with a
/// process that dies before it acts on it.
///
/// If a process dies: one that waited leaves nothing behind. If one dies after it has changed the value and before it notifies,
/// those who wait find out within 100 milliseconds: so often they look without being told.
///
/// The corresponding C functions are `pthread_cond_wait(3)` and `pthread_cond_broadcast(3)`; it is a word of its own for
/// `futex(2)`, because glibc's condition variables do not survive a waiter that is killed.
public struct SharedCondition: ~Copyable, Sendable {
    /// How much memory it takes.
    public static let byteCount = 128
    /// How often who waits looks without being told.
    static let patience = Duration.milliseconds(100)

    let memory: LockMemory
    let word: SharedWord

    /// Opens or creates a condition by name.
    ///
    /// - Throws: as ``RobustMutex/init(_:mode:initial:recovery:permissions:)``.
    public init(
        _ name: ObjectName, mode: CreationMode = .openOrCreate, permissions: FilePermissions = .ownerOnly
    ) throws(IPCError) {
        let memory = try LockMemory.named(name, mode, byteCount: Self.byteCount, permissions) {
            (memory) throws(IPCError) in
            Self.prepare(memory, 0)
        }
        try self.init(openingIn: memory)
    }

    /// Makes a condition in memory that is shared, over what is there.
    ///
    /// - Throws: ``IPCError/Code/invalidArgument`` if it does not fit there.
    public init(creatingIn memory: LockMemory, atByte offset: Int) throws(IPCError) {
        try memory.require(Self.byteCount, at: offset)
        Self.prepare(memory, offset)
        try self.init(openingIn: memory, atByte: offset)
    }

    /// Takes a condition that somebody else has made.
    ///
    /// - Throws: ``IPCError/Code/malformed`` if there is none.
    public init(openingIn memory: LockMemory, atByte offset: Int = 0) throws(IPCError) {
        try memory.require(Self.byteCount, at: offset)
        _ = try Self.header.check(memory, offset)
        self.memory = memory
        word = memory.word(at: offset + LockHeader.sizeBytes)
    }

    private static let header = LockHeader(kind: .condition, fingerprint: 1, byteCount: byteCount)

    private static func prepare(_ memory: LockMemory, _ offset: Int) {
        memory.store(UInt32(0), at: offset + LockHeader.sizeBytes)
        header.write(memory, offset)
    }

    /// Wakes everybody who waits, to look again. Call it after the change, with the lock held or not.
    ///
    /// Blocking: never. It costs a system call whether anybody waits or not.
    public func notifyAll() {
        word.advance()
        word.wakeAll()
    }
}

extension RobustMutex {
    /// Runs `body` with the lock held as soon as the value is so that `isReady` says yes; waits without the lock in between.
    ///
    /// - Parameters:
    ///   - condition: what is notified when the value changes.
    ///   - isReady: looks at the value, with the lock held.
    ///   - deadline: until when to wait.
    ///   - body: changes the value in place.
    /// - Throws: ``IPCError/Code/timedOut``; ``IPCError/Code/interrupted`` unless `retryOnInterrupt`; as ``withLock(_:)``.
    ///
    /// Blocking: the thread.
    public func withLock<Result>(
        waitingOn condition: borrowing SharedCondition, until isReady: (State) throws -> Bool,
        deadline: Deadline = .never, retryOnInterrupt: Bool = true, _ body: (inout State) throws -> Result
    ) throws -> Result {
        while true {
            // Read before the look: a change after the look changes it, and the wait returns at once.
            let seen = condition.word.load()
            let result: Result? = try withLock(until: deadline) { state in
                try isReady(state) ? try body(&state) : nil
            }
            if let result { return result }
            if deadline.hasPassed { throw core.neverReady() }
            do throws(Errno) {
                let moment = min(deadline, .after(SharedCondition.patience))
                try condition.word.wait(
                    seen, untilNanoseconds: moment.monotonicNanoseconds, retryOnInterrupt: retryOnInterrupt)
            } catch {
                if error == .interrupted { throw IPCError(error, "futex", core.memory.subject) }
                if error != .timedOut && error != .wouldBlock { throw IPCError(error, "futex", core.memory.subject) }
            }
        }
    }

    /// Runs `body` with the lock held as soon as the value is so that `isReady` says yes; the task is suspended until then.
    ///
    /// Both closures run on a waiter thread of this library.
    ///
    /// - Throws: ``IPCError/Code/cancelled``, ``IPCError/Code/timedOut``, and then `body` has not run; as the blocking form.
    public func withLock<Result: Sendable>(
        waitingOn condition: borrowing SharedCondition, until isReady: @escaping @Sendable (State) throws -> Bool,
        deadline: Deadline = .never, _ body: @escaping @Sendable (inout State) throws -> Result
    ) async throws -> Result {
        let (core, place, word, memory) = (core, place, condition.word, condition.memory)
        return try await core.lane.performApart(call: "futex", until: deadline) { () throws -> Result? in
            let seen = word.load()
            guard let held = try place.acquire(core, forAWhileUntil: deadline) else { return nil }
            let result: Result?
            do {
                result = try undisturbed {
                    try place.withState(State.self) { state in try isReady(state) ? try body(&state) : nil }
                }
            } catch {
                _ = place.release(held)
                throw error
            }
            let outcome = place.release(held)
            if outcome != 0 { throw core.overwritten(outcome) }
            if result == nil {
                let moment = min(deadline, .after(SharedCondition.patience))
                try? withExtendedLifetime(memory) {
                    try word.wait(seen, untilNanoseconds: moment.monotonicNanoseconds, retryOnInterrupt: false)
                }
            }
            return result
        }.get()
    }
}

extension RobustCore {
    func neverReady() -> IPCError {
        IPCError(.timedOut, "futex", memory.subject, hint: "the value did not become as it was waited for")
    }
}

extension WaiterThread {
    /// As ``performRepeatedly(call:until:_:)`` on a thread of its own: who waits for a condition must not keep those from the lock
    /// who would bring it about.
    func performApart<Success: Sendable>(
        call: String, until deadline: Deadline, _ attempt: @escaping @Sendable () throws -> Success?
    ) async throws(IPCError) -> Result<Success, any Error> {
        try await apart().performRepeatedly(call: call, until: deadline, attempt)
    }
}
