// SPDX-License-Identifier: Apache-2.0
import Interprocess

/// A System V message queue.
final class SystemVQueueSource: Source {
    private let address: Address
    private let queue: SystemVMessageQueue

    init(_ address: Address) throws {
        self.address = address
        queue = try Objects.openSystemVQueue(address)
    }

    var keepsBoundaries: Bool { true }

    func receive(_ selection: Selection, limit: Int, until deadline: Deadline) throws -> Parcel? {
        let wanted = selection.forSystemV
        let message: SystemVMessageQueue.Message
        if deadline == .never {
            message = try queue.receive(wanted)
        } else if let ready = try queue.tryReceive(wanted) {
            message = ready
        } else if deadline.hasPassed {
            throw nothingThere(selection)
        } else {
            message = try Bridge.wait { [self] in try await queue.receive(wanted, until: deadline) }
        }
        return Parcel(bytes: message.bytes, type: message.type)
    }

    func peek(_ selection: Selection, index: Int, until deadline: Deadline) throws -> Parcel? {
        while true {
            if let message = try find(selection, index) { return Parcel(bytes: message.bytes, type: message.type) }
            if deadline.hasPassed || index > 0 { throw nothingThere(selection) }
            // Something else may lie there that is not wanted: then look again now and then.
            Patience.pause(nanoseconds: 20_000_000, until: deadline)
        }
    }

    /// The message number `index` of those that are wanted, in the order in which they would be received.
    private func find(_ selection: Selection, _ index: Int) throws -> SystemVMessageQueue.Message? {
        var wanted: [SystemVMessageQueue.Message] = []
        var place = 0
        while let message = try queue.peek(at: place) {
            place += 1
            switch selection {
            case .first: wanted.append(message)
            case .type(let type): if message.type == type { wanted.append(message) }
            case .upTo(let type): if message.type <= type { wanted.append(message) }
            case .allBut(let type): if message.type != type { wanted.append(message) }
            }
            if wanted.count > index, !selection.looksAtAll { return wanted[index] }
        }
        guard wanted.count > index else { return nil }
        // Lowest type first, and among equals the oldest.
        return wanted.enumerated().sorted { ($0.element.type, $0.offset) < ($1.element.type, $1.offset) }[index].element
    }

    private func nothingThere(_ selection: Selection) -> IPCError {
        let count = (try? queue.status().messageCount) ?? 0
        let what = selection == .first || count == 0 ? "" : "\(count) of other types wait; "
        return IPCError(
            .noMessage, "msgrcv", "\(address)", hint: "\(what)wait for one without --no-wait, or with --timeout")
    }
}

extension Selection {
    var forSystemV: SystemVMessageQueue.Selection {
        switch self {
        case .first: .any
        case .type(let type): .exactly(type)
        case .upTo(let type): .lowestUpTo(type)
        case .allBut(let type): .allBut(type)
        }
    }

    var looksAtAll: Bool {
        if case .upTo = self { true } else { false }
    }
}

final class SystemVQueueSink: Sink {
    private let address: Address
    private let queue: SystemVMessageQueue

    init(_ address: Address, create: Bool) throws {
        self.address = address
        queue = try Objects.openSystemVQueue(address, create: create)
    }

    var keepsBoundaries: Bool { true }
    var largestMessage: Int? { (try? queue.status().capacityBytes).map { min(8192, $0) } ?? 8192 }

    func send(_ parcel: Parcel, until deadline: Deadline) throws {
        let type = parcel.type ?? 1
        if deadline == .never { return try queue.send(parcel.bytes, type: type) }
        if try queue.trySend(parcel.bytes, type: type) { return }
        if deadline.hasPassed {
            throw IPCError(
                .resourceTemporarilyUnavailable, "msgsnd", "\(address)",
                hint: "the queue is full: \(fill); wait with --timeout")
        }
        do {
            try Bridge.wait { [self] in try await queue.send(parcel.bytes, type: type, until: deadline) }
        } catch let error as IPCError where error.code == .timedOut {
            throw IPCError(.timedOut, "msgsnd", "\(address)", hint: "the queue is full: \(fill)")
        }
    }

    private var fill: String {
        guard let status = try? queue.status() else { return "its state may not be read" }
        return "\(status.queuedBytes) of \(status.capacityBytes) bytes in \(status.messageCount) messages"
    }
}
