// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
public import SystemPackage

/// A POSIX shared memory object: memory that has a name, `/frames`, and that processes map.
///
/// ```swift
/// let frames = try SharedMemoryObject(ObjectName("/frames"), mode: .openOrCreate, byteCount: 1 << 20)
/// let memory = try frames.map()
/// memory.write(Array("hello".utf8), at: 0)
/// ```
///
/// An object that this library creates appears under its name whole: with its mode, its size, its space reserved, and the
/// contents that `prepare` wrote. There is no moment at which another process could open half of it.
///
/// The object and its mappings are two things. The handle may be closed and the name removed, a mapping stays; the memory
/// goes when it has neither name nor handle nor mapping.
///
/// Ownership: the value owns the descriptor. The name stays until ``unlink(_:)``, or until the end of the handle with
/// `removeOnClose`, or a restart.
///
/// Concurrency: any number of threads may use one handle at once. What they write is ordered by nothing but atomics, locks
/// and semaphores.
///
/// If a process dies: the object stays with what was written, in whatever state that is. One that was being created is gone.
///
/// Limits: the size of the file system at `/dev/shm`, half of the machine's memory by default. Anybody who may write to it
/// may also make it shorter, which raises SIGBUS in all who touch what is gone: among processes that do not trust each other
/// use ``SealedMemory``.
///
/// The manual page is `shm_overview(7)`.
public struct SharedMemoryObject: ~Copyable, MappableObject {
    /// Under which name it was opened. Somebody may have removed the name since.
    public let name: ObjectName
    /// What it was opened for.
    public let access: MappedRegion.Access
    /// Whether this handle made the object, rather than find it.
    public let wasCreated: Bool

    private let descriptor: OwnedDescriptor
    private let removal: MemoryNameRemoval

    /// Opens or creates an object.
    ///
    /// - Parameters:
    ///   - name: `/frames`.
    ///   - mode: whether to create.
    ///   - byteCount: the size of an object that is created, at least 1. One that exists keeps its own
    ///     (``MappableObject/sizeBytes()``).
    ///   - access: what it shall be mapped for.
    ///   - permissions: of an object that is created: exactly these, whatever the umask says.
    ///   - allocation: of an object that is created: whether its space is there from the start.
    ///   - removeOnClose: whether the end of this handle removes the name.
    ///   - prepare: writes the first contents of an object that is created, before anybody else can open it. It may run
    ///     in vain if another process makes the object at the same time.
    /// - Throws: ``IPCError/Code/alreadyExists`` and ``IPCError/Code/notFound`` as the mode says;
    ///   ``IPCError/Code/permissionDenied`` if the object's mode does not allow the access;
    ///   ``IPCError/Code/limitReached`` (ENOSPC: no room in `/dev/shm`; EMFILE, ENFILE; EFBIG by RLIMIT_FSIZE) or
    ///   ``IPCError/Code/outOfMemory``; ``IPCError/Code/invalidArgument`` without a size; what `prepare` throws.
    ///
    /// If a process dies: an object with `removeOnClose` stays if its process is killed.
    ///
    /// The corresponding C functions are `shm_open(3)` and `fallocate(2)`.
    public init(
        _ name: ObjectName, mode: CreationMode = .openExisting, byteCount: Int? = nil,
        access: MappedRegion.Access = .readWrite, permissions: FilePermissions = .ownerOnly,
        allocation: MemoryAllocation = .reserved, removeOnClose: Bool = false,
        prepare: ((borrowing MappedRegion) throws(IPCError) -> Void)? = nil
    ) throws(IPCError) {
        let subject = "shm:\(name)"
        let opened = try MemoryOpening.open(
            .init(
                path: Self.path(name), byteCount: byteCount ?? 0, permissions: UInt32(permissions.rawValue),
                allocation: allocation, subject: subject),
            mode, access, prepare
        ) { () throws(Errno) in
            try sysOpenSharedMemory(name.description, write: access == .readWrite)
        }
        let removal = try MemoryNameRemoval(
            Self.path(name), of: opened.descriptor.rawValue, armed: removeOnClose, subject: subject)
        self.name = name
        self.access = access
        wasCreated = opened.wasCreated
        self.removal = removal
        descriptor = opened.descriptor
    }

    /// Closes the handle, and removes the name if `removeOnClose` was asked for. Mappings stay.
    ///
    /// - Throws: ``IPCError/Code/permissionDenied`` if the name may not be removed.
    ///
    /// The corresponding C function is `close(2)`.
    public consuming func close() throws(IPCError) {
        try removal.perform()
        try descriptor.close()
    }

    /// The number of the descriptor. Do not close it.
    public var rawValue: CInt { descriptor.rawValue }

    /// What errors call it: `shm:/frames`.
    public var subject: String { "shm:\(name)" }

    /// Where glibc and musl keep the objects, and every other program looks for them.
    static func path(_ name: ObjectName) -> FilePath { FilePath("/dev/shm" + name.description) }
}

/// Opening and creating are separate steps, so that it is known which of them happened.
enum MemoryOpening {
    struct Opened: ~Copyable {
        var descriptor: OwnedDescriptor
        var wasCreated: Bool
    }

    static func open(
        _ plan: NamedMemory.Plan, _ mode: CreationMode, _ access: MappedRegion.Access,
        _ prepare: ((borrowing MappedRegion) throws(IPCError) -> Void)?, existing: () throws(Errno) -> CInt
    ) throws(IPCError) -> Opened {
        while true {
            if mode != .createExclusive {
                if let descriptor = try found(plan, mode, existing) {
                    return Opened(descriptor: descriptor, wasCreated: false)
                }
            } else if (try? sysStatus(plan.path)) != nil {
                // Known before any space is taken; that the name is free still has to be seen at the end.
                throw NamedMemory.openFailure(.fileExists, plan.subject)
            }
            guard plan.byteCount > 0 else {
                throw IPCError(
                    code: .invalidArgument, subject: plan.subject,
                    hint: "what is created needs a byteCount of at least 1")
            }
            if let descriptor = try NamedMemory.create(plan, prepare: prepare) {
                return Opened(descriptor: try reopened(descriptor, access, plan), wasCreated: true)
            }
            if mode == .createExclusive { throw NamedMemory.openFailure(.fileExists, plan.subject) }
        }
    }

    /// What is there; nil if nothing is and that is no error.
    private static func found(
        _ plan: NamedMemory.Plan, _ mode: CreationMode, _ existing: () throws(Errno) -> CInt
    ) throws(IPCError) -> OwnedDescriptor? {
        let number: CInt
        do throws(Errno) { number = try existing() } catch
            where error == .noSuchFileOrDirectory && mode == .openOrCreate
        {
            return nil
        } catch { throw NamedMemory.openFailure(error, plan.subject) }
        let descriptor = OwnedDescriptor(adopting: number)
        let kind: FileStatus.Kind
        do throws(Errno) { kind = try sysStatus(number).kind } catch { throw IPCError(error, "fstat", plan.subject) }
        guard kind == .regular else {
            throw IPCError(
                code: .wrongKind, call: "open", subject: plan.subject, hint: "it is not a regular file: \(kind)")
        }
        return descriptor
    }

    /// The same object, opened by its new name: `/proc` then shows the name to whoever looks, and not that of a nameless file.
    /// It also is for reading alone if that was asked for.
    private static func reopened(
        _ descriptor: consuming OwnedDescriptor, _ access: MappedRegion.Access, _ plan: NamedMemory.Plan
    ) throws(IPCError) -> OwnedDescriptor {
        do throws(Errno) {
            if let number = try? sysOpenToMap(plan.path, write: access == .readWrite) {
                let named = OwnedDescriptor(adopting: number)
                let (one, other) = (try sysStatus(number), try sysStatus(descriptor.rawValue))
                if one.device == other.device && one.inode == other.inode { return named }
            }
            // Removed or replaced meanwhile, or of a mode that does not let its maker in.
            if access == .readWrite { return descriptor }
            return OwnedDescriptor(adopting: try sysReopenReadOnly(descriptor.rawValue))
        } catch { throw IPCError(error, "open", plan.subject) }
    }
}
