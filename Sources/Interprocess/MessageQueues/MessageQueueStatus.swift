// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
public import SystemPackage

/// What the kernel says of a POSIX message queue at one moment.
public struct MessageQueueStatus: Sendable, Hashable {
    /// How many messages wait.
    public var messageCount: Int
    /// How much the queue holds.
    public var limits: MessageQueue.Limits
    /// How many bytes all waiting messages have together; nil for a handle opened to send only.
    public var queuedBytes: Int?
    /// Which process is registered to be told of a message; nil if none is, or for a handle opened to send only.
    public var notifiedProcess: Int32?
    /// User id of the owner.
    public var ownerUser: UInt32
    /// Group id of the owner.
    public var ownerGroup: UInt32
    /// Who may receive (read) and send (write).
    public var permissions: FilePermissions
}

extension MessageQueue {
    /// What the kernel says of the queue now.
    ///
    /// - Throws: ``IPCError/Code/badDescriptor`` if somebody closed the descriptor.
    ///
    /// The corresponding C function is `mq_getattr(3)`.
    public func status() throws(IPCError) -> MessageQueueStatus {
        do throws(Errno) {
            let attributes = try sysMessageQueueAttributes(rawValue)
            let file = try sysStatus(rawValue)
            var summary: [String: Int] = [:]
            if access != .sendOnly { summary = Self.parse(try sysMessageQueueSummary(rawValue)) }
            let process = summary["NOTIFY_PID"].flatMap { $0 > 0 ? Int32(exactly: $0) : nil }
            return MessageQueueStatus(
                messageCount: attributes.currentMessages, limits: Limits(attributes), queuedBytes: summary["QSIZE"],
                notifiedProcess: process, ownerUser: file.user, ownerGroup: file.group,
                permissions: FilePermissions(rawValue: CModeT(file.permissions)))
        } catch {
            throw IPCError(error, "mq_getattr", subject)
        }
    }

    /// `QSIZE:129 NOTIFY:2 SIGNO:0 NOTIFY_PID:8260` as names and numbers.
    static func parse(_ summary: String) -> [String: Int] {
        var values: [String: Int] = [:]
        for word in summary.split(whereSeparator: { $0.isWhitespace }) {
            let parts = word.split(separator: ":", maxSplits: 1)
            if parts.count == 2, let value = Int(parts[1]) { values[String(parts[0])] = value }
        }
        return values
    }
}
