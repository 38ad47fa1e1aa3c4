// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
public import SystemPackage

extension SystemVMessageQueue {
    /// Which message to receive. Every message carries a type, a number from 1 up, that its sender chose.
    public enum Selection: Sendable, Hashable {
        /// The oldest.
        case any
        /// The oldest of this type (1 or more).
        case exactly(Int)
        /// The oldest of the lowest type that is not above this one (1 or more): small types are taken first.
        case lowestUpTo(Int)
        /// The oldest whose type is not this one (1 or more; MSG_EXCEPT).
        case allBut(Int)

        var type: Int {
            switch self {
            case .any: 0
            case .exactly(let type), .allBut(let type): type
            case .lowestUpTo(let type): -type
            }
        }

        var flags: SystemVReceiveFlags {
            if case .allBut = self { return .except }
            return SystemVReceiveFlags()
        }

        /// Zero and negative types would mean something else to the kernel.
        var isValid: Bool {
            switch self {
            case .any: true
            case .exactly(let type), .allBut(let type), .lowestUpTo(let type): type >= 1
            }
        }

        func matches(_ type: Int) -> Bool {
            switch self {
            case .any: true
            case .exactly(let wanted): type == wanted
            case .lowestUpTo(let highest): type <= highest
            case .allBut(let other): type != other
            }
        }
    }

    /// What happens to a message that is longer than the buffer.
    public enum Overlong: Sendable, Hashable {
        /// ``IPCError/Code/messageTooLarge`` (E2BIG), and the message stays in the queue.
        case refuse
        /// The start of it is received and the rest is lost; the receipt says how many bytes that were.
        case truncate
    }

    /// When the queue goes.
    ///
    /// The kernel itself keeps a System V queue until somebody removes it or the machine is restarted.
    public enum Lifetime: Sendable, Hashable {
        /// It stays until somebody removes it.
        case untilRemoved
        /// It goes with this handle, whoever else uses it: they get ``IPCError/Code/removed``.
        case removeOnClose
        /// It goes with the last of those who opened it in this way.
        ///
        /// Every user holds a shared lock on a small file, which the kernel takes away from a process that is killed.
        /// Who closes last removes the queue. If the last user was killed, nobody runs any more who could: the queue
        /// then stays until the next one opens any queue in this way (or calls
        /// ``SystemVMessageQueue/removeUnused(in:)``), and is removed at that moment; what opens the same key gets a
        /// new, empty queue.
        ///
        /// What this does not do: count users who open the queue in another way (`ipcs`, other programs); remove the
        /// queue if the last to close is not its owner; remove a queue whose creator was killed between its creation
        /// and the lock, some microseconds.
        ///
        /// - Parameter directory: where the files are; all users of a queue must name the same, be able to write there,
        ///   and live in one IPC namespace. Nil is `/dev/shm/interprocess-UID`, a directory that belongs to the user alone
        ///   and is gone, like the queues, after a restart.
        case whileUsed(in: FilePath? = nil)
    }

    /// A message in memory of its own.
    public struct Message: Sendable, Hashable {
        /// 1 or more; what ``Selection`` goes by.
        public var type: Int
        /// What was sent; may be empty.
        public var bytes: [UInt8]

        /// A message.
        public init(type: Int = 1, bytes: [UInt8]) {
            self.type = type
            self.bytes = bytes
        }
    }

    /// What came into a buffer.
    public struct Receipt: Sendable, Hashable {
        /// 1 or more; what ``Selection`` goes by.
        public var type: Int
        /// How many bytes are in the buffer. Zero is a message too.
        public var count: Int
        /// How many bytes of the message had no room and are lost; 0 unless ``Overlong/truncate`` was asked for.
        public var lostCount: Int

        init(type: Int, count: Int, lostCount: Int = 0) {
            self.type = type
            self.count = count
            self.lostCount = lostCount
        }

        init(_ received: SystemVReceived) {
            self.init(type: received.type, count: received.count)
        }
    }
}
