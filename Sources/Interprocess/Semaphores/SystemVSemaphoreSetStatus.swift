// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
public import SystemPackage

/// What the kernel says of a System V semaphore set at one moment.
public struct SystemVSemaphoreSetStatus: Sendable, Hashable {
    /// The kernel's number for the set.
    public var id: Int32
    /// `.private` for a set that has no key.
    public var key: SystemVKey
    /// How often the set's place in the kernel's table was used before; part of the id.
    public var sequence: UInt32
    /// How many semaphores it has.
    public var count: Int
    /// When the last group of operations was performed, in seconds since 1970; nil if none was: then the set may not be ready,
    /// see ``SystemVSemaphoreSet/Initialization``.
    public var lastOperated: Int?
    /// When the set was created, or its owner, mode or a value set; in seconds since 1970.
    public var lastChanged: Int
    /// User id of the owner, who may change it and give it away.
    public var ownerUser: UInt32
    /// Group id of the owner.
    public var ownerGroup: UInt32
    /// User id of who created it.
    public var creatorUser: UInt32
    /// Group id of who created it.
    public var creatorGroup: UInt32
    /// Who may look and wait for zero (read), and take and add (write).
    public var permissions: FilePermissions

    init(_ id: Int32, _ state: SystemVSemaphoreState) {
        self.id = id
        key = state.key == 0 ? .private : .number(state.key)
        sequence = state.sequence
        count = state.count
        lastOperated = state.operated == 0 ? nil : state.operated
        lastChanged = state.changed
        ownerUser = state.user
        ownerGroup = state.group
        creatorUser = state.creatorUser
        creatorGroup = state.creatorGroup
        permissions = FilePermissions(rawValue: CModeT(state.permissions))
    }
}

/// What the kernel says of one semaphore of a set.
public struct SystemVSemaphoreStatus: Sendable, Hashable {
    /// Its value.
    public var value: Int
    /// Which process changed or tested it last; nil if none did. It may be gone, and its number somebody else's.
    public var lastProcess: Int32?
    /// How many wait for it to have more; a group that waits counts once, at the operation that is in its way.
    public var waitingForMoreCount: Int
    /// How many wait for it to be 0.
    public var waitingForZeroCount: Int
}

extension SystemVSemaphoreSet {
    /// What the kernel says of the set now.
    ///
    /// - Throws: ``IPCError/Code/removed``; ``IPCError/Code/permissionDenied`` without read permission.
    ///
    /// The corresponding C function is `semctl(2)` with `IPC_STAT`.
    public func status() throws(IPCError) -> SystemVSemaphoreSetStatus {
        do throws(Errno) { return SystemVSemaphoreSetStatus(id, try sysSemaphoreSetState(id)) } catch {
            throw core.failure(error, "semctl")
        }
    }

    /// What the kernel says of one semaphore: four numbers, read one after the other.
    ///
    /// - Parameter number: which of the set, from 0.
    /// - Throws: ``IPCError/Code/invalidArgument`` for a number that the set does not have; as ``status()``.
    ///
    /// The corresponding C function is `semctl(2)` with `GETVAL`, `GETPID`, `GETNCNT` and `GETZCNT`.
    public func status(of number: Int) throws(IPCError) -> SystemVSemaphoreStatus {
        try check(number)
        do throws(Errno) {
            let process = try sysSemaphoreNumber(id, number: number, .lastProcess)
            return SystemVSemaphoreStatus(
                value: try sysSemaphoreNumber(id, number: number, .value),
                lastProcess: process == 0 ? nil : Int32(clamping: process),
                waitingForMoreCount: try sysSemaphoreNumber(id, number: number, .waitingForMore),
                waitingForZeroCount: try sysSemaphoreNumber(id, number: number, .waitingForZero))
        } catch {
            throw core.failure(error, "semctl")
        }
    }
}
