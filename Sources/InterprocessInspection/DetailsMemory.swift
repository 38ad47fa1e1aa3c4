// SPDX-License-Identifier: Apache-2.0
public import Interprocess

/// What POSIX shared memory and memory without a name have.
public struct SharedMemoryDetails: Sendable, Hashable {
    /// The inode; with the device it is the object's identity.
    public var inode: UInt64
    /// The device of the inode.
    public var device: UInt64
    /// How large it is, in bytes.
    public var sizeBytes: UInt64
    /// Bytes that it takes in memory; less than its size where pages were never reserved or written. Nil if not known.
    public var allocatedBytes: UInt64?
    /// Whether the name still leads to it; nil for a memfd, which has none.
    public var isLinked: Bool?
    /// What the memfd was called at creation, for people; nil for what has a name.
    public var label: String?
    /// What nobody may do to it any more: `"seal"`, `"shrink"`, `"grow"`, `"write"`, `"futureWrite"`, `"exec"`. Nil where
    /// it could not be asked.
    public var seals: [String]?

    func add(to list: inout FactList) {
        list.add("inode", number: inode)
        list.add("device", number: device)
        list.add("size", bytes: sizeBytes)
        list.add("allocatedBytes", bytes: allocatedBytes)
        list.add("label", text: label)
        list.add("seals", texts: seals)
        list.add("isLinked", flag: isLinked)
    }
}

/// What a System V segment has.
public struct SystemVSegmentDetails: Sendable, Hashable {
    /// The key; private if it has none.
    public var key: SystemVKey
    /// The kernel's id.
    public var id: Int32
    /// How large it is, in bytes.
    public var sizeBytes: UInt64
    /// Bytes that it takes in memory and swap.
    public var allocatedBytes: UInt64
    /// How often it is attached, by processes of every namespace.
    public var attachments: UInt64
    /// Whether it was removed and lives only as long as it is attached.
    public var isRemoved: Bool
    /// Whether it is locked into memory.
    public var isLocked: Bool
    /// The user that made it.
    public var creator: Account
    /// The group that made it.
    public var creatorGroupID: UInt32
    /// The process that made it; nil if it is of another process namespace.
    public var creatorProcess: Int32?
    /// The process that last attached or detached it; nil if none did.
    public var lastProcess: Int32?
    /// When it was last attached, in seconds since 1970.
    public var attachedAt: Int64?
    /// When it was last detached, in seconds since 1970.
    public var detachedAt: Int64?
    /// When it was made or its mode or owner changed, in seconds since 1970.
    public var changedAt: Int64

    func add(to list: inout FactList) {
        list.add("key", text: key.description)
        list.add("id", number: id)
        list.add("size", bytes: sizeBytes)
        list.add("allocatedBytes", bytes: allocatedBytes)
        list.add("attachments", number: attachments)
        list.add("isRemoved", flag: isRemoved)
        list.add("isLocked", flag: isLocked)
        list.add("creator", text: creator.description)
        list.add("creatorID", number: creator.id)
        list.add("creatorGroupID", number: creatorGroupID)
        list.add("creatorProcess", number: creatorProcess)
        list.add("lastProcess", number: lastProcess)
        list.add("attachedAt", time: attachedAt)
        list.add("detachedAt", time: detachedAt)
        list.add("changedAt", time: changedAt)
    }
}

/// What a POSIX named semaphore has.
public struct SemaphoreDetails: Sendable, Hashable {
    /// The inode; with the device it is the object's identity.
    public var inode: UInt64
    /// The device of the inode.
    public var device: UInt64
    /// Its value; nil if we may not read it.
    public var value: UInt32?
    /// Threads that wait for it, as the semaphore itself counts them; nil if we may not read it.
    public var waiting: UInt32?
    /// Whether the name still leads to it.
    public var isLinked: Bool

    func add(to list: inout FactList) {
        list.add("inode", number: inode)
        list.add("value", number: value)
        list.add("waiting", number: waiting)
        list.add("isLinked", flag: isLinked)
    }
}

/// What a System V semaphore set has.
public struct SystemVSemaphoresDetails: Sendable, Hashable {
    /// The key; private if it has none.
    public var key: SystemVKey
    /// The kernel's id.
    public var id: Int32
    /// How many semaphores it has.
    public var count: Int
    /// The values in the order of the semaphores; nil if we may not read the set.
    public var values: [UInt16]?
    /// Threads that wait for each to rise; nil if we may not read the set.
    public var waitingForMore: [Int]?
    /// Threads that wait for each to become zero; nil if we may not read the set.
    public var waitingForZero: [Int]?
    /// The process that last changed each; 0 if none did, or it is of another process namespace.
    public var lastProcesses: [Int32]?
    /// The user that made it.
    public var creator: Account
    /// The group that made it.
    public var creatorGroupID: UInt32
    /// When an operation last succeeded, in seconds since 1970; nil if none did.
    public var operatedAt: Int64?
    /// When it was made or its mode, owner or values were set, in seconds since 1970.
    public var changedAt: Int64

    func add(to list: inout FactList) {
        list.add("key", text: key.description)
        list.add("id", number: id)
        list.add("count", number: count)
        list.add("values", numbers: values)
        list.add("waitingForMore", numbers: waitingForMore)
        list.add("waitingForZero", numbers: waitingForZero)
        list.add("lastProcesses", numbers: lastProcesses)
        list.add("creator", text: creator.description)
        list.add("creatorID", number: creator.id)
        list.add("creatorGroupID", number: creatorGroupID)
        list.add("operatedAt", time: operatedAt)
        list.add("changedAt", time: changedAt)
    }
}

/// A lock on a file, held or waited for.
public struct InspectedLock: Sendable, Hashable {
    /// Which of the kernel's kinds of lock.
    public enum Family: String, Sendable, Hashable {
        /// Of the open file: `F_OFD_SETLK`.
        case openFile
        /// Of the process: `F_SETLK`, lockf(3).
        case process
        /// flock(2).
        case flock
        /// `F_SETLEASE` and delegations.
        case lease
    }

    /// The kind.
    public var family: Family
    /// Whether others may hold it as well.
    public var isShared: Bool
    /// The first byte.
    public var startBytes: UInt64
    /// The last byte; nil for the end of the file, wherever it is.
    public var endBytes: UInt64?
    /// Whether it is only waited for.
    public var isWaiting: Bool
    /// The processes that hold it or wait for it; of an open file that is shared, all that have it. Empty if not seen.
    public var processes: [Int32]

    var facts: [Fact] {
        var list = FactList()
        list.add("family", text: family.rawValue)
        list.add("isShared", flag: isShared)
        list.add("start", number: startBytes)
        list.add("end", number: endBytes)
        list.add("isWaiting", flag: isWaiting)
        list.add("pids", numbers: processes)
        return list.facts
    }
}

/// What a file has that processes lock or map.
public struct FileDetails: Sendable, Hashable {
    /// The inode; with the device it is the object's identity.
    public var inode: UInt64
    /// The device of the inode.
    public var device: UInt64
    /// How large it is, in bytes.
    public var sizeBytes: UInt64
    /// Whether the path still leads to it.
    public var isLinked: Bool
    /// The locks on it, held ones first.
    public var locks: [InspectedLock]
    /// How many processes map it so that others see what they write.
    public var mappers: Int

    func add(to list: inout FactList) {
        list.add("inode", number: inode)
        list.add("device", number: device)
        list.add("size", bytes: sizeBytes)
        list.add("isLinked", flag: isLinked)
        list.add("mappers", number: mappers)
        list.add("locks", groups: locks.map(\.facts))
    }
}

/// What a process has.
public struct ProcessDetails: Sendable, Hashable {
    /// Its number.
    public var processID: Int32
    /// The short name of its program.
    public var command: String
    /// What it was started with; empty for a thread of the kernel, nil if not shown.
    public var arguments: [String]?
    /// `"running"`, `"sleeping"`, `"disk sleep"`, `"stopped"`, `"tracing stop"`, `"zombie"`, …
    public var state: String
    /// Its parent; 0 for none.
    public var parent: Int32
    /// How many threads it has.
    public var threads: Int
    /// Who traces it; nil for nobody.
    public var tracer: Int32?
    /// When it started, in seconds since 1970.
    public var startedAt: Int64?
    /// Signals that wait for it as a whole.
    public var pendingSignals: [Int32]
    /// Signals that wait for its first thread.
    public var threadPendingSignals: [Int32]
    /// Signals that its first thread blocks.
    public var blockedSignals: [Int32]
    /// Signals that it ignores.
    public var ignoredSignals: [Int32]
    /// Signals that it has a handler for.
    public var caughtSignals: [Int32]
    /// Signals queued for all processes of its user, and how many may be.
    public var queuedSignals: UInt64?
    /// See ``queuedSignals``.
    public var queuedSignalLimit: UInt64?
    /// Open descriptors; nil if not shown.
    public var descriptors: Int?
    /// The objects that it uses; nil unless it was looked up by its number.
    public var objects: [Address]?

    func add(to list: inout FactList) {
        list.add("pid", number: processID)
        list.add("command", text: command)
        list.add("arguments", texts: arguments)
        list.add("state", text: state)
        list.add("parent", number: parent)
        list.add("threads", number: threads)
        list.add("tracer", number: tracer)
        list.add("startedAt", time: startedAt)
        list.add("pendingSignals", texts: Self.names(pendingSignals))
        list.add("threadPendingSignals", texts: Self.names(threadPendingSignals))
        list.add("blockedSignals", texts: Self.names(blockedSignals))
        list.add("ignoredSignals", texts: Self.names(ignoredSignals))
        list.add("caughtSignals", texts: Self.names(caughtSignals))
        list.add("queuedSignals", number: queuedSignals)
        list.add("queuedSignalLimit", number: queuedSignalLimit)
        list.add("descriptors", number: descriptors)
        list.add("objects", texts: objects?.map(\.description))
    }

    private static func names(_ signals: [Int32]) -> [String] { signals.map { SignalNames.name(of: $0) } }
}
