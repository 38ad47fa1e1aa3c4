// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
public import SystemPackage

/// A value in shared memory that the first process to need it computes, and all others find.
///
/// ```swift
/// let table = try SharedOnce<Table>(ObjectName("/table"))
/// let value = try table.value { Table(computedFrom: source) }
/// ```
///
/// Blocking: who comes while another computes waits for it.
///
/// If a process dies while it computes: the next one, waiting already or later, computes instead.
///
/// Limits: for trust see ``RobustMutex``.
///
/// The corresponding C function is `pthread_once(3)`, which knows neither processes nor death.
public struct SharedOnce<Value: SharedPayload>: ~Copyable, Sendable {
    /// How much memory it takes, a multiple of 64.
    public static var byteCount: Int { RobustMutex<Value>.byteCount }

    private let memory: LockMemory
    private let done: SharedWord
    private let mutex: RobustMutex<Value>
    private let place: RobustPlace

    /// Opens or creates one by name.
    ///
    /// - Throws: as ``RobustMutex/init(_:mode:initial:recovery:permissions:)``.
    public init(
        _ name: ObjectName, mode: CreationMode = .openOrCreate, permissions: FilePermissions = .ownerOnly
    ) throws(IPCError) {
        let memory = try LockMemory.named(name, mode, byteCount: Self.byteCount, permissions) {
            (memory) throws(IPCError) in
            try Self.prepare(memory, 0)
        }
        try self.init(openingIn: memory)
    }

    /// Makes one in memory that is shared, over what is there.
    ///
    /// - Throws: ``IPCError/Code/invalidArgument`` if it does not fit there.
    public init(creatingIn memory: LockMemory, atByte offset: Int = 0) throws(IPCError) {
        try memory.require(Self.byteCount, at: offset)
        try Self.prepare(memory, offset)
        try self.init(openingIn: memory, atByte: offset)
    }

    /// Takes one that somebody else has made.
    ///
    /// - Throws: ``IPCError/Code/malformed`` if there is none, or one of a value of another type.
    public init(openingIn memory: LockMemory, atByte offset: Int = 0) throws(IPCError) {
        try memory.require(Self.byteCount, at: offset)
        _ = try Self.header.check(memory, offset)
        // Whoever died in between has left the word unset: there is nothing to repair.
        let mutex = try RobustMutex<Value>(
            adopting: memory, mutexOffsetBytes: offset + RobustMutex<Value>.mutexOffsetBytes,
            stateOffsetBytes: offset + RobustMutex<Value>.stateOffsetBytes, recovery: .keep)
        self.memory = memory
        done = memory.word(at: offset + Self.doneOffset)
        place = mutex.place
        self.mutex = mutex
    }

    private static var doneOffset: Int { 40 }

    private static var header: LockHeader {
        LockHeader(kind: .once, fingerprint: SharedLayout(of: Value.self).fingerprint, byteCount: byteCount)
    }

    private static func prepare(_ memory: LockMemory, _ offset: Int) throws(IPCError) {
        _ = try RobustSlot(creatingIn: memory, at: offset + RobustMutex<Value>.mutexOffsetBytes)
        memory.store(UInt32(0), at: offset + doneOffset)
        header.write(memory, offset)
    }

    /// The value if it is there.
    public var valueIfDone: Value? {
        done.load() == 1 ? place.withState(Value.self) { $0 } : nil
    }

    /// The value; computes it if nobody has.
    ///
    /// - Parameters:
    ///   - deadline: until when to wait for another who computes it.
    ///   - compute: runs at most once in all processes, unless it throws or its process dies: then the next one's runs.
    /// - Throws: ``IPCError/Code/timedOut``; ``IPCError/Code/deadlock`` if `compute` asks for the same value; what
    ///   `compute` throws.
    public func value(until deadline: Deadline = .never, _ compute: () throws -> Value) throws -> Value {
        if let value = valueIfDone { return value }
        return try mutex.withLock(until: deadline) { state in
            if done.load() == 1 { return state }
            state = try compute()
            done.store(1)
            return state
        }
    }

    /// The value; computes it if nobody has. The task is suspended while another computes.
    ///
    /// - Throws: ``IPCError/Code/cancelled``, ``IPCError/Code/timedOut``; as the blocking form.
    public func value(
        until deadline: Deadline = .never, _ compute: @escaping @Sendable () throws -> Value
    ) async throws -> Value {
        if let value = valueIfDone { return value }
        let (done, memory) = (done, memory)
        return try await mutex.withLock(until: deadline) { state in
            try withExtendedLifetime(memory) {
                if done.load() == 1 { return state }
                state = try compute()
                done.store(1)
                return state
            }
        }
    }
}
