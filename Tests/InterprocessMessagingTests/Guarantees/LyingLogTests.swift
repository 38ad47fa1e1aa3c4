// SPDX-License-Identifier: Apache-2.0
import Interprocess
@testable import InterprocessMessaging
import InterprocessStructures
import InterprocessSyscalls
import InterprocessTestKit
import Testing
import messaging_peer

/// A publisher owns its log and can write there what it likes. Its subscribers neither crash nor hang, and what others send them
/// arrives as if it were not there.
@Suite("A hostile publisher harms nobody's stream but its own", .bounded(Rounds.limit))
struct LyingLogTests {
    enum Reading: CaseIterable { case lossless, pinning, copying }

    /// The liar's log, and the page that it shares with its subscriber.
    final class Liar {
        let outbox: Outbox
        let ends: Meeting.Ends
        private var chance: Chance

        init(_ inboxes: InboxSet, bytes: Bool, _ chance: Chance) throws {
            outbox = try bytes ? Meeting.byteOutbox() : Meeting.outbox(Proof.self, capacity: 8)
            ends = try Meeting.introduce(outbox.desk, inboxes.desk)
            self.chance = chance
        }

        func scribble() {
            let segment = outbox.desk.segment
            let words = outbox.desk.segment.layout.regionBytes / 8
            for _ in 0..<Int.random(in: 1...6, using: &chance) {
                let offset =
                    switch Int.random(in: 0..<4, using: &chance) {
                    // Floor, state, the constants behind them; the headers of records; anything.
                    case 0: 8 * Int.random(in: 0..<2, using: &chance)
                    case 1: 8 * Int.random(in: 0..<16, using: &chance)
                    case 2:
                        128 + 64 * Int.random(in: 0..<(words - 16) / 8, using: &chance) + 8
                            * Int.random(in: 0...1, using: &chance)
                    default: 8 * Int.random(in: 0..<words, using: &chance)
                    }
                segment.region.store(word(), at: offset)
            }
            // Evicted, waits, doorbell, waitMode.
            if Int.random(in: 0..<8, using: &chance) == 0 {
                let page = outbox.desk.shelf.page(0)
                switch Int.random(in: 0..<5, using: &chance) {
                case 0: page.evicted.storeRelaxed(word())
                case 1: page.waits.storeRelaxed(word())
                case 2: page.waitMode.storeRelaxed(word())
                case 3: page.released.storeRelaxed(word())
                default: page.doorbell.ring()
                }
            }
            if Int.random(in: 0..<64, using: &chance) == 0 { for _ in 0..<500 { ends.publisher.ring() } }
        }

        private func word() -> UInt64 {
            let segment = outbox.desk.segment
            switch Int.random(in: 0..<3, using: &chance) {
            case 0:
                // A header that may be one.
                let length = UInt64.random(in: 0..<2048, using: &chance)
                return length | UInt64.random(in: 0...3, using: &chance) << 32
            default: return HostileSubscriber.lie(segment.region, &chance)
            }
        }
    }

    @Test("typed", arguments: Reading.allCases)
    func typed(reading: Reading) throws {
        try run(reading, bytes: false) { inboxes in TypedReceiver(Subscriber<Proof>(inboxes)) }
    }

    @Test("bytes", arguments: Reading.allCases)
    func bytes(reading: Reading) throws {
        try run(reading, bytes: true) { inboxes in ByteReceiver(ByteSubscriber(inboxes)) }
    }

    private func run(_ reading: Reading, bytes: Bool, _ receiver: (InboxSet) -> any ProofReceiver) throws {
        var chance = Chance("a hostile publisher, bytes \(bytes), \(reading)")
        let strategies: [WaitStrategy] = [.blocking, .standard]
        let options = SubscriberOptions(
            history: .all, delivery: reading == .lossless ? .lossless : .lossy,
            waiting: strategies.randomElement(using: &chance)!)
        let inboxes = try bytes ? Meeting.byteInboxes(options) : Meeting.inboxes(Proof.self, options)
        let honest = try bytes ? Meeting.byteOutbox() : Meeting.outbox(Proof.self, capacity: 8)
        try Meeting.introduce(honest.desk, inboxes.desk)
        let sender: any ProofSender = bytes ? ByteSender(BytePublisher(honest), 1) : TypedSender(Publisher(honest), 1)
        let receiver = receiver(inboxes)
        var ledger = Ledger(isLossless: reading == .lossless)
        var (sent, strange): (UInt64, Int) = (0, 0)
        var liars = 0
        for _ in Rounds(20) {
            let liar = try Liar(inboxes, bytes: bytes, Chance(state: chance.next()))
            liars += 1
            let stop = Flag()
            // Beside the reader, as fast as it can, or in turns with it.
            let isBeside = liars % 4 == 0
            let outcome = isBeside ? try Meeting.onThread(liar) { liar in while !stop.isSet { liar.scribble() } } : nil
            for _ in 0..<30 {
                if !isBeside { liar.scribble() }
                #expect(try sender.send(sent, until: .after(.seconds(10))))
                sent += 1
                var looks = 0
                while ledger.lines[1]?.next != sent {
                    looks += 1
                    guard looks < 10_000 else { throw Violation("\(sent - 1) does not come") }
                    do throws(IPCError) {
                        let stamp =
                            reading == .copying
                            ? try receiver.copy() : try receiver.receive(until: .after(.milliseconds(1)))
                        guard let stamp else { continue }
                        // A proof of the honest one, or whatever the liar wants it to be.
                        if stamp.isWhole && stamp.sender == 1 { try! ledger.note(stamp) } else { strange += 1 }
                    } catch {
                        #expect(error.code == .evicted)
                    }
                }
            }
            stop.set()
            try outcome?.wait()
            _ = receiver.takeNotices()
        }
        #expect(ledger.lines[1]?.next == sent)
        print("\(liars) hostile publishers, \(sent) honest messages, \(strange) strange ones")
    }
}
