// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
public import SystemPackage

/// What the kernel says of a System V shared memory segment at one moment.
public struct SystemVSharedMemoryStatus: Sendable, Hashable {
    /// The kernel's number for the segment.
    public var id: Int32
    /// `.private` for a segment that has no key, or was removed and is still attached.
    public var key: SystemVKey
    /// How often the segment's place in the kernel's table was used before; part of the id.
    public var sequence: UInt32
    /// How many bytes it has.
    public var sizeBytes: Int
    /// How often it is attached, in all processes together (`nattch`).
    public var attachmentCount: Int
    /// Whether it was removed and goes with its last attachment.
    public var isRemoved: Bool
    /// Whether it is kept from being swapped out.
    public var isLockedInMemory: Bool
    /// Which process created it. It may be gone, and its number somebody else's.
    public var creatorProcess: Int32
    /// Which process attached or detached last; nil if none did.
    public var lastProcess: Int32?
    /// When it was last attached, in seconds since 1970; nil if it never was.
    public var lastAttached: Int?
    /// When it was last detached, in seconds since 1970; nil if it never was.
    public var lastDetached: Int?
    /// When it was created, or its owner or mode changed; in seconds since 1970.
    public var lastChanged: Int
    /// User id of the owner, who may change it and give it away.
    public var ownerUser: UInt32
    /// Group id of the owner.
    public var ownerGroup: UInt32
    /// User id of who created it.
    public var creatorUser: UInt32
    /// Group id of who created it.
    public var creatorGroup: UInt32
    /// Who may attach it for reading and for writing.
    public var permissions: FilePermissions

    init(_ id: Int32, _ state: SystemVSegmentState) {
        self.id = id
        key = state.key == 0 ? .private : .number(state.key)
        sequence = state.sequence
        sizeBytes = state.byteCount
        attachmentCount = state.attachments
        isRemoved = state.isDestroyed
        isLockedInMemory = state.isLocked
        creatorProcess = state.creator
        lastProcess = state.lastUser == 0 ? nil : state.lastUser
        lastAttached = state.attached == 0 ? nil : state.attached
        lastDetached = state.detached == 0 ? nil : state.detached
        lastChanged = state.changed
        ownerUser = state.user
        ownerGroup = state.group
        creatorUser = state.creatorUser
        creatorGroup = state.creatorGroup
        permissions = FilePermissions(rawValue: CModeT(state.permissions))
    }
}

extension SystemVSharedMemory {
    /// What the kernel says of the segment now.
    ///
    /// - Throws: ``IPCError/Code/removed``; ``IPCError/Code/permissionDenied`` without read permission.
    ///
    /// The corresponding C function is `shmctl(2)` with `IPC_STAT`.
    public func status() throws(IPCError) -> SystemVSharedMemoryStatus {
        do throws(Errno) { return SystemVSharedMemoryStatus(id, try sysSegmentState(id)) } catch {
            throw failure(error, "shmctl")
        }
    }
}
