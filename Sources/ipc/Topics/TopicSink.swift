// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessMessaging
import Synchronization

/// How `send` and `relay` publish.
struct TopicWriting: Sendable {
    /// So many subscribers are waited for before the first message goes.
    var subscribers = 1
    /// Bytes of the log; nil: ``TopicSink/usualCapacityBytes``, or what the first message needs.
    var capacityBytes: Int?
    /// The log is made, and subscribers are waited for, before there is anything to send: nothing is taken from elsewhere
    /// while nobody is there to get it.
    var waitsAtOnce = false
}

/// A topic, published: bytes, or if its publishers carry a type, payloads of that type as they lie in memory.
final class TopicSink: Sink {
    /// A message takes a quarter of a log at most: 256 KiB.
    static let usualCapacityBytes = 1 << 20
    /// Those who are there when a publisher comes need a moment to be let in.
    static let moment = Duration.milliseconds(250)

    /// One of the two.
    private struct State: ~Copyable {
        var bytes: BytePublisher?
        var records: RecordPublisher?
        var isOpen: Bool { bytes != nil || records != nil }
    }

    private let address: Address
    private let place: TopicPlace
    private let payload: PayloadDescription
    private let writing: TopicWriting
    private let plan: SinkPlan
    private let state = Mutex(State())

    init(_ address: Address, _ plan: SinkPlan, in rendezvous: Rendezvous? = nil) throws {
        self.address = address
        self.plan = plan
        writing = plan.topic
        place = try TopicPlace(address, in: rendezvous)
        payload = try place.payload() ?? .bytes
        if writing.waitsAtOnce { try state.withLock { state in try open(&state, firstBytes: 0) } }
    }

    var keepsBoundaries: Bool { true }
    /// What a stream is cut to: a typed topic takes nothing else.
    var largestMessage: Int? { payload.fixed?.sizeBytes ?? 65536 }

    func send(_ parcel: Parcel, until deadline: Deadline) throws {
        if let fixed = payload.fixed, parcel.bytes.count != fixed.sizeBytes {
            throw IPCError(
                code: .invalidArgument, subject: "\(address)",
                hint: "it carries \(payload.text); this message has \(parcel.bytes.count) bytes")
        }
        let deadline = plan.noWait ? .now : deadline
        try state.withLock { state in
            if !state.isOpen { try open(&state, firstBytes: parcel.bytes.count) }
            if try push(parcel.bytes, &state, until: deadline) { return }
            throw IPCError(
                plan.noWait ? .resourceTemporarilyUnavailable : .timedOut, "send", "\(address)",
                hint: "the log is full of what a subscriber has still to read; ipc show \(address) says which")
        }
    }

    private func push(_ bytes: [UInt8], _ state: inout State, until deadline: Deadline) throws(IPCError) -> Bool {
        if payload.fixed == nil { return try state.bytes?.send(bytes.span, until: deadline) ?? false }
        return try state.records?.send(bytes.span, until: deadline) ?? false
    }

    private func open(_ state: inout State, firstBytes: Int) throws {
        let needed = 4 * (firstBytes + 256)
        // Nobody is put out: who reads slowly slows the sender down, as everywhere else in this command.
        let options = PublisherOptions(
            capacityBytes: writing.capacityBytes ?? max(Self.usualCapacityBytes, needed),
            stallLimit: .seconds(86_400 * 365))
        let topic = try place.topic(payload)
        if payload.fixed == nil {
            state.bytes = try topic.publisher(options)
        } else {
            state.records = try topic.recordPublisher(options)
        }
        if writing.subscribers < 1 { return }
        let limit = plan.noWait ? Deadline.after(Self.moment) : plan.deadline
        if try hasSubscribers(state, until: limit) { return }
        let count = state.bytes?.subscriberCount ?? state.records?.subscriberCount ?? 0
        let who =
            count == 0 ? "nobody subscribes to it" : "\(count) of \(writing.subscribers) subscribers are there"
        throw IPCError(
            plan.noWait ? .noSuchAddressOrDevice : .timedOut, "send", "\(address)",
            hint: "\(who); for example: ipc receive \(address)")
    }

    private func hasSubscribers(_ state: borrowing State, until deadline: Deadline) throws(IPCError) -> Bool {
        if payload.fixed == nil {
            return try state.bytes?.waitForSubscribers(writing.subscribers, until: deadline) ?? false
        }
        return try state.records?.waitForSubscribers(writing.subscribers, until: deadline) ?? false
    }

    /// Subscribers have mapped what was sent: they read on when this process has gone.
    func finish() throws {
        state.withLock { state in
            state.bytes = nil
            state.records = nil
        }
    }
}
