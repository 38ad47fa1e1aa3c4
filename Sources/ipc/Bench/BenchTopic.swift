// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessMessaging
import SystemPackage

/// Two topics, one each way: what is sent is written in place, and read where it lies.
struct TopicEnd: BenchEnd, ~Copyable {
    private let publisher: BytePublisher
    private let subscriber: ByteSubscriber
    private let payloadBytes: Int

    /// - Parameter isFirst: whether this is the process that was started by hand.
    init(_ plan: BenchCase, in directory: FilePath, isFirst: Bool, publisher: consuming BytePublisher) throws {
        let strategy: WaitStrategy = plan.mode == .busy ? .spinning : .blocking
        let rendezvous = try Rendezvous(directory: directory)
        subscriber = try ByteTopic(isFirst ? "back" : "there", in: rendezvous)
            .subscriber(SubscriberOptions(waiting: strategy))
        self.publisher = publisher
        payloadBytes = plan.payloadBytes
    }

    static func publisher(
        _ plan: BenchCase, in directory: FilePath, isFirst: Bool
    ) throws -> BytePublisher {
        let strategy: WaitStrategy = plan.mode == .busy ? .spinning : .blocking
        // As much as half of a second-level cache, or some messages of any size.
        let capacity = max(256 << 10, 16 * (plan.payloadBytes + 128))
        return try ByteTopic(isFirst ? "there" : "back", in: Rendezvous(directory: directory))
            .publisher(PublisherOptions(capacityBytes: capacity, waiting: strategy))
    }

    /// Until both have met; false if that took too long.
    func meet() throws -> Bool {
        let limit = Deadline.after(.seconds(10))
        return try subscriber.waitForPublishers(1, until: limit) && publisher.waitForSubscribers(1, until: limit)
    }

    mutating func send(_ value: UInt8) throws {
        let count = payloadBytes
        try publisher.send(upTo: count) { output in output.append(repeating: value, count: count) }
    }

    mutating func receive(_ value: UInt8) throws -> Bool {
        let count = payloadBytes
        return try subscriber.withSample { bytes in bytes.count == count && bytes.isFilled(with: value) }
    }
}
