// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import SystemPackage

/// Where a channel is.
struct ChannelPlace: Sendable, Hashable {
    let rendezvous: Rendezvous
    let kind: ChannelKind
    let name: ChannelName

    /// Its directory.
    var path: FilePath { name.segments.reduce(top) { $0.appending($1) } }
    var subject: String { "\(kind.rawValue):\(name)" }
    private var top: FilePath { rendezvous.directory.appending(kind.directoryName) }

    /// Removes a socket of which it is known that nobody is behind it. Its name is never used again, so nobody else's goes.
    /// What is no socket is somebody else's, whatever it is called.
    func remove(_ id: UInt64) {
        let path = path.appending(SocketName.listening(id))
        if (try? sysStatus(path))?.kind == .socket { try? sysUnlink(path) }
    }

    /// Removes the directory, and those above it up to that of the kind, as far as they are empty.
    func removeIfEmpty() {
        var path = path
        while path != top, path.starts(with: top) {
            do throws(Errno) { try sysRemoveDirectory(path) } catch {
                if error != .noSuchFileOrDirectory { return }
            }
            path.removeLastComponent()
        }
    }
}

/// The directory of one channel, open: what it is called by now does not matter.
///
/// Open for a moment only: the kernel tells nobody of a directory's end as long as somebody has it open.
///
/// Ownership: owns a descriptor (O_PATH).
final class ChannelDirectory: Sendable {
    let channel: ChannelPlace
    private let descriptor: OwnedDescriptor
    let identity: Identity

    /// Which directory it is; another may have the same after its end.
    struct Identity: Sendable, Hashable {
        var device: UInt64
        var inode: UInt64
    }

    private init(_ channel: ChannelPlace, _ descriptor: consuming OwnedDescriptor, _ status: FileStatus) {
        self.channel = channel
        self.descriptor = descriptor
        identity = Identity(device: status.device, inode: status.inode)
    }

    var rawValue: CInt { descriptor.rawValue }
    var path: FilePath { channel.path }
    var subject: String { channel.subject }

    // MARK: Opening

    /// - Parameter policy: who may own the directory, and how it is made, if it is to be made; nil to look only.
    /// - Throws: `IPCError.Code.notFound`, `IPCError.Code.permissionDenied`, `IPCError.Code.wrongKind`.
    static func open(_ channel: ChannelPlace, policy: AccessPolicy?) throws(IPCError) -> ChannelDirectory {
        let walk = Walk(channel: channel, policy: policy)
        // What a leaver removes between two steps is made again.
        for _ in 0..<100 {
            if let found = try walk.once() { return found }
        }
        throw IPCError(
            code: .busy, subject: channel.subject, hint: "\(channel.path) is removed again and again")
    }

    private struct Walk {
        let channel: ChannelPlace
        let policy: AccessPolicy?

        /// Nil: something on the way went away.
        func once() throws(IPCError) -> ChannelDirectory? {
            let top: CInt
            let rendezvous = channel.rendezvous
            do throws(Errno) {
                if policy != nil, (try? sysStatus(rendezvous.directory, followLinks: true)) == nil {
                    try? sysMakeDirectory(rendezvous.directory, mode: 0o700)
                }
                top = try sysOpenDirectory(rendezvous.directory, toLock: false)
            } catch {
                throw rendezvous.failure(error, "open", "it cannot be opened\(Rendezvous.reason(error))")
            }
            var place = OwnedDescriptor(adopting: top)
            guard let root = try? sysStatus(place.rawValue) else { return nil }
            // What leads to the channel is as open as the rendezvous itself, the channel as its policy says.
            let shared = UInt32(root.permissions) & 0o1777 | 0o700
            let segments = [channel.kind.directoryName] + channel.name.segments
            for (index, segment) in segments.enumerated() {
                let isLast = index == segments.count - 1
                guard let next = try step(place, segment, mode: isLast ? policy?.directoryMode : shared, isLast) else {
                    return nil
                }
                place = next
            }
            return try settle(place)
        }

        private func step(
            _ place: borrowing OwnedDescriptor, _ segment: String, mode: UInt32?, _ isLast: Bool
        ) throws(IPCError) -> OwnedDescriptor? {
            let path = FilePath(segment)
            var isFresh = false
            var found: CInt?
            do throws(Errno) { found = try sysOpenRealDirectory(at: place.rawValue, path) } catch {
                guard error == .noSuchFileOrDirectory, policy != nil else { throw failure(error, "openat", segment) }
            }
            if found == nil, let mode {
                do throws(Errno) {
                    try sysMakeDirectory(at: place.rawValue, path, mode: mode)
                    isFresh = true
                } catch {
                    // Somebody was faster, or the place itself was removed.
                    if error == .noSuchFileOrDirectory { return nil }
                    if error != .fileExists { throw failure(error, "mkdirat", segment) }
                }
                do throws(Errno) { found = try sysOpenRealDirectory(at: place.rawValue, path) } catch {
                    if error == .noSuchFileOrDirectory { return nil }
                    throw failure(error, "openat", segment)
                }
            }
            guard let found else { return nil }
            let opened = OwnedDescriptor(adopting: found)
            if isFresh, let mode { finish(opened, mode: mode, isLast) }
            return opened
        }

        /// What the umask took away, and the group: as well as can be.
        private func finish(_ fresh: borrowing OwnedDescriptor, mode: UInt32, _ isLast: Bool) {
            guard let status = try? sysStatus(fresh.rawValue), status.user == sysEffectiveUserID() else { return }
            let handle = FilePath("/proc/self/fd/\(fresh.rawValue)")
            if isLast, let group = policy?.group, status.group != group {
                try? sysChangeOwner(followingLinks: handle, user: .max, group: group)
            }
            if UInt32(status.permissions) != mode { try? sysChangeMode(handle, mode) }
        }

        private func settle(_ place: consuming OwnedDescriptor) throws(IPCError) -> ChannelDirectory? {
            guard let status = try? sysStatus(place.rawValue) else { return nil }
            if status.linkCount == 0 { return nil }
            if let policy, let objection = policy.objection(toOwnerOf: status) {
                throw IPCError(
                    code: .permissionDenied, subject: channel.subject,
                    hint: "the directory \(channel.path) is not to be trusted: \(objection)")
            }
            return ChannelDirectory(channel, place, status)
        }

        private func failure(_ error: Errno, _ call: String, _ segment: String) -> IPCError {
            let path = channel.path
            let hint: String
            switch error {
            case .notDirectory, .tooManySymbolicLinkLevels:
                return IPCError(
                    code: .wrongKind, call: call, errno: error, subject: channel.subject,
                    hint: "\"\(segment)\" in \(path) is a link or a file, not a directory of this library's")
            case .permissionDenied, .notPermitted:
                hint = "\"\(segment)\" in \(path) is not open to user \(sysEffectiveUserID())"
            case .noSuchFileOrDirectory: hint = "there is no \(path)"
            default: hint = "\"\(segment)\" in \(path)"
            }
            return IPCError(error, call, channel.subject, hint: hint + "; the rendezvous is \(channel.rendezvous)")
        }
    }

    // MARK: What it is now

    /// Whether it has been removed.
    var isRemoved: Bool { ((try? sysStatus(rawValue))?.linkCount ?? 0) == 0 }

    // MARK: Sockets in it

    /// Where a socket of this directory is reached: by its path, or if that is too long for a socket, through the descriptor.
    func place(of name: String) -> FilePath {
        let plain = path.appending(name)
        return plain.bytes.count <= 107 ? plain : FilePath("/proc/self/fd/\(rawValue)").appending(name)
    }

    /// The numbers of those that listen, or have listened.
    ///
    /// - Throws: `IPCError.Code.limitReached` (EMFILE), `IPCError.Code.permissionDenied`.
    func publishers() throws(IPCError) -> [UInt64] {
        try names().compactMap { SocketName.id(of: $0) }
    }

    private func names() throws(IPCError) -> [String] {
        var names: [String] = []
        do throws(Errno) {
            let reading = OwnedDescriptor(adopting: try sysOpenRealDirectory(at: rawValue, ".", toRead: true))
            while let entries = try sysReadDirectory(reading.rawValue) {
                names += entries.map { String(decoding: $0.name, as: UTF8.self) }
            }
        } catch  where error == .noSuchFileOrDirectory {
            return []
        } catch {
            throw IPCError(error, "getdents64", subject, hint: "\(path) cannot be read")
        }
        return names
    }

    /// Removes a socket if nobody is bound to it any more.
    func removeIfDead(_ id: UInt64) {
        if sysProbeUnixPath(place(of: SocketName.listening(id))) == .connectionRefused {
            channel.remove(id)
        }
    }

    /// Removes what killed processes have left, some hundred at most.
    ///
    /// One that has not got its final name may be bound and not yet listening, or not even bound for a moment: only old ones
    /// go, and if one was alive after all, its maker finds it missing and begins again.
    func sweep() {
        guard let names = try? names() else { return }
        for name in names.prefix(256) {
            if let id = SocketName.id(of: name) {
                removeIfDead(id)
            } else if SocketName.unfinishedID(of: name) != nil,
                let status = try? sysStatus(at: rawValue, FilePath(name)),
                Int64(sysRealtimeNanoseconds() / 1_000_000_000) - status.modified > 10,
                sysProbeUnixPath(place(of: name)) == .connectionRefused
            {
                try? sysUnlink(at: rawValue, FilePath(name))
            }
        }
    }
}
