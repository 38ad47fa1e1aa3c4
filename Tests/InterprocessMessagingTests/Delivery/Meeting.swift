// SPDX-License-Identifier: Apache-2.0
import Interprocess
@testable import InterprocessMessaging
import InterprocessStructures
import InterprocessSyscalls
import InterprocessTestKit
import Synchronization

/// Introduces a publisher and a subscriber of one process to each other without a directory between them: the same calls that door
/// and search make, with a real socket, in the caller's thread.
enum Meeting {
    static func outbox<Payload: SharedPayload>(
        _ type: Payload.Type, capacity: Int = 8, fields: TopicFields = .none, maximumReaders: Int = 16,
        waiting: WaitStrategy = .blocking, stallLimit: Duration = .seconds(5)
    ) throws -> Outbox {
        let fields = try fields.layout(alignment: MemoryLayout<Payload>.alignment)
        let layout = LogLayout(
            fixedPayloadBytes: MemoryLayout<Payload>.size, recordCount: capacity, payloadOffset: fields.payloadOffset)!
        return try Outbox(
            layout, fields: fields, payload: PayloadDescription(of: type), subject: "topic:test",
            maximumReaders: maximumReaders, strategy: waiting, stallLimit: stallLimit)
    }

    static func inboxes<Payload: SharedPayload>(
        _ type: Payload.Type, _ options: SubscriberOptions = SubscriberOptions(waiting: .blocking)
    ) throws -> InboxSet {
        try InboxSet(
            options.hello(PayloadDescription(of: type)), subject: "topic:test", strategy: options.waiting,
            endsWithLastPublisher: options.endsWithLastPublisher)
    }

    static func byteOutbox(
        capacityBytes: Int = 4096, waiting: WaitStrategy = .blocking, stallLimit: Duration = .seconds(5)
    ) throws -> Outbox {
        let fields = try TopicFields.none.layout(alignment: 16)
        let layout = LogLayout(variableCapacity: capacityBytes, payloadOffset: fields.payloadOffset)!
        return try Outbox(
            layout, fields: fields, payload: .bytes, subject: "topic:test", maximumReaders: 16, strategy: waiting,
            stallLimit: stallLimit)
    }

    static func byteInboxes(_ options: SubscriberOptions = SubscriberOptions(waiting: .blocking)) throws -> InboxSet {
        try InboxSet(
            options.hello(.bytes), subject: "topic:test", strategy: options.waiting,
            endsWithLastPublisher: options.endsWithLastPublisher)
    }

    /// A log's words for a thread that lies.
    struct Words: @unchecked Sendable {
        private let base: UnsafeMutableRawPointer
        init(_ region: borrowing MappedRegion) { base = region.base }
        func store(_ word: UInt64, at offset: Int) { SharedWord(base + offset).storeRelease(word) }
    }

    /// Both ends of the connection.
    struct Ends {
        let publisher: PeerLink
        let subscriber: PeerLink
    }

    /// What became of a thread.
    final class Outcome: Sendable {
        private let result = Mutex<Result<Void, any Error>?>(nil)

        func set(_ outcome: Result<Void, any Error>) { result.withLock { $0 = outcome } }

        func wait() throws {
            while true {
                if let outcome = result.withLock({ $0 }) { return try outcome.get() }
                TestSyscalls.sleep(nanoseconds: 1_000_000)
            }
        }
    }

    /// Hands `object` over to a thread of its own.
    static func onThread<Object>(_ object: Object, _ body: @escaping @Sendable (Object) throws -> Void) throws
        -> Outcome
    {
        nonisolated(unsafe) let object = object
        let outcome = Outcome()
        try TestSyscalls.startThread("test-owner") { outcome.set(Result { try body(object) }) }
        return outcome
    }

    static let nextID = Atomic<UInt64>(1)

    @discardableResult
    static func introduce(_ host: OutboxDesk, _ guest: InboxDesk) throws -> Ends {
        let pair = try SequencedPacketSocket.pair()
        let id = nextID.wrappingAdd(1, ordering: .relaxed).newValue
        let (first, second) = try links(pair, id)
        switch host.admit(guest.hello, over: first) {
        case .refusal(let refusal): throw refusal
        case .welcome(let welcome, let log, let page):
            try guest.accepted(welcome, log: log, page: page, over: second)
        }
        host.joined(first)
        return Ends(publisher: first, subscriber: second)
    }

    private static func links(
        _ pair: consuming SocketPair<SequencedPacketSocket>, _ id: UInt64
    ) throws -> (PeerLink, PeerLink) {
        let identity = PeerIdentity(credentials: .own, publisherID: id)
        return (PeerLink(pair.first, peer: identity), PeerLink(pair.second, peer: identity))
    }
}
