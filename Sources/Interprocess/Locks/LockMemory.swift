// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import SystemPackage

/// Memory that processes share and in which locks lie, one or several, each at an offset.
///
/// ```swift
/// let memory = try LockMemory(byteCount: 4096)                 // a sealed memfd: pass its descriptor to others
/// let counter = try RobustMutex(creatingIn: memory, initial: 0, recovery: .keep)
/// let barrier = try SharedBarrier(creatingIn: memory, atByte: 256, parties: 4)
/// ```
///
/// Locks with a name (``RobustMutex/init(_:mode:initial:recovery:recursive:permissions:)``) make theirs themselves.
///
/// Ownership: the locks keep the memory; it is unmapped when the last one of this process has gone.
///
/// Concurrency: any number of threads and processes. All who map it writable must be trusted with each other's lives: a lock
/// can be held, and never released, by whoever may write it. What a process that overwrites a lock can do beyond that
/// stands with ``RobustMutex``.
@safe
public final class LockMemory: @unchecked Sendable {
    /// What errors call it.
    public let subject: String
    let region: MappedRegion
    private let descriptor: OwnedDescriptor?

    /// Takes over memory that is mapped already.
    ///
    /// - Parameters:
    ///   - region: writable and shared; what has been written there is kept.
    ///   - subject: what errors call it.
    public convenience init(_ region: consuming MappedRegion, subject: String = "shared memory") {
        self.init(region, nil, subject)
    }

    /// Makes memory without a name: a memfd of fixed size, sealed against growing and shrinking, so that nobody who gets its
    /// descriptor can take the memory away under the feet of the others.
    ///
    /// - Parameters:
    ///   - byteCount: how much; at least 1. See ``RobustMutex/byteCount`` and its like for what a lock takes.
    ///   - label: what `/proc/PID/maps` shows.
    /// - Throws: ``IPCError/Code/outOfMemory``, ``IPCError/Code/limitReached`` (EMFILE, ENOSPC).
    ///
    /// The corresponding C function is `memfd_create(2)`.
    public convenience init(byteCount: Int, label: String = "locks") throws(IPCError) {
        let subject = "memfd:\(label)"
        var call = "memfd_create"
        do {
            let descriptor = OwnedDescriptor(adopting: try sysCreateLockMemory(label))
            call = "fallocate"
            try sysAllocate(descriptor.rawValue, offset: 0, byteCount: byteCount)
            call = "fcntl"
            try sysFixSize(descriptor.rawValue)
            let region = try Self.map(descriptor, byteCount, subject)
            self.init(region, descriptor, subject)
        } catch let error as Errno {
            throw IPCError(error, call, subject)
        } catch {
            throw (error as? IPCError) ?? IPCError(code: .system, subject: subject)
        }
    }

    /// Maps what another process has made with ``init(byteCount:label:)`` and passed on.
    ///
    /// - Throws: ``IPCError/Code/malformed`` if the memory is not sealed against shrinking: whoever passed it could make this
    ///   process crash by taking it away.
    public convenience init(receiving descriptor: consuming OwnedDescriptor) throws(IPCError) {
        let subject = "memfd (descriptor \(descriptor.rawValue))"
        let size: Int64
        let isFixed: Bool
        do throws(Errno) {
            size = try sysStatus(descriptor.rawValue).size
            isFixed = (try? sysSizeIsFixed(descriptor.rawValue)) ?? false
        } catch { throw IPCError(error, "fstat", subject) }
        guard isFixed, size > 0 else {
            throw IPCError(
                code: .malformed, subject: subject,
                hint: "memory that locks lie in is sealed against shrinking, and this is not")
        }
        let region = try Self.map(descriptor, Int(size), subject)
        self.init(region, descriptor, subject)
    }

    private init(_ region: consuming MappedRegion, _ descriptor: consuming OwnedDescriptor?, _ subject: String) {
        precondition(region.access == .readWrite, "a lock is written by whoever takes it")
        self.region = region
        self.descriptor = descriptor
        self.subject = subject
    }

    private static func map(
        _ descriptor: borrowing OwnedDescriptor, _ byteCount: Int, _ subject: String
    ) throws(IPCError) -> MappedRegion {
        try MappedRegion(descriptor, byteCount: byteCount, subject: subject)
    }

    /// How many bytes there are.
    public var byteCount: Int { region.byteCount }

    /// The memory as a descriptor to pass to another process; nil if it was made from a region that somebody else mapped.
    ///
    /// - Throws: ``IPCError/Code/limitReached`` (EMFILE).
    public func duplicateDescriptor() throws(IPCError) -> OwnedDescriptor? {
        switch descriptor {
        case .some(let descriptor): try descriptor.duplicate()
        case nil: nil
        }
    }
}

// MARK: Named

extension LockMemory {
    /// Removes the name of a lock. Who has it open uses it on; nobody can open it any more.
    ///
    /// - Throws: ``IPCError/Code/notFound``; ``IPCError/Code/permissionDenied`` for who does not own it.
    ///
    /// The corresponding C function is `shm_unlink(3)`.
    public static func unlink(_ name: ObjectName) throws(IPCError) {
        do throws(Errno) { try sysUnlinkSharedMemory(name.description) } catch {
            throw IPCError(error, "shm_unlink", "shm:\(name)")
        }
    }

    /// Opens or makes the memory of one lock under a name.
    ///
    /// It gets its name when it is complete: nobody ever opens one that is half made, and a process that is killed on
    /// the way leaves nothing.
    static func named(
        _ name: ObjectName, _ mode: CreationMode, byteCount: Int, _ permissions: FilePermissions,
        _ prepare: (LockMemory) throws(IPCError) -> Void
    ) throws(IPCError) -> LockMemory {
        try at(FilePath("/dev/shm\(name)"), "shm:\(name)", mode, byteCount: byteCount, permissions, prepare)
    }

    /// The same at a path.
    static func at(
        _ path: FilePath, _ subject: String, _ mode: CreationMode, byteCount: Int, _ permissions: FilePermissions,
        _ prepare: (LockMemory) throws(IPCError) -> Void
    ) throws(IPCError) -> LockMemory {
        while true {
            if mode != .createExclusive {
                do throws(IPCError) { return try openNamed(path, subject, byteCount) } catch
                    where error.code == .notFound && mode == .openOrCreate
                {}
            }
            do throws(IPCError) { return try createNamed(path, subject, byteCount, permissions, prepare) } catch
                where error.errno == .fileExists && mode == .openOrCreate
            {}
        }
    }

    private static func openNamed(
        _ path: FilePath, _ subject: String, _ byteCount: Int
    ) throws(IPCError) -> LockMemory {
        let number: CInt
        do throws(Errno) { number = try sysOpenToLock(path, write: true, followLinks: false) } catch {
            throw IPCError(error, "openat", subject)
        }
        let descriptor = OwnedDescriptor(adopting: number)
        let status: FileStatus
        do throws(Errno) { status = try sysStatus(number) } catch { throw IPCError(error, "fstat", subject) }
        guard status.kind == .regular, status.size >= byteCount else {
            throw IPCError(
                code: .malformed, subject: subject,
                hint: "it has \(status.size) bytes, and this lock takes \(byteCount): it is another kind of object")
        }
        let region = try map(descriptor, Int(status.size), subject)
        return LockMemory(region, descriptor, subject)
    }

    private static func createNamed(
        _ path: FilePath, _ subject: String, _ byteCount: Int, _ permissions: FilePermissions,
        _ prepare: (LockMemory) throws(IPCError) -> Void
    ) throws(IPCError) -> LockMemory {
        var call = "openat"
        do {
            return try assemble(path, subject, byteCount, UInt32(permissions.rawValue), &call, prepare)
        } catch let error as Errno {
            throw IPCError(error, call, subject)
        } catch {
            throw (error as? IPCError) ?? IPCError(code: .system, subject: subject)
        }
    }

    /// A file without a name, which gets one when all is done.
    private static func assemble(
        _ path: FilePath, _ subject: String, _ byteCount: Int, _ mode: UInt32, _ call: inout String,
        _ prepare: (LockMemory) throws(IPCError) -> Void
    ) throws -> LockMemory {
        let descriptor = OwnedDescriptor(adopting: try sysOpenNameless(in: path.removingLastComponent(), mode: mode))
        call = "fallocate"
        try sysAllocate(descriptor.rawValue, offset: 0, byteCount: byteCount)
        call = "fchmod"
        try sysChangeMode(descriptor.rawValue, mode)
        let number = descriptor.rawValue
        let region = try map(descriptor, byteCount, subject)
        let memory = LockMemory(region, descriptor, subject)
        try prepare(memory)
        call = "linkat"
        try sysGiveName(number, path)
        return memory
    }
}
