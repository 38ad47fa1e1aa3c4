// SPDX-License-Identifier: Apache-2.0
// What the messages of the hand-shake need of the module Interprocess.

/// Who a process is.
public struct PeerCredentials: Sendable, Hashable {
    /// The process id.
    public var processID: Int32
    /// The effective user id.
    public var userID: UInt32
    /// The effective group id.
    public var groupID: UInt32

    /// Credentials from their parts.
    public init(processID: Int32, userID: UInt32, groupID: UInt32) {
        (self.processID, self.userID, self.groupID) = (processID, userID, groupID)
    }
}

extension String {
    /// What a terminal may be shown.
    package var printable: String { self }
}
