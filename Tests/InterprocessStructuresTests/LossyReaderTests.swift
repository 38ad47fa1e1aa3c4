// SPDX-License-Identifier: Apache-2.0
import InterprocessStructures
import InterprocessTestKit
import Testing

@Suite(.bounded()) struct LossyReaderTests {
    @Test(arguments: [true, false], [true, false])
    func whoIsLappedLearnsHowManyWereMissed(_ isFixed: Bool, _ isCopying: Bool) throws {
        for sent in 1..<60 {
            let scene = isFixed ? Scene.fixed() : Scene.variable()
            let lossy = try #require(scene.join(lossless: false))
            for index in 0..<sent { #expect(scene.send("\(index)")) }
            var expected = 0
            if case .lapped(let missed) = lossy.look() {
                expected = Int(missed)
                #expect(sent - expected >= 5 && sent > 7)
            }
            for index in expected..<sent {
                let bytes = isCopying ? lossy.copy() : lossy.receive()
                #expect(bytes.map { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) } == "\(index)")
            }
            #expect(lossy.look() == .nothing)
        }
    }

    @Test func aRecordThatIsTooLongCanBePassedOver() throws {
        let scene = Scene.variable(1024)
        let lossy = try #require(scene.join(lossless: false))
        #expect(scene.send(Array(repeating: 7, count: 200)) && scene.send("next"))
        var small = [UInt8](repeating: 0, count: 10)
        #expect(lossy.copy(into: &small) == .tooLong(200))
        #expect(small.allSatisfy { $0 == 0 })
        #expect(lossy.skipNext())
        #expect(lossy.copy(into: &small) == .copied(4))
        #expect(lossy.cursor.nextSequence == 2)
        #expect(!lossy.skipNext())
    }

    /// Padding takes no number: whoever passes over a record passes over the one behind it.
    @Test func paddingIsNoRecordToPassOver() throws {
        let scene = Scene.variable(512)
        let lossy = try #require(scene.join(lossless: false))
        for _ in 0..<7 { #expect(scene.send("x")) }
        for _ in 0..<7 { #expect(lossy.skipNext()) }
        // Two lines do not fit at the end of the ring.
        #expect(scene.send(Array(repeating: 7, count: 100)) && scene.send("next"))
        #expect(lossy.skipNext())
        #expect(lossy.copy() == Array("next".utf8))
        #expect(lossy.cursor.nextSequence == 9)
    }

    /// Every length is copied to its last byte and not beyond.
    @Test func everyLengthIsCopied() throws {
        let scene = Scene.variable(1024)
        let lossy = try #require(scene.join(lossless: false))
        for length in 0...240 {
            let bytes = (0..<length).map { UInt8(truncatingIfNeeded: $0 + length) }
            #expect(scene.send(bytes))
            var target = [UInt8](repeating: 0xEE, count: length + 9)
            #expect(lossy.copy(into: &target) == .copied(length))
            #expect(Array(target.prefix(length)) == bytes)
            #expect(target.suffix(9).allSatisfy { $0 == 0xEE })
        }
    }

    @Test func samplesUnderOnePinStayTogether() throws {
        let scene = Scene.variable(1024)
        let lossy = try #require(scene.join(lossless: false))
        for index in 0..<5 { #expect(scene.send("\(index)")) }
        var samples: [UnsafeRawBufferPointer] = []
        while let sample = lossy.take() { samples.append(sample) }
        while scene.send(Array(repeating: 0xAA, count: 100)) {}
        #expect(samples.map { $0.first } == (0..<5).map { UInt8(ascii: "0") + UInt8($0) })
        #expect(lossy.release())
        #expect(scene.send("more"))
    }
}
