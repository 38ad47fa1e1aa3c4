// SPDX-License-Identifier: Apache-2.0
import Interprocess
@testable import InterprocessMessaging
import InterprocessSyscalls
import InterprocessTestKit
import Testing
import messaging_peer

@Suite("Waits are ended by signals, deadlines and cancellation, and nothing is lost", .bounded(Rounds.limit))
struct WaitingTests {
    /// A publisher and a subscriber over a small log.
    struct Pair {
        let outbox: Outbox
        let inboxes: InboxSet
        let ends: Meeting.Ends

        init(_ options: SubscriberOptions = SubscriberOptions(waiting: .blocking)) throws {
            outbox = try Meeting.outbox(Proof.self, capacity: 8)
            inboxes = try Meeting.inboxes(Proof.self, options)
            ends = try Meeting.introduce(outbox.desk, inboxes.desk)
        }
    }

    @Test("a storm of signals during waits for messages and for room")
    func storm() async {
        await #expect(processExitsWith: .success) {
            for isReceiver in [true, false] {
                let pair = try Pair()
                let total: UInt64 = 3000
                let (outbox, inboxes) = (pair.outbox, pair.inboxes)
                nonisolated(unsafe) let (mine, theirs): (() throws -> Void, () throws -> Void)
                let sending = { () throws -> Void in
                    let publisher = Publisher<Proof>(outbox)
                    for number in 0..<total {
                        #expect(try publisher.send(copying: Proof(1, number), until: .after(.seconds(20))))
                    }
                }
                let receiving = { () throws -> Void in
                    let subscriber = Subscriber<Proof>(inboxes)
                    for number in 0..<total {
                        guard let sample = try subscriber.receive(until: .after(.seconds(20))) else {
                            throw Violation("\(number) does not come")
                        }
                        #expect(sample.payload == Proof(1, number))
                    }
                }
                (mine, theirs) = isReceiver ? (receiving, sending) : (sending, receiving)
                let outcome = try Meeting.onThread(0) { _ in try theirs() }
                try SignalStorm.run(everyNanoseconds: 50_000) { try mine() }
                try outcome.wait()
            }
        }
    }

    @Test("a wait that is cancelled at any moment has taken nothing", arguments: ProofKind.allCases)
    func cancelled(kind: ProofKind) async throws {
        var chance = Chance("waits are cancelled, \(kind)")
        let arena = Arena()
        let receiver = try kind.receiver(arena.directory)
        let peer = try arena.publisher(kind, "id=1", "subscribers=1", "style=async")
        var ledger = Ledger(isLossless: true)
        var cancelled = 0
        for _ in Rounds(1) {
            let end = Deadline.after(.milliseconds(700))
            while !end.hasPassed {
                nonisolated(unsafe) let mine = receiver
                let task = Task.detached { () -> Stamp? in try await mine.next(until: .after(.seconds(10))) }
                let moment = Deadline.after(.microseconds(Int.random(in: 0..<200, using: &chance)))
                while !moment.hasPassed { await Task.yield() }
                task.cancel()
                do {
                    if let stamp = try await task.value { try ledger.note(stamp) }
                } catch let error as IPCError {
                    #expect(error.code == .cancelled)
                    cancelled += 1
                }
            }
        }
        peer.kill()
        #expect(ledger.total > 100)
        print("\(cancelled) waits cancelled, \(ledger.total) messages")
    }

    @Test("a send that is cancelled has sent nothing, one that is not has sent once")
    func cancelledSends() async throws {
        var chance = Chance("sends are cancelled")
        let pair = try Pair()
        let publisher = TypedSender(Publisher<Proof>(pair.outbox), 1)
        let subscriber = Subscriber<Proof>(pair.inboxes)
        var (sent, received): (UInt64, UInt64) = (0, 0)
        var cancelled = 0
        for _ in 0..<1500 {
            nonisolated(unsafe) let mine = publisher
            let number = sent
            let task = Task.detached { try await mine.awaitSend(number, until: .after(.seconds(10))) }
            let moment = Deadline.after(.microseconds(Int.random(in: 0..<60, using: &chance)))
            while !moment.hasPassed { await Task.yield() }
            if Bool.random(using: &chance), let value = try subscriber.tryReceiveValue() {
                #expect(value == Proof(1, received))
                received += 1
            }
            task.cancel()
            do {
                try await task.value
                sent += 1
            } catch let error as IPCError {
                #expect(error.code == .cancelled)
                cancelled += 1
            }
        }
        while let value = try subscriber.tryReceiveValue() {
            #expect(value == Proof(1, received))
            received += 1
        }
        #expect(received == sent && sent > 100)
        print("\(cancelled) sends cancelled, \(sent) sent")
    }

    @Test("the bells of many waits do not swallow the next")
    func bells() async throws {
        let pair = try Pair()
        let publisher = Publisher<Proof>(pair.outbox)
        nonisolated(unsafe) let subscriber = TypedReceiver(Subscriber<Proof>(pair.inboxes))
        // More than a socket holds.
        for round in 0..<600 as Range<UInt64> {
            let waiting = Task { () -> Stamp? in try await subscriber.next(until: .after(.seconds(20))) }
            while !pair.outbox.desk.report().readers[0].isSleeping { await Task.yield() }
            try await publisher.send(copying: Proof(1, round))
            #expect(try await waiting.value == Stamp(sender: 1, number: round))
        }
    }

    @Test(
        "a deadline and a cancellation hold though a publisher promises something for ever",
        arguments: [
            WaitStrategy.blocking, .spinning,
        ])
    func promises(strategy: WaitStrategy) async throws {
        let pair = try Pair(SubscriberOptions(delivery: .lossy, waiting: strategy))
        let publisher = Publisher<Proof>(pair.outbox)
        for number in 0..<20 as Range<UInt64> { try await publisher.send(copying: Proof(1, number)) }
        let done = Flag()
        // Its floor runs away from whoever looks at it; where it says that it is, there is a record.
        let stride = UInt64(pair.outbox.desk.segment.layout.stride)
        let address = Meeting.Words(pair.outbox.desk.segment.region)
        let liar = try Meeting.onThread(address) { words in
            var floor: UInt64 = 16
            while !done.isSet {
                floor &+= 1
                let place = 128 + Int(floor % 8) * Int(stride)
                words.store(floor &+ 1, at: place)
                words.store(floor &* stride, at: 0)
            }
        }
        nonisolated(unsafe) let subscriber = TypedReceiver(Subscriber<Proof>(pair.inboxes))
        for _ in 0..<20 { _ = try subscriber.receive(until: .after(.milliseconds(5))) }
        for _ in 0..<20 {
            let task = Task {
                while true { _ = try await subscriber.next(until: .never) }
            }
            try await Task.sleep(for: .milliseconds(2))
            task.cancel()
            // Ends at the next wait.
            await #expect(throws: IPCError.self) { try await task.value }
        }
        done.set()
        try liar.wait()
    }

    @Test("a loan that is dropped, and a subscriber closed while its sample is in use")
    func dropped() throws {
        let pair = try Pair()
        let publisher = Publisher<Proof>(pair.outbox)
        for number in 0..<3 as Range<UInt64> {
            do {
                var loan = try publisher.loan()
                loan.payload = Proof(9, 9)
            }
            try publisher.send(copying: Proof(1, number))
        }
        let subscriber = Subscriber<Proof>(pair.inboxes)
        #expect(try subscriber.receiveValue() == Proof(1, 0))
        let sample = try subscriber.receive()
        subscriber.close()
        publisher.close()
        #expect(sample.payload == Proof(1, 1))
        try sample.end()
    }

    @Test("two publishers and two subscribers, tasks on few threads")
    func tasks() async throws {
        let outboxes = try (0..<2).map { _ in try Meeting.outbox(Proof.self, capacity: 8) }
        let sets = try (0..<2).map { _ in try Meeting.inboxes(Proof.self) }
        for outbox in outboxes { for set in sets { try Meeting.introduce(outbox.desk, set.desk) } }
        let total: UInt64 = 2000
        try await withThrowingTaskGroup(of: UInt64.self) { group in
            for (index, outbox) in outboxes.enumerated() {
                nonisolated(unsafe) let sender = TypedSender(Publisher<Proof>(outbox), UInt64(index))
                group.addTask {
                    for number in 0..<total { try await sender.awaitSend(number, until: .after(.seconds(60))) }
                    return 2 * total
                }
            }
            for set in sets {
                nonisolated(unsafe) let receiver = TypedReceiver(Subscriber<Proof>(set))
                group.addTask {
                    var ledger = Ledger(isLossless: true)
                    while ledger.total < 2 * total {
                        guard let stamp = try await receiver.next(until: .after(.seconds(60))) else { break }
                        try ledger.note(stamp)
                    }
                    return ledger.total
                }
            }
            for try await count in group { #expect(count == 2 * total) }
        }
    }

    @Test(
        "a hundred and thirty publishers, more than one wait of the kernel takes",
        arguments: [
            WaitStrategy.blocking, .standard,
        ])
    func many(strategy: WaitStrategy) throws {
        let inboxes = try Meeting.inboxes(Proof.self, SubscriberOptions(waiting: strategy))
        let outboxes = try (0..<130).map { _ in try Meeting.outbox(Proof.self, capacity: 8, maximumReaders: 1) }
        for outbox in outboxes { try Meeting.introduce(outbox.desk, inboxes.desk) }
        let subscriber = Subscriber<Proof>(inboxes)
        #expect(subscriber.publishers.count == 130)
        var ledger = Ledger(isLossless: true)
        let outcome = try Meeting.onThread(outboxes) { outboxes in
            let senders = outboxes.enumerated().map { TypedSender(Publisher<Proof>($1), UInt64($0)) }
            for number in 0..<5 as Range<UInt64> {
                for sender in senders { _ = try sender.send(number, until: .after(.seconds(20))) }
                // The last alone, while the subscriber sleeps.
                TestSyscalls.sleep(nanoseconds: 10_000_000)
            }
        }
        while ledger.total < 650 {
            guard let sample = try subscriber.receive(until: .after(.seconds(20))) else { break }
            try ledger.note(sample.payload.stamp)
            try sample.end()
        }
        #expect(ledger.total == 650)
        try outcome.wait()
    }
}
