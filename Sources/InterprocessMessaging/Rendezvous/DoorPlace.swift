// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import SystemPackage

/// A socket that listens in the directory of a channel.
struct DoorPlace: ~Copyable {
    let listener: SequencedPacketListener
    let channel: ChannelPlace
    let id: UInt64

    /// Short: who has come through it is served soon, and who has not comes again within milliseconds. With thousands before
    /// him that say nothing, his patience would be over before his turn came.
    private static let backlog: CInt = 128

    /// Binds under a name that nobody looks at, listens, and takes the name that others see only then: so whoever connects to
    /// that name and is refused knows that nobody will ever listen there again.
    static func open(
        _ channel: ChannelPlace, _ policy: AccessPolicy
    ) throws(IPCError) -> DoorPlace {
        for attempt in 0..<100 {
            let directory = try ChannelDirectory.open(channel, policy: policy)
            if attempt == 0 { directory.sweep() }
            let id = UInt64.random(in: 1 ... .max)
            if let place = try open(directory, id, policy) { return place }
        }
        throw IPCError(
            code: .busy, subject: channel.subject,
            hint: "its directory in \(channel.rendezvous) is removed again and again")
    }

    /// Nil: the directory was removed meanwhile, or the name is taken.
    private static func open(
        _ directory: ChannelDirectory, _ id: UInt64, _ policy: AccessPolicy
    ) throws(IPCError) -> DoorPlace? {
        let unfinished = FilePath(SocketName.unfinished(id))
        let place = directory.place(of: SocketName.unfinished(id))
        let descriptor: OwnedDescriptor
        do throws(Errno) {
            descriptor = OwnedDescriptor(
                adopting: try sysSocket(SocketConstant.unix, SocketConstant.sequencedPacket, nonBlocking: true))
        } catch {
            throw failure(error, "socket", directory)
        }
        do throws(Errno) {
            // The kernel makes the file with the mode of the socket, less the umask: never with more than asked.
            try sysChangeMode(descriptor.rawValue, policy.permissions.rawValue)
            try sysBind(descriptor.rawValue, SocketAddress.path(place).encoded)
        } catch {
            if error == .noSuchFileOrDirectory || error == .addressInUse { return nil }
            throw failure(error, "bind", directory)
        }
        do throws(Errno) {
            try settle(directory, unfinished, policy)
            try sysListen(descriptor.rawValue, backlog: backlog)
            try sysRenameNew(at: directory.rawValue, unfinished, FilePath(SocketName.listening(id)))
        } catch {
            // By path as well: it may be in a directory that was made anew under the same name.
            try? sysUnlink(at: directory.rawValue, unfinished)
            try? sysUnlink(place)
            if error == .noSuchFileOrDirectory || error == .fileExists { return nil }
            throw failure(error, "bind", directory)
        }
        do throws(IPCError) {
            return DoorPlace(
                listener: try SequencedPacketListener(adopting: descriptor), channel: directory.channel, id: id)
        } catch {
            directory.channel.remove(id)
            throw error
        }
    }

    /// Gives the file what the umask took away, and its group.
    private static func settle(_ directory: ChannelDirectory, _ name: FilePath, _ policy: AccessPolicy) throws(Errno) {
        let handle = OwnedDescriptor(adopting: try sysOpenHandle(at: directory.rawValue, name, followLinks: false))
        let status = try sysStatus(handle.rawValue)
        let path = FilePath("/proc/self/fd/\(handle.rawValue)")
        if let group = policy.group, status.group != group {
            try sysChangeOwner(followingLinks: path, user: .max, group: group)
        }
        if status.permissions != policy.permissions.rawValue { try sysChangeMode(path, policy.permissions.rawValue) }
    }

    private static func failure(_ error: Errno, _ call: String, _ directory: ChannelDirectory) -> IPCError {
        let what =
            error == .permissionDenied || error == .notPermitted
            ? "user \(sysEffectiveUserID()) may not make sockets in" : "no socket can be made in"
        return IPCError(
            error, call, directory.subject,
            hint: "\(what) \(directory.path); the rendezvous is \(directory.channel.rendezvous)")
    }
}
