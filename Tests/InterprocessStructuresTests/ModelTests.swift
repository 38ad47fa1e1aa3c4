// SPDX-License-Identifier: Apache-2.0
import InterprocessStructures
import InterprocessTestKit
import Testing

/// The log beside a model that is nothing but an array of all that was ever sent.
///
/// Every verb is a step, and so is each half of those that have halves: what a schedule does with them is what processes do
/// that are stopped at any of these points.
final class Model {
    let scene: Scene
    var dice: Dice
    private var sent: [[UInt8]] = []
    private var readers: [Follower] = []
    private var claimed: [UInt8]?
    private var isCleared = false
    private(set) var counts: [String: Int] = [:]

    final class Follower {
        enum Way: CaseIterable { case lossless, pinning, copying }
        let reader: Reader
        let way: Way
        var expected: Int
        /// What it holds, and what that must be.
        var samples: [(UnsafeRawBufferPointer, Int)] = []
        var hasHalfAPin = false
        var isOut = false

        init(_ reader: Reader, _ way: Way) {
            self.reader = reader
            self.way = way
            expected = Int(reader.entry.sequence)
        }
    }

    init(_ scene: Scene, _ dice: Dice) {
        self.scene = scene
        self.dice = dice
    }

    func note(_ what: String) { counts[what, default: 0] += 1 }

    func step() throws {
        switch dice.roll(16) {
        case 0..<6: try publish()
        case 6: note(scene.raiseFloor() == nil ? "floor" : "floor held")
        case 7: note(scene.raiseLimit() == nil ? "limit" : "limit held")
        case 8 where dice.roll(8) == 0: join()
        case 9 where dice.roll(32) == 0: leave()
        default: if !readers.isEmpty { try follow(readers[dice.roll(readers.count)]) }
        }
    }

    // MARK: The publisher

    /// Words that could be commit words of what comes next, so that whoever takes a payload for a header believes it.
    private func payload() -> [UInt8] {
        let count = scene.layout.isFixed ? scene.layout.payloadBytes : dice.roll(scene.layout.payloadBytes + 1)
        var bytes: [UInt8] = []
        while bytes.count < count {
            let word = UInt64(sent.count + dice.roll(8)) | (dice.roll(4) == 0 ? 1 << 32 : 0)
            withUnsafeBytes(of: word) { bytes += $0 }
        }
        return Array(bytes.prefix(count))
    }

    private func publish() throws {
        guard let bytes = claimed else { return claim() }
        if dice.roll(8) == 0 && !isCleared {
            note("abandoned")
            claimed = nil
            return
        }
        if scene.layout.isFixed {
            scene.log.commit()
        } else if !isCleared {
            let kept = dice.roll(3) == 0 ? dice.roll(bytes.count + 1) : bytes.count
            claimed = Array(bytes.prefix(kept))
            scene.log.clearNextHeader(byteCount: kept)
            isCleared = true
            return
        } else {
            scene.log.publish(byteCount: bytes.count)
        }
        note("sent")
        sent.append(bytes)
        claimed = nil
        isCleared = false
    }

    private func claim() {
        let bytes = payload()
        let room = scene.layout.isFixed ? scene.makeRoom() : scene.makeRoom(byteCount: bytes.count)
        if case .held(let index) = room {
            note("held")
            #expect(readers.contains { $0.reader.entry.index == index && $0.way != .copying })
            if dice.roll(64) == 0 {
                scene.log.evict(index)
                readers.first { $0.reader.entry.index == index }?.isOut = true
                #expect(scene.nextEvicted() == index)
                note("evicted")
            }
            return
        }
        let place = scene.layout.isFixed ? scene.claim() : scene.claim(byteCount: bytes.count)
        guard let place else {
            Issue.record("room, and yet no place")
            return
        }
        place.copyMemory(from: bytes, byteCount: bytes.count)
        claimed = bytes
    }

    // MARK: Readers

    private func join() {
        let way = Follower.Way.allCases.randomElement(using: &dice)!
        let history: ReaderRoster.History = [.none, .all, .latest(dice.roll(6))].randomElement(using: &dice)!
        guard let reader = scene.join(lossless: way == .lossless, history: history) else { return note("no place") }
        note("joined")
        let follower = Follower(reader, way)
        switch history {
        case .none: #expect(follower.expected == sent.count)
        case .latest(let count): #expect(follower.expected >= sent.count - count)
        case .all: #expect(follower.expected <= sent.count)
        }
        readers.append(follower)
    }

    private func leave() {
        guard !readers.isEmpty else { return }
        scene.remove(readers.remove(at: dice.roll(readers.count)).reader)
        note("left")
    }

    private func follow(_ follower: Follower) throws {
        let reader = follower.reader
        if follower.hasHalfAPin {
            follower.hasHalfAPin = false
            note(reader.confirmPin() ? "pinned" : "pin taken back")
            return
        }
        switch dice.roll(8) {
        case 0: look(follower)
        case 1, 2: try release(follower)
        case 3 where follower.way == .pinning && follower.samples.isEmpty && !follower.isOut:
            reader.cursor.storePin()
            follower.hasHalfAPin = true
        default: if follower.way == .copying { try copy(follower) } else { take(follower) }
        }
    }

    private func take(_ follower: Follower) {
        guard follower.samples.count < 3, let sample = follower.reader.take() else { return note("nothing") }
        note("taken")
        // A record that a reader takes after it was put out may be anything; that it learns at the release.
        if !follower.isOut { #expect(Array(sample) == sent[follower.expected]) }
        follower.samples.append((sample, follower.expected))
        follower.expected += 1
    }

    private func release(_ follower: Follower) throws {
        let isIntact = zip(follower.samples, 0...).allSatisfy { Array($0.0.0) == sent[min($0.0.1, sent.count - 1)] }
        let isGood = follower.reader.release(keepingPin: dice.roll(2) == 0 && follower.way == .pinning)
        if isGood { #expect(isIntact) } else { note("lost while used") }
        if !follower.isOut { #expect(isGood) }
        follower.samples = []
    }

    private func copy(_ follower: Follower) throws {
        guard let bytes = follower.reader.copy() else { return note("nothing") }
        note("copied")
        #expect(bytes == sent[follower.expected])
        follower.expected += 1
    }

    private func look(_ follower: Follower) {
        guard follower.samples.isEmpty else { return }
        switch follower.reader.look() {
        case .lapped(let missed):
            note("lapped")
            #expect(follower.way != .lossless)
            follower.expected += Int(missed)
            // At the end if nothing but padding is left.
            #expect(follower.expected <= sent.count)
        case .evicted: #expect(follower.isOut)
        case .record: #expect(follower.expected < sent.count || follower.isOut)
        case .nothing: #expect(follower.expected == sent.count)
        case let other: Issue.record("\(other)")
        }
    }
}

@Suite(.bounded(Stress.limit)) struct ModelTests {
    static let layouts: [LogLayout] = [
        LogLayout(fixedPayloadBytes: 16, recordCount: 2)!, LogLayout(fixedPayloadBytes: 100, recordCount: 5)!,
        LogLayout(fixedPayloadBytes: 48, recordCount: 32)!, LogLayout(variableCapacity: 256)!,
        LogLayout(variableCapacity: 512)!, LogLayout(variableCapacity: 832)!, LogLayout(variableCapacity: 4096)!,
        LogLayout(variableCapacity: 4096, payloadOffset: 48)!,
    ]

    @Test(arguments: layouts.indices) func randomSchedules(_ index: Int) throws {
        let seed = Dice.seed()
        print("layout \(index): INTERPROCESS_SEED=\(seed)")
        var counts: [String: Int] = [:]
        try Stress.rounds(60) { round in
            let scene = Scene(Self.layouts[index], maximumReaders: 4)
            let model = Model(scene, Dice(seed &+ UInt64(round)))
            for _ in 0..<1_500 { try model.step() }
            counts.merge(model.counts, uniquingKeysWith: +)
        }
        print(counts.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", "))
        for what in ["sent", "taken", "copied", "lapped", "held", "evicted", "abandoned", "joined", "pinned"] {
            #expect(counts[what, default: 0] > 0, "\(what) never happened, seed \(seed)")
        }
    }
}
