// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
public import SystemPackage

/// An object of memory behind a descriptor: it is one thing, its mappings are others.
///
/// ``SharedMemoryObject``, ``SealedMemory`` and ``MappedFile`` are such objects; they differ in how they are found and
/// who may change their size. A mapping outlives the object's handle and its name.
public protocol MappableObject: ~Copyable, Sendable {
    /// The number of the descriptor. Do not close it.
    var rawValue: CInt { get }
    /// What it was opened for.
    var access: MappedRegion.Access { get }
    /// What errors call it: `shm:/frames`.
    var subject: String { get }
    /// What lengths and offsets of mappings are multiples of: the size of a page, or of a huge one.
    var pageSizeBytes: Int { get }
}

extension MappableObject where Self: ~Copyable {
    /// The size of its pages in bytes.
    public var pageSizeBytes: Int { InterprocessSyscalls.pageSizeBytes }

    /// The descriptor in the vocabulary of swift-system; borrowed, never to be closed. Sockets pass it on.
    public var fileDescriptor: FileDescriptor { FileDescriptor(rawValue: rawValue) }

    /// How many bytes the object has now. Unless it is sealed, others may change that at any time.
    ///
    /// The corresponding C function is `fstat(2)`.
    public func sizeBytes() throws(IPCError) -> Int {
        do throws(Errno) { return Int(try sysStatus(rawValue).size) } catch { throw IPCError(error, "fstat", subject) }
    }

    /// Maps the object, or a part of it.
    ///
    /// That the part is there is checked now. If others may make the object shorter, touching what is gone raises SIGBUS
    /// later: sealed memory excludes that, ``GuardedRegion`` and the checked copies survive it.
    ///
    /// - Parameters:
    ///   - offsetBytes: a multiple of ``pageSizeBytes``.
    ///   - byteCount: nil is all from the offset on.
    ///   - access: nil is what the object was opened for.
    ///   - sharing: whether others see what is written.
    ///   - options: what else the mapping is asked for.
    /// - Throws: ``IPCError/Code/wouldBlock`` if the object has no bytes yet: whoever makes it has not given it a size;
    ///   ``IPCError/Code/invalidArgument`` for a part that is not there or begins within a page;
    ///   ``IPCError/Code/permissionDenied`` for writing what was opened for reading, or is sealed;
    ///   ``IPCError/Code/outOfMemory`` by RLIMIT_AS, `vm.max_map_count` or, for `.locked`, RLIMIT_MEMLOCK.
    ///
    /// Ownership: the mapping is a value of its own; the object may be closed and its name removed.
    ///
    /// The corresponding C function is `mmap(2)`.
    public func map(
        offsetBytes: Int = 0, byteCount: Int? = nil, access: MappedRegion.Access? = nil,
        sharing: MappedRegion.Sharing = .shared, options: MappedRegion.Options = .none
    ) throws(IPCError) -> MappedRegion {
        let size = try sizeBytes()
        let byteCount = byteCount ?? size - offsetBytes
        guard size > 0 else {
            throw IPCError(
                code: .wouldBlock, call: "mmap", subject: subject,
                hint: "it has no bytes yet: who makes it has not given it a size (waitForSize waits for that)")
        }
        guard offsetBytes >= 0, byteCount > 0, offsetBytes <= size, byteCount <= size - offsetBytes else {
            throw IPCError(
                code: .invalidArgument, call: "mmap", errno: .invalidArgument, subject: subject,
                hint: "\(byteCount) bytes from \(offsetBytes) on are not there; it has \(size) bytes")
        }
        if pageSizeBytes > InterprocessSyscalls.pageSizeBytes, byteCount % pageSizeBytes != 0 {
            throw IPCError(
                code: .invalidArgument, call: "mmap", errno: .invalidArgument, subject: subject,
                hint: "it is made of huge pages: lengths are multiples of \(pageSizeBytes)")
        }
        return try MappedRegion(
            descriptor: rawValue, offsetBytes: offsetBytes, byteCount: byteCount, access: access ?? self.access,
            sharing: sharing, options: options, subject: subject)
    }

    /// Lets a mapping follow the object that another process has made longer (or shorter).
    ///
    /// - Parameter region: a mapping of this object up to its end; it may move.
    /// - Returns: whether the size had changed.
    /// - Throws: ``IPCError/Code/outOfMemory``; ``IPCError/Code/truncated`` if the object now ends before the mapping
    ///   begins. The mapping then is as it was.
    ///
    /// The corresponding C function is `mremap(2)`.
    @discardableResult
    public func remap(_ region: inout MappedRegion) throws(IPCError) -> Bool {
        let length = try sizeBytes() - region.offsetBytes
        if length == region.byteCount { return false }
        guard length > 0 else {
            throw IPCError(
                code: .truncated, call: "mremap", subject: subject,
                hint: "it ends before offset \(region.offsetBytes), where the mapping begins")
        }
        try region.resize(to: length)
        return true
    }

    /// Makes the object longer and reserves the space; mappings stay as long as they are (``remap(_:)``).
    ///
    /// - Parameter byteCount: the new size; a smaller one than now changes nothing.
    /// - Throws: ``IPCError/Code/limitReached`` (ENOSPC, EFBIG) or ``IPCError/Code/outOfMemory`` (ENOMEM) if there is no
    ///   room: the object then is as it was; ``IPCError/Code/permissionDenied`` (EPERM) if it is sealed against it;
    ///   ``IPCError/Code/badDescriptor`` for an object opened for reading.
    ///
    /// The corresponding C function is `fallocate(2)`.
    public func grow(to byteCount: Int) throws(IPCError) {
        let size = try sizeBytes()
        if byteCount <= size { return }
        try MemoryReservation.reserve(rawValue, from: size, byteCount: byteCount, .reserved, subject)
    }

    /// Makes the object shorter. Who has the end of it mapped gets SIGBUS when he touches it: only for objects that
    /// nobody else uses, or whose users know.
    ///
    /// - Throws: ``IPCError/Code/permissionDenied`` (EPERM) if it is sealed against it; ``IPCError/Code/invalidArgument``
    ///   (EINVAL) for an object opened for reading, or if it would become longer.
    ///
    /// The corresponding C function is `ftruncate(2)`.
    public func shrink(to byteCount: Int) throws(IPCError) {
        let size = try sizeBytes()
        guard byteCount >= 0, byteCount <= size else {
            throw IPCError(
                code: .invalidArgument, call: "ftruncate", subject: subject,
                hint: "it has \(size) bytes; \(byteCount) are not fewer (grow makes it longer)")
        }
        do throws(Errno) { try sysTruncate(rawValue, byteCount) } catch {
            let hint =
                switch error {
                case .notPermitted: "a seal of the object forbids it"
                case .invalidArgument, .badFileDescriptor: "it was opened for reading"
                default: ""
                }
            throw IPCError(error, "ftruncate", subject, hint: hint)
        }
    }

    /// Changes who may open the object from now on.
    ///
    /// - Throws: ``IPCError/Code/permissionDenied`` (EPERM) for who is not the owner, and for executing what is sealed against it.
    ///
    /// The corresponding C function is `fchmod(2)`.
    public func setPermissions(_ permissions: FilePermissions) throws(IPCError) {
        do throws(Errno) { try sysChangeMode(rawValue, UInt32(permissions.rawValue)) } catch {
            throw IPCError(
                error, "fchmod", subject,
                hint: "only the owner and the superuser may, and nobody may make sealed memory executable")
        }
    }

    /// Gives the object to another user or group; nil leaves it as it is.
    ///
    /// - Throws: ``IPCError/Code/permissionDenied`` (EPERM) without CAP_CHOWN.
    ///
    /// The corresponding C function is `fchown(2)`.
    public func setOwner(user: UInt32? = nil, group: UInt32? = nil) throws(IPCError) {
        do throws(Errno) { try sysChangeOwner(rawValue, user: user, group: group) } catch {
            throw IPCError(error, "fchown", subject, hint: "giving an object away needs CAP_CHOWN")
        }
    }

    /// A second descriptor of the object, for reading alone; to be handed over to who shall only read.
    ///
    /// By itself that is no protection: who gets it and has the right by the object's mode can open the object for writing
    /// through `/proc/self/fd`. A seal (``SealedMemory/Seals/futureWrite``) or the mode of the object protects.
    ///
    /// - Throws: ``IPCError/Code/limitReached`` (EMFILE); ``IPCError/Code/notFound`` where `/proc` is not mounted.
    ///
    /// The corresponding C function is `open(2)`.
    public func readOnlyDescriptor() throws(IPCError) -> OwnedDescriptor {
        do throws(Errno) { return OwnedDescriptor(adopting: try sysReopenReadOnly(rawValue)) } catch {
            throw IPCError(error, "open", subject, hint: error == .noSuchFileOrDirectory ? "/proc must be mounted" : "")
        }
    }
}
