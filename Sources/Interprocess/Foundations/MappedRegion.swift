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
    /// How it is taken away.
    package enum Attachment: Sendable {
        case mapped
        /// By `shmdt(2)`.
        case systemV
    }

    /// How many bytes are mapped for use.
    public private(set) var byteCount: Int
    /// What the mapping allows.
    public private(set) var access: Access
    /// Who sees what is written.
    public let sharing: Sharing
    /// Where in the object the mapping begins.
    public let offsetBytes: Int
    // SAFETY: the pointer changes only while nobody else has this value; the memory is as shared as those who use it make it.
    @unsafe @usableFromInline package private(set) var base: UnsafeMutableRawPointer
    /// What errors call the object that is mapped: `shm:/frames`.
    public let subject: String
    /// Nil once it was taken away.
    private var attachment: Attachment?

    /// Maps a part of what `descriptor` refers to.
    ///
    /// - Parameters:
    ///   - descriptor: shared memory, a memfd or a file; it may be closed afterwards.
    ///   - offsetBytes: a multiple of the page size.
    ///   - byteCount: at least 1. Memory beyond the object's end raises SIGBUS when it is touched: the types of shared
    ///     memory check the size first.
    ///   - access: what the mapping allows; the descriptor must have been opened for it.
    ///   - sharing: whether others see what is written.
    ///   - options: what else it is asked for.
    ///   - subject: the object's address, for errors.
    /// - Throws: ``IPCError/Code/invalidArgument`` for a length of 0 or an offset within a page;
    ///   ``IPCError/Code/permissionDenied`` if the descriptor's mode or a seal forbids the access;
    ///   ``IPCError/Code/outOfMemory`` (ENOMEM) by RLIMIT_AS, `vm.max_map_count` or RLIMIT_MEMLOCK;
    ///   ``IPCError/Code/unsupported`` (ENODEV) for what cannot be mapped.
    ///
    /// The corresponding C function is `mmap(2)`.
    public init(
        _ descriptor: borrowing OwnedDescriptor, offsetBytes: Int = 0, byteCount: Int, access: Access = .readWrite,
        sharing: Sharing = .shared, options: Options = .none, subject: String
    ) throws(IPCError) {
        try self.init(
            descriptor: descriptor.rawValue, offsetBytes: offsetBytes, byteCount: byteCount, access: access,
            sharing: sharing, options: options, subject: subject)
    }

    package init(
        descriptor: CInt, offsetBytes: Int, byteCount: Int, access: Access, sharing: Sharing, options: Options = .none,
        flags: MapFlags = .none, subject: String
    ) throws(IPCError) {
        // SAFETY: the base comes from a region that has given it up.
        let base = try unsafe Self.mapping(
            descriptor, offsetBytes, byteCount, access, sharing, options, flags, subject
        ).relinquish()
        unsafe self.init(
            adopting: base, byteCount: byteCount, access: access, attachment: .mapped, sharing: sharing,
            offsetBytes: offsetBytes, subject: subject)
    }

    /// Gives the mapping up: whoever takes the base takes it away.
    @unsafe
    private consuming func relinquish() -> UnsafeMutableRawPointer {
        attachment = nil
        // SAFETY: the caller takes it over.
        return unsafe base
    }

    private static func mapping(
        _ descriptor: CInt, _ offsetBytes: Int, _ byteCount: Int, _ access: Access, _ sharing: Sharing,
        _ options: Options, _ flags: MapFlags, _ subject: String
    ) throws(IPCError) -> MappedRegion {
        let all = flags.union(options.flags).union(sharing == .shared ? .shared : .privateCopy)
        let region: MappedRegion
        do throws(Errno) {
            // SAFETY: a new mapping; nobody else knows of it.
            let base = try unsafe sysMap(
                descriptor, offset: offsetBytes, byteCount: byteCount, protection: access.protection, flags: all)
            region = unsafe MappedRegion(
                adopting: base, byteCount: byteCount, access: access, attachment: .mapped, sharing: sharing,
                offsetBytes: offsetBytes, subject: subject)
        } catch {
            throw IPCError(error, "mmap", subject, hint: hint(error, offsetBytes, byteCount))
        }
        if options.contains(.notInherited) { try region.advise(.notInherited) }
        if options.contains(.notDumped) { try region.advise(.notDumped) }
        if options.contains(.locked) { try region.lockInMemory() }
        return region
    }

    /// Takes over a range that somebody else has mapped.
    ///
    /// - Safety: nobody else unmaps it.
    @unsafe
    package init(
        adopting base: UnsafeMutableRawPointer, byteCount: Int, access: Access, attachment: Attachment,
        sharing: Sharing = .shared, offsetBytes: Int = 0, subject: String = "mapped memory"
    ) {
        // SAFETY: the caller promises it.
        unsafe self.base = base
        self.byteCount = byteCount
        self.access = access
        self.attachment = attachment
        self.sharing = sharing
        self.offsetBytes = offsetBytes
        self.subject = subject
    }

    /// Attaches a System V segment whose size is known.
    static func attaching(
        _ id: Int32, byteCount: Int, _ access: Access, _ subject: String
    ) throws(Errno) -> MappedRegion {
        // SAFETY: the attachment is new; the region is the only one to end it.
        unsafe MappedRegion(
            adopting: try sysAttachSegment(id, readOnly: access == .readOnly), byteCount: byteCount, access: access,
            attachment: .systemV, subject: subject)
    }

    /// Memory without an object, shared with children that are forked; zero at first.
    ///
    /// - Parameters:
    ///   - byteCount: at least 1; with `.hugePages` a multiple of their size.
    ///   - sharing: `.privateCopy` is memory of this process alone, of which a forked child has a copy.
    ///   - options: what else it is asked for.
    /// - Throws: as ``init(_:offsetBytes:byteCount:access:sharing:options:subject:)``.
    ///
    /// The corresponding C function is `mmap(2)` with `MAP_ANONYMOUS`.
    public static func anonymous(
        byteCount: Int, sharing: Sharing = .shared, options: Options = .none
    ) throws(IPCError) -> MappedRegion {
        try MappedRegion(
            descriptor: -1, offsetBytes: 0, byteCount: byteCount, access: .readWrite, sharing: sharing,
            options: options, flags: .anonymous, subject: "anonymous memory")
    }

    deinit {
        // There is nobody to tell here; `close()` is for those who want to know.
        // SAFETY: the region ends here, and with it all that borrowed it.
        switch attachment {
        case .mapped: try? unsafe sysUnmap(base, byteCount: byteCount)
        case .systemV: try? unsafe sysDetachSegment(base)
        case nil: break
        }
    }

    /// Unmaps and says how that went.
    ///
    /// The corresponding C functions are `munmap(2)` and `shmdt(2)`.
    public consuming func close() throws(IPCError) {
        let ending = attachment
        attachment = nil
        do throws(Errno) {
            // SAFETY: as in deinit, which finds nothing to do any more.
            switch ending {
            case .mapped: try unsafe sysUnmap(base, byteCount: byteCount)
            case .systemV: try unsafe sysDetachSegment(base)
            case nil: break
            }
        } catch { throw IPCError(error, ending == .mapped ? "munmap" : "shmdt", subject) }
    }

    private static func hint(_ error: Errno, _ offsetBytes: Int, _ byteCount: Int) -> String {
        switch error {
        case .invalidArgument where byteCount < 1: "a mapping has at least one byte; \(byteCount) were asked for"
        case .invalidArgument where offsetBytes % pageSizeBytes != 0:
            "the offset \(offsetBytes) is not a multiple of the page size, \(pageSizeBytes)"
        case .permissionDenied: "the descriptor was not opened for this access, or cannot be mapped at all"
        case .notPermitted: "a seal of the object forbids a writable mapping"
        case .noMemory: noMemoryHint(byteCount)
        default: ""
        }
    }

    private static func noMemoryHint(_ byteCount: Int) -> String {
        let limit = sysMemoryLimit(.addressSpace).map { "RLIMIT_AS is \($0) bytes" } ?? "RLIMIT_AS is unlimited"
        return "\(byteCount) bytes more do not fit: \(limit), and \(KernelLimit.sentence("vm/max_map_count")) mappings"
    }
}

// MARK: Views

extension MappedRegion {
    /// The bytes in place.
    ///
    /// Others may change them while they are looked at: two looks at one byte may differ. What decides something is
    /// copied once (``load(_:at:)``, ``copyBytes(into:at:)``) and looked at in the copy.
    public var bytes: Span<UInt8> {
        @_lifetime(borrow self)
        get {
            // SAFETY: the range is mapped as long as this value lives, and bytes have no invalid value.
            let span = unsafe Span<UInt8>(_unsafeStart: base.assumingMemoryBound(to: UInt8.self), count: byteCount)
            return unsafe _overrideLifetime(span, borrowing: self)
        }
    }

    /// The bytes in place, to be written; exclusive among the users of this value, not among processes.
    ///
    /// The region must not be read-only; that is a precondition.
    public var mutableBytes: MutableSpan<UInt8> {
        @_lifetime(&self)
        mutating get {
            precondition(access == .readWrite, "the region is mapped read-only")
            // SAFETY: as in `bytes`; the region is mapped for writing.
            let span = unsafe MutableSpan<UInt8>(
                _unsafeStart: base.assumingMemoryBound(to: UInt8.self), count: byteCount)
            return unsafe _overrideLifetime(span, mutating: &self)
        }
    }
}

// MARK: Control

extension MappedRegion {
    /// Makes the mapping longer or shorter; it may move.
    ///
    /// The object does not change: who grows grows the object first, who follows asks for its size first
    /// (``MappableObject/remap(_:)``).
    ///
    /// - Parameter newByteCount: at least 1.
    /// - Throws: ``IPCError/Code/outOfMemory`` (ENOMEM); ``IPCError/Code/wouldBlock`` (EAGAIN) if more would be locked in
    ///   memory than RLIMIT_MEMLOCK allows; ``IPCError/Code/unsupported`` for a System V segment. The mapping then is as it was.
    ///
    /// The corresponding C function is `mremap(2)`.
    public mutating func resize(to newByteCount: Int) throws(IPCError) {
        guard attachment == .mapped else {
            throw IPCError(
                code: .unsupported, call: "mremap", subject: subject,
                hint: "a System V segment has one size for ever")
        }
        do throws(Errno) {
            // SAFETY: mutating is exclusive: nothing shows the old place.
            unsafe base = try unsafe sysRemap(base, byteCount: byteCount, to: newByteCount)
        } catch { throw IPCError(error, "mremap", subject, hint: Self.hint(error, 0, newByteCount)) }
        byteCount = newByteCount
    }

    /// Takes away or gives the right to write.
    ///
    /// - Throws: ``IPCError/Code/permissionDenied`` (EACCES) if the object was not opened for it or a seal forbids it.
    ///
    /// The corresponding C function is `mprotect(2)`.
    public mutating func protect(_ newAccess: Access) throws(IPCError) {
        do throws(Errno) {
            // SAFETY: mutating is exclusive: nobody has a mutable view.
            try unsafe sysProtect(base, byteCount: byteCount, newAccess.protection)
        } catch {
            throw IPCError(
                error, "mprotect", subject, hint: "the object was opened for reading, or a seal forbids writing"
            )
        }
        access = newAccess
    }

    /// Writes changes back to the file that is mapped.
    ///
    /// - Parameters:
    ///   - mode: when the call returns, and who else is told.
    ///   - range: a part that begins at a page; nil is all.
    /// - Throws: ``IPCError/Code/invalidArgument`` (EINVAL) for a part that begins within a page;
    ///   ``IPCError/Code/busy`` (EBUSY) for `.invalidate` of locked memory; ``IPCError/Code/system`` (EIO).
    ///
    /// The corresponding C function is `msync(2)`.
    public func synchronize(
        _ mode: SynchronizationMode = .synchronous, range: Range<Int>? = nil
    ) throws(IPCError) {
        let range = checked(range)
        do throws(Errno) {
            // SAFETY: the part lies in the mapping.
            try unsafe sysSynchronize(base + range.lowerBound, byteCount: range.count, flags: mode.flags)
        } catch {
            let hint =
                error == .resourceBusy
                ? "a part of it is locked in memory" : "the part must begin at a multiple of \(pageSizeBytes)"
            throw IPCError(error, "msync", subject, hint: hint)
        }
    }

    /// Tells the kernel how memory is going to be used, or asks it to do something about it.
    ///
    /// - Parameters:
    ///   - advice: what it is told.
    ///   - range: a part that begins at a page; nil is all.
    /// - Throws: ``IPCError/Code/invalidArgument`` (EINVAL) if this memory or kernel does not know the advice;
    ///   ``IPCError/Code/truncated`` (EFAULT) if a page that was to be brought in is beyond the object's end or has no room.
    ///
    /// The corresponding C function is `madvise(2)`.
    public func advise(_ advice: Advice, range: Range<Int>? = nil) throws(IPCError) {
        let range = checked(range)
        do throws(Errno) {
            // SAFETY: the part lies in the mapping; contents are never invalid, bytes are bytes.
            try unsafe sysAdvise(base + range.lowerBound, byteCount: range.count, advice.number)
        } catch {
            guard error != .badAddress else {
                throw IPCError(
                    code: .truncated, call: "madvise", errno: error, subject: subject,
                    hint: "a page is beyond the end of the object, or its file system is full")
            }
            throw IPCError(
                error, "madvise", subject, hint: "this memory or this kernel does not know \(advice)")
        }
    }

    /// Keeps memory from being swapped out, until ``unlockFromMemory(range:)`` or the end of the mapping.
    ///
    /// - Throws: ``IPCError/Code/outOfMemory`` (ENOMEM) with RLIMIT_MEMLOCK and its value;
    ///   ``IPCError/Code/permissionDenied`` (EPERM) if that is 0; ``IPCError/Code/wouldBlock`` (EAGAIN) if a page
    ///   could not be brought in.
    ///
    /// The corresponding C function is `mlock(2)`.
    public func lockInMemory(range: Range<Int>? = nil) throws(IPCError) {
        let range = checked(range)
        do throws(Errno) {
            // SAFETY: the part lies in the mapping.
            try unsafe sysLockMemory(base + range.lowerBound, byteCount: range.count)
        } catch {
            let limit = sysMemoryLimit(.lockedMemory).map { "\($0) bytes" } ?? "unlimited"
            throw IPCError(
                error, "mlock", subject,
                hint: "\(range.count) bytes were to be locked; RLIMIT_MEMLOCK is \(limit)")
        }
    }

    /// Lets memory be swapped out again.
    ///
    /// The corresponding C function is `munlock(2)`.
    public func unlockFromMemory(range: Range<Int>? = nil) throws(IPCError) {
        let range = checked(range)
        do throws(Errno) {
            // SAFETY: the part lies in the mapping.
            try unsafe sysUnlockMemory(base + range.lowerBound, byteCount: range.count)
        } catch { throw IPCError(error, "munlock", subject) }
    }

    private func checked(_ range: Range<Int>?) -> Range<Int> {
        guard let range else { return 0..<byteCount }
        precondition(range.lowerBound >= 0 && range.upperBound <= byteCount, "\(range) is not within the region")
        return range
    }
}

extension MappedRegion {
    /// Where the range begins in this process, as another that controls it has to name it.
    package var address: UInt64 {
        // SAFETY: only the number; nothing is read through it.
        unsafe UInt64(UInt(bitPattern: base))
    }
}
