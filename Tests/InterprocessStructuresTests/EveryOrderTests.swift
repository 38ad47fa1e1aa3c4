// SPDX-License-Identifier: Apache-2.0
import InterprocessStructures
import InterprocessTestKit
import Testing

/// Every order of the steps of a publisher and several others, or of halves of its own steps.
@Suite(.bounded()) struct EveryOrderTests {
    /// What a reader has received so far must be this.
    private final class Expected {
        let reader: Reader
        var number: Int

        init(_ reader: Reader) {
            self.reader = reader
            number = Int(reader.entry.sequence)
        }

        func receive() -> Bool {
            guard let text = reader.text() else { return false }
            #expect(text == "\(number)")
            number += 1
            return true
        }
    }

    /// Two lossless readers, and one that joins: nobody misses anything.
    @Test(arguments: [true, false]) func twoReadersAndAJoiner(_ isFixed: Bool) {
        var refused = 0
        let runs = Exhaustion.interleave {
            let scene = isFixed ? Scene.fixed(48, 4) : Scene.variable(256)
            let readers = [Expected(scene.join()!), Expected(scene.join(stagger: 1)!)]
            for index in 0..<3 { precondition(scene.send("\(index)")) }
            var sent = 3
            var joiner: Expected?
            let publishing = (0..<3).map { _ in { if scene.send("\(sent)") { sent += 1 } else { refused += 1 } } }
            let receiving = readers.map { reader in (0..<2).map { _ in { _ = reader.receive() } } }
            let joining = [
                { joiner = Expected(scene.join(history: .all, stagger: 2)!) }, { _ = joiner!.receive() },
            ]
            return (
                [publishing, joining] + receiving,
                {
                    for reader in readers + [joiner!] {
                        while reader.receive() {}
                        #expect(reader.number == sent)
                    }
                }
            )
        }
        print("two readers and a joiner: \(runs) orders, \(refused) refused for want of room")
        #expect(refused > 0)
    }

    /// A reader is put out, and its record overwritten, anywhere between taking and releasing it: a release that calls it whole
    /// is right.
    @Test(arguments: [true, false], [true, false]) func puttingOutAgainstARelease(_ isFixed: Bool, _ isLossless: Bool) {
        var outcomes: Set<String> = []
        let runs = Exhaustion.interleave {
            let scene = isFixed ? Scene.fixed(48, 4) : Scene.variable(256)
            let reader = scene.join(lossless: isLossless)!
            for index in 0..<3 { precondition(scene.send("old\(index)")) }
            var sample: UnsafeRawBufferPointer?
            var sent = 0
            let more: [() -> Void] = (0..<3).flatMap { _ in
                [{ _ = scene.raiseFloor() }, { _ = scene.raiseLimit() }, { if scene.send("new") { sent += 1 } }]
            }
            return (
                [
                    [{ scene.evict(reader) }] + more,
                    [
                        { sample = reader.take() },
                        {
                            let isWhole = sample.map { $0.starts(with: "old0".utf8) } ?? true
                            let isCalledWhole = reader.release()
                            #expect(isWhole || !isCalledWhole)
                            outcomes.insert("\(sample != nil) \(isWhole) \(isCalledWhole)")
                        },
                        {
                            let sighting = reader.look()
                            #expect(sighting == .evicted || sighting == .record)
                        },
                    ],
                ],
                {
                    #expect(reader.look() == .evicted && reader.pair.evicted.loadRelaxed() == 1)
                    #expect(sent > 0, "a publisher is held by nobody who was put out")
                }
            )
        }
        print("putting out against a release: \(runs) orders, \(outcomes.sorted())")
        #expect(outcomes.contains("true true true") && outcomes.contains("true false false"))
    }

    /// The end of the ring: padding is committed by itself, and a record's header is cleared and written in two steps.
    @Test(arguments: [0, 1, 2]) func paddingAtTheEnd(_ way: Int) {
        var lapped = 0
        let runs = Exhaustion.interleave {
            let scene = Scene.variable(512)
            let reader = scene.join(lossless: way == 0)!
            var expected = 0
            // Seven of eight lines; what comes needs two.
            for index in 0..<7 { precondition(scene.send("\(index)")) }
            for _ in 0..<4 {
                precondition((way == 2 ? reader.copy() : reader.receive()) != nil)
                expected += 1
            }
            var sent = 7
            var isReady = false
            let publishing: [() -> Void] = (0..<2).flatMap { _ -> [() -> Void] in
                [
                    { isReady = scene.makeRoom(byteCount: 100).isReady },
                    {
                        guard isReady, let place = scene.claim(byteCount: 100) else { return isReady = false }
                        let bytes = Array("\(sent)".utf8) + Array(repeating: 0, count: 98)
                        place.copyMemory(from: bytes, byteCount: min(bytes.count, 100))
                        scene.log.clearNextHeader(byteCount: 100)
                    },
                    {
                        guard isReady else { return }
                        scene.log.publish(byteCount: 100)
                        sent += 1
                    },
                ]
            }
            func read() {
                if let bytes = way == 2 ? reader.copy() : reader.receive() {
                    #expect(String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self) == "\(expected)")
                    expected += 1
                } else if case .lapped(let missed) = reader.look() {
                    expected += Int(missed)
                    lapped += 1
                }
            }
            return (
                [publishing, Array(repeating: read, count: 5)],
                {
                    for _ in 0..<8 { read() }
                    #expect(expected == sent && reader.look() == .nothing)
                }
            )
        }
        print("padding at the end, \(["lossless", "pinning", "copying"][way]): \(runs) orders, \(lapped) lapped")
    }

    /// One joins, with all that is retained or the latest, while the floor moves.
    @Test(arguments: [true, false], [0, 1, 2]) func aJoinerWhileTheFloorMoves(_ isFixed: Bool, _ way: Int) {
        var starts: Set<UInt64> = []
        let runs = Exhaustion.interleave {
            let scene = isFixed ? Scene.fixed(48, 8) : Scene.variable(512)
            for index in 0..<9 { precondition(scene.send("\(index)")) }
            var sent = 9
            var (joiner, expected) = (nil as Reader?, 0)
            let publishing: [() -> Void] = (0..<3).flatMap { _ -> [() -> Void] in
                [
                    { _ = scene.raiseFloor() }, { _ = scene.raiseLimit() },
                    { if scene.send("\(sent)") { sent += 1 } },
                ]
            }
            func read() {
                guard let joiner else { return }
                if let bytes = way == 2 ? joiner.copy() : joiner.receive() {
                    #expect(String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self) == "\(expected)")
                    expected += 1
                } else if case .lapped(let missed) = joiner.look() {
                    #expect(way != 0)
                    expected += Int(missed)
                }
            }
            let joining: [() -> Void] = [
                {
                    let history: ReaderRoster.History = way == 1 ? .latest(3) : .all
                    joiner = scene.join(lossless: way == 0, history: history)
                    expected = Int(joiner!.entry.sequence)
                    starts.insert(joiner!.entry.sequence)
                    let floor = scene.log.roster.status().floor
                    #expect(way == 1 ? expected == sent - 3 : joiner!.entry.sequence == floor.sequence)
                },
                read, read,
            ]
            return (
                [publishing, joining],
                {
                    for _ in 0..<16 { read() }
                    #expect(expected == sent)
                }
            )
        }
        print("a joiner while the floor moves: \(runs) orders, starts \(starts.sorted())")
        #expect(starts.count > 1)
    }
}
