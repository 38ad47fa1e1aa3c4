// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessJSON
import InterprocessMessaging
import InterprocessTestKit
import SystemPackage
import Testing

@Suite("Topics")
struct TopicTests {
    let scratch = ScratchName()

    func topic<Payload: SharedPayload>(
        _ type: Payload.Type, _ name: String = "test", fields: TopicFields = .none
    ) throws -> Topic<Payload> {
        try Topic(name, of: type, in: Rendezvous(directory: scratch.directory), fields: fields)
    }

    @Test("publishers and subscribers meet in any order")
    func anyOrder() throws {
        try Watchdog.bound(.seconds(30)) {
            let topic = try topic(Count.self)
            let early = try topic.subscriber()
            let first = try topic.publisher()
            #expect(try first.waitForSubscribers(1, until: .after(.seconds(5))))
            let late = try topic.subscriber()
            #expect(late.publishers.count == 1)
            #expect(try first.waitForSubscribers(2, until: .after(.seconds(5))))
            try first.send(copying: Count(3))
            #expect(try early.receiveValue() == Count(3))
            #expect(try late.receiveValue() == Count(3))
            let second = try topic.publisher()
            #expect(try second.waitForSubscribers(2, until: .after(.seconds(5))))
            try second.send(copying: Count(4))
            #expect(try early.receiveValue() == Count(4))
            #expect(try late.receiveValue() == Count(4))
        }
    }

    @Test("late joiners begin with as much history as they ask for")
    func history() throws {
        let topic = try topic(Count.self)
        let publisher = try topic.publisher(PublisherOptions(capacity: 64))
        for number in 0..<10 as Range<UInt64> { try publisher.send(copying: Count(number)) }
        for (history, first) in [
            (SubscriberOptions.History.none, UInt64(10)), (.latest(3), 7), (.all, 0), (.latest(100), 0),
        ] {
            let subscriber = try topic.subscriber(SubscriberOptions(history: history))
            var numbers: [UInt64] = []
            _ = try subscriber.receiveAvailable { numbers.append($0.number) }
            #expect(numbers == Array(first..<10))
        }
    }

    @Test("a log that is larger than the machine is an error of its maker, and kills nobody")
    func tooLarge() throws {
        #expect {
            _ = try ByteTopic("large", in: Rendezvous(directory: scratch.directory)).publisher(
                PublisherOptions(capacityBytes: 1 << 39)
            ).subscriberCount
        } throws: { ($0 as? IPCError)?.code == .outOfMemory }
    }

    @Test("the end of a publisher is told after what it sent")
    func ends() throws {
        let topic = try topic(Count.self)
        let publisher = try topic.publisher()
        let subscriber = try topic.subscriber(SubscriberOptions(endsWithLastPublisher: true))
        for number in 0..<5 as Range<UInt64> { try publisher.send(copying: Count(number)) }
        publisher.close()
        for number in 0..<5 as Range<UInt64> { #expect(try subscriber.receiveValue() == Count(number)) }
        #expect { try subscriber.receiveValue() } throws: { ($0 as? IPCError)?.code == .disconnected }
        #expect(subscriber.takeNotices().contains { if case .ended = $0 { true } else { false } })
    }

    @Test("another type is refused, and the error names both")
    func mismatch() throws {
        let publisher = try topic(Count.self).publisher()
        #expect {
            _ = try topic(Double.self).subscriber().missed
        } throws: { error in
            let text = "\(error)"
            return text.contains("Count") && text.contains("Double")
        }
        #expect(publisher.subscriberCount == 0)
    }

    @Test("fields travel with each message")
    func fields() throws {
        let topic = try topic(
            Count.self, fields: TopicFields(timestamp: true, traceContext: true, userHeaderBytes: 10))
        let publisher = try topic.publisher()
        let subscriber = try topic.subscriber()
        let context = TraceContext(traceID: (1, 2), spanID: 3, flags: 1)
        var loan = try publisher.loan()
        loan.payload = Count(5)
        loan.setTraceContext(context)
        loan.setUserHeader([7, 8, 9].span)
        let before = Deadline.now.monotonicNanoseconds
        loan.send()
        let sample = try subscriber.receive()
        let header = sample.header
        #expect(sample.payload == Count(5))
        #expect(header.traceContext == context)
        #expect(header.userHeader == [7, 8, 9, 0, 0, 0, 0, 0, 0, 0])
        let stamp = try #require(header.timestamp)
        #expect(stamp >= before && stamp <= Deadline.now.monotonicNanoseconds)
        #expect(header.publisher.credentials == .own)
    }

    @Test("bytes of any length arrive whole")
    func bytes() async throws {
        let topic = try ByteTopic("bytes", in: Rendezvous(directory: scratch.directory))
        let publisher = try topic.publisher(PublisherOptions(capacityBytes: 4096))
        let subscriber = try await topic.subscriber()
        #expect { try publisher.trySend([UInt8](repeating: 0, count: 2000)) } throws: {
            ($0 as? IPCError)?.code == .messageTooLarge
        }
        for length in 0...publisher.largestMessageBytes {
            let message = (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ length) }
            #expect(try publisher.trySend(message))
            guard let sample = try await subscriber.next(until: .after(.seconds(5))) else {
                Issue.record("a message was sent")
                return
            }
            #expect(sample.count == length)
            let isSame = sample.bytes.indices.allSatisfy { sample.bytes[$0] == message[$0] }
            #expect(isSame)
        }
        try await publisher.send(upTo: 100) { output in for byte in 1...5 as ClosedRange<UInt8> { output.append(byte) }
        }
        #expect(try subscriber.tryReceiveBytes() == [1, 2, 3, 4, 5])
    }

    struct Configuration: Codable, Equatable, Sendable {
        var name: String
        var limits: [Int]
    }

    @Test("any Codable value travels, and what is none is an error of one message")
    func codable() async throws {
        let rendezvous = try Rendezvous(directory: scratch.directory)
        let topic = try CodableTopic("config", of: Configuration.self, coder: JSONCoder(), in: rendezvous)
        let publisher = try topic.publisher()
        let subscriber = try await topic.subscriber()
        let value = Configuration(name: "größe", limits: [1, 2, 3])
        try await publisher.send(value)
        #expect(try publisher.bytes.trySend(Array("{".utf8)))
        #expect(try publisher.trySend(value))
        #expect(try await subscriber.next(until: .after(.seconds(5))) == value)
        #expect { try subscriber.tryReceive() } throws: { ($0 as? IPCError)?.code == .malformed }
        #expect(try subscriber.tryReceive() == value)
        let long = Configuration(name: String(repeating: "a", count: 100_000), limits: [])
        #expect { try publisher.trySend(long) } throws: { ($0 as? IPCError)?.code == .messageTooLarge }
    }
}
