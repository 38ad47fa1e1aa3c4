// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
public import SystemPackage

/// Who may meet over a channel: what the file system lets through, and of these, who is believed.
///
/// By default a channel is the user's own: its directory and sockets are open to nobody else, and both sides accept only
/// processes of their own user and of root. Another user needs both, on both sides: the mode, and a place in the list.
///
/// ```swift
/// AccessPolicy()                              // own user and root
/// AccessPolicy(users: [33])                   // user 33 as well, and whoever can reach the directory
/// AccessPolicy(group: 44)                     // members of group 44, for whom the files are made writable
/// ```
///
/// The rendezvous itself, and what lies between it and the channel, stays as open as it was made: for another user it has to be a
/// directory that both can search, such as one made for the purpose and named by `$INTERPROCESS_DIR`.
///
/// Who the other side is, the kernel says (`SO_PEERCRED`, `SO_PEERGROUPS`); a user whom this user namespace does not know
/// is nobody's friend.
public struct AccessPolicy: Sendable, Hashable {
    /// The mode of sockets; who may write to one may connect. The directories that are made for them are open to the same.
    public var permissions: FilePermissions
    /// The group that sockets and directories belong to, and whose members are accepted.
    public var group: UInt32?
    /// Users that are accepted beside the own and root.
    public var users: Set<UInt32>

    /// The own user and root.
    public init() { self.init(permissions: .ownerOnly) }

    /// These users as well. Everybody may reach the sockets; only these, the own user and root get an answer.
    public init(users: Set<UInt32>) {
        self.init(permissions: [.ownerReadWrite, .groupReadWrite, .otherReadWrite], users: users)
    }

    /// The members of a group as well.
    public init(group: UInt32) {
        self.init(permissions: [.ownerReadWrite, .groupReadWrite], group: group)
    }

    /// Everything at once.
    public init(permissions: FilePermissions, group: UInt32? = nil, users: Set<UInt32> = []) {
        self.permissions = permissions
        self.group = group
        self.users = users
    }

    /// Who may write to the socket may list, search and add to the directory; nobody may remove what others have made there.
    var directoryMode: UInt32 {
        let mode = UInt32(permissions.rawValue)
        var result: UInt32 = 0o700
        if mode & 0o020 != 0 { result |= 0o070 }
        if mode & 0o002 != 0 { result |= 0o007 }
        return result == 0o700 ? result : result | 0o1000
    }

    // MARK: Judging

    /// Why the one at the other end is not accepted; nil if it is.
    func objection(to peer: PeerCredentials, groups: [UInt32]) -> String? {
        if peer.processID == 0 {
            return "its process is not visible from here (another pid namespace)"
        }
        if isKnown(user: peer.userID) { return nil }
        if let group, group != Self.overflowGroup, peer.groupID == group || groups.contains(group),
            peer.userID != Self.overflowUser
        {
            return nil
        }
        return "user \(peer.userID) is neither this user (\(sysEffectiveUserID())), root, nor in the access policy"
    }

    /// Why what lies in a directory is not to be believed; nil if it is.
    func objection(toOwnerOf directory: FileStatus) -> String? {
        if isKnown(user: directory.user) { return nil }
        if let group, group != Self.overflowGroup, directory.group == group, directory.permissions & 0o020 != 0 {
            return nil
        }
        return
            "it belongs to user \(directory.user), who is neither this user (\(sysEffectiveUserID())), root, nor in the access policy"
    }

    private func isKnown(user: UInt32) -> Bool {
        if user == Self.overflowUser { return false }
        return user == 0 || user == sysEffectiveUserID() || users.contains(user)
    }

    /// The ids that stand for all who have none in this user namespace.
    private static let overflowUser = overflow("overflowuid")
    private static let overflowGroup = overflow("overflowgid")

    private static func overflow(_ name: FilePath.Component) -> UInt32 {
        let text = try? sysReadFile(FilePath("/proc/sys/kernel").appending(name), limit: 32)
        let digits = String(decoding: text ?? [], as: UTF8.self).prefix { $0.isNumber }
        return UInt32(digits) ?? 65534
    }
}
