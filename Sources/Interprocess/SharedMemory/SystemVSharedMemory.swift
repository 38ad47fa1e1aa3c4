// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
public import SystemPackage

/// A System V shared memory segment: memory that the kernel keeps under a key or an id until somebody removes it.
///
/// ```swift
/// let board = try SystemVSharedMemory(key: .number(0x2a), mode: .openOrCreate, byteCount: 4096)
/// let memory = try board.attach()
/// memory.store(UInt64(1), at: 0)
/// ```
///
/// A segment has one size for ever: nobody can make it shorter, so no access to it raises SIGBUS.
///
/// Ownership: the kernel's segment belongs to nobody; ``Lifetime`` says when it goes. An attachment is a ``MappedRegion`` of
/// its own and stays after the handle.
///
/// Concurrency: any number of threads may use one handle at once.
///
/// If a process dies: its attachments go; the segment stays, unless it was to go with its last attachment.
///
/// Limits: `kernel.shmmni` segments, `kernel.shmmax` bytes a segment, `kernel.shmall` pages in all. Errors name the one
/// that is in the way.
///
/// The manual page is `sysvipc(7)`.
public struct SystemVSharedMemory: ~Copyable, Sendable {
    /// The key it was opened by; nil if it was opened by its id.
    public let key: SystemVKey?
    /// The kernel's number for the segment: what `ipcs -m` shows, and what other processes can open it by.
    public let id: Int32
    /// Whether this handle made the segment, rather than find it.
    public let wasCreated: Bool
    /// When the segment goes.
    public let lifetime: Lifetime
    /// What errors call it: `sysv-shm:0x2a`.
    public let subject: String

    private let ending: SystemVSegmentEnding

    /// Opens or creates a segment by its key.
    ///
    /// - Parameters:
    ///   - key: a number, ``SystemVKey/path(_:project:)``, or `.private` for a new segment that others open by its ``id``.
    ///   - mode: whether to create. A private segment is always created.
    ///   - byteCount: the size of a segment that is created, at least 1; of one that exists, how many bytes it must have
    ///     (nil: any number).
    ///   - permissions: of a segment that is created; only reading and writing count.
    ///   - options: of a segment that is created.
    ///   - lifetime: when the segment goes.
    /// - Throws: ``IPCError/Code/alreadyExists``, ``IPCError/Code/notFound`` as the mode says;
    ///   ``IPCError/Code/invalidArgument`` (EINVAL) if the segment has fewer bytes, or more than `kernel.shmmax` were
    ///   asked for, or a private segment is to exist already; ``IPCError/Code/limitReached`` (ENOSPC) by `kernel.shmmni` or
    ///   `kernel.shmall`; ``IPCError/Code/outOfMemory`` (ENOMEM). A segment that exists can be opened by everybody: whether it
    ///   may be used is checked by ``attach(_:)``.
    ///
    /// The corresponding C function is `shmget(2)`.
    public init(
        key: SystemVKey, mode: CreationMode = .openExisting, byteCount: Int? = nil,
        permissions: FilePermissions = .ownerOnly, options: Options = .none, lifetime: Lifetime = .untilRemoved
    ) throws(IPCError) {
        let opened = try Self.open(key, mode, byteCount ?? 0, UInt32(permissions.rawValue), options)
        self.key = key
        id = opened.id
        wasCreated = opened.wasCreated
        self.lifetime = lifetime
        subject = key.rawValue == 0 ? "sysv-shm:id=\(opened.id)" : "sysv-shm:\(key)"
        ending = SystemVSegmentEnding(opened.id, armed: lifetime == .removeOnClose, subject)
    }

    /// Opens a segment that exists by its id.
    ///
    /// - Throws: ``IPCError/Code/notFound`` (EINVAL, EIDRM).
    ///
    /// The corresponding C function is `shmctl(2)` with `IPC_STAT`.
    public init(id: Int32, lifetime: Lifetime = .untilRemoved) throws(IPCError) {
        let subject = "sysv-shm:id=\(id)"
        do throws(Errno) { _ = try sysSegmentState(id) } catch {
            switch error {
            case .invalidArgument, .identifierRemoved:
                throw IPCError(
                    code: .notFound, call: "shmctl", errno: error, subject: subject, hint: "no segment has that id")
            case .permissionDenied: break
            default: throw IPCError(error, "shmctl", subject)
            }
        }
        key = nil
        self.id = id
        wasCreated = false
        self.lifetime = lifetime
        self.subject = subject
        ending = SystemVSegmentEnding(id, armed: lifetime == .removeOnClose, subject)
    }

    /// Ends the handle, and does with the segment what its ``Lifetime`` says. Attachments stay.
    ///
    /// - Throws: what ``remove()`` may throw, if the segment was to go; that it is gone already is no error.
    public consuming func close() throws(IPCError) { try ending.perform() }

    /// Attaches the segment: maps it whole.
    ///
    /// With ``Lifetime/whileAttached`` the segment is marked for removal now: it goes when nobody has it attached any more,
    /// however they end.
    ///
    /// - Throws: ``IPCError/Code/removed`` (EINVAL, EIDRM); ``IPCError/Code/permissionDenied`` if the segment's mode does not
    ///   allow the access; ``IPCError/Code/outOfMemory`` (ENOMEM) by RLIMIT_AS.
    ///
    /// The corresponding C function is `shmat(2)`.
    public func attach(_ access: MappedRegion.Access = .readWrite) throws(IPCError) -> MappedRegion {
        let region: MappedRegion
        do throws(Errno) {
            let size = try sysSegmentState(id).byteCount
            region = try MappedRegion.attaching(id, byteCount: size, access, subject)
        } catch { throw failure(error, "shmat") }
        if lifetime == .whileAttached {
            do throws(Errno) { try sysSegmentRemove(id) } catch { throw failure(error, "shmctl") }
        }
        return region
    }
}

// MARK: Opening

extension SystemVSharedMemory {
    /// Creating and opening are separate steps, so that it is known which of them happened and the mode
    /// of a segment that exists is not held against who opens it.
    private static func open(
        _ key: SystemVKey, _ mode: CreationMode, _ byteCount: Int, _ permissions: UInt32, _ options: Options
    ) throws(IPCError) -> (id: Int32, wasCreated: Bool) {
        if key.rawValue == 0 && (mode == .openExisting || key != .private) {
            throw IPCError(
                code: .invalidArgument, call: "shmget", subject: "sysv-shm:\(key)",
                hint: "key 0 is IPC_PRIVATE, by which nothing is found: create with .private, open by id")
        }
        while true {
            do throws(Errno) {
                if mode == .openExisting || (mode == .openOrCreate && key.rawValue != 0) {
                    do throws(Errno) { return (try sysSegmentGet(key.rawValue, byteCount: byteCount), false) } catch
                        where
                        error == .noSuchFileOrDirectory && mode == .openOrCreate
                    {}
                }
                let id = try sysSegmentGet(
                    key.rawValue, byteCount: byteCount, create: true, exclusive: true, mode: permissions,
                    hugePages: options.contains(.hugePages), noReserve: options.contains(.unreserved))
                return (id, true)
            } catch  where error == .fileExists && mode == .openOrCreate {
                continue
            } catch {
                throw openFailure(error, key, mode, byteCount)
            }
        }
    }
}
