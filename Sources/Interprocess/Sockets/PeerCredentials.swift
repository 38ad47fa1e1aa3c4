// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls

/// Who a process is, in the words of the kernel: it filled this in or has checked it.
///
/// The corresponding C structure is `struct ucred`.
public struct PeerCredentials: Sendable, Hashable {
    /// The process id, in the namespace of the process that asks; 0 if it has none there.
    public var processID: Int32
    /// The effective user id.
    public var userID: UInt32
    /// The effective group id.
    public var groupID: UInt32

    /// Credentials from their parts.
    public init(processID: Int32, userID: UInt32, groupID: UInt32) {
        self.processID = processID
        self.userID = userID
        self.groupID = groupID
    }

    /// This process itself.
    public static var own: PeerCredentials {
        PeerCredentials(processID: sysProcessID(), userID: sysEffectiveUserID(), groupID: sysEffectiveGroupID())
    }

    init(_ raw: RawCredentials) {
        self.init(processID: raw.process, userID: raw.user, groupID: raw.group)
    }

    var raw: RawCredentials { RawCredentials(process: processID, user: userID, group: groupID) }
}
