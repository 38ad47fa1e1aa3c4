// SPDX-License-Identifier: Apache-2.0
package import Interprocess
package import InterprocessMessaging
import SystemPackage

/// Publishers and subscribers of proofs, whether typed or as bytes: what a test does with the one it does with the other.
package enum ProofKind: String, Sendable, CaseIterable {
    case typed, bytes

    package func sender(
        _ directory: String, _ id: UInt64, _ options: PublisherOptions = PublisherOptions(), capacity: Int = 8
    ) throws -> any ProofSender {
        let rendezvous = try Rendezvous(directory: FilePath(directory))
        var options = options
        switch self {
        case .typed:
            options.capacity = capacity
            return TypedSender(try Topic("proof", of: Proof.self, in: rendezvous).publisher(options), id)
        case .bytes:
            options.capacityBytes = capacity * 576
            return ByteSender(try ByteTopic("proof", in: rendezvous).publisher(options), id)
        }
    }

    package func receiver(
        _ directory: String, _ options: SubscriberOptions = SubscriberOptions()
    ) throws -> any ProofReceiver {
        let rendezvous = try Rendezvous(directory: FilePath(directory))
        switch self {
        case .typed: return TypedReceiver(try Topic("proof", of: Proof.self, in: rendezvous).subscriber(options))
        case .bytes: return ByteReceiver(try ByteTopic("proof", in: rendezvous).subscriber(options))
        }
    }
}

package protocol ProofSender: AnyObject {
    /// False: there was no room until then.
    func send(_ number: UInt64, until deadline: Deadline) throws(IPCError) -> Bool
    func send(_ number: UInt64, until deadline: Deadline) async throws(IPCError)
    var subscriberCount: Int { get }
    func waitForSubscribers(_ count: Int, until deadline: Deadline) throws(IPCError) -> Bool
}

package protocol ProofReceiver: AnyObject {
    /// In place; nil: there was none until then.
    func receive(until deadline: Deadline) throws(IPCError) -> Stamp?
    /// As a copy, if there is one now.
    func copy() throws(IPCError) -> Stamp?
    /// As a copy; blocks.
    func copyNext() throws(IPCError) -> Stamp
    func next(until deadline: Deadline) async throws(IPCError) -> Stamp?
    /// In place, used until `body` returns.
    func hold(_ body: () -> Void) throws(IPCError) -> Stamp
    func takeNotices() -> [TopicNotice]
    var publishers: [TopicPeer] { get }
    var missed: UInt64 { get }
    func waitForPublishers(_ count: Int, until deadline: Deadline) throws(IPCError) -> Bool
}

final class TypedSender: ProofSender {
    let publisher: Publisher<Proof>
    let id: UInt64

    init(_ publisher: consuming Publisher<Proof>, _ id: UInt64) {
        self.id = id
        self.publisher = publisher
    }

    func send(_ number: UInt64, until deadline: Deadline) throws(IPCError) -> Bool {
        // Copied, or written where it will be read.
        if number % 2 == 0 { return try publisher.send(copying: Proof(id, number), until: deadline) }
        guard var loan = try publisher.loan(until: deadline) else { return false }
        loan.payload = Proof(id, number)
        loan.send()
        return true
    }

    func send(_ number: UInt64, until deadline: Deadline) async throws(IPCError) {
        try await publisher.send(copying: Proof(id, number), until: deadline)
    }

    var subscriberCount: Int { publisher.subscriberCount }
    func waitForSubscribers(_ count: Int, until deadline: Deadline) throws(IPCError) -> Bool {
        try publisher.waitForSubscribers(count, until: deadline)
    }
}

final class ByteSender: ProofSender {
    let publisher: BytePublisher
    let id: UInt64

    init(_ publisher: consuming BytePublisher, _ id: UInt64) {
        self.id = id
        self.publisher = publisher
    }

    func send(_ number: UInt64, until deadline: Deadline) throws(IPCError) -> Bool {
        try publisher.send(Proof.bytes(id, number), until: deadline)
    }

    func send(_ number: UInt64, until deadline: Deadline) async throws(IPCError) {
        let bytes = Proof.bytes(id, number)
        // Room for more than is sent.
        try await publisher.send(upTo: 600, until: deadline) { output in for byte in bytes { output.append(byte) } }
    }

    var subscriberCount: Int { publisher.subscriberCount }
    func waitForSubscribers(_ count: Int, until deadline: Deadline) throws(IPCError) -> Bool {
        try publisher.waitForSubscribers(count, until: deadline)
    }
}

final class TypedReceiver: ProofReceiver {
    let subscriber: Subscriber<Proof>
    init(_ subscriber: consuming Subscriber<Proof>) { self.subscriber = subscriber }

    func receive(until deadline: Deadline) throws(IPCError) -> Stamp? {
        guard let sample = try subscriber.receive(until: deadline) else { return nil }
        let stamp = sample.payload.stamp
        try sample.end()
        return stamp
    }

    func copy() throws(IPCError) -> Stamp? { try subscriber.tryReceiveValue()?.stamp }
    func copyNext() throws(IPCError) -> Stamp { try subscriber.receiveValue().stamp }

    func next(until deadline: Deadline) async throws(IPCError) -> Stamp? {
        guard let sample = try await subscriber.next(until: deadline) else { return nil }
        let stamp = sample.payload.stamp
        try sample.end()
        return stamp
    }

    func hold(_ body: () -> Void) throws(IPCError) -> Stamp {
        let sample = try subscriber.receive()
        body()
        let stamp = sample.payload.stamp
        try sample.end()
        return stamp
    }

    func takeNotices() -> [TopicNotice] { subscriber.takeNotices() }
    var publishers: [TopicPeer] { subscriber.publishers }
    var missed: UInt64 { subscriber.missed }
    func waitForPublishers(_ count: Int, until deadline: Deadline) throws(IPCError) -> Bool {
        try subscriber.waitForPublishers(count, until: deadline)
    }
}

final class ByteReceiver: ProofReceiver {
    let subscriber: ByteSubscriber
    init(_ subscriber: consuming ByteSubscriber) { self.subscriber = subscriber }

    /// A function of its own: a span that borrows a sample forbids consuming it for the rest of the function.
    private static func stamp(_ sample: borrowing ByteSample) -> Stamp { Proof.stamp(of: sample.bytes) }

    func receive(until deadline: Deadline) throws(IPCError) -> Stamp? {
        guard let sample = try subscriber.receive(until: deadline) else { return nil }
        let stamp = Self.stamp(sample)
        try sample.end()
        return stamp
    }

    func copy() throws(IPCError) -> Stamp? {
        guard let bytes = try subscriber.tryReceiveBytes() else { return nil }
        return Proof.stamp(of: bytes.span)
    }

    func copyNext() throws(IPCError) -> Stamp {
        let bytes = try subscriber.receiveBytes()
        return Proof.stamp(of: bytes.span)
    }

    func next(until deadline: Deadline) async throws(IPCError) -> Stamp? {
        guard let sample = try await subscriber.next(until: deadline) else { return nil }
        let stamp = Self.stamp(sample)
        try sample.end()
        return stamp
    }

    func hold(_ body: () -> Void) throws(IPCError) -> Stamp {
        let sample = try subscriber.receive()
        body()
        let stamp = Self.stamp(sample)
        try sample.end()
        return stamp
    }

    func takeNotices() -> [TopicNotice] { subscriber.takeNotices() }
    var publishers: [TopicPeer] { subscriber.publishers }
    var missed: UInt64 { subscriber.missed }
    func waitForPublishers(_ count: Int, until deadline: Deadline) throws(IPCError) -> Bool {
        try subscriber.waitForPublishers(count, until: deadline)
    }
}
