// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessMessaging
import InterprocessTestKit
import Testing

@Suite("A topic beside anything else that can be awaited", .bounded())
struct TopicReadinessTests {
    let scratch = ScratchName()

    @Test("a topic, a pipe and a deadline in one wait")
    func mix() async throws {
        let topic = try Topic("test", of: Count.self, in: Rendezvous(directory: scratch.directory))
        let publisher = try topic.publisher()
        let subscriber = try await topic.subscriber()
        _ = try await publisher.waitForSubscribers(1, until: .after(.seconds(5)))
        let pipe = try PipePair()
        _ = subscriber.takeNotices()
        var any = WaitAny([try subscriber.readiness(), try pipe.reader.readable()])
        #expect(try await any.first(until: .after(.milliseconds(5))) == nil)
        try await pipe.writer.write([1])
        #expect(try await any.first(until: .after(.seconds(5))) == 1)
        _ = try await pipe.reader.read()
        // Rung after the token was made, before anybody waits for it.
        try await publisher.send(copying: Count(1))
        #expect(try await any.first(until: .after(.seconds(5))) == 0)
        #expect(try subscriber.tryReceiveValue() == Count(1))
        // There before the token.
        try await publisher.send(copying: Count(2))
        any = WaitAny([try subscriber.readiness(), try pipe.reader.readable()])
        #expect(try await any.first(until: .after(.seconds(5))) == 0)
        #expect(try subscriber.tryReceiveValue() == Count(2))
        // A verb that waits ends the announced sleep and has its own.
        _ = try subscriber.readiness()
        try await publisher.send(copying: Count(3))
        #expect(try await subscriber.nextValue(until: .after(.seconds(5))) == Count(3))
    }

    @Test("nothing is lost between tokens")
    func stream() async throws {
        let topic = try ByteTopic("test", in: Rendezvous(directory: scratch.directory))
        let subscriber = try await topic.subscriber(SubscriberOptions(endsWithLastPublisher: true))
        let sender = Task {
            let publisher = try topic.publisher()
            _ = try await publisher.waitForSubscribers(1, until: .after(.seconds(5)))
            for number in 0..<2000 {
                try await publisher.send([UInt8(truncatingIfNeeded: number)])
                if number % 7 == 0 { await Task.yield() }
            }
        }
        let pipe = try PipePair()
        var count = 0
        var isEnded = false
        while !isEnded {
            let any = WaitAny([try pipe.reader.readable(), try subscriber.readiness()])
            #expect(try await any.first(until: .after(.seconds(10))) == 1)
            while let bytes = try subscriber.tryReceiveBytes() {
                #expect(bytes == [UInt8(truncatingIfNeeded: count)])
                count += 1
            }
            for case .ended in subscriber.takeNotices() { isEnded = true }
        }
        #expect(count == 2000)
        try await sender.value
    }

    @Test("who comes and who goes makes it ready")
    func comingAndGoing() async throws {
        let topic = try Topic("test", of: Count.self, in: Rendezvous(directory: scratch.directory))
        let subscriber = try await topic.subscriber()
        let coming = try subscriber.readiness()
        let publisher = try topic.publisher()
        #expect(try await coming.wait(until: .after(.seconds(5))))
        guard case .notice(.joined) = try subscriber.tryReceiveEvent() else {
            Issue.record("nobody joined")
            return
        }
        let going = try subscriber.readiness()
        #expect(try await going.wait(until: .after(.milliseconds(1))) == false)
        publisher.close()
        #expect(try await going.wait(until: .after(.seconds(5))))
        guard case .notice(.ended) = try subscriber.nextNotice() else {
            Issue.record("no end")
            return
        }
    }
}

extension Subscriber where Payload == Count {
    fileprivate borrowing func nextNotice() throws -> TopicEvent<Sample<Count>>? {
        try receiveEvent(until: .after(.seconds(5)))
    }
}
