// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
public import SystemPackage

/// A lock in shared memory that many readers or one writer hold, and that survives the death of any of them.
///
/// ```swift
/// let routes = try SharedReadWriteLock(ObjectName("/routes"), initial: Routes(), recovery: .giveUp)
/// let next = try routes.withReadLock { $0.next(hop) }
/// try routes.withWriteLock { $0.add(hop) }
/// ```
///
/// It is not glibc's `pthread_rwlock_t`, which stays locked for ever when a reader dies. Here each reader holds one of a number of robust
/// mutexes, its seat, and a writer all of them; behind them a gate is closed while a writer waits. So the kernel itself
/// frees what a dead reader or writer held, and a writer waits only for readers who were there before him.
///
/// Ownership: as ``RobustMutex``.
///
/// Concurrency: a seat belongs to a thread; bodies are synchronous. A thread that asks for the lock while it holds it waits for itself: as
/// a writer it is told ``IPCError/Code/deadlock``, as a reader it may wait for ever if a writer waits as well. More readers
/// at once than ``readerSeats`` wait for a seat.
///
/// If a process dies: a dead reader leaves nothing behind. After a dead writer the next one, reader or writer, first runs
/// the recovery, alone; if that gives up, everybody gets ``IPCError/Code/notRecoverable``.
///
/// Limits: a read lock costs two uncontended mutexes, a write lock one for each seat. For trust see ``RobustMutex``.
///
/// The corresponding C functions are `pthread_rwlock_rdlock(3)` and `pthread_rwlock_wrlock(3)`.
public struct SharedReadWriteLock<State: SharedPayload>: ~Copyable, Sendable {
    /// As for a ``RobustMutex``.
    public typealias Recovery = RobustMutex<State>.Recovery

    /// How many readers there can be at once unless told otherwise.
    public static var defaultReaderSeats: Int { 16 }

    /// How much memory the lock takes, a multiple of 64.
    public static func byteCount(readerSeats: Int = defaultReaderSeats) -> Int {
        ReadWriteCore.stateOffset(seats: readerSeats) + (MemoryLayout<State>.size + 63) & ~63
    }

    /// How many readers there can be at once.
    public var readerSeats: Int { core.seats.count }

    let core: ReadWriteCore
    let place: RobustPlace

    /// Opens or creates a lock by name.
    ///
    /// - Parameters:
    ///   - name: `/routes`; in shared memory that is found under the same name.
    ///   - mode: whether to create.
    ///   - initial: the value of one that is created.
    ///   - readerSeats: 1 to 64; both sides must say the same.
    ///   - recovery: what this process does when it finds that a writer has died.
    ///   - permissions: of one that is created: exactly these. Readers need to write, too.
    /// - Throws: as ``RobustMutex/init(_:mode:initial:recovery:permissions:)``.
    public init(
        _ name: ObjectName, mode: CreationMode = .openOrCreate, initial: State,
        readerSeats: Int = defaultReaderSeats, recovery: Recovery, permissions: FilePermissions = .ownerOnly
    ) throws(IPCError) {
        Self.check(readerSeats)
        let count = Self.byteCount(readerSeats: readerSeats)
        let memory = try LockMemory.named(name, mode, byteCount: count, permissions) { (memory) throws(IPCError) in
            try Self.prepare(memory, 0, initial, readerSeats)
        }
        try self.init(openingIn: memory, readerSeats: readerSeats, recovery: recovery)
    }

    /// Makes a lock in memory that is shared, over what is there.
    ///
    /// - Throws: ``IPCError/Code/invalidArgument`` if it does not fit there.
    public init(
        creatingIn memory: LockMemory, atByte offset: Int = 0, initial: State,
        readerSeats: Int = defaultReaderSeats, recovery: Recovery
    ) throws(IPCError) {
        Self.check(readerSeats)
        try memory.require(Self.byteCount(readerSeats: readerSeats), at: offset)
        try Self.prepare(memory, offset, initial, readerSeats)
        try self.init(openingIn: memory, atByte: offset, readerSeats: readerSeats, recovery: recovery)
    }

    /// Takes a lock that somebody else has made.
    ///
    /// - Throws: ``IPCError/Code/malformed`` if there is none, or one of other seats or of a value of another type.
    public init(
        openingIn memory: LockMemory, atByte offset: Int = 0, readerSeats: Int = defaultReaderSeats, recovery: Recovery
    ) throws(IPCError) {
        Self.check(readerSeats)
        try memory.require(Self.byteCount(readerSeats: readerSeats), at: offset)
        _ = try Self.header(readerSeats).check(memory, offset)
        let gate = try RobustSlot(openingIn: memory, at: offset + ReadWriteCore.gateOffset)
        var seats: [RobustSlot] = []
        for index in 0..<readerSeats {
            seats.append(try RobustSlot(openingIn: memory, at: offset + ReadWriteCore.seatOffset(index)))
        }
        place = RobustPlace(memory, gate, offset + ReadWriteCore.stateOffset(seats: readerSeats))
        core = ReadWriteCore(
            memory, offset, gate, seats, RobustMutex<State>.erased(recovery, place))
    }

    private static func check(_ readerSeats: Int) {
        precondition((1...64).contains(readerSeats), "a lock has 1 to 64 seats for readers")
    }

    private static func header(_ readerSeats: Int) -> LockHeader {
        LockHeader(
            kind: .readWrite, fingerprint: SharedLayout(of: State.self).fingerprint,
            byteCount: byteCount(readerSeats: readerSeats))
    }

    private static func prepare(
        _ memory: LockMemory, _ offset: Int, _ initial: State, _ readerSeats: Int
    ) throws(IPCError) {
        let gate = try RobustSlot(creatingIn: memory, at: offset + ReadWriteCore.gateOffset)
        for index in 0..<readerSeats {
            _ = try RobustSlot(creatingIn: memory, at: offset + ReadWriteCore.seatOffset(index))
        }
        memory.store(UInt32(0), at: offset + ReadWriteCore.writingOffset)
        RobustPlace(memory, gate, offset + ReadWriteCore.stateOffset(seats: readerSeats)).initialize(initial)
        header(readerSeats).write(memory, offset)
    }
}

// MARK: Reading and writing

extension SharedReadWriteLock {
    /// Runs `body` with the value as it is, beside other readers.
    ///
    /// - Parameters:
    ///   - deadline: until when to wait.
    ///   - body: gets a copy of the value, taken with the lock held.
    /// - Throws: ``IPCError/Code/timedOut``; ``IPCError/Code/ownerDied`` and ``IPCError/Code/notRecoverable`` after a writer that
    ///   died; ``IPCError/Code/malformed`` if somebody has written over the lock. What `body` throws.
    ///
    /// Blocking: the thread.
    public func withReadLock<Result: ~Copyable>(
        until deadline: Deadline = .never, _ body: (State) throws -> Result
    ) throws -> Result {
        guard let hold = try core.sit(until: deadline) else { throw core.late() }
        defer { core.leave(hold) }
        return try body(place.withState(State.self) { $0 })
    }

    /// Runs `body` alone.
    ///
    /// - Parameters:
    ///   - deadline: until when to wait.
    ///   - body: changes the value in place.
    /// - Throws: as ``withReadLock(until:_:)``.
    ///
    /// Blocking: the thread.
    public func withWriteLock<Result: ~Copyable>(
        until deadline: Deadline = .never, _ body: (inout State) throws -> Result
    ) throws -> Result {
        guard let holds = try core.close(until: deadline) else { throw core.late() }
        defer { core.open(holds) }
        return try place.withState(State.self, body)
    }

    /// Runs `body` beside other readers if no writer is there; nil if one is.
    public func tryWithReadLock<Result: ~Copyable>(_ body: (State) throws -> Result) throws -> Result? {
        guard let hold = try core.sit(until: nil) else { return nil }
        defer { core.leave(hold) }
        return try body(place.withState(State.self) { $0 })
    }

    /// Runs `body` alone if nobody is there; nil if somebody is.
    public func tryWithWriteLock<Result: ~Copyable>(_ body: (inout State) throws -> Result) throws -> Result? {
        guard let holds = try core.close(until: nil) else { return nil }
        defer { core.open(holds) }
        return try place.withState(State.self, body)
    }

    /// Runs `body` beside other readers; the task is suspended while a writer is there.
    ///
    /// The body runs on the thread that takes the lock, as that of a ``RobustMutex``.
    ///
    /// - Throws: ``IPCError/Code/cancelled``, ``IPCError/Code/timedOut``; as the blocking form.
    public func withReadLock<Result: Sendable>(
        until deadline: Deadline = .never, _ body: @escaping @Sendable (State) throws -> Result
    ) async throws -> Result {
        let (core, place) = (core, place)
        let attempt = { @Sendable (moment: Deadline?) throws -> Result? in
            guard let hold = try core.sit(until: moment) else { return nil }
            defer { core.leave(hold) }
            return try undisturbed { try body(place.withState(State.self) { $0 }) }
        }
        if let result = try attempt(nil) { return result }
        return try await core.lane.performRepeatedly(call: "pthread_mutex_clocklock", until: deadline) {
            try attempt(min(deadline, .after(.milliseconds(50))))
        }.get()
    }

    /// Runs `body` alone; the task is suspended while others are there.
    ///
    /// - Throws: as the asynchronous ``withReadLock(until:_:)``.
    public func withWriteLock<Result: Sendable>(
        until deadline: Deadline = .never, _ body: @escaping @Sendable (inout State) throws -> Result
    ) async throws -> Result {
        let (core, place) = (core, place)
        let attempt = { @Sendable (moment: Deadline?) throws -> Result? in
            guard let holds = try core.close(until: moment) else { return nil }
            defer { core.open(holds) }
            return try undisturbed { try place.withState(State.self, body) }
        }
        if let result = try attempt(nil) { return result }
        return try await core.lane.performRepeatedly(call: "pthread_mutex_clocklock", until: deadline) {
            // A writer who gives up opens the gate again, so a moment must be long enough to get through.
            try attempt(min(deadline, .after(.milliseconds(50))))
        }.get()
    }
}

/// Runs `body` such that the signal which calls off a wait ends no system call in it.
func undisturbed<Result>(_ body: () throws -> Result) rethrows -> Result {
    let signal = WaiterThreads.pool.signal
    sysBlockSignal(signal, true)
    defer { sysBlockSignal(signal, false) }
    return try body()
}
