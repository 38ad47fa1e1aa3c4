// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls

extension MessageQueue {
    /// In which directions a handle may be used.
    ///
    /// What it is opened for is checked once, against the queue's mode, when it is opened; using it the other
    /// way round is ``IPCError/Code/badDescriptor``.
    public enum Access: Sendable, Hashable {
        /// Receiving alone; needs read permission (O_RDONLY).
        case receiveOnly
        /// Sending alone; needs write permission (O_WRONLY).
        case sendOnly
        /// Both; needs both permissions (O_RDWR).
        case both

        var direction: MessageQueueDirection {
            switch self {
            case .receiveOnly: .receive
            case .sendOnly: .send
            case .both: .both
            }
        }
    }

    /// How much a queue holds. Fixed when it is created.
    public struct Limits: Sendable, Hashable {
        /// How many messages may wait. Without privilege at most `fs.mqueue.msg_max` (usually 10).
        public var maxMessages: Int
        /// How long one message may be. Without privilege at most `fs.mqueue.msgsize_max` (usually 8192).
        public var messageSizeBytes: Int

        /// Limits of a queue that is to be created.
        ///
        /// - Parameters:
        ///   - maxMessages: how many messages it holds.
        ///   - messageSizeBytes: how long each may be.
        public init(maxMessages: Int, messageSizeBytes: Int) {
            self.maxMessages = maxMessages
            self.messageSizeBytes = messageSizeBytes
        }

        /// How many bytes a queue of these limits counts towards RLIMIT_MSGQUEUE, whether it is full or empty.
        ///
        /// The manual page with the formula is `getrlimit(2)`. Nil if the number is too large for any queue.
        public var accountedBytes: Int? {
            guard maxMessages >= 0, messageSizeBytes >= 0 else { return nil }
            // On 64-bit kernels a message's header takes 48 bytes and a node of the tree of priorities 48.
            let (headers, first) = maxMessages.multipliedReportingOverflow(by: 48)
            let nodes = min(maxMessages, Int(MessageQueue.priorityCount)) * 48
            let (bytes, second) = maxMessages.multipliedReportingOverflow(by: messageSizeBytes)
            let (some, third) = headers.addingReportingOverflow(nodes)
            let (all, fourth) = some.addingReportingOverflow(bytes)
            return first || second || third || fourth ? nil : all
        }

        /// What a queue gets if nobody says otherwise: `fs.mqueue.msg_default` messages of
        /// `fs.mqueue.msgsize_default` bytes, but not more than is allowed.
        public static var systemDefault: Limits {
            func value(_ name: String, _ limit: String, _ usual: Int) -> Int {
                let value = KernelLimit.value("fs/mqueue/" + name) ?? usual
                return min(value, KernelLimit.value("fs/mqueue/" + limit) ?? value)
            }
            return Limits(
                maxMessages: value("msg_default", "msg_max", 10),
                messageSizeBytes: value("msgsize_default", "msgsize_max", 8192))
        }
    }

    /// Priorities are less than this: 0 (the usual one) to 32767 (taken first).
    public static let priorityCount: UInt32 = 32768

    /// A message in memory of its own.
    public struct Message: Sendable, Hashable {
        /// What was sent; may be empty.
        public var bytes: [UInt8]
        /// 0 to 32767. The highest is received first; of one priority the oldest.
        public var priority: UInt32

        /// A message.
        public init(bytes: [UInt8], priority: UInt32 = 0) {
            self.bytes = bytes
            self.priority = priority
        }
    }

    /// What came into a buffer.
    public struct Receipt: Sendable, Hashable {
        /// How many bytes. Zero is a message too.
        public var count: Int
        /// The priority that its sender gave it.
        public var priority: UInt32
    }
}
