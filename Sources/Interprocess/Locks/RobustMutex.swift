// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
public import SystemPackage

/// A mutex in shared memory that guards a value, and survives the death of whoever holds it.
///
/// ```swift
/// struct Stock: SharedPayload { var apples = 0, reserved = 0 }
///
/// let stock = try RobustMutex(
///     ObjectName("/stock"), mode: .openOrCreate, initial: Stock(),
///     recovery: .repair { stock in
///         stock.reserved = min(stock.reserved, stock.apples)     // whoever died may have left it half changed
///         return true
///     })
/// let left = try stock.withLock { stock in
///     stock.apples -= 1
///     return stock.apples
/// }
/// ```
///
/// The mutex is a `pthread_mutex_t` of glibc with PTHREAD_PROCESS_SHARED, PTHREAD_MUTEX_ROBUST and
/// PTHREAD_MUTEX_ERRORCHECK, ``mutexOffsetBytes`` after the start of the lock; the value is ``stateOffsetBytes`` after it. A C program
/// that maps the same memory can lock the same mutex:
///
/// ```c
/// struct { char header[64]; union { pthread_mutex_t mutex; char room[64]; }; struct stock stock; } *lock;
/// ```
///
/// Ownership: the value keeps the memory. A name stays until ``LockMemory/unlink(_:)``.
///
/// Blocking: ``withLock(_:)`` the thread; without contention it is no system call. Waiting is not ended by signals.
///
/// Concurrency: a mutex belongs to the thread that locked it: the body is synchronous, and runs where the lock was taken. Locking it
/// again in the body is ``IPCError/Code/deadlock``. The body works on the shared memory itself, not on a copy.
///
/// If a process dies, or the thread that holds it ends: the kernel passes the mutex to the next one with that news, and ``Recovery``
/// decides. If whoever repairs dies as well, the next one gets the same news. A process that is stopped holds on.
///
/// Limits: it is for processes that trust each other. One that may write the memory, and does so without the lock, can make
/// the value anything (every pattern of bits is a value), keep others waiting until their deadline (without one: for ever), and make
/// locking fail with ``IPCError/Code/malformed``, ``IPCError/Code/deadlock`` or ``IPCError/Code/notRecoverable``. The links by which the
/// kernel finds the mutexes of a dead thread lie in the shared memory too; they are compared, and put right, before they are
/// used, which makes writing over them by accident harmless. One who rewrites them on purpose in the very moment of an unlock can crash
/// this process: for somebody whom you do not trust, take a ``FileLock``. And who
/// may write a *named* lock may truncate its file, which ends every process that then touches it with SIGBUS; the memory of a
/// ``LockMemory`` without a name is sealed against that.
///
/// The corresponding C functions are `pthread_mutex_lock(3)` and `pthread_mutex_consistent(3)`.
public struct RobustMutex<State: SharedPayload>: ~Copyable, Sendable {
    /// What to do when the last owner died in the middle of its body: the value may be half changed.
    public struct Recovery: Sendable {
        let action: (@Sendable (inout State) -> Bool)?
        let keeps: Bool

        /// The value is right at every moment, as a single number is: go on.
        public static var keep: Recovery { Recovery(action: nil, keeps: true) }

        /// Nobody can repair it: the call that finds out throws ``IPCError/Code/ownerDied``, and from then on every call of
        /// every process ``IPCError/Code/notRecoverable``.
        public static var giveUp: Recovery { Recovery(action: nil, keeps: false) }

        /// Puts the value right, with the lock held, before the body runs; false gives up.
        public static func repair(_ body: @escaping @Sendable (inout State) -> Bool) -> Recovery {
            Recovery(action: body, keeps: true)
        }

        /// Puts a fixed value in its place.
        public static func reset(to value: State) -> Recovery {
            repair {
                $0 = value
                return true
            }
        }
    }

    /// Where the `pthread_mutex_t` lies in the lock.
    public static var mutexOffsetBytes: Int { 64 }
    /// Where the value lies in the lock.
    public static var stateOffsetBytes: Int { 128 }
    /// How much memory the lock takes, a multiple of 64.
    public static var byteCount: Int { (stateOffsetBytes + MemoryLayout<State>.size + 63) & ~63 }

    @usableFromInline let core: RobustCore
    @usableFromInline let place: RobustPlace

    /// Opens or creates a mutex by name, in shared memory that is found under the same name by `shm_open(3)`.
    ///
    /// It appears under its name complete: nobody ever opens a half-made one, whatever happens to its creator.
    ///
    /// - Parameters:
    ///   - name: `/stock`.
    ///   - mode: whether to create.
    ///   - initial: the value of one that is created.
    ///   - recovery: what this process does when it finds that an owner has died.
    ///   - permissions: of one that is created: exactly these. Whoever may write it must be trusted, see Limits.
    /// - Throws: ``IPCError/Code/alreadyExists`` and ``IPCError/Code/notFound`` as the mode says;
    ///   ``IPCError/Code/permissionDenied``; ``IPCError/Code/malformed`` if the name is another object's, or guards a
    ///   value of another type; ``IPCError/Code/limitReached`` (ENOSPC, EMFILE).
    public init(
        _ name: ObjectName, mode: CreationMode = .openOrCreate, initial: State, recovery: Recovery,
        permissions: FilePermissions = .ownerOnly
    ) throws(IPCError) {
        let memory = try LockMemory.named(name, mode, byteCount: Self.byteCount, permissions) {
            (memory) throws(IPCError) in
            try Self.prepare(memory, 0, initial, recursive: false)
        }
        try self.init(openingIn: memory, recovery: recovery)
    }

    /// Makes a mutex in memory that is shared, over what is there.
    ///
    /// - Parameters:
    ///   - memory: which.
    ///   - offset: a multiple of 64 with ``byteCount`` bytes behind it.
    ///   - initial: the value.
    ///   - recovery: what this process does when it finds that an owner has died.
    ///   - recursive: whether a thread that holds it may lock it again. Only for a mutex without a value
    ///     (``NoState``): two bodies would change the same value at once.
    /// - Throws: ``IPCError/Code/invalidArgument`` if it does not fit there.
    public init(
        creatingIn memory: LockMemory, atByte offset: Int = 0, initial: State, recovery: Recovery,
        recursive: Bool = false
    ) throws(IPCError) {
        precondition(!recursive || MemoryLayout<State>.size == 0, "a recursive mutex guards no value; take NoState")
        try memory.require(Self.byteCount, at: offset)
        try Self.prepare(memory, offset, initial, recursive: recursive)
        try self.init(openingIn: memory, atByte: offset, recovery: recovery)
    }

    /// Takes a mutex that somebody else has made with ``init(creatingIn:atByte:initial:recovery:recursive:)`` or under a name.
    ///
    /// - Throws: ``IPCError/Code/malformed`` if there is none, or one that guards a value of another type.
    public init(openingIn memory: LockMemory, atByte offset: Int = 0, recovery: Recovery) throws(IPCError) {
        try memory.require(Self.byteCount, at: offset)
        _ = try Self.header.check(memory, offset)
        try self.init(
            memory, mutexOffset: offset + Self.mutexOffsetBytes, stateOffset: offset + Self.stateOffsetBytes, recovery)
    }

    /// Takes a `pthread_mutex_t` that a C program has made and that has no header of this library.
    ///
    /// - Parameters:
    ///   - mutexOffsetBytes: where it lies; it must be robust and shared between processes.
    ///   - stateOffsetBytes: where what it guards lies.
    /// - Throws: ``IPCError/Code/malformed`` if there is no such mutex; ``IPCError/Code/invalidArgument`` if it cannot lie there.
    public init(
        adopting memory: LockMemory, mutexOffsetBytes: Int, stateOffsetBytes: Int, recovery: Recovery
    ) throws(IPCError) {
        let size = MemoryLayout<State>.size
        guard mutexOffsetBytes >= 0, mutexOffsetBytes % 8 == 0, mutexOffsetBytes <= memory.byteCount - mutexSizeBytes,
            stateOffsetBytes >= 0, stateOffsetBytes % MemoryLayout<State>.alignment == 0,
            stateOffsetBytes <= memory.byteCount - size
        else {
            throw IPCError(
                code: .invalidArgument, subject: memory.subject,
                hint: "the mutex or the value lies outside of \(memory.byteCount) bytes, or is not aligned")
        }
        try self.init(memory, mutexOffset: mutexOffsetBytes, stateOffset: stateOffsetBytes, recovery)
    }

    private init(
        _ memory: LockMemory, mutexOffset: Int, stateOffset: Int, _ recovery: Recovery
    ) throws(IPCError) {
        let slot = try RobustSlot(openingIn: memory, at: mutexOffset)
        place = RobustPlace(memory, slot, stateOffset)
        core = RobustCore(memory, slot, Self.erased(recovery, place))
    }

    private static var header: LockHeader {
        LockHeader(kind: .mutex, fingerprint: SharedLayout(of: State.self).fingerprint, byteCount: byteCount)
    }

    private static func prepare(
        _ memory: LockMemory, _ offset: Int, _ initial: State, recursive: Bool
    ) throws(IPCError) {
        precondition(MemoryLayout<State>.alignment <= 64, "a value in shared memory is aligned to at most 64 bytes")
        let slot = try RobustSlot(creatingIn: memory, at: offset + mutexOffsetBytes, recursive: recursive)
        RobustPlace(memory, slot, offset + stateOffsetBytes).initialize(initial)
        header.write(memory, offset)
    }
}

/// The value of a mutex that guards none.
public struct NoState: SharedPayload {
    /// The only one.
    public init() {}
}

/// What all handles of one mutex share beside its address: what is needed when not all goes well.
@usableFromInline
final class RobustCore: Sendable {
    let memory: LockMemory
    let slot: RobustSlot
    /// Repairs the value; nil gives up.
    let recovery: (@Sendable () -> Bool)?
    let lane: WaiterThread

    init(_ memory: LockMemory, _ slot: RobustSlot, _ recovery: (@Sendable () -> Bool)?) {
        self.memory = memory
        self.slot = slot
        self.recovery = recovery
        lane = WaiterThread(subject: memory.subject)
    }

    /// The lock was not simply had: an owner died, it is late or busy, or something is wrong.
    ///
    /// - Returns: whether it is held.
    @inline(never)
    func resolve(_ hold: RobustHold, _ call: String) throws(IPCError) -> Bool {
        guard let (hold, ownerDied) = try memory.interpret(hold, call) else { return false }
        if !ownerDied { return true }
        // Not marked consistent yet: if this process dies in here, the next one gets the same news.
        if recovery?() == true {
            do throws(Errno) { try slot.makeConsistent() } catch {
                slot.unlock(hold)
                throw IPCError(error, "pthread_mutex_consistent", memory.subject)
            }
            return true
        }
        slot.unlock(hold)
        throw IPCError(
            Errno(rawValue: RobustHold.ownerDied), call, memory.subject,
            hint: "whoever held the lock died in the middle of its work, and what it guards could not be repaired")
    }

    @inline(never) @usableFromInline
    func overwritten(_ result: CInt) -> IPCError {
        IPCError(
            code: .malformed, call: "pthread_mutex_unlock", errno: Errno(rawValue: result), subject: memory.subject,
            hint: "somebody has written over the lock while it was held")
    }
}
