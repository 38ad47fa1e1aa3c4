// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
public import SystemPackage

/// A file that is mapped: memory that has a path, and stays after a restart.
///
/// ```swift
/// let ledger = try MappedFile("/var/lib/shop/ledger", mode: .openOrCreate, byteCount: 1 << 20)
/// var region = try ledger.map()
/// region.write(Array("paid".utf8), at: 4096)
/// try region.synchronize()
/// ```
///
/// A file that this library creates appears under its path whole, as an object of ``SharedMemoryObject`` does.
///
/// A file cannot be sealed: who may write to it may make it shorter, and a plain access to what is gone raises SIGBUS. Files of
/// strangers are read with ``read(into:at:)``, ``MappedRegion/copyBytesChecked(into:at:)`` or through a ``GuardedRegion``.
///
/// Ownership: the value owns the descriptor. The file stays, unless `removeOnClose`.
///
/// Concurrency: any number of threads may use one handle at once.
///
/// If a process dies: what it stored into a shared mapping is in the file. If the machine dies: what
/// ``MappedRegion/synchronize(_:range:)`` returned from is on the medium.
///
/// The manual page is `mmap(2)`.
public struct MappedFile: ~Copyable, MappableObject {
    /// By which path it was opened. Somebody may have moved it since.
    public let path: FilePath
    /// What it was opened for.
    public let access: MappedRegion.Access
    /// Whether this handle made the file, rather than find it.
    public let wasCreated: Bool

    private let descriptor: OwnedDescriptor
    private let removal: MemoryNameRemoval

    /// Opens or creates a file.
    ///
    /// - Parameters:
    ///   - path: of a regular file; symbolic links are followed.
    ///   - mode: whether to create.
    ///   - byteCount: the size of a file that is created, at least 1. One that exists keeps its own.
    ///   - access: what it shall be mapped for.
    ///   - permissions: of a file that is created: exactly these, whatever the umask says.
    ///   - allocation: of a file that is created: whether its space is there from the start.
    ///   - removeOnClose: whether the end of this handle removes the path, if it still leads to this file.
    ///   - prepare: writes the first contents of a file that is created, before anybody else can open it.
    /// - Throws: ``IPCError/Code/alreadyExists`` and ``IPCError/Code/notFound`` as the mode says;
    ///   ``IPCError/Code/permissionDenied``; ``IPCError/Code/wrongKind`` for what is not a regular file;
    ///   ``IPCError/Code/limitReached`` (ENOSPC, EDQUOT, EFBIG by RLIMIT_FSIZE, EMFILE);
    ///   ``IPCError/Code/unsupported`` (EOPNOTSUPP) if the file system cannot reserve space; what `prepare` throws.
    ///
    /// The corresponding C functions are `open(2)` and `fallocate(2)`.
    public init(
        _ path: FilePath, mode: CreationMode = .openExisting, byteCount: Int? = nil,
        access: MappedRegion.Access = .readWrite, permissions: FilePermissions = .ownerOnly,
        allocation: MemoryAllocation = .reserved, removeOnClose: Bool = false,
        prepare: ((borrowing MappedRegion) throws(IPCError) -> Void)? = nil
    ) throws(IPCError) {
        let subject = "file:\(path)"
        let opened = try MemoryOpening.open(
            .init(
                path: path, byteCount: byteCount ?? 0, permissions: UInt32(permissions.rawValue),
                allocation: allocation, subject: subject),
            mode, access, prepare
        ) { () throws(Errno) in try sysOpenToMap(path, write: access == .readWrite) }
        let removal = try MemoryNameRemoval(
            path, of: opened.descriptor.rawValue, armed: removeOnClose, subject: subject)
        self.path = path
        self.access = access
        wasCreated = opened.wasCreated
        self.removal = removal
        descriptor = opened.descriptor
    }

    /// Closes the handle, and removes the path if `removeOnClose` was asked for. Mappings stay.
    ///
    /// - Throws: ``IPCError/Code/permissionDenied`` if the path may not be removed; ``IPCError/Code/system`` (EIO).
    ///
    /// The corresponding C function is `close(2)`.
    public consuming func close() throws(IPCError) {
        try removal.perform()
        try descriptor.close()
    }

    /// The number of the descriptor. Do not close it.
    public var rawValue: CInt { descriptor.rawValue }

    /// What errors call it: `file:/var/lib/shop/ledger`.
    public var subject: String { "file:\(path)" }
}
