// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import Synchronization
public import SystemPackage

/// A meeting point of a fixed number of parties: each waits until all have come, then all go on, and it can be used again.
///
/// ```swift
/// let barrier = try SharedBarrier(ObjectName("/step"), parties: 4)
/// while true {
///     compute()
///     try barrier.wait()          // nobody begins the next step before everybody has ended this one
/// }
/// ```
///
/// Ownership: a handle is a party: it takes a seat when it is made and gives it back when it closes.
///
/// Concurrency: one thread or task at a time waits with a handle.
///
/// If a process dies: a party that is killed, or ends without closing its handle, breaks the barrier: everybody who waits
/// or comes gets ``IPCError/Code/ownerDied``, who waits within 100 milliseconds. ``repair()`` makes it usable again. A party that
/// is stopped is waited for.
///
/// Limits: parties know each other by process number, so all must be in one PID namespace with `/proc` mounted. For trust
/// see ``RobustMutex``.
///
/// The corresponding C function is `pthread_barrier_wait(3)`, which waits for the dead for ever.
public struct SharedBarrier: ~Copyable, Sendable {
    /// How much memory it takes, a multiple of 64.
    public static func byteCount(parties: Int) -> Int { 128 + (16 * parties + 63) & ~63 }

    /// How many parties there are.
    public let parties: Int
    private let core: BarrierCore
    private let seat: BarrierSeat

    /// Opens or creates a barrier by name, and joins it.
    ///
    /// - Parameters:
    ///   - parties: 1 to 1024; all must say the same.
    /// - Throws: ``IPCError/Code/limitReached`` if so many have joined already; ``IPCError/Code/ownerDied`` if it is broken;
    ///   as ``RobustMutex/init(_:mode:initial:recovery:permissions:)``.
    public init(
        _ name: ObjectName, mode: CreationMode = .openOrCreate, parties: Int, permissions: FilePermissions = .ownerOnly
    ) throws(IPCError) {
        let count = Self.byteCount(parties: parties)
        let memory = try LockMemory.named(name, mode, byteCount: count, permissions) { (memory) throws(IPCError) in
            try BarrierCore.prepare(memory, 0, parties)
        }
        try self.init(openingIn: memory, parties: parties)
    }

    /// Makes a barrier in memory that is shared, over what is there, and joins it.
    ///
    /// - Throws: ``IPCError/Code/invalidArgument`` if it does not fit there.
    public init(creatingIn memory: LockMemory, atByte offset: Int = 0, parties: Int) throws(IPCError) {
        try memory.require(Self.byteCount(parties: parties), at: offset)
        try BarrierCore.prepare(memory, offset, parties)
        try self.init(openingIn: memory, atByte: offset, parties: parties)
    }

    /// Joins a barrier that somebody else has made.
    ///
    /// - Throws: ``IPCError/Code/malformed`` if there is none, or one of another number of parties;
    ///   ``IPCError/Code/limitReached``; ``IPCError/Code/ownerDied``.
    public init(openingIn memory: LockMemory, atByte offset: Int = 0, parties: Int) throws(IPCError) {
        precondition((1...1024).contains(parties), "a barrier has 1 to 1024 parties")
        try memory.require(Self.byteCount(parties: parties), at: offset)
        let core = try BarrierCore(memory, offset, parties)
        let index = try core.join()
        self.core = core
        seat = BarrierSeat(core, index)
        self.parties = parties
    }

    /// Gives the seat back: another may join in this one's place.
    public consuming func close() { seat.leave() }

    /// How many have come and wait.
    public var waitingCount: Int { Int(core.arrived.load()) }

    /// Whether a party died; see ``repair()``.
    public var isBroken: Bool { core.broken.load() != 0 }

    /// Comes, and waits until all have come.
    ///
    /// - Returns: true for exactly one of the parties, whichever came last.
    /// - Throws: ``IPCError/Code/ownerDied`` if a party died; ``IPCError/Code/timedOut`` and ``IPCError/Code/interrupted`` (unless
    ///   `retryOnInterrupt`), and then this party has not come, and the barrier is whole.
    ///
    /// Blocking: the thread.
    @discardableResult
    public func wait(until deadline: Deadline = .never, retryOnInterrupt: Bool = true) throws(IPCError) -> Bool {
        guard let arrival = try core.arrive(until: deadline) else { return true }
        while true {
            do throws(IPCError) {
                if try core.hasPassed(arrival, until: deadline, retryOnInterrupt: retryOnInterrupt) { return false }
                if deadline.hasPassed { throw core.late() }
            } catch {
                // All may have come in the last moment.
                if error.code != .ownerDied, try !core.withdraw(arrival) { return false }
                throw error
            }
        }
    }

    /// Comes if it is the last one: whether all could go on.
    ///
    /// - Returns: false if others are still missing, and then this party has not come.
    /// - Throws: ``IPCError/Code/ownerDied``.
    ///
    /// Blocking: never for long.
    public func tryWait() throws(IPCError) -> Bool { try core.arriveLast() }

    /// Comes, and suspends the task until all have come.
    ///
    /// - Returns: true for exactly one of the parties.
    /// - Throws: ``IPCError/Code/cancelled`` and ``IPCError/Code/timedOut``, and then this party has not come;
    ///   ``IPCError/Code/ownerDied``; ``IPCError/Code/tooManyWaiters``.
    @discardableResult
    public func wait(until deadline: Deadline = .never) async throws(IPCError) -> Bool {
        let (core, pending) = (core, PendingArrival())
        do throws(IPCError) {
            return try await core.lane.performRepeatedly(call: "futex", until: deadline) { () throws -> Bool? in
                guard let arrival = pending.value.withLock({ $0 }) else {
                    guard let fresh = try core.arrive(until: deadline) else { return true }
                    pending.value.withLock { $0 = fresh }
                    return nil
                }
                return try core.hasPassed(arrival, until: deadline, retryOnInterrupt: false) ? false : nil
            }.asIPC()
        } catch {
            guard let arrival = pending.value.withLock({ $0 }), error.code != .ownerDied else { throw error }
            if try !core.withdraw(arrival) { return false }
            throw error
        }
    }

    /// Makes a broken barrier whole: the seats of the dead are free, and nobody has come.
    ///
    /// - Throws: ``IPCError/Code/malformed`` if somebody has written over it.
    public func repair() throws(IPCError) { try core.repair() }

    private final class PendingArrival: Sendable {
        let value = Mutex<UInt32?>(nil)
    }
}

/// A handle's seat.
final class BarrierSeat: Sendable {
    private let core: BarrierCore
    private let index: Int
    private let ending = Once()

    init(_ core: BarrierCore, _ index: Int) {
        self.core = core
        self.index = index
    }

    func leave() { if ending.first() { core.leave(index) } }

    deinit { leave() }
}

extension Result where Failure == any Error {
    /// For work that throws nothing else.
    func asIPC() throws(IPCError) -> Success {
        do { return try get() } catch {
            throw (error as? IPCError) ?? IPCError(code: .system, subject: "\(error)")
        }
    }
}
