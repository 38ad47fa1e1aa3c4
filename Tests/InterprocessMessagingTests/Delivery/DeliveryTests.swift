// SPDX-License-Identifier: Apache-2.0
import Interprocess
@testable import InterprocessMessaging
import InterprocessTestKit
import Testing

struct Count: SharedPayload, Equatable {
    var number: UInt64
    var square: UInt64
    init(_ number: UInt64) { (self.number, square) = (number, number &* number) }
}

@Suite("Delivery between one publisher and its subscribers")
struct DeliveryTests {
    @Test("what is sent arrives in order, in place and copied")
    func arrives() throws {
        let outbox = try Meeting.outbox(Count.self)
        let inboxes = try Meeting.inboxes(Count.self)
        try Meeting.introduce(outbox.desk, inboxes.desk)
        let publisher = Publisher<Count>(outbox)
        let subscriber = Subscriber<Count>(inboxes)
        #expect(publisher.subscriberCount == 1)
        for round in 0..<100 as Range<UInt64> {
            var loan = try publisher.loan()
            loan.payload = Count(round)
            loan.send()
            try publisher.send(copying: Count(round + 1000))
            let sample = try subscriber.receive()
            #expect(sample.payload == Count(round))
            #expect(sample.header.sequence == 2 * round)
            try sample.end()
            #expect(try subscriber.receiveValue() == Count(round + 1000))
            #expect(try subscriber.tryReceiveValue() == nil)
        }
    }

    @Test("a full log says so, and a loan that is not sent leaves nothing")
    func full() throws {
        let outbox = try Meeting.outbox(Count.self, capacity: 8)
        let inboxes = try Meeting.inboxes(Count.self)
        try Meeting.introduce(outbox.desk, inboxes.desk)
        let publisher = Publisher<Count>(outbox)
        let subscriber = Subscriber<Count>(inboxes)
        var sent: UInt64 = 0
        while try publisher.trySend(copying: Count(sent)) { sent += 1 }
        #expect(sent >= 7)
        #expect(try publisher.send(copying: Count(0), until: .after(.milliseconds(20))) == false)
        #expect(try subscriber.receiveValue() == Count(0))
        if var loan = try publisher.tryLoan() { loan.payload = Count(77) } else { Issue.record("there is room") }
        #expect(try publisher.trySend(copying: Count(sent)))
        var received: [UInt64] = []
        _ = try subscriber.receiveAvailable { received.append($0.number) }
        #expect(received == Array(1...sent))
    }

    /// What is lent is not counted: it takes its owner's place when that goes first.
    @Test("a loan outlives its publisher, a sample its subscriber, and both end then")
    func outlives() throws {
        weak var outbox: Outbox?
        weak var inboxes: InboxSet?
        func lend() throws -> (Lending, Lending) {
            let sending = try Meeting.outbox(Count.self)
            let receiving = try Meeting.inboxes(Count.self)
            (outbox, inboxes) = (sending, receiving)
            try Meeting.introduce(sending.desk, receiving.desk)
            let publisher = Publisher<Count>(sending)
            let subscriber = Subscriber<Count>(receiving)
            try publisher.send(copying: Count(1))
            let sample = try subscriber.receive()
            let loan = try publisher.loan()
            return (Lending(loan), Lending(sample))
        }
        var (loan, sample): (Lending?, Lending?) = try lend()
        #expect(outbox != nil && inboxes != nil, "kept by what is lent")
        loan?.use()
        sample?.use()
        loan = nil
        #expect(outbox == nil && inboxes != nil)
        sample = nil
        #expect(inboxes == nil)
    }

    @Test("a stalled subscriber is put out, and learns it")
    func stalled() throws {
        let outbox = try Meeting.outbox(Count.self, capacity: 8, stallLimit: .milliseconds(50))
        let inboxes = try Meeting.inboxes(Count.self)
        try Meeting.introduce(outbox.desk, inboxes.desk)
        let publisher = Publisher<Count>(outbox)
        let subscriber = Subscriber<Count>(inboxes)
        for number in 0..<100 as Range<UInt64> { try publisher.send(copying: Count(number)) }
        #expect {
            while try subscriber.tryReceiveValue() != nil {}
        } throws: { ($0 as? IPCError)?.code == .evicted }
        let notices = subscriber.takeNotices()
        #expect(notices.contains { if case .putOut = $0 { true } else { false } })
    }

    @Test("a lossy subscriber is never waited for and knows what it missed")
    func lossy() throws {
        let outbox = try Meeting.outbox(Count.self, capacity: 8)
        let inboxes = try Meeting.inboxes(Count.self, SubscriberOptions(delivery: .lossy, waiting: .blocking))
        try Meeting.introduce(outbox.desk, inboxes.desk)
        let publisher = Publisher<Count>(outbox)
        let subscriber = Subscriber<Count>(inboxes)
        for number in 0..<100 as Range<UInt64> { try publisher.send(copying: Count(number)) }
        let first = try #require(try subscriber.tryReceiveValue())
        #expect(first.number == subscriber.missed)
        guard let sample = try subscriber.tryReceive() else {
            Issue.record("there is more")
            return
        }
        #expect(sample.payload == Count(first.number + 1))
    }

    @Test("threads sleep for a message and for room")
    func blocking() throws {
        try Watchdog.bound(.seconds(30)) {
            let outbox = try Meeting.outbox(Count.self, capacity: 8)
            let inboxes = try Meeting.inboxes(Count.self)
            try Meeting.introduce(outbox.desk, inboxes.desk)
            let total: UInt64 = 20_000
            let result = try Meeting.onThread(outbox) { outbox in
                let publisher = Publisher<Count>(outbox)
                for number in 0..<total { try publisher.send(copying: Count(number)) }
            }
            let subscriber = Subscriber<Count>(inboxes)
            for number in 0..<total { #expect(try subscriber.receiveValue() == Count(number)) }
            try result.wait()
        }
    }

    @Test("tasks suspend for a message and for room")
    func suspending() async throws {
        let outbox = try Meeting.outbox(Count.self, capacity: 8)
        let inboxes = try Meeting.inboxes(Count.self)
        try Meeting.introduce(outbox.desk, inboxes.desk)
        let total: UInt64 = 5_000
        nonisolated(unsafe) let mine = outbox
        let sending = Task {
            let publisher = Publisher<Count>(mine)
            for number in 0..<total { try await publisher.send(copying: Count(number)) }
            return publisher.subscriberCount
        }
        let subscriber = Subscriber<Count>(inboxes)
        for number in 0..<total {
            let value = try await subscriber.nextValue(until: .after(.seconds(20)))
            #expect(value == Count(number))
        }
        #expect(try await sending.value == 1)
    }
}

@Suite("Many messages at once")
struct BatchTests {
    @Test("a batch is filled in place and read at once; accounts tell what was had")
    func batches() throws {
        let outbox = try Meeting.outbox(Count.self, capacity: 64)
        let inboxes = try Meeting.inboxes(Count.self)
        try Meeting.introduce(outbox.desk, inboxes.desk)
        let publisher = Publisher<Count>(outbox)
        let subscriber = Subscriber<Count>(inboxes)
        var (sent, received) = (UInt64(0), [UInt64]())
        for _ in 0..<20 {
            try publisher.sendBatch(of: 16) { index, payload in payload = Count(sent + UInt64(index)) }
            sent += 16
            _ = try subscriber.receiveAvailable { received.append($0.number) }
        }
        #expect(received == Array(0..<sent))
        #expect(subscriber.accounts.map(\.received) == [sent])
        #expect(publisher.status().sent == sent)
        #expect(publisher.status().subscribers.map(\.backlog) == [0])
        #expect { try publisher.sendBatch(of: 17) { _, _ in } } throws: { ($0 as? IPCError)?.code == .messageTooLarge }
    }

    @Test("a body that throws has taken its message, and no other")
    func throwingBody() throws {
        let outbox = try Meeting.outbox(Count.self, capacity: 64)
        let inboxes = try Meeting.inboxes(Count.self)
        try Meeting.introduce(outbox.desk, inboxes.desk)
        let publisher = Publisher<Count>(outbox)
        let subscriber = Subscriber<Count>(inboxes)
        for number in 0..<5 as Range<UInt64> { try publisher.send(copying: Count(number)) }
        #expect(throws: IPCError.self) {
            _ = try subscriber.receiveAvailable { (payload) throws(IPCError) in
                if payload.number == 2 { throw IPCError(code: .malformed, subject: "test") }
            }
        }
        #expect(try subscriber.tryReceiveValue() == Count(3))
    }
}

/// Keeps a loan or a sample.
private final class Lending {
    var loan: Loan<Count>?
    var sample: Sample<Count>?

    init(_ loan: consuming Loan<Count>) { self.loan = consume loan }

    init(_ sample: consuming Sample<Count>) { self.sample = consume sample }

    func use() {
        loan?.payload = Count(2)
        loan.take()?.send()
        if let sample = sample.take() {
            #expect(sample.payload == Count(1))
            self.sample = consume sample
        }
    }
}
