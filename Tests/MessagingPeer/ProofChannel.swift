// SPDX-License-Identifier: Apache-2.0
package import Interprocess
package import InterprocessMessaging
import SystemPackage

/// Publishers and subscribers of proofs, whether typed or as bytes: what a test does with the one it does with the other.
package enum ProofKind: String, Sendable, Codable, CaseIterable {
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
    func awaitSend(_ number: UInt64, until deadline: Deadline) async throws(IPCError)
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

package final class TypedSender: ProofSender {
    let publisher: Publisher<Proof>
    let id: UInt64

    package init(_ publisher: consuming Publisher<Proof>, _ id: UInt64) {
        self.id = id
        self.publisher = publisher
    }

    package func send(_ number: UInt64, until deadline: Deadline) throws(IPCError) -> Bool {
        // Copied, or written where it will be read.
        if number % 2 == 0 { return try publisher.send(copying: Proof(id, number), until: deadline) }
        guard var loan = try publisher.loan(until: deadline) else { return false }
        loan.payload = Proof(id, number)
        loan.send()
        return true
    }

    package func awaitSend(_ number: UInt64, until deadline: Deadline) async throws(IPCError) {
        try await publisher.send(copying: Proof(id, number), until: deadline)
    }

    package var subscriberCount: Int { publisher.subscriberCount }
    package func waitForSubscribers(_ count: Int, until deadline: Deadline) throws(IPCError) -> Bool {
        try publisher.waitForSubscribers(count, until: deadline)
    }
}

package final class ByteSender: ProofSender {
    let publisher: BytePublisher
    let id: UInt64

    package init(_ publisher: consuming BytePublisher, _ id: UInt64) {
        self.id = id
        self.publisher = publisher
    }

    package func send(_ number: UInt64, until deadline: Deadline) throws(IPCError) -> Bool {
        try publisher.send(Proof.bytes(id, number), until: deadline)
    }

    package func awaitSend(_ number: UInt64, until deadline: Deadline) async throws(IPCError) {
        let bytes = Proof.bytes(id, number)
        // Room for more than is sent.
        try await publisher.send(upTo: 600, until: deadline) { output in for byte in bytes { output.append(byte) } }
    }

    package var subscriberCount: Int { publisher.subscriberCount }
    package func waitForSubscribers(_ count: Int, until deadline: Deadline) throws(IPCError) -> Bool {
        try publisher.waitForSubscribers(count, until: deadline)
    }
}

package final class TypedReceiver: ProofReceiver {
    let subscriber: Subscriber<Proof>
    package init(_ subscriber: consuming Subscriber<Proof>) { self.subscriber = subscriber }

    package func receive(until deadline: Deadline) throws(IPCError) -> Stamp? {
        guard let sample = try subscriber.receive(until: deadline) else { return nil }
        let stamp = sample.payload.stamp
        try sample.end()
        return stamp
    }

    package func copy() throws(IPCError) -> Stamp? { try subscriber.tryReceiveValue()?.stamp }
    package func copyNext() throws(IPCError) -> Stamp { try subscriber.receiveValue().stamp }

    package func next(until deadline: Deadline) async throws(IPCError) -> Stamp? {
        guard let sample = try await subscriber.next(until: deadline) else { return nil }
        let stamp = sample.payload.stamp
        try sample.end()
        return stamp
    }

    package func hold(_ body: () -> Void) throws(IPCError) -> Stamp {
        let sample = try subscriber.receive()
        body()
        let stamp = sample.payload.stamp
        try sample.end()
        return stamp
    }

    package func takeNotices() -> [TopicNotice] { subscriber.takeNotices() }
    package var publishers: [TopicPeer] { subscriber.publishers }
    package var missed: UInt64 { subscriber.missed }
    package func waitForPublishers(_ count: Int, until deadline: Deadline) throws(IPCError) -> Bool {
        try subscriber.waitForPublishers(count, until: deadline)
    }
}

package final class ByteReceiver: ProofReceiver {
    let subscriber: ByteSubscriber
    package init(_ subscriber: consuming ByteSubscriber) { self.subscriber = subscriber }

    /// A function of its own: a span that borrows a sample forbids consuming it for the rest of the function.
    private static func stamp(_ sample: borrowing ByteSample) -> Stamp { Proof.stamp(of: sample.bytes) }

    package func receive(until deadline: Deadline) throws(IPCError) -> Stamp? {
        guard let sample = try subscriber.receive(until: deadline) else { return nil }
        let stamp = Self.stamp(sample)
        try sample.end()
        return stamp
    }

    package func copy() throws(IPCError) -> Stamp? {
        guard let bytes = try subscriber.tryReceiveBytes() else { return nil }
        return Proof.stamp(of: bytes.span)
    }

    package func copyNext() throws(IPCError) -> Stamp {
        let bytes = try subscriber.receiveBytes()
        return Proof.stamp(of: bytes.span)
    }

    package func next(until deadline: Deadline) async throws(IPCError) -> Stamp? {
        guard let sample = try await subscriber.next(until: deadline) else { return nil }
        let stamp = Self.stamp(sample)
        try sample.end()
        return stamp
    }

    package func hold(_ body: () -> Void) throws(IPCError) -> Stamp {
        let sample = try subscriber.receive()
        body()
        let stamp = Self.stamp(sample)
        try sample.end()
        return stamp
    }

    package func takeNotices() -> [TopicNotice] { subscriber.takeNotices() }
    package var publishers: [TopicPeer] { subscriber.publishers }
    package var missed: UInt64 { subscriber.missed }
    package func waitForPublishers(_ count: Int, until deadline: Deadline) throws(IPCError) -> Bool {
        try subscriber.waitForPublishers(count, until: deadline)
    }
}
