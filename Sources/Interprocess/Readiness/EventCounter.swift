// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import SystemPackage

/// A counter in the kernel that tasks, threads and, by inheritance, child processes can add to and wait for.
///
/// ```swift
/// let news = try EventCounter()
/// try news.add(3)
/// try await news.take()      // 3, and the counter is 0 again
/// ```
///
/// Blocking, Concurrency: as ``PipeReader``. The descriptor is O_NONBLOCK from birth; the blocking verbs wait with poll(2).
///
/// Limits: the counter holds at most 2⁶⁴ − 2; adding beyond that waits.
///
/// The corresponding C function is `eventfd(2)`.
public struct EventCounter: ~Copyable, Sendable {
    private let descriptor: AwaitableDescriptor
    /// Whether taking takes 1 at a time instead of all.
    public let isSemaphore: Bool

    /// Makes a counter.
    ///
    /// - Parameters:
    ///   - initial: what it starts with.
    ///   - semaphore: whether taking takes 1 at a time (EFD_SEMAPHORE) instead of all.
    /// - Throws: ``IPCError/Code/limitReached``.
    public init(initial: UInt32 = 0, semaphore: Bool = false) throws(IPCError) {
        do throws(Errno) {
            descriptor = AwaitableDescriptor(
                OwnedDescriptor(
                    adopting: try sysEventCounter(initial: initial, nonBlocking: true, semaphore: semaphore)))
        } catch { throw IPCError(error, "eventfd", "eventfd") }
        isSemaphore = semaphore
    }

    /// Closes the descriptor.
    public consuming func close() throws(IPCError) { try descriptor.close() }

    /// The number, to hand to a child process. Do not close it.
    public var rawValue: CInt { descriptor.rawValue }

    private var subject: String { "eventfd (descriptor \(rawValue))" }

    // MARK: Adding

    /// Adds if the sum does not exceed 2⁶⁴ − 2.
    ///
    /// - Returns: false if it would.
    /// - Throws: ``IPCError/Code/invalidArgument`` for 2⁶⁴ − 1, which never fits.
    public func tryAdd(_ value: UInt64 = 1) throws(IPCError) -> Bool {
        do throws(Errno) {
            try sysEventCounterAdd(rawValue, value)
            return true
        } catch {
            if error == .wouldBlock { return false }
            throw IPCError(error, "write", subject)
        }
    }

    /// Blocks the thread until `value` is added.
    public func add(_ value: UInt64 = 1, until deadline: Deadline = .never) throws(IPCError) {
        try descriptor.attemptBlocking(.writable, until: deadline, call: "write", subject) { () throws(IPCError) in
            try tryAdd(value) ? () : nil
        }
    }

    /// Suspends the task until `value` is added.
    public func add(_ value: UInt64 = 1, until deadline: Deadline = .never) async throws(IPCError) {
        try await descriptor.attempt(.writable, until: deadline, call: "write", subject) { () throws(IPCError) in
            try tryAdd(value) ? () : nil
        }
    }

    // MARK: Taking

    /// Takes what is there.
    ///
    /// - Returns: the count, 1 for a semaphore; nil if the counter is 0.
    public func tryTake() throws(IPCError) -> UInt64? {
        do throws(Errno) { return try sysEventCounterTake(rawValue) } catch {
            if error == .wouldBlock { return nil }
            throw IPCError(error, "read", subject)
        }
    }

    /// Blocks the thread until the counter is not 0, and takes it.
    ///
    /// - Throws: ``IPCError/Code/timedOut``; ``IPCError/Code/interrupted`` unless `retryOnInterrupt`.
    @discardableResult
    public func take(until deadline: Deadline = .never, retryOnInterrupt: Bool = true) throws(IPCError) -> UInt64 {
        try descriptor.attemptBlocking(
            .readable, until: deadline, call: "read", subject, retryOnInterrupt: retryOnInterrupt
        ) { () throws(IPCError) in try tryTake() }
    }

    /// Suspends the task until the counter is not 0, and takes it.
    ///
    /// - Throws: ``IPCError/Code/timedOut``, ``IPCError/Code/cancelled``: nothing is taken then.
    @discardableResult
    public func take(until deadline: Deadline = .never) async throws(IPCError) -> UInt64 {
        try await descriptor.attempt(.readable, until: deadline, call: "read", subject) { () throws(IPCError) in
            try tryTake()
        }
    }

    /// A token for ``WaitAny``: that the counter is not 0.
    public func readable() throws(IPCError) -> Readiness { try descriptor.readiness(.readable) }
}
