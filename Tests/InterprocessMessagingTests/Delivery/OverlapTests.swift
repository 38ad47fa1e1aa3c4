// SPDX-License-Identifier: Apache-2.0
import Interprocess
@testable import InterprocessMessaging
import InterprocessSyscalls
import InterprocessTestKit
import Testing

/// Several tasks that use one subscriber, or one publisher, in turns.
private actor Receiver {
    private let subscriber: Subscriber<Count>

    init(_ inboxes: sending InboxSet) { subscriber = Subscriber(inboxes) }

    func next() async throws -> UInt64? { try await subscriber.nextValue(until: .after(.seconds(4)))?.number }

    func waitForPublisher() async throws -> Bool {
        try await subscriber.waitForPublishers(1, until: .after(.seconds(4)))
    }

    func nextBesideSample() async throws {
        let sample = try subscriber.tryReceive()
        _ = try await subscriber.nextValue(until: .after(.seconds(4)))
        if let sample { try sample.end() }
    }

    /// Blocks, as code that is not asynchronous does.
    func poll() throws { _ = try subscriber.receive(until: .after(.milliseconds(5)))?.payload }
}

private actor Sender {
    private let publisher: Publisher<Count>

    init(_ outbox: sending Outbox) { publisher = Publisher(outbox) }

    func send(_ number: UInt64) async throws {
        try await publisher.send(copying: Count(number), until: .after(.seconds(4)))
    }

    func sendBesideLoan() async throws {
        let loan = try publisher.tryLoan()
        try await publisher.send(copying: Count(1), until: .after(.seconds(4)))
        if let loan { loan.send() }
    }

    /// Blocks, as code that is not asynchronous does.
    func insist() throws { _ = try publisher.send(copying: Count(99), until: .after(.milliseconds(5))) }
}

@Suite("Several verbs of one side at a time", .bounded(.seconds(60)))
struct OverlapTests {
    private func rest(_ milliseconds: Int) async throws { try await Task.sleep(for: .milliseconds(milliseconds)) }

    @Test("a thread that blocks does not take the bell from a task that awaits a message")
    func blockingBesideAwaiting() async throws {
        let outbox = try Meeting.outbox(Count.self)
        let inboxes = try Meeting.inboxes(Count.self)
        try Meeting.introduce(outbox.desk, inboxes.desk)
        let publisher = Publisher<Count>(outbox)
        let receiver = Receiver(inboxes)
        let next = Task { try await receiver.next() }
        while publisher.status().subscribers.first?.isSleeping != true { try await rest(1) }
        await #expect { try await receiver.poll() } throws: { ($0 as? IPCError)?.code == .busy }
        _ = try publisher.trySend(copying: Count(7))
        #expect(try await next.value == 7)
    }

    @Test("who waits for publishers does not take the news from a task that awaits a message")
    func publishersBesideMessages() async throws {
        let outbox = try Meeting.outbox(Count.self)
        let inboxes = try Meeting.inboxes(Count.self)
        let desk = inboxes.desk
        let publisher = Publisher<Count>(outbox)
        let receiver = Receiver(inboxes)
        let next = Task { try await receiver.next() }
        try await rest(50)
        let met = Task { try await receiver.waitForPublisher() }
        try await rest(50)
        try Meeting.introduce(outbox.desk, desk)
        #expect(try await met.value)
        _ = try publisher.trySend(copying: Count(7))
        #expect(try await next.value == 7)
    }

    @Test("a thread that blocks does not take the bell from a task that awaits room")
    func blockingBesideRoom() async throws {
        let outbox = try Meeting.outbox(Count.self, capacity: 8, stallLimit: .seconds(3600))
        let inboxes = try Meeting.inboxes(Count.self)
        try Meeting.introduce(outbox.desk, inboxes.desk)
        let subscriber = Subscriber<Count>(inboxes)
        var sent: UInt64 = 0
        do {
            let publisher = Publisher<Count>(outbox)
            while try publisher.trySend(copying: Count(sent)) { sent += 1 }
        }
        let sender = Sender(outbox)
        let sending = Task { [sent] in try await sender.send(sent) }
        try await rest(50)
        await #expect { try await sender.insist() } throws: { ($0 as? IPCError)?.code == .busy }
        for number in 0..<sent { #expect(try subscriber.tryReceiveValue() == Count(number)) }
        try await sending.value
        #expect(try subscriber.tryReceiveValue() == Count(sent))
    }

    @Test("many messages wake a sleeper before they wait for its room")
    func manyIntoFew() throws {
        let outbox = try Meeting.outbox(Count.self, capacity: 8, stallLimit: .seconds(2))
        let inboxes = try Meeting.inboxes(Count.self)
        try Meeting.introduce(outbox.desk, inboxes.desk)
        let publisher = Publisher<Count>(outbox)
        let result = try Meeting.onThread(inboxes) { inboxes in
            let subscriber = Subscriber<Count>(inboxes)
            for number in 0..<40 as Range<UInt64> {
                let value = try subscriber.receiveValue()
                #expect(value == Count(number))
            }
        }
        while publisher.status().subscribers.first?.isSleeping != true { TestSyscalls.sleep(nanoseconds: 1_000_000) }
        try publisher.send(contentsOf: (0..<40 as Range<UInt64>).map { Count($0) })
        try result.wait()
    }

    @Test("what is missed while nobody takes is counted")
    func missedWhileWaiting() throws {
        let outbox = try Meeting.outbox(Count.self, capacity: 8)
        let inboxes = try Meeting.inboxes(Count.self, SubscriberOptions(delivery: .lossy, waiting: .blocking))
        try Meeting.introduce(outbox.desk, inboxes.desk)
        let publisher = Publisher<Count>(outbox)
        let subscriber = Subscriber<Count>(inboxes)
        #expect(try subscriber.tryReceiveValue() == nil)
        for number in 0..<100 as Range<UInt64> { try publisher.send(copying: Count(number)) }
        #expect(try inboxes.wait(until: .after(.seconds(5))))
        let first = try #require(try subscriber.tryReceiveValue())
        #expect(first.number > 0)
        #expect(subscriber.missed == first.number)
        #expect(subscriber.accounts.map(\.missed) == [first.number])
    }

    @Test("a copy beside a sample in use is refused: it could let go of the publisher whose message is in use")
    func copyBesideSample() async throws {
        await #expect(processExitsWith: .failure) {
            let outbox = try Meeting.outbox(Count.self)
            let inboxes = try Meeting.inboxes(Count.self, SubscriberOptions(delivery: .lossy, waiting: .blocking))
            try Meeting.introduce(outbox.desk, inboxes.desk)
            let publisher = Publisher<Count>(outbox)
            let subscriber = Subscriber<Count>(inboxes)
            try publisher.send(copying: Count(3))
            guard let sample = try subscriber.tryReceive() else { sysExitNow(0) }
            outbox.core.value.log.end()
            _ = try subscriber.tryReceiveValue()
            // Before anything is touched that would be gone.
            sysExitNow(0)
        }
    }

    @Test("a task that awaits while another has a sample or a loan in use is told so")
    func awaitingBesideUse() async throws {
        let outbox = try Meeting.outbox(Count.self)
        let inboxes = try Meeting.inboxes(Count.self)
        try Meeting.introduce(outbox.desk, inboxes.desk)
        let publisher = Sender(outbox)
        try await publisher.send(1)
        try await publisher.send(2)
        await #expect { try await publisher.sendBesideLoan() } throws: { ($0 as? IPCError)?.code == .busy }
        let receiver = Receiver(inboxes)
        await #expect { try await receiver.nextBesideSample() } throws: { ($0 as? IPCError)?.code == .busy }
        #expect(try await receiver.next() == 2)
    }
}
