// SPDX-License-Identifier: Apache-2.0
import Interprocess
@testable import InterprocessMessaging
import InterprocessSyscalls
import InterprocessTestKit
import Testing
import messaging_peer

/// Whatever a subscriber writes where it may write, or sends, or does not take: the publisher goes on, and so do the others.
@Suite("A hostile subscriber harms nobody else", .bounded(Rounds.limit))
struct HostileSubscriberTests {
    /// An honest one on a thread of its own, which wants every message in order.
    private func honest(_ outbox: Outbox, _ total: @escaping @Sendable () -> UInt64?) throws -> Meeting.Outcome {
        let inboxes = try Meeting.inboxes(Proof.self)
        try Meeting.introduce(outbox.desk, inboxes.desk)
        return try Meeting.onThread(inboxes) { inboxes in
            let subscriber = Subscriber<Proof>(inboxes)
            var ledger = Ledger(isLossless: true)
            while true {
                if let sample = try subscriber.receive(until: .after(.milliseconds(20))) {
                    try ledger.note(sample.payload.stamp)
                    try sample.end()
                } else if let total = total(), ledger.lines[1]?.next == total {
                    return
                }
            }
        }
    }

    private func scribbler(
        _ outbox: Outbox, _ stop: Flag, isLossless: Bool, _ chance: Chance
    ) throws -> Meeting.Outcome {
        try Meeting.onThread(outbox.desk) { desk in
            var chance = chance
            while !stop.isSet {
                let subscriber = try HostileSubscriber(
                    desk, isLossless: isLossless, PayloadDescription(of: Proof.self))
                for _ in 0..<Int.random(in: 1...2000, using: &chance) where !stop.isSet {
                    subscriber.scribble(&chance)
                    switch Int.random(in: 0..<16, using: &chance) {
                    case 0: subscriber.own.ring()
                    case 1: TestSyscalls.sleep(nanoseconds: 50_000)
                    case 2 where Int.random(in: 0..<20, using: &chance) == 0:
                        for _ in 0..<1000 { subscriber.own.ring() }
                    default: break
                    }
                }
                subscriber.leave()
            }
        }
    }

    final class Total: Sendable {
        private let flag = Flag()
        private nonisolated(unsafe) var value: UInt64 = 0
        func set(_ number: UInt64) {
            value = number
            flag.set()
        }
        var isKnown: UInt64? { flag.isSet ? value : nil }
    }

    @Test("that writes anything into its page, a thread sends", arguments: [true, false])
    func scribbles(isLossless: Bool) throws {
        let chance = Chance("a hostile subscriber, lossless \(isLossless)")
        let outbox = try Meeting.outbox(Proof.self, capacity: 8, stallLimit: .milliseconds(200))
        let (total, stop) = (Total(), Flag())
        let honest = try honest(outbox) { total.isKnown }
        let hostile = try scribbler(outbox, stop, isLossless: isLossless, chance)
        let publisher = Publisher<Proof>(outbox)
        var number: UInt64 = 0
        for _ in Rounds(1) {
            let end = Deadline.after(.milliseconds(500))
            while !end.hasPassed {
                #expect(try publisher.send(copying: Proof(1, number), until: .after(.seconds(10))))
                number += 1
            }
        }
        stop.set()
        try hostile.wait()
        total.set(number)
        try honest.wait()
        print("\(number) messages past a hostile subscriber")
    }

    @Test("that writes anything into its page, a task sends")
    func scribblesAwaited() async throws {
        let chance = Chance("a hostile subscriber of one who awaits")
        let outbox = try Meeting.outbox(Proof.self, capacity: 8, stallLimit: .milliseconds(200))
        let (total, stop) = (Total(), Flag())
        let honest = try honest(outbox) { total.isKnown }
        let hostile = try scribbler(outbox, stop, isLossless: true, chance)
        let publisher = Publisher<Proof>(outbox)
        var number: UInt64 = 0
        for _ in Rounds(1) {
            let end = Deadline.after(.milliseconds(500))
            while !end.hasPassed {
                try await publisher.send(copying: Proof(1, number), until: .after(.seconds(10)))
                number += 1
            }
        }
        stop.set()
        try hostile.wait()
        total.set(number)
        try honest.wait()
        print("\(number) messages past a hostile subscriber")
    }

    @Test("that gives nothing back, and says that it sleeps, and drains nothing")
    func stubborn() throws {
        let outbox = try Meeting.outbox(Proof.self, capacity: 8, stallLimit: .milliseconds(100))
        let total = Total()
        let honest = try honest(outbox) { total.isKnown }
        let publisher = Publisher<Proof>(outbox)
        var number: UInt64 = 0
        for round in 0..<4 as Range<UInt64> {
            let hostile = try HostileSubscriber(
                outbox.desk, isLossless: round % 2 == 0, PayloadDescription(of: Proof.self))
            let line = 64 * hostile.welcome.stagger
            if round % 2 == 1 { hostile.page.store(hostile.log.load(UInt64.self, at: 0), at: line + 8) }
            // Asleep, to be woken by a datagram.
            hostile.page.store(UInt64(1), at: 1024 + line + 16)
            for _ in 0..<600 {
                hostile.page.store(hostile.page.load(UInt64.self, at: 1024 + line) &+ 2 | 1, at: 1024 + line)
                #expect(try publisher.send(copying: Proof(1, number), until: .after(.seconds(10))))
                number += 1
            }
            hostile.leave()
        }
        total.set(number)
        try honest.wait()
    }
}
