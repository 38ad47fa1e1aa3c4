// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import SystemPackage

/// An address as the kernel can be told of it, together with what must stay open meanwhile.
///
/// A path longer than the 107 bytes of `sun_path` is named through a descriptor: `/proc/self/fd/7` for
/// one that is there, `/proc/self/fd/7/name` for one that is to be made.
struct SocketRoute: ~Copyable {
    let address: SocketAddressBytes
    let holder: OwnedDescriptor?

    static let longestPath = 107

    /// To a socket that is there.
    static func existing(_ address: SocketAddress, _ kind: SocketKind, _ call: String) throws(IPCError) -> SocketRoute {
        try check(address, kind)
        guard case .path(let path) = address, path.bytes.count > longestPath else {
            return SocketRoute(address: address.encoded, holder: nil)
        }
        do throws(Errno) {
            let holder = OwnedDescriptor(adopting: try sysOpenHandle(path, followLinks: true))
            let short = SocketAddress.path(FilePath("/proc/self/fd/\(holder.rawValue)"))
            return SocketRoute(address: short.encoded, holder: holder)
        } catch {
            throw IPCError(error, call, SocketCore.subject(kind, address), hint: SocketCore.hint(error, call))
        }
    }

    /// What cannot be an address of that kind is refused before the kernel finds a puzzling errno for it.
    static func check(_ address: SocketAddress, _ kind: SocketKind) throws(IPCError) {
        func refuse(_ hint: String) -> IPCError {
            IPCError(code: .invalidName, subject: SocketCore.subject(kind, address), hint: hint)
        }
        guard address.isUnix == kind.isUnix else { throw refuse("that is not an address of a \(kind.rawValue) socket") }
        switch address {
        case .path(let path) where path.isEmpty: throw refuse("the path is missing")
        case .abstract(let name) where !(1...longestPath).contains(name.count):
            throw refuse("an abstract name has 1 to \(longestPath) bytes, this one \(name.count)")
        case .unnamed: throw refuse("there is no name to go to")
        default: break
        }
    }
}

/// A path that a socket of this process is bound to: removed at the end, if it is still the same file.
///
/// Two starters do not take each other's live socket: a path is only reclaimed while its directory is locked
/// (flock; the lock goes with the process), only if it is a socket of this user, and only if no socket is
/// bound to it any more, which the kernel tells exactly: connecting a datagram socket is refused with
/// ECONNREFUSED when none is, and with EPROTOTYPE when one of another type is, whether it listens yet or not.
struct BoundPath: ~Copyable, Sendable {
    let directory: OwnedDescriptor
    let name: FilePath
    let device: UInt64
    let inode: UInt64
    private var isOurs = true

    deinit { if isOurs { BoundPath.remove(directory.rawValue, name, device, inode) } }

    /// Leaves the path to whoever has the descriptor now.
    mutating func giveAway() { isOurs = false }

    private init(directory: consuming OwnedDescriptor, name: FilePath, status: FileStatus) {
        self.directory = directory
        self.name = name
        device = status.device
        inode = status.inode
    }

    /// Binds `socket` to `path`.
    static func claim(
        _ path: FilePath, _ socket: borrowing OwnedDescriptor, _ kind: SocketKind, permissions: FilePermissions,
        reclaimsStalePath: Bool
    ) throws(IPCError) -> BoundPath {
        let subject = SocketCore.subject(kind, .path(path))
        guard let last = path.lastComponent, last.kind == .regular else {
            throw IPCError(code: .invalidName, call: "bind", subject: subject, hint: "the path does not end in a name")
        }
        let name = FilePath(root: nil, [last])
        let parent = path.removingLastComponent()
        let directory: OwnedDescriptor
        do throws(Errno) {
            directory = OwnedDescriptor(
                adopting: try sysOpenDirectory(parent.isEmpty ? "." : parent, toLock: false))
        } catch {
            throw IPCError(error, "bind", subject, hint: hint(error))
        }
        let target = try route(path, name, directory, subject)
        let lock = lock(directory.rawValue)
        let isLocked = lock != nil
        let isBound = try bind(
            socket.rawValue, target, permissions, subject, mayFail: reclaimsStalePath)
        if !isBound {
            try makeRoom(directory.rawValue, name, target, isLocked: isLocked, subject)
            _ = try bind(socket.rawValue, target, permissions, subject, mayFail: false)
        }
        let status = try settle(directory.rawValue, name, permissions, subject)
        return BoundPath(directory: directory, name: name, status: status)
    }

    /// False if something is there already and the caller wants to see to that.
    private static func bind(
        _ socket: CInt, _ target: SocketAddressBytes, _ permissions: FilePermissions, _ subject: String, mayFail: Bool
    ) throws(IPCError) -> Bool {
        do throws(Errno) {
            // The kernel makes the file with the mode of the socket, less the umask: never with more than asked.
            try sysChangeMode(socket, permissions.rawValue)
            try sysBind(socket, target)
            return true
        } catch {
            if mayFail && error == .addressInUse { return false }
            throw IPCError(error, "bind", subject, hint: hint(error))
        }
    }

    /// Gives the new file what the umask took away, and tells which file it is.
    private static func settle(
        _ directory: CInt, _ name: FilePath, _ permissions: FilePermissions, _ subject: String
    ) throws(IPCError) -> FileStatus {
        do throws(Errno) {
            let handle = OwnedDescriptor(adopting: try sysOpenHandle(at: directory, name, followLinks: false))
            let status = try sysStatus(handle.rawValue)
            if status.permissions != permissions.rawValue {
                try sysChangeMode(FilePath("/proc/self/fd/\(handle.rawValue)"), permissions.rawValue)
            }
            return status
        } catch {
            // Still under the lock: what is there is what was just made, and nobody would remove it.
            try? sysUnlink(at: directory, name)
            throw IPCError(error, "bind", subject, hint: "the new socket could not be looked at")
        }
    }

    private static func hint(_ error: Errno) -> String {
        switch error {
        case .addressInUse: "somebody is bound to that path, or what is there is no socket"
        case .noSuchFileOrDirectory: "the directory does not exist"
        case .permissionDenied: "making a socket needs write permission on its directory"
        default: SocketCore.hint(error, "bind")
        }
    }

    private static func route(
        _ path: FilePath, _ name: FilePath, _ directory: borrowing OwnedDescriptor, _ subject: String
    ) throws(IPCError) -> SocketAddressBytes {
        if path.bytes.count <= SocketRoute.longestPath { return SocketAddress.path(path).encoded }
        let short = FilePath("/proc/self/fd/\(directory.rawValue)").appending(name.components)
        let room = SocketRoute.longestPath - (short.bytes.count - name.bytes.count)
        guard name.bytes.count <= room else {
            throw IPCError(
                code: .invalidName, call: "bind", subject: subject,
                hint: "a path may be long, but its last part only \(room) bytes; this one has \(name.bytes.count)")
        }
        return SocketAddress.path(short).encoded
    }

    /// The lock on a directory, or nil: it cannot be read, or somebody holds it for longer than anyone here would.
    private static func lock(_ directory: CInt) -> OwnedDescriptor? {
        guard let number = try? sysOpenDirectory(at: directory, ".", toLock: true) else { return nil }
        let descriptor = OwnedDescriptor(adopting: number)
        let deadline = Deadline.after(.milliseconds(500))
        repeat {
            guard let isLocked = try? sysTryLockFile(descriptor.rawValue) else { return nil }
            if isLocked { return descriptor }
            // Nothing to wait for: -1 is no descriptor, so this is a sleep.
            _ = try? sysPoll(-1, for: [], nanoseconds: 1_000_000)
        } while !deadline.hasPassed
        return nil
    }

    /// Removes what a former owner has left at the path; throws if it is anything else.
    private static func makeRoom(
        _ directory: CInt, _ name: FilePath, _ target: SocketAddressBytes, isLocked: Bool, _ subject: String
    ) throws(IPCError) {
        guard let found = try? sysStatus(at: directory, name) else { return }
        var reason = ""
        if found.kind != .socket {
            reason = "what is there is not a socket; it is left alone"
        } else if found.user != sysEffectiveUserID() {
            reason = "the socket there belongs to user \(found.user); it is left alone"
        } else if !isLocked {
            reason = "its directory could not be locked, so what is there is left alone"
        } else if try !isDead(target) {
            reason = "a living socket is bound there"
        } else if (try? sysStatus(at: directory, name))?.inode != found.inode {
            reason = "somebody else was faster"
        }
        if !reason.isEmpty { throw IPCError(.addressInUse, "bind", subject, hint: reason) }
        do throws(Errno) { try sysUnlink(at: directory, name) } catch { throw IPCError(error, "unlinkat", subject) }
    }

    /// Whether no socket is bound to that file any more.
    private static func isDead(_ target: SocketAddressBytes) throws(IPCError) -> Bool {
        let probe = try SocketCore.make(.unixDatagram, SocketConstant.unix, nonBlocking: true)
        do throws(Errno) {
            try sysConnect(probe.rawValue, target)
            return false
        } catch {
            return error == .connectionRefused
        }
    }

    private static func remove(_ directory: CInt, _ name: FilePath, _ device: UInt64, _ inode: UInt64) {
        let lock = lock(directory)
        if let now = try? sysStatus(at: directory, name), now.device == device, now.inode == inode {
            try? sysUnlink(at: directory, name)
        }
        _ = lock
    }
}
