// SPDX-License-Identifier: Apache-2.0
package import InterprocessSyscalls
import SystemPackage

/// A range of memory that is mapped into this process: the only type in this package that unmaps one.
///
/// A mapping and the object that it shows are two things: the descriptor may be closed and the name removed, the mapping
/// stays until this value ends.
///
/// Ownership: dropping the value unmaps; ``close()`` does so and reports what the kernel says. Types that show the memory
/// borrow or own the region, so that none outlives it.
///
/// Concurrency: several threads and processes may use the memory at once. What they write at the same time as others read
/// is not ordered; atomics, locks and semaphores order it.
///
/// If a process dies: its mappings go; a shared object keeps what was written.
///
/// The corresponding C functions are `mmap(2)` and `munmap(2)`.
@safe
public struct MappedRegion: ~Copyable, @unchecked Sendable {
    /// What the mapping allows.
    public enum Access: Sendable, Hashable {
        /// A store raises SIGSEGV; no API of this package stores.
        case readOnly
        case readWrite
    }

    /// Who sees what is written.
    public enum Sharing: Sendable, Hashable {
        /// Everybody who maps the object, and the object itself.
        case shared
        /// Nobody: a page is copied at the first store into it.
        case privateCopy
    }

    /// How it is taken away.
    package enum Attachment: Sendable {
        case mapped
        /// By `shmdt(2)`.
        case systemV
    }

    /// How many bytes are mapped for use.
    public let byteCount: Int
    /// What the mapping allows.
    public let access: Access
    // SAFETY: the pointer itself is constant; the memory is as shared as those who use it make it.
    @unsafe @usableFromInline package let base: UnsafeMutableRawPointer
    private let attachment: Attachment

    /// Maps a part of what `descriptor` refers to.
    ///
    /// - Parameters:
    ///   - descriptor: shared memory, a memfd or a file; it may be closed afterwards.
    ///   - offsetBytes: a multiple of the page size.
    ///   - byteCount: at least 1. Memory beyond the object's end raises SIGBUS when it is touched: the types of shared
    ///     memory check the size first.
    ///   - subject: the object's address, for errors.
    /// - Throws: ``IPCError/Code/invalidArgument`` for a length of 0 or an offset within a page;
    ///   ``IPCError/Code/permissionDenied`` if the descriptor's mode or a seal forbids the access;
    ///   ``IPCError/Code/outOfMemory`` (ENOMEM) by RLIMIT_AS or `vm.max_map_count`;
    ///   ``IPCError/Code/unsupported`` (ENODEV) for what cannot be mapped.
    ///
    /// The corresponding C function is `mmap(2)`.
    public init(
        _ descriptor: borrowing OwnedDescriptor, offsetBytes: Int = 0, byteCount: Int, access: Access = .readWrite,
        sharing: Sharing = .shared, subject: String
    ) throws(IPCError) {
        try self.init(
            descriptor: descriptor.rawValue, offsetBytes: offsetBytes, byteCount: byteCount, access: access,
            flags: sharing == .shared ? .shared : .privateCopy, subject: subject)
    }

    package init(
        descriptor: CInt, offsetBytes: Int, byteCount: Int, access: Access, flags: MapFlags, subject: String
    ) throws(IPCError) {
        do throws(Errno) {
            // SAFETY: a new mapping; nobody else knows of it.
            unsafe base = try unsafe sysMap(
                descriptor, offset: offsetBytes, byteCount: byteCount,
                protection: access == .readOnly ? .read : [.read, .write], flags: flags)
        } catch {
            throw IPCError(error, "mmap", subject, hint: Self.hint(error, offsetBytes, byteCount))
        }
        self.byteCount = byteCount
        self.access = access
        attachment = .mapped
    }

    /// Takes over a range that somebody else has mapped.
    ///
    /// - Safety: nobody else unmaps it.
    @unsafe
    package init(adopting base: UnsafeMutableRawPointer, byteCount: Int, access: Access, attachment: Attachment) {
        // SAFETY: the caller promises it.
        unsafe self.base = base
        self.byteCount = byteCount
        self.access = access
        self.attachment = attachment
    }

    /// Memory without an object, shared with children that are forked; zero at first.
    public static func anonymous(byteCount: Int) throws(IPCError) -> MappedRegion {
        try MappedRegion(
            descriptor: -1, offsetBytes: 0, byteCount: byteCount, access: .readWrite, flags: [.shared, .anonymous],
            subject: "anonymous memory")
    }

    deinit {
        // SAFETY: the region ends here, and with it all that borrowed it.
        switch attachment {
        case .mapped: try? unsafe sysUnmap(base, byteCount: byteCount)
        case .systemV: try? unsafe sysDetachSegment(base)
        }
    }

    /// Unmaps and says how that went.
    public consuming func close() throws(IPCError) {
        let (base, byteCount, attachment) = unsafe (self.base, self.byteCount, self.attachment)
        discard self
        do throws(Errno) {
            // SAFETY: as in deinit.
            switch attachment {
            case .mapped: try unsafe sysUnmap(base, byteCount: byteCount)
            case .systemV: try unsafe sysDetachSegment(base)
            }
        } catch { throw IPCError(error, attachment == .mapped ? "munmap" : "shmdt", "mapped memory") }
    }

    private static func hint(_ error: Errno, _ offsetBytes: Int, _ byteCount: Int) -> String {
        switch error {
        case .invalidArgument where byteCount < 1: "a mapping has at least one byte; \(byteCount) were asked for"
        case .invalidArgument where offsetBytes % pageSizeBytes != 0:
            "the offset \(offsetBytes) is not a multiple of the page size, \(pageSizeBytes)"
        case .permissionDenied: "the descriptor was not opened for this access, or cannot be mapped at all"
        case .notPermitted: "a seal of the object forbids a writable mapping"
        case .noMemory: "\(byteCount) bytes exceed RLIMIT_AS, or the process has too many mappings (vm.max_map_count)"
        default: ""
        }
    }
}

extension MappedRegion {
    /// The bytes as they are now; others may change them while they are looked at.
    public var bytes: Span<UInt8> {
        @_lifetime(borrow self)
        get {
            // SAFETY: the range is mapped as long as this value lives, and bytes have no invalid value.
            let span = unsafe Span<UInt8>(_unsafeStart: base.assumingMemoryBound(to: UInt8.self), count: byteCount)
            return unsafe _overrideLifetime(span, borrowing: self)
        }
    }
}
