// SPDX-License-Identifier: Apache-2.0
import InterprocessStructures
import InterprocessTestKit
import Testing

/// Every order of the steps of a publisher and its readers, in small cases.
///
/// The steps are those between which one process can see another: the floor and the limit, clearing a header and committing,
/// pinning and confirming, taking and releasing.
@Suite(.bounded()) struct InterleavingTests {
    /// A publisher that needs room, step by step, while readers are anywhere.
    private func publisher(_ scene: Scene, _ rounds: Int) -> [() -> Void] {
        var sent = 0
        return (0..<rounds).flatMap { _ -> [() -> Void] in
            [
                { _ = scene.raiseFloor() },
                { _ = scene.raiseLimit() },
                { if scene.send("new\(sent)") { sent += 1 } },
            ]
        }
    }

    @Test(arguments: [true, false]) func aPinAgainstTheFloor(_ isFixed: Bool) {
        var outcomes: Set<String> = []
        let runs = Exhaustion.interleave {
            let scene = isFixed ? Scene.fixed(48, 4) : Scene.variable(256)
            let reader = scene.join(lossless: false)!
            for index in 0..<3 { precondition(scene.send("old\(index)")) }
            var isPinned = false
            var sample: UnsafeRawBufferPointer?
            let readers: [() -> Void] = [
                { reader.cursor.storePin() },
                { isPinned = reader.confirmPin() },
                { if isPinned { sample = reader.take() } },
                {
                    guard let sample else { return }
                    let text = String(decoding: sample.prefix { $0 != 0 }, as: UTF8.self)
                    #expect(text == "old0")
                },
                {
                    guard sample != nil else { return }
                    #expect(reader.release())
                    outcomes.insert("used")
                },
                {
                    if sample != nil { return }
                    let sighting = reader.look()
                    outcomes.insert("\(sighting)")
                    let text = reader.text()
                    if case .lapped(let missed) = sighting {
                        #expect(text == (missed < 3 ? "old\(missed)" : "new\(missed - 3)"))
                    }
                },
            ]
            return ([publisher(scene, 3), readers], {})
        }
        print("a pin against the floor: \(runs) orders, \(outcomes.sorted())")
        #expect(outcomes.count >= 3)
    }

    /// Two lossless readers and a joiner: nobody misses anything, whatever the order.
    @Test(arguments: [true, false]) func readersAndAJoiner(_ isFixed: Bool) {
        var starts: Set<UInt64> = []
        let runs = Exhaustion.interleave {
            let scene = isFixed ? Scene.fixed(48, 4) : Scene.variable(256)
            let first = scene.join()!
            for index in 0..<3 { precondition(scene.send("\(index)")) }
            var (sent, received) = (3, 0)
            var joiner: Reader?
            var expected = 0
            let publishing = (0..<5).map { _ in { if scene.send("\(sent)") { sent += 1 } } }
            let receiving = (0..<3).map { _ in
                {
                    guard let text = first.text() else { return }
                    #expect(text == "\(received)")
                    received += 1
                }
            }
            let joining: [() -> Void] =
                [
                    {
                        joiner = scene.join(history: .all)
                        expected = Int(joiner!.entry.sequence)
                        starts.insert(joiner!.entry.sequence)
                    }
                ]
                + (0..<3).map { _ in
                    {
                        guard let text = joiner?.text() else { return }
                        #expect(text == "\(expected)")
                        expected += 1
                    }
                }
            return (
                [publishing, receiving, joining],
                {
                    while let text = first.text() {
                        #expect(text == "\(received)")
                        received += 1
                    }
                    while let text = joiner?.text() {
                        #expect(text == "\(expected)")
                        expected += 1
                    }
                    #expect(received == sent && expected == sent)
                }
            )
        }
        print("readers and a joiner: \(runs) orders, starts \(starts.sorted())")
        #expect(starts.count > 1)
    }

    /// Records of every length that a ring of eight lines can hold, in every order, with a reader that keeps up or lags.
    @Test func lengthsAndPadding() {
        let lengths = [0, 48, 49, 112]
        let runs = Exhaustion.run { chooser in
            let scene = Scene.variable(512)
            let reader = scene.join()!
            var sent: [[UInt8]] = []
            var received = 0
            for _ in 0..<5 {
                switch chooser.choose(lengths.count + 2) {
                case let choice where choice < lengths.count:
                    // Every word could be the commit word of the record after it.
                    let word = UInt64(sent.count + 2)
                    let bytes = (0..<lengths[choice]).map { UInt8(truncatingIfNeeded: word >> (UInt64($0 % 8) * 8)) }
                    if scene.send(bytes) { sent.append(bytes) }
                case lengths.count:
                    // The largest claim, given up.
                    if scene.makeRoom(byteCount: 112).isReady, let place = scene.claim(byteCount: 112) {
                        for word in 0..<14 {
                            (place + 8 * word).storeBytes(of: UInt64(sent.count + 1), as: UInt64.self)
                        }
                    }
                default:
                    while let bytes = reader.receive() {
                        #expect(bytes == sent[received])
                        received += 1
                    }
                    #expect(reader.look() == .nothing)
                }
            }
            while let bytes = reader.receive() {
                #expect(bytes == sent[received])
                received += 1
            }
            #expect(received == sent.count && reader.look() == .nothing, "choices \(chooser.description)")
        }
        print("lengths and padding: \(runs) runs")
    }
}
