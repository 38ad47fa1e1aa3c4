// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
public import SystemPackage

/// What the kernel says of a System V message queue at one moment.
public struct SystemVMessageQueueStatus: Sendable, Hashable {
    /// The kernel's number for the queue.
    public var id: Int32
    /// `.private` for a queue that has no key.
    public var key: SystemVKey
    /// How often the queue's place in the kernel's table was used before; part of the id.
    public var sequence: UInt32
    /// How many messages wait.
    public var messageCount: Int
    /// How many bytes they have together.
    public var queuedBytes: Int
    /// How many bytes may wait; senders wait for room beyond it.
    public var capacityBytes: Int
    /// Which process sent last; nil if none did. It may be gone, and its number somebody else's.
    public var lastSender: Int32?
    /// Which process received last; nil if none did. Of a receiver that was waiting when the message came, the kernel
    /// notes the number of the thread.
    public var lastReceiver: Int32?
    /// When the last message was sent, in seconds since 1970; nil if none was.
    public var lastSent: Int?
    /// When the last message was received, in seconds since 1970; nil if none was.
    public var lastReceived: Int?
    /// When the queue was created, or its owner, mode or capacity changed; in seconds since 1970.
    public var lastChanged: Int
    /// User id of the owner, who may change it and give it away.
    public var ownerUser: UInt32
    /// Group id of the owner.
    public var ownerGroup: UInt32
    /// User id of who created it.
    public var creatorUser: UInt32
    /// Group id of who created it.
    public var creatorGroup: UInt32
    /// Who may receive (read) and send (write).
    public var permissions: FilePermissions

    init(_ id: Int32, _ state: SystemVQueueState) {
        self.id = id
        key = state.key == 0 ? .private : .number(state.key)
        sequence = state.sequence
        messageCount = state.messageCount
        queuedBytes = state.bytes
        capacityBytes = state.capacityBytes
        lastSender = state.lastSender == 0 ? nil : state.lastSender
        lastReceiver = state.lastReceiver == 0 ? nil : state.lastReceiver
        lastSent = state.sent == 0 ? nil : state.sent
        lastReceived = state.received == 0 ? nil : state.received
        lastChanged = state.changed
        ownerUser = state.user
        ownerGroup = state.group
        creatorUser = state.creatorUser
        creatorGroup = state.creatorGroup
        permissions = FilePermissions(rawValue: CModeT(state.permissions))
    }
}

extension SystemVMessageQueue {
    /// What the kernel says of the queue now.
    ///
    /// - Throws: ``IPCError/Code/removed``; ``IPCError/Code/permissionDenied`` without read permission.
    ///
    /// The corresponding C function is `msgctl(2)` with `IPC_STAT`.
    public func status() throws(IPCError) -> SystemVMessageQueueStatus {
        do throws(Errno) { return SystemVMessageQueueStatus(id, try sysMessageQueueState(id)) } catch {
            throw core.failure(error, "msgctl")
        }
    }
}
