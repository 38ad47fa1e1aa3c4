// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import Synchronization
public import SystemPackage

/// A number that grows with every holder of a lease. What must not be done twice carries it, and whoever does it refuses a number
/// below the highest that he has seen.
public struct FencingToken: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// 1 for the first holder.
    public let rawValue: UInt64

    /// A token that came as a number, with a request.
    public init(rawValue: UInt64) { self.rawValue = rawValue }

    /// Whether `left` is of an earlier holder.
    public static func < (left: FencingToken, right: FencingToken) -> Bool { left.rawValue < right.rawValue }
    /// The number.
    public var description: String { "\(rawValue)" }
}

/// The right to do something alone, for a time: it ends by itself if its holder stops.
///
/// ```swift
/// let leadership = try Lease("/var/lib/shop/leader", term: .seconds(5))
/// let held = try await leadership.acquire()
/// while try held.renew() {
///     store.write(order, token: held.token)       // the store refuses a token below the highest that it knows
/// }
/// ```
///
/// A lock is held by who is stopped, however long; a lease is not: it expires a ``term`` after its last renewal, and
/// another takes it. The old holder, when it goes on, may not have noticed: between a look at ``HeldLease/isCurrent`` and the deed it
/// can be stopped again. Only the ``FencingToken`` closes that gap: the one who is asked to act compares.
///
/// No lock is behind it, only one step of the processor on 16 bytes of a mapped file: nobody can be caught in the middle.
///
/// Ownership: this value is the lease as it lies in the file; ``HeldLease`` is the right itself.
///
/// If a process dies: its lease expires. The token in the file grows on, also across restarts of the machine.
///
/// Limits: time is CLOCK_MONOTONIC: one machine, one time namespace. After a restart of the machine a lease of before is taken for held
/// for at most a term. Whoever may write the file must be trusted, and must not truncate it.
///
/// The corresponding C functions are `mmap(2)` and `clock_gettime(3)`.
public struct Lease: ~Copyable, Sendable {
    /// After how much time without renewal it expires.
    public let term: Duration
    let core: LeaseCore

    /// Opens or creates a lease at a path; it is not held by that.
    ///
    /// - Parameters:
    ///   - path: a file that is mapped, on a file system that keeps what must be kept.
    ///   - mode: whether to create.
    ///   - term: 1 millisecond to 24 hours; that of a file that exists already must be the same.
    ///   - permissions: of a file that is created.
    /// - Throws: ``IPCError/Code/malformed`` if the file is none, or of another term; ``IPCError/Code/notFound``,
    ///   ``IPCError/Code/alreadyExists``, ``IPCError/Code/permissionDenied``; ``IPCError/Code/unsupported`` where a file cannot be
    ///   made without a name (O_TMPFILE).
    public init(
        _ path: FilePath, mode: CreationMode = .openOrCreate, term: Duration, permissions: FilePermissions = .ownerOnly
    ) throws(IPCError) {
        precondition(term >= .milliseconds(1) && term <= .seconds(86400), "a term is 1 millisecond to 24 hours")
        // A path without a folder is one in this folder; its name is given to the file when it is complete.
        let full = path.components.count == 1 && path.isRelative ? FilePath(".").pushing(path) : path
        let memory = try LockMemory.at(
            full, "\(Address.file(path))", mode, byteCount: LeaseCore.byteCount, permissions
        ) { (memory) throws(IPCError) in LeaseCore.prepare(memory, term) }
        core = try LeaseCore(memory, term)
        self.term = term
    }

    /// The last token that was given out; nil if none was.
    public var lastToken: FencingToken? {
        let token = core.load().token
        return token == 0 ? nil : FencingToken(rawValue: token)
    }

    /// The process that took it last, if the lease is held now.
    public var holder: Int32? { core.isHeld(core.load()) ? core.process : nil }

    /// Takes the lease if nobody holds it.
    ///
    /// - Returns: nil if somebody does.
    public func tryAcquire() -> HeldLease? { core.tryTake().map { HeldLease(core, $0) } }

    /// Takes the lease; waits until it is released or expires.
    ///
    /// - Throws: ``IPCError/Code/timedOut``; ``IPCError/Code/interrupted`` unless `retryOnInterrupt`.
    ///
    /// Blocking: the thread.
    public func acquire(until deadline: Deadline = .never, retryOnInterrupt: Bool = true) throws(IPCError) -> HeldLease
    {
        while true {
            if let token = try core.take(untilAMomentBefore: deadline, retryOnInterrupt: retryOnInterrupt) {
                return HeldLease(core, token)
            }
            if deadline.hasPassed { throw core.late() }
        }
    }

    /// Takes the lease; the task is suspended until it is released or expires.
    ///
    /// - Throws: ``IPCError/Code/cancelled``, ``IPCError/Code/timedOut``; ``IPCError/Code/tooManyWaiters``.
    public func acquire(until deadline: Deadline = .never) async throws(IPCError) -> HeldLease {
        if let held = tryAcquire() { return held }
        let core = core
        let token = try await core.lane.performRepeatedly(call: "futex", until: deadline) {
            try core.take(untilAMomentBefore: deadline, retryOnInterrupt: false)
        }.asIPC()
        return HeldLease(core, token)
    }
}

/// A lease that this process has taken, for as long as it renews it.
///
/// Ownership: its end releases the lease, if it is still this one's.
public struct HeldLease: ~Copyable, Sendable {
    /// Grows with every holder.
    public let token: FencingToken
    private let core: LeaseCore

    init(_ core: LeaseCore, _ token: UInt64) {
        self.core = core
        self.token = FencingToken(rawValue: token)
    }

    deinit { core.giveBack(token.rawValue) }

    /// Begins a new term.
    ///
    /// - Returns: false if the lease expired before, whether or not another has it now: stop what it was for.
    public func renew() -> Bool { core.renew(token.rawValue) }

    /// Whether it has neither expired nor been taken by another: at this moment, which is over when this returns.
    public var isCurrent: Bool { core.isCurrent(token.rawValue) }

    /// When it expires unless it is renewed; a point that has passed if it is another's by now.
    public var expiry: Deadline {
        let state = core.load()
        return Deadline(monotonicNanoseconds: state.token == token.rawValue ? state.expiry : 0)
    }

    /// Gives the lease back; who waits for it gets it at once. Nothing if it is another's by now.
    public consuming func release() {
        _ = consume self
    }
}
