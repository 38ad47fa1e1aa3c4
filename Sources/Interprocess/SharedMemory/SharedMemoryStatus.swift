// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
public import SystemPackage

/// What the kernel says of an object of memory at one moment.
public struct SharedMemoryStatus: Sendable, Hashable {
    /// How many bytes it has.
    public var sizeBytes: Int
    /// How many bytes it occupies: less than its size if it is sparse, more by what a page is not filled.
    public var allocatedBytes: Int
    /// Who may open it.
    public var permissions: FilePermissions
    /// User id of the owner.
    public var ownerUser: UInt32
    /// Group id of the owner.
    public var ownerGroup: UInt32
    /// How many names it has; 0 once its name was removed, and always for a memfd.
    public var linkCount: Int
    /// When its contents last changed by a write (not by a store into a mapping) or its size did, in seconds since 1970.
    public var lastModified: Int
    /// What it is sealed against; nil if it is of a kind that has no seals. An object of ``SharedMemoryObject`` has
    /// `.seal` alone: it cannot get any.
    public var seals: SealedMemory.Seals?
    /// Where it lies now, as the kernel says: `/dev/shm/frames`, `/dev/shm/frames (deleted)`, `/memfd:name (deleted)`.
    public var fileName: String?
    /// The number of its inode: with the file system's it tells objects apart.
    public var inode: UInt64
    /// The number of its file system.
    public var device: UInt64
}

extension MappableObject where Self: ~Copyable {
    /// What the kernel says of the object now.
    ///
    /// - Throws: ``IPCError/Code/badDescriptor`` if somebody closed the descriptor.
    ///
    /// The corresponding C function is `fstat(2)`.
    public func status() throws(IPCError) -> SharedMemoryStatus {
        do throws(Errno) {
            let state = try sysMemoryObjectState(rawValue)
            let seals = (try? sysSeals(rawValue)).map { SealedMemory.Seals(rawValue: UInt32(bitPattern: $0)) }
            return SharedMemoryStatus(
                sizeBytes: Int(state.file.size), allocatedBytes: state.allocatedBytes,
                permissions: FilePermissions(rawValue: CModeT(state.file.permissions)), ownerUser: state.file.user,
                ownerGroup: state.file.group, linkCount: Int(state.file.linkCount),
                lastModified: Int(state.file.modified), seals: seals, fileName: fileName, inode: state.file.inode,
                device: state.file.device)
        } catch { throw IPCError(error, "fstat", subject) }
    }

    /// Where the object lies now, as the kernel says: `/dev/shm/frames`; with ` (deleted)` behind it once the name was removed.
    /// Nil where `/proc` is not mounted.
    public var fileName: String? {
        guard let bytes = try? sysReadLink(FilePath("/proc/self/fd/\(rawValue)")) else { return nil }
        return String(decoding: bytes, as: UTF8.self)
    }
}
