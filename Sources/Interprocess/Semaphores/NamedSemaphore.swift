// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import Synchronization
public import SystemPackage

/// A POSIX semaphore that processes find by its name.
///
/// ```swift
/// let gate = try NamedSemaphore(ObjectName("/gate"), mode: .openOrCreate, initialValue: 1)
/// try await gate.wait(until: .after(.seconds(5)))
/// defer { try? gate.post() }
/// ```
///
/// It is the semaphore that `sem_open(3)` of the GNU C library makes and finds: a file of 32 bytes, `/dev/shm/sem.gate`.
///
/// Ownership: the value owns the mapping and the descriptor of that file. The semaphore stays until its name is removed
/// with ``unlink(_:)`` (or by `removeOnClose`) and nobody has it open any more; a restart of the machine removes it.
///
/// Concurrency: as ``POSIXSemaphore``.
///
/// If a process dies: its permits are lost, see ``POSIXSemaphore``; the semaphore stays as it is.
///
/// Limits: a name has 251 bytes after its slash at most. `/dev/shm` must be there, with room for a page.
///
/// The manual page is `sem_overview(7)`.
public struct NamedSemaphore: ~Copyable, POSIXSemaphore {
    /// Under which name it was opened. Somebody may have removed the name since.
    public let name: ObjectName
    /// Whether this handle made the semaphore, rather than find it.
    public let wasCreated: Bool
    /// What the verbs work on.
    public let core: SemaphoreCore

    let descriptor: OwnedDescriptor
    private let region: MappedRegion
    private let removal: SemaphoreRemoval

    /// Opens or creates a semaphore.
    ///
    /// - Parameters:
    ///   - name: `/gate`.
    ///   - mode: whether to create. Value and mode are there before the name is: nobody finds a semaphore that is not ready.
    ///   - initialValue: how many permits one that is created has, 0 to ``POSIXSemaphore/maximumValue``; one that exists keeps
    ///     its own.
    ///   - permissions: of one that is created: exactly these, whatever the umask says. Who uses it needs to read and write.
    ///   - removeOnClose: whether the end of this handle removes the name, if it is still this semaphore's. Others who have
    ///     it open can use it on.
    /// - Throws: ``IPCError/Code/alreadyExists`` and ``IPCError/Code/notFound`` as the mode says;
    ///   ``IPCError/Code/permissionDenied`` if its mode does not allow both; ``IPCError/Code/invalidArgument`` (EINVAL) for a
    ///   value out of range; ``IPCError/Code/invalidName`` (ENAMETOOLONG); ``IPCError/Code/malformed`` for a file of that name
    ///   that is no semaphore; ``IPCError/Code/limitReached`` (ENOSPC, EMFILE, ENFILE).
    ///
    /// If a process dies: one with `removeOnClose` stays if its process is killed.
    ///
    /// The corresponding C function is `sem_open(3)`.
    public init(
        _ name: ObjectName, mode: CreationMode = .openExisting, initialValue: Int = 0,
        permissions: FilePermissions = .ownerOnly, removeOnClose: Bool = false
    ) throws(IPCError) {
        let opened = try Self.open(name, mode, initialValue, permissions)
        let region = try Self.map(opened, name)
        core = region.semaphore(at: 0, subject: "sem:\(name)")
        self.name = name
        wasCreated = opened.wasCreated
        removal = SemaphoreRemoval(name, opened.identity, armed: removeOnClose)
        descriptor = opened.descriptor
        self.region = region
    }

    /// Closes the handle, and removes the name if `removeOnClose` was asked for.
    ///
    /// - Throws: what ``unlink(_:)`` may throw, except that the name is gone already.
    ///
    /// The corresponding C function is `sem_close(3)`.
    public consuming func close() throws(IPCError) {
        try removal.perform()
        try descriptor.close()
        try region.close()
    }

    /// What errors call it: `sem:/gate`.
    var subject: String { core.waiting.subject }
}

// MARK: Opening

extension NamedSemaphore {
    struct Opened: ~Copyable {
        var descriptor: OwnedDescriptor
        var identity: SemaphoreIdentity
        var wasCreated: Bool
    }

    /// Creating and opening are separate steps, so that it is known which of them happened.
    private static func open(
        _ name: ObjectName, _ mode: CreationMode, _ value: Int, _ permissions: FilePermissions
    ) throws(IPCError) -> Opened {
        let path = sysSemaphorePath(name.description)
        while true {
            do throws(Errno) {
                if mode != .createExclusive {
                    do throws(Errno) {
                        let descriptor = OwnedDescriptor(adopting: try sysSemaphoreFileOpen(path))
                        let status = try sysStatus(descriptor.rawValue)
                        guard status.kind == .regular, status.size >= Int64(SemaphorePlace.byteCount) else {
                            throw Errno.badMessage
                        }
                        return Opened(
                            descriptor: descriptor, identity: SemaphoreIdentity(status), wasCreated: false)
                    } catch  where error == .noSuchFileOrDirectory && mode == .openOrCreate {}
                }
                let descriptor = try create(path, value, permissions)
                let status = try sysStatus(descriptor.rawValue)
                return Opened(descriptor: descriptor, identity: SemaphoreIdentity(status), wasCreated: true)
            } catch  where error == .fileExists && mode == .openOrCreate {
                continue
            } catch {
                throw openFailure(error, name, mode, value)
            }
        }
    }

    private static func map(_ opened: borrowing Opened, _ name: ObjectName) throws(IPCError) -> MappedRegion {
        let region: MappedRegion
        do throws(IPCError) {
            region = try MappedRegion(
                opened.descriptor, byteCount: SemaphorePlace.byteCount, subject: "sem:\(name)")
        } catch {
            if opened.wasCreated { try? SemaphoreRemoval(name, opened.identity, armed: true).perform() }
            throw error
        }
        guard SemaphoreImage.isShared(region.copyBytes(at: 0, count: SemaphorePlace.byteCount)) else {
            throw noSemaphore(name)
        }
        return region
    }

    /// The file gets its name last, when value and mode are right: nobody else ever sees it otherwise.
    private static func create(
        _ path: FilePath, _ value: Int, _ permissions: FilePermissions
    ) throws(Errno) -> OwnedDescriptor {
        let image = try sysSemaphoreImage(shared: true, value: SemaphoreCore.rawValue(value))
        let mode = UInt32(permissions.rawValue) & 0o777
        do throws(Errno) {
            let descriptor = OwnedDescriptor(adopting: try sysSemaphoreFileUnnamed())
            try fill(descriptor.rawValue, image, mode)
            try sysSemaphoreFileLink(FilePath("/proc/self/fd/\(descriptor.rawValue)"), path)
            return descriptor
        } catch  where error == .notSupported || error == .isDirectory || error == .noSuchFileOrDirectory {
            // No files without names here, or no /proc: with a name for the time being, as the C library does it.
            let temporary = FilePath(
                "/dev/shm/sem." + String(UInt64.random(in: .min ... .max), radix: 36) + ".\(sysProcessID())")
            let descriptor = OwnedDescriptor(adopting: try sysSemaphoreFileCreate(temporary))
            defer { try? sysUnlink(temporary) }
            try fill(descriptor.rawValue, image, mode)
            try sysSemaphoreFileLink(temporary, path)
            return descriptor
        }
    }

    private static func fill(_ descriptor: CInt, _ image: [UInt8], _ mode: UInt32) throws(Errno) {
        try sysChangeMode(descriptor, mode)
        // Written and not only sized: memory that is not there is an error now, and no SIGBUS later.
        if try sysWrite(descriptor, image.span) < image.count { throw Errno.noSpace }
    }
}

/// Which file a name meant when it was opened.
struct SemaphoreIdentity: Sendable, Equatable {
    let device: UInt64
    let inode: UInt64

    init(_ status: FileStatus) {
        device = status.device
        inode = status.inode
    }
}

/// Removes a name when it goes out of scope, if it was told to and the name still means the same semaphore; once.
struct SemaphoreRemoval: ~Copyable, Sendable {
    private let name: ObjectName
    private let identity: SemaphoreIdentity
    private let armed: Atomic<Bool>

    init(_ name: ObjectName, _ identity: SemaphoreIdentity, armed: Bool) {
        self.name = name
        self.identity = identity
        self.armed = Atomic(armed)
    }

    deinit {
        // There is nobody to tell here; `close()` is for those who want to know.
        try? perform()
    }

    func perform() throws(IPCError) {
        guard armed.exchange(false, ordering: .relaxed) else { return }
        guard let status = try? sysStatus(sysSemaphorePath(name.description)), SemaphoreIdentity(status) == identity
        else {
            return
        }
        do throws(IPCError) { try NamedSemaphore.unlink(name) } catch  where error.code == .notFound { return }
    }
}
