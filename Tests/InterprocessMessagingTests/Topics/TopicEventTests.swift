// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessJSON
import InterprocessMessaging
import InterprocessTestKit
import Testing

@Suite("Events: messages and notices in one order", .bounded())
struct TopicEventTests {
    let scratch = ScratchName()

    /// `"joined"`, `"3"`, `"missed 5"`, …
    func word(_ event: consuming TopicEvent<Sample<Count>>) -> String {
        switch consume event {
        case .message(let sample): "\(sample.payload.number)"
        case .notice(let notice): word(notice)
        }
    }

    func next(_ subscriber: borrowing Subscriber<Count>) throws -> String? {
        guard let event = try subscriber.tryReceiveEvent() else { return nil }
        return word(event)
    }

    func word(_ notice: TopicNotice) -> String {
        switch notice {
        case .joined: "joined"
        case .ended: "ended"
        case .died: "died"
        case .missed(let count, _): "missed \(count)"
        case .putOut: "put out"
        case .corrupt: "corrupt"
        case .refused: "refused"
        }
    }

    @Test("a publisher's coming and going frame its messages")
    func comingAndGoing() async throws {
        let topic = try Topic("test", of: Count.self, in: Rendezvous(directory: scratch.directory))
        let subscriber = try await topic.subscriber(SubscriberOptions(endsWithLastPublisher: true))
        #expect(try subscriber.receiveEvent(until: .now) == nil)
        let publisher = try topic.publisher()
        _ = try await publisher.waitForSubscribers(1, until: .after(.seconds(5)))
        for number in 0..<3 as Range<UInt64> { try await publisher.send(copying: Count(number)) }
        publisher.close()
        var words: [String] = []
        while let event = try await subscriber.nextEvent(until: .after(.seconds(5))) { words.append(word(event)) }
        #expect(words == ["joined", "0", "1", "2", "ended"])
        #expect { _ = try subscriber.receiveEvent(until: .after(.seconds(5))) == nil } throws: {
            ($0 as? IPCError)?.code == .disconnected
        }
    }

    @Test("what was missed is told where it is missing, and a message that was there before it comes before it")
    func missing() throws {
        let topic = try Topic("test", of: Count.self, in: Rendezvous(directory: scratch.directory))
        let publisher = try topic.publisher(PublisherOptions(capacity: 8))
        let subscriber = try topic.subscriber(SubscriberOptions(delivery: .lossy))
        #expect(try next(subscriber) == "joined")
        try publisher.send(copying: Count(0))
        #expect(try next(subscriber) == "0")
        for number in 1..<21 as Range<UInt64> { try publisher.send(copying: Count(number)) }
        let words = [try next(subscriber), try next(subscriber)]
        #expect(words[0] == "missed \(subscriber.missed)" && words[1] == "\(subscriber.missed + 1)")
    }

    @Test("who is put out learns it once")
    func puttingOut() throws {
        let topic = try Topic("test", of: Count.self, in: Rendezvous(directory: scratch.directory))
        let publisher = try topic.publisher(PublisherOptions(capacity: 4, stallLimit: .zero))
        let subscriber = try topic.subscriber()
        for number in 0..<40 as Range<UInt64> { try publisher.send(copying: Count(number)) }
        var words: [String] = []
        while let event = try subscriber.receiveEvent(until: .after(.milliseconds(1))) { words.append(word(event)) }
        #expect(words.first == "joined" && words.last == "put out", "\(words)")
        #expect(try subscriber.tryReceive() == nil)
    }

    @Test("values of bytes have them as well, and blocking waits end with a notice")
    func others() throws {
        let topic = try CodableTopic(
            "test", of: [Int].self, coder: JSONCoder(), in: Rendezvous(directory: scratch.directory))
        let subscriber = try topic.subscriber()
        let publisher = try topic.publisher()
        guard case .notice(.joined) = try subscriber.receiveEvent(until: .after(.seconds(5))) else {
            Issue.record("nobody joined")
            return
        }
        #expect(try publisher.waitForSubscribers(1, until: .after(.seconds(5))))
        #expect(subscriber.publishers.count == 1 && publisher.subscriberCount == 1)
        try publisher.send([1, 2])
        guard case .message(let value) = try subscriber.receiveEvent(until: .after(.seconds(5))) else {
            Issue.record("nothing came")
            return
        }
        #expect(value == [1, 2])
        try publisher.bytes.send([5])
        #expect { _ = try subscriber.tryReceiveEvent() } throws: { ($0 as? IPCError)?.code == .malformed }
        publisher.close()
        guard case .notice(.ended) = try subscriber.bytes.receiveEvent(until: .after(.seconds(5))) else {
            Issue.record("no end")
            return
        }
    }
}
