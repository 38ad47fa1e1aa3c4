// SPDX-License-Identifier: Apache-2.0
public import Interprocess
public import SystemPackage

extension InspectedObject {
    /// What only objects of one kind have.
    public enum Details: Sendable, Hashable {
        /// A pipe or named pipe.
        case pipe(PipeDetails)
        /// A unix socket of any type.
        case unix(UnixSocketDetails)
        /// A TCP or UDP socket.
        case internet(InternetSocketDetails)
        /// A POSIX message queue.
        case messageQueue(MessageQueueDetails)
        /// A System V message queue.
        case systemVQueue(SystemVQueueDetails)
        /// An event counter.
        case eventCounter(EventCounterDetails)
        /// POSIX shared memory, or memory without a name (memfd).
        case sharedMemory(SharedMemoryDetails)
        /// A System V segment.
        case systemVSegment(SystemVSegmentDetails)
        /// A POSIX named semaphore.
        case semaphore(SemaphoreDetails)
        /// A System V semaphore set.
        case systemVSemaphores(SystemVSemaphoresDetails)
        /// A file that is locked or mapped.
        case file(FileDetails)
        /// A process.
        case process(ProcessDetails)
    }
}

/// What a pipe or a named pipe has.
public struct PipeDetails: Sendable, Hashable {
    /// The inode; with the device it is the object's identity.
    public var inode: UInt64
    /// The device of the inode.
    public var device: UInt64
    /// The path of a named pipe; nil for a pipe.
    public var path: FilePath?
    /// Whether the path still leads to it; nil for a pipe.
    public var isLinked: Bool?
    /// Descriptors that can read from it, as far as they are seen.
    public var readers: Int
    /// Descriptors that can write to it, as far as they are seen.
    public var writers: Int
}

/// What a unix socket has.
public struct UnixSocketDetails: Sendable, Hashable {
    /// What the socket is doing.
    public enum State: String, Sendable, Hashable {
        /// Waits for connections.
        case listening
        /// Has a peer.
        case connected
        /// Has none: a datagram socket, or one that never connected.
        case unconnected
        /// A path in the file system to which no socket is bound: its process is gone.
        case stale
        /// Something that this package does not know.
        case unknown
    }

    /// The socket's inode, as in `socket:[inode]`; 0 for a stale path.
    public var inode: UInt64
    /// What it is doing.
    public var state: State
    /// The peer's inode.
    public var peerInode: UInt64?
    /// The peer's address: its name if it has one, else its inode.
    public var peer: Address?
    /// Bytes received and not read; nil for a listener.
    public var receiveQueueBytes: UInt64?
    /// Bytes sent and not read by the peer; nil for a listener.
    public var sendQueueBytes: UInt64?
    /// Connections not yet accepted; nil unless it listens.
    public var pendingConnections: UInt64?
    /// The most that may wait to be accepted; nil unless it listens.
    public var backlog: UInt64?
}

/// What a TCP or UDP socket has.
public struct InternetSocketDetails: Sendable, Hashable {
    /// The states of TCP; a UDP socket is `established` when connected, else `unconnected`.
    public enum State: String, Sendable, Hashable {
        case established, synSent, synReceived, finWait1, finWait2, timeWait, closed, closeWait, lastAck, listening,
            closing, unconnected, unknown
    }

    /// The socket's inode; 0 once no process owns it (timeWait).
    public var inode: UInt64
    /// What it is doing.
    public var state: State
    /// This side.
    public var local: Endpoint
    /// The other side; nil while there is none.
    public var remote: Endpoint?
    /// Bytes received and not read; nil for a listener.
    public var receiveQueueBytes: UInt64?
    /// Bytes sent and not acknowledged; nil for a listener.
    public var sendQueueBytes: UInt64?
    /// Connections not yet accepted; nil unless it listens.
    public var pendingConnections: UInt64?
    /// The most that may wait to be accepted; nil unless it listens, or where only /proc/net could be read.
    public var backlog: UInt64?
}

/// What a POSIX message queue has.
public struct MessageQueueDetails: Sendable, Hashable {
    /// The inode; with the device it is the object's identity.
    public var inode: UInt64
    /// The device of the inode.
    public var device: UInt64
    /// The most messages that it holds; nil if we may not read it.
    public var maxMessages: Int?
    /// The most bytes that a message has; nil if we may not read it.
    public var messageSizeBytes: Int?
    /// Messages in it; nil if we may not read it.
    public var messages: Int?
    /// The process that is told of the next message.
    public var notifiedProcess: Int32?
    /// The signal that it is told with; nil if by a thread or not at all.
    public var notificationSignal: Int32?
    /// Whether the name still leads to it; false when it lives on only because it is open.
    public var isLinked: Bool
}

/// What a System V message queue has.
public struct SystemVQueueDetails: Sendable, Hashable {
    /// The key; private if it has none.
    public var key: SystemVKey
    /// The kernel's id.
    public var id: Int32
    /// The user that made it.
    public var creator: Account
    /// The group that made it.
    public var creatorGroupID: UInt32
    /// The last process that sent; nil if none did, or it is in another process namespace.
    public var lastSender: Int32?
    /// The last process that received; nil if none did, or it is in another process namespace.
    public var lastReceiver: Int32?
    /// When the last message was sent, in seconds since 1970.
    public var sentAt: Int64?
    /// When the last message was received, in seconds since 1970.
    public var receivedAt: Int64?
    /// When it was made or its mode, owner or limit changed, in seconds since 1970.
    public var changedAt: Int64
}

/// What an event counter has.
public struct EventCounterDetails: Sendable, Hashable {
    /// The id that `/proc/PID/fdinfo` shows.
    public var id: UInt64
    /// Its count.
    public var count: UInt64?
    /// Whether reading takes one instead of all; nil where the kernel does not say (before 6.5).
    public var isSemaphore: Bool?
}

/// A host and a port.
public struct Endpoint: Sendable, Hashable, CustomStringConvertible {
    /// The address of the host as text: `127.0.0.1`, `::1`.
    public var host: String
    /// The port.
    public var port: UInt16

    /// Both parts; the host without brackets.
    public init(host: String, port: UInt16) {
        self.host = host
        self.port = port
    }

    /// `127.0.0.1:80`, `[::1]:80`.
    public var description: String { host.utf8.contains(UInt8(ascii: ":")) ? "[\(host)]:\(port)" : "\(host):\(port)" }
}
