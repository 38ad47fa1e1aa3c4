// SPDX-License-Identifier: Apache-2.0
import InterprocessStructures
import InterprocessTestKit
import Testing

@Suite(.bounded()) struct LayoutTests {
    @Test func sizesAreWholeLines() throws {
        let small = try #require(LogLayout(fixedPayloadBytes: 48, recordCount: 10))
        #expect((small.stride, small.capacity, small.regionBytes) == (64, 640, 768))
        let large = try #require(LogLayout(fixedPayloadBytes: 64, recordCount: 2))
        #expect((large.stride, large.capacity) == (128, 256))
        let aligned = try #require(LogLayout(fixedPayloadBytes: 64, recordCount: 2, payloadOffset: 64))
        #expect((aligned.stride, aligned.payloadOffset) == (128, 64))
        let variable = try #require(LogLayout(variableCapacity: 4096))
        #expect((variable.stride, variable.payloadBytes) == (0, 1008))
        #expect(LogLayout(fixedPayloadBytes: 0, recordCount: 2)?.stride == 64)
    }

    @Test(arguments: [
        LogLayout(fixedPayloadBytes: 8, recordCount: 1), LogLayout(fixedPayloadBytes: -1, recordCount: 8),
        LogLayout(fixedPayloadBytes: .max, recordCount: 8), LogLayout(fixedPayloadBytes: 8, recordCount: .max),
        LogLayout(fixedPayloadBytes: 8, recordCount: 8, payloadOffset: 8),
        LogLayout(fixedPayloadBytes: 8, recordCount: 8, payloadOffset: 24),
        LogLayout(variableCapacity: 192), LogLayout(variableCapacity: 4000), LogLayout(variableCapacity: .max),
        LogLayout(variableCapacity: -64), LogLayout(variableCapacity: 256, payloadOffset: 80),
    ]) func impossibleSizesAreRefused(_ layout: LogLayout?) {
        #expect(layout == nil)
    }

    @Test func aHeaderIsReadAsItWasWritten() throws {
        for layout in [
            LogLayout(fixedPayloadBytes: 100, recordCount: 5)!, LogLayout(variableCapacity: 1024)!,
            LogLayout(fixedPayloadBytes: 8, recordCount: 3, payloadOffset: 32)!,
        ] {
            let scene = Scene(layout)
            #expect(try LogLayout(reading: scene.memory.view, byteCount: layout.regionBytes) == layout)
            #expect(throws: LogLayoutError.contradictory) {
                try LogLayout(reading: scene.memory.view, byteCount: layout.regionBytes - 1)
            }
            #expect(throws: LogLayoutError.tooSmall) { try LogLayout(reading: scene.memory.view, byteCount: 127) }
        }
    }

    @Test func otherMemoryIsNoLog() {
        let memory = GuardedMemory(4096)
        #expect(throws: LogLayoutError.unknown) { try LogLayout(reading: memory.view, byteCount: 4096) }
    }

    /// Whatever the header says: a layout that is believed lies within the region and can be read from.
    @Test func noHeaderLeadsOutside() throws {
        var dice = Dice(Dice.seed())
        let layout = LogLayout(variableCapacity: 1024)!
        let interesting: [UInt64] = [
            0, 1, 15, 16, 17, 63, 64, 65, 128, 255, 256, 1024, 1 << 31, 1 << 32, 1 << 40, 1 << 62, 1 << 63, .max,
            .max - 63,
        ]
        var believed = 0
        for _ in 0..<20_000 {
            let scene = Scene(layout)
            for _ in 0...dice.roll(4) {
                let field = [72, 80, 88, 96][dice.roll(4)]
                scene.memory[field] =
                    dice.roll(3) == 0 ? dice.next() >> UInt64(dice.roll(64)) : interesting.randomElement(using: &dice)!
            }
            guard let read = try? LogLayout(reading: scene.memory.view, byteCount: layout.regionBytes) else { continue }
            believed += 1
            #expect(read.regionBytes <= layout.regionBytes && read.capacity > 0, "seed \(dice.seed)")
            let page = GuardedMemory(PairLayout.regionBytes)
            let pair = PairPage(page.base, PairLayout(stagger: 15)!)
            var cursor = ReaderCursor(scene.memory.view, read, pair, isLossless: true, position: 0, sequence: 0)!
            let sighting = cursor.look()
            #expect(sighting == .nothing)
        }
        #expect(believed > 0)
    }

    @Test func everyPairLayoutLiesWithinItsPage() {
        #expect(PairLayout(stagger: -1) == nil && PairLayout(stagger: 16) == nil)
        for stagger in 0..<PairLayout.staggers {
            let page = GuardedMemory(PairLayout.regionBytes)
            let pair = PairPage(page.base, PairLayout(stagger: stagger)!)
            let words = [
                pair.released, pair.pin, pair.sleeps, pair.sleepMode, pair.missed, pair.waits, pair.evicted,
                pair.waitMode,
            ]
            for (index, word) in words.enumerated() {
                word.storeRelaxed(UInt64(index) + 1)
            }
            pair.spaceBell.ring()
            pair.doorbell.ring()
            #expect(words.map { $0.loadRelaxed() } == Array(1...8))
            #expect(pair.spaceBell.read() == 1 && pair.doorbell.read() == 1)
        }
    }

    @Test func aStartThatIsNoBorderIsRefused() {
        let scene = Scene.fixed(64, 8)
        let page = GuardedMemory(PairLayout.regionBytes)
        let pair = PairPage(page.base, PairLayout(stagger: 0)!)
        for position: UInt64 in [1, 64, 127, .max] {
            let cursor = ReaderCursor(
                scene.memory.view, scene.layout, pair, isLossless: true, position: position, sequence: 0)
            let isRefused = cursor == nil
            #expect(isRefused)
        }
    }
}
