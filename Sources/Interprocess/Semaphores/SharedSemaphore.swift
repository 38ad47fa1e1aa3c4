// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import SystemPackage

/// A POSIX semaphore in memory that several processes map.
///
/// One process makes the semaphore at an agreed place; the others attach to it, after they know that it was made: the
/// memory came to them from the maker, or a word beside it says so.
///
/// ```swift
/// let items = try SharedSemaphore(initializing: region, at: 64, initialValue: 0)     // the maker
/// let items = try SharedSemaphore(attachingTo: region, at: 64)                       // everybody else
/// ```
///
/// Ownership: the value owns its mapping: one that is given to it, whose other bytes ``region`` shows, or one of its own
/// that it makes of a descriptor. Any number of mappings may show the same memory. The semaphore itself goes with the memory.
///
/// Concurrency, and if a process dies: as ``POSIXSemaphore``. What other processes write over the semaphore's bytes spoils the
/// count and nothing else here; memory that is cut off behind a mapping (`ftruncate(2)`) raises SIGBUS: seal it or reserve it.
///
/// Limits: the place takes ``byteCount`` bytes at a multiple of ``alignmentBytes``.
///
/// The corresponding C function is `sem_init(3)` with `pshared`.
public struct SharedSemaphore: ~Copyable, POSIXSemaphore {
    /// What the verbs work on.
    public let core: SemaphoreCore
    /// The memory that the semaphore lies in.
    public let region: MappedRegion
    /// Where in it.
    public let offsetBytes: Int

    /// How many bytes a semaphore takes: 32.
    public static var byteCount: Int { SemaphorePlace.byteCount }
    /// What its offset must be a multiple of: 8.
    public static var alignmentBytes: Int { SemaphorePlace.alignment }

    /// Makes a semaphore in memory that nobody uses as one yet.
    ///
    /// - Parameters:
    ///   - region: writable shared memory; this value owns it from now on.
    ///   - offsetBytes: where in it.
    ///   - initialValue: how many permits there are at first, 0 to ``POSIXSemaphore/maximumValue``.
    /// - Throws: ``IPCError/Code/invalidArgument`` for a value out of range (EINVAL), a place that is not within the region or
    ///   not aligned, and a region that is read-only.
    ///
    /// The corresponding C function is `sem_init(3)`.
    public init(
        initializing region: consuming MappedRegion, at offsetBytes: Int = 0, initialValue: Int
    ) throws(IPCError) {
        let core = try Self.core(region, offsetBytes)
        try core.initialize(shared: true, value: initialValue)
        self.core = core
        self.region = region
        self.offsetBytes = offsetBytes
    }

    /// Uses a semaphore that another process, or another mapping, has made.
    ///
    /// - Parameters:
    ///   - region: writable shared memory; this value owns it from now on.
    ///   - offsetBytes: where in it.
    /// - Throws: ``IPCError/Code/malformed`` if no semaphore for several processes is there: zeroes, one that was made private,
    ///   something else; ``IPCError/Code/invalidArgument`` for a place that is not within the region or not aligned, and
    ///   a region that is read-only.
    public init(attachingTo region: consuming MappedRegion, at offsetBytes: Int = 0) throws(IPCError) {
        let core = try Self.core(region, offsetBytes)
        guard SemaphoreImage.isShared(region.copyBytes(at: offsetBytes, count: Self.byteCount)) else {
            throw IPCError(
                code: .malformed, subject: core.waiting.subject,
                hint: "no semaphore for several processes was made there (yet)")
        }
        self.core = core
        self.region = region
        self.offsetBytes = offsetBytes
    }

    /// As ``init(initializing:at:initialValue:)-(MappedRegion,_,_)`` in a mapping of its own of what `descriptor` refers to.
    ///
    /// - Parameters:
    ///   - descriptor: shared memory, a memfd or a file, at least as long; it may be closed afterwards.
    ///   - offsetBytes: where in it.
    ///   - initialValue: how many permits there are at first.
    /// - Throws: as there, and what mapping throws.
    public init(
        initializing descriptor: borrowing OwnedDescriptor, at offsetBytes: Int = 0, initialValue: Int
    ) throws(IPCError) {
        let window = try Self.window(descriptor, offsetBytes)
        try self.init(initializing: window.region, at: window.offsetBytes, initialValue: initialValue)
    }

    /// As ``init(attachingTo:at:)-(MappedRegion,_)`` in a mapping of its own of what `descriptor` refers to.
    ///
    /// - Parameters:
    ///   - descriptor: shared memory, a memfd or a file; it may be closed afterwards.
    ///   - offsetBytes: where in it.
    /// - Throws: as there, and what mapping throws.
    public init(attachingTo descriptor: borrowing OwnedDescriptor, at offsetBytes: Int = 0) throws(IPCError) {
        let window = try Self.window(descriptor, offsetBytes)
        try self.init(attachingTo: window.region, at: window.offsetBytes)
    }

    /// As ``init(initializing:at:initialValue:)-(MappedRegion,_,_)`` in a mapping of its own of an object of memory.
    ///
    /// - Parameters:
    ///   - object: opened for reading and writing; it may be closed afterwards.
    ///   - offsetBytes: where in it.
    ///   - initialValue: how many permits there are at first.
    /// - Throws: as there, and what mapping throws.
    public init<Object: MappableObject & ~Copyable>(
        initializing object: borrowing Object, at offsetBytes: Int = 0, initialValue: Int
    ) throws(IPCError) {
        let window = try Self.window(object, offsetBytes)
        try self.init(initializing: window.region, at: window.offsetBytes, initialValue: initialValue)
    }

    /// As ``init(attachingTo:at:)-(MappedRegion,_)`` in a mapping of its own of an object of memory.
    ///
    /// - Parameters:
    ///   - object: opened for reading and writing; it may be closed afterwards.
    ///   - offsetBytes: where in it.
    /// - Throws: as there, and what mapping throws.
    public init<Object: MappableObject & ~Copyable>(
        attachingTo object: borrowing Object, at offsetBytes: Int = 0
    ) throws(IPCError) {
        let window = try Self.window(object, offsetBytes)
        try self.init(attachingTo: window.region, at: window.offsetBytes)
    }
}

extension SharedSemaphore {
    private static func core(_ region: borrowing MappedRegion, _ offsetBytes: Int) throws(IPCError) -> SemaphoreCore {
        let subject = "semaphore at byte \(offsetBytes)"
        func refuse(_ hint: String) -> IPCError {
            IPCError(code: .invalidArgument, call: "sem_init", subject: subject, hint: hint)
        }
        if offsetBytes < 0 || offsetBytes > region.byteCount - byteCount {
            throw refuse("\(byteCount) bytes do not fit there: the memory has \(region.byteCount)")
        }
        if offsetBytes % alignmentBytes != 0 { throw refuse("the offset must be a multiple of \(alignmentBytes)") }
        if region.access == .readOnly { throw refuse("the memory is mapped for reading only") }
        return region.semaphore(at: offsetBytes, subject: subject)
    }

    private struct Window: ~Copyable {
        var region: MappedRegion
        var offsetBytes: Int
    }

    private static func window<Object: MappableObject & ~Copyable>(
        _ object: borrowing Object, _ offsetBytes: Int
    ) throws(IPCError) -> Window {
        let size = try object.sizeBytes()
        guard offsetBytes >= 0, offsetBytes <= size - byteCount else {
            throw IPCError(
                code: .invalidArgument, call: "mmap", subject: object.subject,
                hint: "\(byteCount) bytes at byte \(offsetBytes) do not fit: the memory has \(size)")
        }
        // Whole pages, which may be huge ones.
        let page = object.pageSizeBytes
        let start = offsetBytes / page * page
        let end = min(size, (offsetBytes + byteCount + page - 1) / page * page)
        let region = try object.map(offsetBytes: start, byteCount: end - start)
        return Window(region: region, offsetBytes: offsetBytes - start)
    }

    /// The page or pages around a place.
    private static func window(
        _ descriptor: borrowing OwnedDescriptor, _ offsetBytes: Int
    ) throws(IPCError) -> Window {
        let subject = "semaphore at byte \(offsetBytes)"
        let size: Int64
        do throws(Errno) { size = try sysStatus(descriptor.rawValue).size } catch {
            throw IPCError(error, "fstat", subject)
        }
        guard offsetBytes >= 0, Int64(clamping: offsetBytes) <= size - Int64(byteCount) else {
            throw IPCError(
                code: .invalidArgument, call: "mmap", subject: subject,
                hint: "\(byteCount) bytes do not fit there: the memory has \(size)")
        }
        let page = 4096 * 16  // the largest page size that Linux has on these machines
        let start = offsetBytes / page * page
        let region = try MappedRegion(
            descriptor, offsetBytes: start, byteCount: offsetBytes - start + byteCount, subject: subject)
        return Window(region: region, offsetBytes: offsetBytes - start)
    }
}

/// What the bytes of a semaphore say.
enum SemaphoreImage {
    /// Whether a semaphore that processes share was made there: behind the value and the number of waiters, 8 bytes, stands what
    /// `sem_init(3)` writes for such a one.
    static func isShared(_ bytes: [UInt8]) -> Bool {
        guard let fresh = try? sysSemaphoreImage(shared: true, value: 0), bytes.count == fresh.count else {
            return false
        }
        return !sysSemaphoreHasWord || bytes[8..<12] == fresh[8..<12]
    }
}
