// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
public import SystemPackage

extension NamedPipe {
    /// Makes the named pipe, or sees that it is there.
    ///
    /// - Parameters:
    ///   - mode: whether to make it, to expect it, or either. One that is there keeps its permissions.
    ///   - permissions: exactly these, whatever the umask says.
    ///   - form: which call to make it with.
    /// - Throws: ``IPCError/Code/alreadyExists`` (EEXIST), ``IPCError/Code/notFound``, ``IPCError/Code/wrongKind`` if something else has
    ///   the name, ``IPCError/Code/invalidName`` (ENOTDIR, ENAMETOOLONG, ELOOP), ``IPCError/Code/unsupported`` (EROFS),
    ///   ``IPCError/Code/permissionDenied``.
    ///
    /// The corresponding C functions are `mkfifoat(3)` and `mknodat(2)`.
    public func create(
        _ mode: CreationMode = .createExclusive, permissions: FilePermissions = .ownerOnly, form: Form = .mkfifo
    ) throws(IPCError) {
        if mode == .openExisting {
            _ = try status()
            return
        }
        let bits = UInt32(permissions.rawValue) & 0o7777
        do throws(Errno) {
            switch form {
            case .mkfifo: try sysMakeFIFO(at: base, path, mode: bits)
            case .mknod: try sysMakeNodeFIFO(at: base, path, mode: bits)
            }
        } catch {
            if error == .fileExists && mode == .openOrCreate {
                _ = try status()
                return
            }
            throw failure(error, form == .mkfifo ? "mkfifoat" : "mknodat")
        }
        try makeExact(bits)
    }

    /// The umask took bits away: gives them to what was just made, and to nothing that somebody put in its place.
    private func makeExact(_ bits: UInt32) throws(IPCError) {
        do throws(Errno) {
            let made = OwnedDescriptor(
                adopting: try sysOpen(at: base, path, flags: PipeFlags.pathOnly | PipeFlags.noFollow))
            let status = try sysStatus(made.rawValue)
            if status.kind != .fifo || UInt32(status.permissions) == bits { return }
            try sysChangeMode(FilePath("/proc/self/fd/\(made.rawValue)"), bits)
        } catch {
            try? sysUnlink(at: base, path)
            throw failure(error, "fchmodat", hint: "it could not be given its mode and was removed again")
        }
    }

    /// What is at the path.
    ///
    /// - Throws: ``IPCError/Code/notFound``; ``IPCError/Code/wrongKind`` if it is no named pipe.
    ///
    /// The corresponding C function is `fstatat(2)`.
    public func status() throws(IPCError) -> NamedPipeStatus {
        let found: FileStatus
        do throws(Errno) { found = try sysStatus(at: base, path, followLinks: followsLinks) } catch {
            throw failure(error, "fstatat")
        }
        try verify(found)
        return NamedPipeStatus(found)
    }

    /// Whether there is a named pipe at the path.
    ///
    /// - Returns: false if there is nothing.
    /// - Throws: ``IPCError/Code/wrongKind`` if there is something else; ``IPCError/Code/permissionDenied``.
    public func exists() throws(IPCError) -> Bool {
        do throws(IPCError) {
            _ = try status()
            return true
        } catch {
            if error.code == .notFound { return false }
            throw error
        }
    }

    /// Removes the name; who has it open goes on.
    ///
    /// - Returns: false if there is no such name.
    /// - Throws: ``IPCError/Code/wrongKind`` if it is no named pipe (a symbolic link is none); ``IPCError/Code/permissionDenied``.
    ///
    /// The corresponding C function is `unlinkat(2)`.
    @discardableResult
    public func remove() throws(IPCError) -> Bool {
        let found: FileStatus
        do throws(Errno) { found = try sysStatus(at: base, path, followLinks: false) } catch {
            if error == .noSuchFileOrDirectory { return false }
            throw failure(error, "fstatat")
        }
        guard found.kind == .fifo else { throw wrongKind(found) }
        do throws(Errno) { try sysUnlink(at: base, path) } catch {
            if error == .noSuchFileOrDirectory { return false }
            throw failure(error, "unlinkat")
        }
        return true
    }

    /// Changes the permissions.
    ///
    /// The corresponding C function is `fchmodat(2)`.
    public func setPermissions(_ permissions: FilePermissions) throws(IPCError) {
        _ = try status()
        do throws(Errno) { try sysChangeMode(at: base, path, UInt32(permissions.rawValue) & 0o7777) } catch {
            throw failure(error, "fchmodat")
        }
    }

    /// That it is a named pipe, and of the user that was asked for.
    func verify(_ found: FileStatus) throws(IPCError) {
        guard found.kind == .fifo else { throw wrongKind(found) }
        if let requiredOwner, found.user != requiredOwner {
            throw IPCError(
                code: .permissionDenied, subject: subject,
                hint: "it belongs to user \(found.user), not to user \(requiredOwner)")
        }
    }

    func wrongKind(_ found: FileStatus) -> IPCError {
        IPCError(
            code: .wrongKind, subject: subject,
            hint: found.kind == .link
                ? "a symbolic link is there, which is not followed unless followsLinks is set"
                : "it is no named pipe but of the kind: \(found.kind); nothing was read or written")
    }
}

/// What the file system says about a named pipe.
public struct NamedPipeStatus: Sendable, Hashable {
    /// Its mode.
    public var permissions: FilePermissions
    /// The owner's user id.
    public var user: UInt32
    /// The owner's group id.
    public var group: UInt32
    /// The inode, by which `/proc` shows who has it open.
    public var inode: UInt64
    /// The device that the inode is on.
    public var device: UInt64

    init(_ status: FileStatus) {
        permissions = FilePermissions(rawValue: CInterop.Mode(status.permissions))
        user = status.user
        group = status.group
        inode = status.inode
        device = status.device
    }
}

/// A named pipe that goes when its owner does.
///
/// Ownership: dropping the value removes the name, if it still is the one that was made; openers are another type and
/// never remove.
///
/// If a process dies: the name stays; a later ``NamedPipe/create(_:permissions:form:)`` with `.openOrCreate` takes it over.
public struct OwnedNamedPipe: ~Copyable, Sendable {
    /// The name.
    public let name: NamedPipe
    private let inode: UInt64
    private let device: UInt64

    /// Makes a named pipe that nobody else has made.
    ///
    /// - Throws: as ``NamedPipe/create(_:permissions:form:)``.
    public init(_ name: NamedPipe, permissions: FilePermissions = .ownerOnly) throws(IPCError) {
        try name.create(.createExclusive, permissions: permissions)
        let status = try name.status()
        self.name = name
        inode = status.inode
        device = status.device
    }

    deinit {
        if let status = try? name.status(), status.inode == inode, status.device == device { _ = try? name.remove() }
    }
}
