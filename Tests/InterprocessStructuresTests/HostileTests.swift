// SPDX-License-Identifier: Apache-2.0
import InterprocessStructures
import InterprocessTestKit
import Testing

/// Whatever the other side writes wherever it can: nothing traps, and nothing outside is read. The memory ends at pages that
/// nobody may touch, and the reader's view of the log cannot be written.
@Suite(.bounded()) struct HostileTests {
    static let words: [UInt64] = [
        0, 1, 2, 16, 63, 64, 65, 128, 1 << 31, 1 << 32, 1 << 32 | 1, 1 << 32 | 48, 1 << 32 | 49, 1 << 32 | 0xFFFF_FFFF,
        2 << 32, 2 << 32 | 48, 2 << 32 | 112, 3 << 32 | 48, 1 << 62, 1 << 63, .max - 64, .max - 1, .max,
    ]

    private func read(_ reader: Reader, _ dice: inout Dice) {
        var sum: UInt8 = 0
        switch dice.roll(6) {
        case 0: _ = reader.release(keepingPin: dice.roll(2) == 0)
        case 1: _ = reader.look(publisherIsGone: dice.roll(2) == 0)
        case 2: _ = reader.mustWakePublisher()
        case 3 where !reader.lossless: _ = reader.copy()
        case 4 where !reader.lossless: _ = reader.skipNext()
        default: for byte in reader.take() ?? UnsafeRawBufferPointer(start: nil, count: 0) { sum &+= byte }
        }
    }

    /// A word that the reader is about to look at, or any.
    private func spoil(_ scene: Scene, _ reader: Reader, _ dice: inout Dice) {
        let value = dice.roll(3) == 0 ? dice.next() >> UInt64(dice.roll(64)) : Self.words.randomElement(using: &dice)!
        let place = LogLayout.ringOffset + Int(reader.cursor.nextPosition % UInt64(scene.layout.capacity))
        switch dice.roll(8) {
        case 0, 1: scene.memory[place] = reader.cursor.nextSequence &+ 1
        case 2, 3: scene.memory[place + 8] = value
        case 4: scene.memory[0] = dice.roll(2) == 0 ? reader.cursor.nextPosition &+ (value & ~63) : value
        case 5: scene.memory[8] = value
        case 6: scene.memory[dice.roll(scene.layout.regionBytes / 8) * 8] = value
        default: reader.page[dice.roll(512) * 8] = value & (dice.roll(8) == 0 ? .max : 2)
        }
    }

    @Test(arguments: [true, false], [true, false])
    func whatAPublisherWritesHarmsNoReader(_ isFixed: Bool, _ isLossless: Bool) throws {
        var dice = Dice(Dice.seed())
        print("INTERPROCESS_SEED=\(dice.seed)")
        for _ in 0..<200 {
            let scene = isFixed ? Scene.fixed(48, 8) : Scene.variable([256, 512, 4096][dice.roll(3)])
            let reader = try #require(scene.join(lossless: isLossless))
            for _ in 0..<300 {
                spoil(scene, reader, &dice)
                if dice.roll(8) == 0 { reader.pair.evicted.storeRelaxed(0) }
                read(reader, &dice)
            }
        }
    }

    /// Lengths and kinds one by one, at each place of a small ring.
    @Test func everyLyingHeaderIsRefused() throws {
        for place in 0..<8 {
            for word in Self.words + (0..<600).map({ 1 << 32 | $0 }) + (0..<600).map({ 2 << 32 | $0 }) {
                let scene = Scene.variable(512)
                for _ in 0..<place { #expect(scene.send("")) }
                let reader = try #require(scene.join())
                let offset = LogLayout.ringOffset + 64 * place
                scene.memory[offset + 8] = word
                scene.memory[offset] = UInt64(place) + 1
                let (kind, length) = (word >> 32, Int(word & 0xFFFF_FFFF))
                let left = 512 - 64 * place
                let isData = kind == 1 && length <= 112 && (length + 79) / 64 * 64 <= left
                let isPadding = kind == 2 && place > 0 && length == left - 16
                let bytes = reader.take()
                #expect(bytes?.count == (isData ? length : nil), "\(word) at \(place)")
                if !isData { #expect(reader.look() == (isPadding ? .nothing : .corrupt), "\(word) at \(place)") }
            }
        }
    }

    @Test(arguments: [true, false]) func whatReadersWriteHarmsNobody(_ isFixed: Bool) throws {
        var dice = Dice(Dice.seed())
        print("INTERPROCESS_SEED=\(dice.seed)")
        var putOut = 0
        for _ in 0..<60 {
            let scene = isFixed ? Scene.fixed(48, 8) : Scene.variable(512)
            let honest = try #require(scene.join(stagger: 3))
            var liars: [Reader] = []
            var (sent, received) = (0, 0)
            for _ in 0..<400 {
                if liars.count < 3, let liar = scene.join(lossless: dice.roll(2) == 0) { liars.append(liar) }
                let liar = liars[dice.roll(liars.count)]
                let value =
                    dice.roll(2) == 0
                    ? dice.next() : scene.log.headPosition &+ Self.words.randomElement(using: &dice)!
                liar.page[dice.roll(8) == 0 ? dice.roll(512) * 8 : dice.roll(4) * 8] = value
                if scene.send("\(sent)") { sent += 1 }
                var sleeper = scene.nextSleeper()
                while sleeper >= 0 { sleeper = scene.nextSleeper(from: sleeper + 1) }
                while let out = scene.nextEvicted() {
                    putOut += 1
                    #expect(out != honest.entry.index)
                    scene.log.remove(out)
                    liars.removeAll { $0.entry.index == out }
                }
                if dice.roll(2) == 0, let text = honest.text() {
                    #expect(text == "\(received)")
                    received += 1
                }
                if let liar = liars.first, dice.roll(16) == 0 {
                    scene.evict(liar)
                }
            }
            #expect(received > 50)
            #expect(honest.look() == (sent == received ? .nothing : .record))
        }
        #expect(putOut > 0)
    }
}
