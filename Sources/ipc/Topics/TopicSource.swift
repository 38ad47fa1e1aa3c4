// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessMessaging
import InterprocessSyscalls
import Synchronization

/// How `receive` and `relay` want a topic.
struct TopicReading: Sendable {
    var history = SubscriberOptions.History.none
    var isLossy = false
}

/// A topic, subscribed to: bytes, or the payloads of whatever type its publishers have, as they lie in memory.
final class TopicSource: Source {
    private struct State: ~Copyable {
        var subscriber: ByteSubscriber
        var payload: PayloadDescription
        /// Somebody who fits has been there.
        var hasMet = false
        var told: Set<String> = []
    }

    private let address: Address
    private let place: TopicPlace
    private let reading: TopicReading
    private let noWait: Bool
    private let state: Mutex<State>

    init(_ address: Address, _ plan: SourcePlan) throws {
        self.address = address
        reading = plan.topic
        noWait = plan.noWait
        place = try TopicPlace(address)
        let payload = try place.payload()
        do throws(IPCError) {
            let subscriber = try Self.subscriber(place, payload ?? .bytes, reading.history, reading)
            state = Mutex(State(subscriber: subscriber, payload: payload ?? .bytes))
        } catch {
            // Nobody was there to tell the type, and while we began somebody came: all that he has sent is new.
            guard payload == nil, error.code == .wrongKind, let payload = try place.payload() else { throw error }
            let subscriber = try Self.subscriber(place, payload, .all, reading)
            state = Mutex(State(subscriber: subscriber, payload: payload))
        }
        // Who waits for publishers keeps a directory for them; with nobody else there it goes as he does.
        let place = place
        Cleaning.add { try? place.rendezvous.removeUnused(.topic, place.name) }
    }

    private static func subscriber(
        _ place: TopicPlace, _ payload: PayloadDescription, _ history: SubscriberOptions.History,
        _ reading: TopicReading
    ) throws(IPCError) -> ByteSubscriber {
        try place.topic(payload).subscriber(
            SubscriberOptions(history: history, delivery: reading.isLossy ? .lossy : .lossless))
    }

    var keepsBoundaries: Bool { true }

    func receive(_ selection: Selection, limit: Int, until deadline: Deadline) throws -> Parcel? {
        try state.withLock { state in
            var first = true
            while true {
                if let parcel = try next(&state, until: deadline, isFirst: first) { return parcel }
                first = false
                if deadline.hasPassed { throw nothing(&state) }
            }
        }
    }

    /// One look, or one wait.
    private func next(_ state: inout State, until deadline: Deadline, isFirst: Bool) throws -> Parcel? {
        if let parcel = try take(&state, until: isFirst ? .now : slice(&state, deadline)) { return parcel }
        try hear(&state)
        return nil
    }

    /// While nobody is there who fits, whoever comes may be of another type: that is looked at now and then.
    private func slice(_ state: inout State, _ deadline: Deadline) -> Deadline {
        state.hasMet ? min(deadline, .after(.seconds(1))) : min(deadline, .after(.milliseconds(50)))
    }

    private func take(_ state: inout State, until deadline: Deadline) throws -> Parcel? {
        guard let sample = try state.subscriber.receive(until: deadline) else { return nil }
        let header = sample.header
        let bytes = Self.copy(sample)
        try sample.end()
        state.hasMet = true
        let who = header.publisher.credentials
        var parcel = Parcel(bytes: bytes)
        parcel.sender = Parcel.Sender(process: who.processID, user: who.userID, group: who.groupID)
        parcel.topic = TopicLabel(header)
        return parcel
    }

    private static func copy(_ sample: borrowing ByteSample) -> [UInt8] { sample.bytes.copied }

    /// What has happened beside messages: said on standard error, where it means that something did not arrive.
    private func hear(_ state: inout State) throws {
        for notice in state.subscriber.takeNotices() {
            switch notice {
            case .joined: state.hasMet = true
            case .ended, .died: break
            case .missed(let count, let peer):
                Output.note("\(address): \(count) message\(count == 1 ? "" : "s") of \(peer.words) missed")
            case .putOut(let peer):
                throw Failure(
                    "\(address): \(peer.words) has put this reader out (ETIMEDOUT): it was too slow; --lossy holds nobody up",
                    exitCode: 7)
            case .corrupt(let peer):
                Output.note("\(address): the log of \(peer.words) is damaged; nothing more is taken from it")
            case .refused(let error, let peer): try refused(&state, error, peer)
            }
        }
    }

    /// Somebody came who carries another type. If nobody else is there it is his that is meant.
    private func refused(_ state: inout State, _ error: IPCError, _ peer: TopicPeer?) throws {
        if !state.hasMet, error.code == .wrongKind, let payload = try place.payload(), payload != state.payload {
            // He came after we began, so all that he retains is new.
            state.subscriber = try Self.subscriber(place, payload, .all, reading)
            state.payload = payload
            return
        }
        let sentence = Failure(error).description
        if state.told.insert(sentence).inserted { Output.note(sentence) }
    }

    private func nothing(_ state: inout State) -> IPCError {
        let hint: String
        if state.subscriber.publishers.isEmpty {
            hint = "nobody publishes it; for example: ipc send \(address) hello"
        } else {
            hint = "no message came; --history 1 begins with the latest that is there"
        }
        return IPCError(noWait ? .noMessage : .timedOut, "receive", "\(address)", hint: hint)
    }

    func peek(_ selection: Selection, index: Int, until deadline: Deadline) throws -> Parcel? {
        throw Failure.unfit(
            address, "to read a topic takes nothing away from it: ipc receive \(address) --history 1")
    }
}

/// What comes with a message of a topic beside its bytes.
struct TopicLabel: Sendable {
    var sequence: UInt64
    /// Tells the publisher from every other, past and future.
    var publisher: UInt64
    var timestamp: UInt64?
    var traceContext: TraceContext?
    var userHeader: [UInt8]

    init(_ header: MessageHeader) {
        sequence = header.sequence
        publisher = header.publisher.id
        timestamp = header.timestamp
        traceContext = header.traceContext
        userHeader = header.userHeader
    }

    var members: [(String, JSON)] {
        var members: [(String, JSON)] = [
            ("sequence", .unsigned(sequence)), ("publisher", .string(hexadecimal(publisher))),
        ]
        if let timestamp { members.append(("sentNanoseconds", .unsigned(timestamp))) }
        if let traceContext, traceContext.traceID != (0, 0) {
            let id = hexadecimal(traceContext.traceID.0) + hexadecimal(traceContext.traceID.1)
            let flags = hexadecimal(UInt64(traceContext.flags)).suffix(2)
            members.append(("traceparent", .string("00-\(id)-\(hexadecimal(traceContext.spanID))-\(flags)")))
        }
        if !userHeader.isEmpty { members.append(("header", .string(JSON.base64(userHeader)))) }
        return members
    }

    private func hexadecimal(_ number: UInt64) -> String { TopicLabel.hexadecimal(number) }

    static func hexadecimal(_ number: UInt64) -> String {
        let digits = String(number, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}

extension TopicPeer {
    /// `camera (812)`.
    var words: String { TopicPeer.words(credentials.processID) }

    static func words(_ process: Int32) -> String {
        (TopicView.command(process).map { "\($0) (\(process))" } ?? "process \(process)").printable
    }
}
