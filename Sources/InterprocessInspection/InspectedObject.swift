// SPDX-License-Identifier: Apache-2.0
public import Interprocess
public import SystemPackage

/// One object of the host as it was when it was looked at: what it is, whose it is, how full it is, who uses it.
///
/// A value: it does not follow what happens afterwards, and holding it holds nothing open. What the kernel
/// does not say, or not to this process, is nil rather than a guess.
public struct InspectedObject: Sendable, Hashable {
    /// The canonical address; parsing it and looking it up finds this object again.
    public var address: Address
    /// Other addresses of the same object: the id of a System V queue that has a key, the inode of a bound socket.
    public var otherAddresses: [Address]
    /// Who owns it.
    public var owner: Account?
    /// Its group.
    public var groupID: UInt32?
    /// Who may use it.
    public var permissions: FilePermissions?
    /// Bytes that wait in it; of memory and files, how large they are.
    public var usedBytes: UInt64?
    /// How many bytes it can hold.
    public var limitBytes: UInt64?
    /// Messages (or, of a listening socket, connections) that wait in it.
    public var usedCount: UInt64?
    /// How many messages (or connections) it can hold.
    public var limitCount: UInt64?
    /// When something last happened to it, in seconds since 1970.
    public var lastChange: Int64?
    /// What only objects of this kind have.
    public var details: Details
    /// The processes that have it open, wait on it, or last used it, by process id.
    public var holders: [Holder]
    /// Whether ``holders`` is all: false where processes could not be read, or the kernel does not keep this.
    public var holdersAreComplete: Bool

    /// The mechanism.
    public var kind: Address.Kind { address.kind }

    init(address: Address, details: Details) {
        self.address = address
        self.details = details
        otherAddresses = []
        holders = []
        holdersAreComplete = true
    }

    /// How full it is, 0 to 1; by count where the kernel limits the count, else by bytes. Nil if either number is unknown.
    public var fraction: Double? {
        if let usedCount, let limitCount, limitCount > 0 { return Double(usedCount) / Double(limitCount) }
        if let usedBytes, let limitBytes, limitBytes > 0 { return Double(usedBytes) / Double(limitBytes) }
        return nil
    }
}

/// A user of the host.
public struct Account: Sendable, Hashable, CustomStringConvertible {
    /// The number.
    public var id: UInt32
    /// The name in `/etc/passwd`; nil if it has none.
    public var name: String?

    /// The name, or the number where there is none.
    public var description: String { name ?? "\(id)" }
}

/// A process that has something to do with an object.
public struct Holder: Sendable, Hashable {
    /// What it has to do with it.
    public enum Relation: String, Sendable, Hashable {
        /// Has it open.
        case open
        /// Waits in a call that sends to it.
        case waitsToSend
        /// Waits in a call that receives from it.
        case waitsToReceive
        /// Was the last to send to it.
        case lastSender
        /// Was the last to receive from it.
        case lastReceiver
        /// Has it in its memory: POSIX shared memory, a memfd, a file.
        case maps
        /// Has the System V segment in its memory.
        case attached
        /// Waits for a semaphore, or for something in the shared memory.
        case waits
        /// Holds a lock on the file.
        case holdsLock
        /// Waits for a lock on the file.
        case waitsForLock
        /// Made the System V segment.
        case creator
        /// Was the last to attach or detach the segment, or to change the semaphore.
        case lastUser
    }

    /// One of its descriptors of the object.
    public struct Descriptor: Sendable, Hashable {
        /// The number in that process.
        public var number: Int32
        /// Whether it can read with it.
        public var canRead: Bool
        /// Whether it can write with it.
        public var canWrite: Bool

        /// `"3r"`, `"4w"`, `"5rw"`.
        public var description: String { "\(number)\(canRead ? "r" : "")\(canWrite ? "w" : "")" }
    }

    /// The process id.
    public var processID: Int32
    /// The short name of its program, at most 15 bytes; nil if it is gone or not shown to us.
    public var command: String?
    /// The user it runs as; nil if it is gone or not shown to us.
    public var user: Account?
    /// What it has to do with the object.
    public var relation: Relation
    /// Its descriptors, by number; empty unless it has the object open.
    public var descriptors: [Descriptor]
    /// Bytes of the object that it has in its memory; nil unless it maps it or is attached.
    public var mappedBytes: UInt64?
    /// Whether the process was there when we looked. A number that lives again may be another process.
    public var isAlive: Bool

    /// Whether one of its descriptors reads.
    public var canRead: Bool { descriptors.contains { $0.canRead } }
    /// Whether one of its descriptors writes.
    public var canWrite: Bool { descriptors.contains { $0.canWrite } }
}
