// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessInspection

/// A POSIX message queue.
final class MessageQueueSource: Source {
    private let address: Address
    private let queue: MessageQueue

    init(_ address: Address, _ name: ObjectName) throws(IPCError) {
        self.address = address
        do throws(IPCError) { queue = try MessageQueue(name, access: .receiveOnly) } catch {
            throw Objects.reworded(error)
        }
    }

    var keepsBoundaries: Bool { true }

    func receive(_ selection: Selection, limit: Int, until deadline: Deadline) throws -> Parcel? {
        let message: MessageQueue.Message
        if deadline == .never {
            message = try queue.receive()
        } else if let ready = try queue.tryReceive() {
            message = ready
        } else if deadline.hasPassed {
            throw IPCError(
                .resourceTemporarilyUnavailable, "mq_receive", "\(address)",
                hint: "wait for a message without --no-wait, or with --timeout")
        } else {
            message = try queue.receive(until: deadline)
        }
        return Parcel(bytes: message.bytes, priority: message.priority)
    }

    func peek(_ selection: Selection, index: Int, until deadline: Deadline) throws -> Parcel? {
        throw Failure.unfit(
            address,
            "the kernel has no look at a message of a POSIX queue that leaves it there; ipc show \(address) says how many there are"
        )
    }
}

final class MessageQueueSink: Sink {
    private let address: Address
    private let queue: MessageQueue

    init(_ address: Address, _ name: ObjectName, create: Bool) throws(IPCError) {
        self.address = address
        do throws(IPCError) {
            queue = try MessageQueue(name, mode: create ? .openOrCreate : .openExisting, access: .sendOnly)
        } catch { throw Objects.reworded(error) }
    }

    var keepsBoundaries: Bool { true }
    var largestMessage: Int? { queue.limits.messageSizeBytes }

    func send(_ parcel: Parcel, until deadline: Deadline) throws {
        let priority = parcel.priority ?? 0
        if deadline == .never { return try queue.send(parcel.bytes, priority: priority) }
        if try queue.trySend(parcel.bytes, priority: priority) { return }
        if deadline.hasPassed {
            throw IPCError(.resourceTemporarilyUnavailable, "mq_send", "\(address)", hint: whyFull)
        }
        do throws(IPCError) { try queue.send(parcel.bytes, priority: priority, until: deadline) } catch {
            throw error.code == .timedOut ? IPCError(.timedOut, "mq_timedsend", "\(address)", hint: whyFull) : error
        }
    }

    private var whyFull: String {
        let limit = queue.limits.maxMessages
        let holders = (try? HostView.lookUp(address))?.holders ?? []
        let readers = holders.filter { $0.relation == .open && $0.canRead && $0.isAlive }
        let who =
            readers.isEmpty
            ? "nobody has it open for reading"
            : "it is read by " + readers.map { "\($0.command ?? "?")(\($0.processID))" }.joined(separator: " ")
        return "\(limit) of \(limit) messages; \(who); wait with --timeout, or raise --max-messages when creating it"
    }
}
