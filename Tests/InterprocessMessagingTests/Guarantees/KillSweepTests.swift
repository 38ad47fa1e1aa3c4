// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessMessaging
import InterprocessSyscalls
import InterprocessTestKit
import Testing
import messaging_peer

/// A peer is killed in place of each system call that it makes from its start to its end, on whichever thread. Every twelfth call in an
/// ordinary run, a different one each time; all of them when `INTERPROCESS_STRESS_SECONDS` is set.
@Suite(
    "Killed at each system call of start, run and stop", .bounded(Rounds.limit),
    .enabled(if: FaultPlan.isAvailable, "the seam exists in debug builds only"))
struct KillSweepTests {
    let arena = Arena()

    /// The numbers of the calls at which to kill.
    private func steps(_ learn: Peer, _ chance: inout Chance) throws -> [Int] {
        let text = try learn.finish().text
        let line = text.split(separator: "\n").first { $0.hasPrefix("calls ") }
        let count = try #require(line.flatMap { Int($0.dropFirst(6)) }, "\(text)")
        if TestSyscalls.environmentVariable("INTERPROCESS_STRESS_SECONDS") != nil { return Array(0..<count) }
        return Array(stride(from: Int.random(in: 0..<12, using: &chance), to: count, by: 12))
    }

    @Test("a publisher", arguments: ProofKind.allCases, ["plain", "async"])
    func publisher(kind: ProofKind, style: String) throws {
        var chance = Chance("a \(style) publisher of \(kind) is killed at each call")
        let receiver = try kind.receiver(arena.directory, SubscriberOptions(waiting: .blocking))
        let steady = try kind.sender(arena.directory, 1, PublisherOptions(stallLimit: .seconds(60)))
        #expect(try steady.waitForSubscribers(1, until: .after(.seconds(10))))
        var ledger = Ledger(isLossless: true)
        func receive(_ peer: Peer) throws {
            let deadline = Deadline.after(.seconds(20))
            // Until its end, and until all that it had sent was read.
            while peer.isRunning || receiver.publishers.contains(where: { $0.credentials.processID == peer.processID })
            {
                guard !deadline.hasPassed else { throw Violation("a dead publisher stays") }
                while let stamp = try receiver.receive(until: .immediately) { try ledger.note(stamp) }
            }
            while let stamp = try receiver.receive(until: .immediately) { try ledger.note(stamp) }
        }
        let options = ["subscribers=1", "count=30", "style=\(style)", "waiting=blocking"]
        let learn = try start("publish", kind, options + ["id=2", "record"])
        try receive(learn)
        var killed = 0
        for (id, step) in try steps(learn, &chance).enumerated() {
            let victim = try start("publish", kind, options + ["id=\(id + 3)", "kill=\(step)"])
            try receive(victim)
            killed += try victim.wait() == .signaled(9) ? 1 : 0
            #expect(ledger.lines[UInt64(id + 3)]?.first ?? 0 == 0, "killed at call \(step)")
            #expect(try steady.send(UInt64(id), until: .after(.seconds(10))))
        }
        while let stamp = try receiver.receive(until: .after(.milliseconds(50))) { try ledger.note(stamp) }
        // Who meets a dead publisher's socket removes it, a little after its end.
        let limit = Deadline.after(.seconds(10))
        while arena.sockets.count > 1, !limit.hasPassed { TestSyscalls.sleep(nanoseconds: 10_000_000) }
        #expect(arena.sockets.count == 1)
        print("\(killed) publishers killed, each at a system call of its own")
        #expect(killed > 5)
    }

    @Test("a subscriber", arguments: ProofKind.allCases, ["place", "async"])
    func subscriber(kind: ProofKind, style: String) throws {
        var chance = Chance("a \(style) subscriber of \(kind) is killed at each call")
        let sender = try kind.sender(
            arena.directory, 1, PublisherOptions(waiting: .blocking, stallLimit: .seconds(60)))
        let survivor = try arena.subscriber(kind, "style=async")
        #expect(try sender.waitForSubscribers(1, until: .after(.seconds(10))))
        var sent: UInt64 = 0
        func send(_ peer: Peer) throws {
            while peer.isRunning || sender.subscriberCount > 1 {
                guard try sender.send(sent, until: .after(.seconds(10))) else {
                    throw Violation("message \(sent) found no room: a dead subscriber holds it")
                }
                sent += 1
                // It is to sleep now and then.
                if sent % 16 == 0 { TestSyscalls.sleep(nanoseconds: 200_000) }
            }
        }
        let options = ["count=30", "style=\(style)", "waiting=blocking", "history=all"]
        let learn = try start("subscribe", kind, options + ["record"])
        try send(learn)
        var killed = 0
        for step in try steps(learn, &chance) {
            let victim = try start(
                "subscribe", kind, options + ["kill=\(step)", "delivery=" + chance.pick("lossless", "lossy")])
            try send(victim)
            killed += try victim.wait() == .signaled(9) ? 1 : 0
        }
        survivor.kill(15)
        #expect(try survivor.finish().text.contains("VIOLATION") == false)
        print("\(killed) subscribers killed, each at a system call of its own, \(sent) messages sent")
        #expect(killed > 5)
    }

    private func start(_ role: String, _ kind: ProofKind, _ options: [String]) throws -> Peer {
        try Peer([Arena.program, role, arena.directory, kind.rawValue] + options)
    }
}
