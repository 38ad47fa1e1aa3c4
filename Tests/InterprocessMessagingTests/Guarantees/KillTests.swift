// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessMessaging
import InterprocessSyscalls
import InterprocessTestKit
import Testing
import messaging_peer

/// kill -9 at random moments. The patience of every publisher here is a minute, that of the tests much less: whoever waits for
/// a dead one fails.
@Suite("Whoever is killed, the others lose nothing", .bounded(Rounds.limit))
struct KillTests {
    let arena = Arena()

    @Test("subscribers are killed at random moments", arguments: ProofKind.allCases)
    func subscribers(kind: ProofKind) throws {
        var chance = Chance("subscribers are killed, \(kind)")
        var sender: (any ProofSender)? = try kind.sender(
            arena.directory, 1, PublisherOptions(waiting: .blocking, stallLimit: .seconds(60)))
        let survivors = [
            try arena.subscriber(kind), try arena.subscriber(kind, "style=async"),
            try arena.subscriber(kind, "delivery=lossy", "style=copy"),
            try arena.subscriber(kind, "delivery=lossy"),
        ]
        #expect(try sender?.waitForSubscribers(4, until: .after(.seconds(20))) == true)
        var sent: UInt64 = 0
        var killed = 0
        func send(until deadline: Deadline) throws {
            repeat {
                guard try sender?.send(sent, until: .after(.seconds(10))) == true else {
                    throw Violation("message \(sent) found no room: a dead subscriber holds it")
                }
                sent += 1
            } while !deadline.hasPassed
        }
        for _ in Rounds(6) {
            let victims = try (0..<Int.random(in: 1...2, using: &chance)).map { _ in
                try arena.subscriber(
                    kind, "style=" + chance.pick("place", "copy", "async"),
                    "delivery=" + chance.pick("lossless", "lossy"),
                    "waiting=" + chance.pick("blocking", "spinning", "adaptive"),
                    "history=" + chance.pick("all", "none"))
            }
            try send(until: .after(chance.moment(5..<120)))
            for victim in victims { victim.kill() }
            try send(until: .after(.milliseconds(2)))
            for victim in victims {
                #expect(try victim.finish().text.contains("VIOLATION") == false)
                killed += 1
            }
        }
        sender = nil
        for (index, survivor) in survivors.enumerated() {
            let text = try survivor.finish().text
            #expect(text.hasSuffix("done\n") && !text.contains("VIOLATION"), "\(text)")
            if index < 2 { #expect(text.contains("received 1 0 \(sent) \(sent)\n"), "\(sent) were sent: \(text)") }
        }
        print("\(killed) subscribers killed, \(sent) messages sent")
    }

    @Test("publishers are killed at random moments", arguments: ProofKind.allCases)
    func publishers(kind: ProofKind) throws {
        var chance = Chance("publishers are killed, \(kind)")
        let receiver = try kind.receiver(arena.directory, SubscriberOptions(waiting: .blocking))
        let lossy = try kind.receiver(arena.directory, SubscriberOptions(delivery: .lossy))
        var (ledger, lossyLedger) = (Ledger(isLossless: true), Ledger(isLossless: false))
        let steady = try arena.publisher(kind, "id=1", "subscribers=2", "waiting=blocking")
        try steady.expect("open")
        var id: UInt64 = 2
        var killed = 0
        func receive(until deadline: Deadline, _ isEnough: () -> Bool = { false }) throws {
            while !deadline.hasPassed, !isEnough() {
                if let stamp = try receiver.receive(until: .after(.milliseconds(1))) { try ledger.note(stamp) }
                if let stamp = try id % 3 == 0 ? lossy.receive(until: .immediately) : lossy.copy() {
                    try lossyLedger.note(stamp)
                }
            }
        }
        for _ in Rounds(6) {
            let counters = try (0..<2).map { _ in try Counter(arena) }
            let victims = try counters.enumerated().map { index, counter in
                try arena.publisher(
                    kind, "id=\(id + UInt64(index))", "subscribers=2", "note=\(counter.path)",
                    "style=" + chance.pick("async", "plain"),
                    "waiting=" + chance.pick("blocking", "spinning", "adaptive"))
            }
            try receive(until: .after(chance.moment(5..<150)))
            for victim in victims { victim.kill() }
            for victim in victims { #expect(try victim.finish().text.contains("VIOLATION") == false) }
            let numbers = Set(victims.map(\.processID))
            let before = ledger.lines[1]?.next ?? 0
            try receive(until: .after(.seconds(10))) {
                receiver.publishers.allSatisfy { !numbers.contains($0.credentials.processID) }
            }
            // What was behind in the log of a dead one is read by now, or is read in the next rounds: a few messages at most.
            try receive(until: .after(.seconds(10))) { (ledger.lines[1]?.next ?? 0) > before + 40 }
            for (index, counter) in counters.enumerated() {
                let line = ledger.lines[id + UInt64(index)]
                let committed = counter.value
                #expect(line?.first ?? 0 == 0)
                // It died between the commit and its note, or before the commit.
                #expect(
                    (committed...committed + 1).contains(line?.next ?? 0), "\(committed) noted, received \(line as Any)"
                )
            }
            id += 2
            killed += 2
        }
        print("\(killed) publishers killed, \(ledger.total) received, \(lossyLedger.total) by a lossy subscriber")
    }

    @Test("what a dead subscriber held is free at once", arguments: ProofKind.allCases, ["lossless", "lossy"])
    func held(kind: ProofKind, delivery: String) throws {
        let sender = try kind.sender(
            arena.directory, 1, PublisherOptions(waiting: .blocking, stallLimit: .seconds(60)))
        for isBlocked in [false, true] {
            let victim = try arena.subscriber(kind, "style=hold", "delivery=\(delivery)")
            #expect(try sender.waitForSubscribers(1, until: .after(.seconds(20))))
            #expect(try sender.send(0, until: .immediately))
            try victim.expect("holds")
            while try sender.send(0, until: .immediately) {}
            if isBlocked {
                try TestSyscalls.startThread("killer") {
                    TestSyscalls.sleep(nanoseconds: 30_000_000)
                    victim.kill()
                }
            } else {
                victim.kill()
            }
            #expect(try sender.send(0, until: .after(.seconds(10))))
            try victim.wait()
        }
    }

    @Test("what a dead publisher had sent is read, and a sample of it stays", arguments: ProofKind.allCases)
    func committed(kind: ProofKind) throws {
        let receiver = try kind.receiver(arena.directory)
        let victim = try arena.publisher(kind, "id=5", "subscribers=1", "count=6", "stay")
        try victim.expect("sent 6")
        var ledger = Ledger(isLossless: true)
        try ledger.note(
            try receiver.hold {
                victim.kill()
                _ = try? victim.wait()
                TestSyscalls.sleep(nanoseconds: 100_000_000)
            })
        for _ in 1..<6 { try ledger.note(try #require(try receiver.receive(until: .after(.seconds(5))))) }
        #expect(ledger.lines[5]?.next == 6)
        #expect(try receiver.receive(until: .after(.milliseconds(200))) == nil)
        let isTold = receiver.takeNotices().contains {
            if case .died(let peer) = $0 { peer.credentials.processID == victim.processID } else { false }
        }
        #expect(isTold)
        #expect(receiver.publishers.isEmpty)
    }

    @Test("all are killed at once: at most sockets are left, and the next start works", arguments: ProofKind.allCases)
    func everybody(kind: ProofKind) throws {
        var chance = Chance("all are killed, \(kind)")
        var killed = 0
        for _ in Rounds(3) {
            let peers = [
                try arena.publisher(kind, "id=1", "subscribers=1"), try arena.publisher(kind, "id=2", "subscribers=2"),
                try arena.subscriber(kind), try arena.subscriber(kind, "style=async"),
            ]
            TestSyscalls.sleep(nanoseconds: UInt64(chance.moment(1..<120) / .nanoseconds(1)))
            for peer in peers { peer.kill() }
            for peer in peers { #expect(try peer.finish().text.contains("VIOLATION") == false) }
            killed += peers.count
            #expect(arena.sockets.count <= 2)
            let receiver = try kind.receiver(arena.directory)
            // Its search met the dead, and took their sockets away.
            #expect(arena.sockets.isEmpty)
            let sender = try kind.sender(arena.directory, 3)
            #expect(try sender.waitForSubscribers(1, until: .after(.seconds(5))))
            #expect(try sender.send(7, until: .immediately))
            #expect(try receiver.receive(until: .after(.seconds(5))) == Stamp(sender: 3, number: 7, isWhole: true))
        }
        print("\(killed) processes killed")
    }
}
