// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
public import SystemPackage

/// A file that is open to be locked, whole or in parts, shared or exclusively.
///
/// ```swift
/// let ledger = try FileLock("/var/lib/shop/ledger")
/// try ledger.withLock {
///     // nobody else who asks for the lock is here
/// }
/// ```
///
/// File locks are advisory: they bind those who ask for them, and nobody who just reads or writes. The kernel drops them when
/// their owner goes, so nothing is ever left locked by the dead, and nothing has to be repaired but what the file holds.
///
/// Who the owner is depends on the ``Kind``. For `.openFile`, the default, it is the open file itself: this handle, and
/// whatever shares it by `fork` or by passing the descriptor.
///
/// Ownership: the value owns a descriptor; its end releases every lock that was taken through it.
///
/// Concurrency: a lock belongs to the handle, not to a thread or task. Two tasks with one handle do not exclude each
/// other; give each its own with ``reopened()``. Locking again what the handle holds changes shared into exclusive or back.
///
/// If a process dies: its locks go. But a child that was forked while the lock was held, and has not called `exec`, holds
/// the same open file: the lock of `.openFile` and `.flock` stays until it too closes or ends ("false liveness").
///
/// The corresponding C functions are `fcntl(2)` with `F_OFD_SETLK`, and `flock(2)`.
public struct FileLock: ~Copyable, Sendable {
    /// Which of the kernel's three families of file locks; they do not see each other, but for the two that `fcntl` makes.
    public enum Kind: Sendable, Hashable {
        /// Of the open file (`F_OFD_SETLK`): ranges, works on NFS, excludes between threads that open for themselves.
        /// Locks of `.process` on the same bytes exclude it and are excluded by it.
        case openFile
        /// `flock(2)`: the whole file only, what `flock(1)` and many daemons use. Changing between shared and exclusive is
        /// not one step: another may get the lock in between, and a failed change loses it.
        case flock
        /// Of the process (`F_SETLK`), for programs that know nothing else. Beware: closing *any* descriptor of the file
        /// anywhere in the process drops the lock in silence, threads do not exclude each other, and a child of `fork` has none.
        /// In exchange the kernel finds circles of waiting processes: ``IPCError/Code/deadlock``.
        case process
    }

    /// Whether others may hold the lock as well.
    public enum Strength: Sendable, Hashable {
        /// Any number of holders, none of them exclusive.
        case shared
        /// One holder.
        case exclusive
    }

    /// Bytes of the file; they need not exist.
    public struct ByteRange: Sendable, Hashable {
        /// Where it begins.
        public let startBytes: Int
        /// How many; 0 is up to the end, however far the file grows.
        public let countBytes: Int

        /// So many bytes from a place on.
        public init(startBytes: Int, countBytes: Int) {
            precondition(startBytes >= 0 && countBytes >= 0, "a range begins at 0 or later and has no negative length")
            self.startBytes = startBytes
            self.countBytes = countBytes
        }

        /// The whole file, however far it grows.
        public static let whole = ByteRange(startBytes: 0, countBytes: 0)

        var record: RecordRange { RecordRange(start: Int64(startBytes), length: Int64(countBytes)) }
    }

    /// For which locks the file is opened.
    public enum Access: Sendable, Hashable {
        /// Shared locks; with ``Kind/flock`` exclusive ones as well.
        case readOnly
        /// All.
        case readWrite
    }

    /// Which family.
    public let kind: Kind
    /// What errors call it: `file:/path`.
    public let subject: String
    // In this order: the locks are released by name before the descriptor is closed.
    private let release: FileLockRelease
    let descriptor: OwnedDescriptor

    /// Opens a file to lock it.
    ///
    /// - Parameters:
    ///   - path: the file; its contents do not matter.
    ///   - mode: whether to create it.
    ///   - kind: the family of locks.
    ///   - access: for which locks.
    ///   - permissions: of a file that is created: exactly these, whatever the umask says.
    /// - Throws: ``IPCError/Code/notFound``, ``IPCError/Code/alreadyExists``, ``IPCError/Code/permissionDenied``,
    ///   ``IPCError/Code/wrongKind`` for a directory that is not opened `.readOnly`, ``IPCError/Code/limitReached``.
    ///
    /// The corresponding C function is `open(2)`.
    public init(
        _ path: FilePath, mode: CreationMode = .openOrCreate, kind: Kind = .openFile, access: Access = .readWrite,
        permissions: FilePermissions = .ownerOnly
    ) throws(IPCError) {
        let subject = "\(Address.file(path))"
        let descriptor = try Self.open(path, mode, access, permissions, subject)
        self.init(adopting: descriptor, kind: kind, subject: subject)
    }

    /// Takes over a descriptor of any file.
    ///
    /// - Parameters:
    ///   - descriptor: its open file is the owner of the locks: whoever has a duplicate shares them.
    ///   - kind: the family of locks.
    ///   - subject: what errors call it.
    public init(adopting descriptor: consuming OwnedDescriptor, kind: Kind = .openFile, subject: String = "") {
        self.subject = subject.isEmpty ? "file (descriptor \(descriptor.rawValue))" : subject
        release = FileLockRelease(descriptor.rawValue, kind)
        self.descriptor = descriptor
        self.kind = kind
    }

    /// A handle of its own on the same file: its locks exclude those of this one.
    ///
    /// - Throws: ``IPCError/Code/permissionDenied`` if the file's mode no longer allows it;
    ///   ``IPCError/Code/limitReached``; ``IPCError/Code/notFound`` where `/proc` is not mounted.
    public func reopened() throws(IPCError) -> FileLock {
        do throws(Errno) {
            let flags = try sysDescriptorMode(descriptor.rawValue)
            let copy = try sysOpenToLock(FilePath("/proc/self/fd/\(descriptor.rawValue)"), write: flags.mayWrite)
            return FileLock(adopting: OwnedDescriptor(adopting: copy), kind: kind, subject: subject)
        } catch { throw IPCError(error, "openat", subject) }
    }

    /// Closes the file, and with that releases its locks.
    ///
    /// They are released first by name, here as at the end of a value that is dropped: a child that was forked meanwhile, even
    /// one that is about to `exec`, does not keep them.
    ///
    /// - Throws: ``IPCError/Code/badDescriptor`` if somebody else closed it.
    public consuming func close() throws(IPCError) {
        release.perform()
        try descriptor.close()
    }

    /// The number of the descriptor. Do not close it.
    public var rawValue: CInt { descriptor.rawValue }
}

// MARK: Opening

extension FileLock {
    static func open(
        _ path: FilePath, _ mode: CreationMode, _ access: Access, _ permissions: FilePermissions, _ subject: String,
        followLinks: Bool = true
    ) throws(IPCError) -> OwnedDescriptor {
        while true {
            do throws(Errno) {
                if mode != .createExclusive {
                    do throws(Errno) {
                        return OwnedDescriptor(
                            adopting: try sysOpenToLock(path, write: access == .readWrite, followLinks: followLinks))
                    } catch  where error == .noSuchFileOrDirectory && mode == .openOrCreate {}
                }
                return try create(path, access, permissions)
            } catch  where error == .fileExists && mode == .openOrCreate {
                continue
            } catch {
                let hint =
                    switch error {
                    case .isDirectory: "a directory can be opened .readOnly, for flock or shared locks"
                    case .permissionDenied: "user \(sysEffectiveUserID()) may not open it so"
                    case .tooManySymbolicLinkLevels: "the path leads through a symbolic link"
                    default: ""
                    }
                throw IPCError(error, "openat", subject, hint: hint)
            }
        }
    }

    private static func create(
        _ path: FilePath, _ access: Access, _ permissions: FilePermissions
    ) throws(Errno) -> OwnedDescriptor {
        let mode = UInt32(permissions.rawValue)
        let descriptor = OwnedDescriptor(
            adopting: try sysOpenToLock(path, write: access == .readWrite, createExclusively: true, mode: mode))
        do throws(Errno) {
            if try sysStatus(descriptor.rawValue).permissions != UInt16(mode & 0o7777) {
                try sysChangeMode(descriptor.rawValue, mode)
            }
            return descriptor
        } catch {
            try? sysUnlink(path)
            throw error
        }
    }
}

/// Releases what a handle has locked, once.
final class FileLockRelease: Sendable {
    private let descriptor: CInt
    private let kind: FileLock.Kind
    private let process = sysProcessID()
    private let ending = Once()

    init(_ descriptor: CInt, _ kind: FileLock.Kind) {
        self.descriptor = descriptor
        self.kind = kind
    }

    /// Not in a forked child, whose copy of the handle ends without harm to its parent's lock.
    func perform() {
        guard ending.first(), sysProcessID() == process else { return }
        try? FileLock.apply(descriptor, kind, .none, .whole, wait: false)
    }

    deinit { perform() }
}
