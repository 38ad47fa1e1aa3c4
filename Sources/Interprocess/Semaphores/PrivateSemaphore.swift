// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import SystemPackage

/// A POSIX semaphore between the threads and tasks of one process.
///
/// ```swift
/// let places = try PrivateSemaphore(initialValue: 4)
/// try await places.withPermit { try await download(page) }
/// ```
///
/// Ownership: the value owns the semaphore's memory.
///
/// Concurrency: as ``POSIXSemaphore``. After `fork(2)` the child has a copy of its own, with the value of that moment.
///
/// The corresponding C function is `sem_init(3)`.
public struct PrivateSemaphore: ~Copyable, POSIXSemaphore {
    /// What the verbs work on.
    public let core: SemaphoreCore
    private let heap: SemaphoreHeap

    /// A semaphore of its own.
    ///
    /// - Parameter initialValue: how many permits there are at first, 0 to ``POSIXSemaphore/maximumValue``.
    /// - Throws: ``IPCError/Code/invalidArgument`` (EINVAL) for a value out of range.
    ///
    /// The corresponding C function is `sem_init(3)`.
    public init(initialValue: Int = 0) throws(IPCError) {
        let heap = SemaphoreHeap()
        let core = heap.core(subject: "private semaphore")
        try core.initialize(shared: false, value: initialValue)
        self.heap = heap
        self.core = core
    }

    deinit { sysSemaphoreDestroy(core.waiting.place) }
}

extension SemaphoreCore {
    /// Makes a semaphore of the memory.
    func initialize(shared: Bool, value: Int) throws(IPCError) {
        do throws(Errno) {
            try sysSemaphoreInitialize(waiting.place, shared: shared, value: Self.rawValue(value))
        } catch {
            throw Self.initialFailure(error, "sem_init", waiting.subject, value)
        }
    }

    /// What does not fit becomes something that the C library refuses.
    static func rawValue(_ value: Int) -> UInt32 { UInt32(exactly: value) ?? .max }

    static func initialFailure(_ error: Errno, _ call: String, _ subject: String, _ value: Int) -> IPCError {
        let hint =
            error == .invalidArgument
            ? "the initial value is \(value); it must be 0 to \(SemaphorePlace.maximumValue) (SEM_VALUE_MAX)" : ""
        return IPCError(error, call, subject, hint: hint)
    }
}
