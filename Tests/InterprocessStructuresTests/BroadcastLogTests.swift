// SPDX-License-Identifier: Apache-2.0
import InterprocessStructures
import InterprocessTestKit
import Testing

@Suite(.bounded()) struct BroadcastLogTests {
    @Test(arguments: [true, false]) func whatIsSentIsReceivedInOrder(_ isFixed: Bool) throws {
        let scene = isFixed ? Scene.fixed() : Scene.variable()
        let reader = try #require(scene.join())
        #expect(reader.text() == nil)
        #expect(reader.look() == .nothing)
        for lap in 0..<40 {
            #expect(scene.send("a\(lap)") && scene.send("b\(lap)"))
            #expect(reader.look() == .record)
            #expect(reader.text() == "a\(lap)")
            #expect(reader.text() == "b\(lap)")
            #expect(reader.text() == nil)
        }
        #expect(reader.cursor.nextSequence == 80)
        #expect(scene.log.nextSequence == 80)
    }

    /// Numbers that wrap around while the log is in use.
    @Test(arguments: [true, false]) func numbersWrapAround(_ isFixed: Bool) throws {
        let origin = LogOrigin(position: UInt64.max - 1023, sequence: UInt64.max - 10)
        let scene = isFixed ? Scene.fixed(48, 8, origin: origin) : Scene.variable(512, origin: origin)
        let lossless = try #require(scene.join())
        let lossy = try #require(scene.join(lossless: false))
        // Sequence number .max has the commit word 0, which says nothing: a log ends 2⁶⁴ records before.
        for index in 0..<10 {
            #expect(scene.send("\(index)"))
            #expect(lossless.text() == "\(index)")
            #expect(lossy.text() == "\(index)")
        }
        var positions = isFixed ? Scene.fixed(48, 8, origin: LogOrigin(position: origin.position, sequence: 0)) : nil
        positions = positions ?? Scene.variable(512, origin: LogOrigin(position: origin.position, sequence: 0))
        let again = try #require(positions)
        let reader = try #require(again.join())
        let slow = try #require(again.join(lossless: false))
        for index in 0..<64 {
            #expect(again.send("\(index)"))
            #expect(reader.text() == "\(index)")
        }
        #expect(again.log.headPosition < 1 << 20, "it has wrapped")
        guard case .lapped(let missed) = slow.look() else {
            Issue.record("not lapped")
            return
        }
        #expect(slow.text() == "\(missed)")
    }

    @Test(arguments: [true, false]) func aSlowLosslessReaderHoldsTheLog(_ isFixed: Bool) throws {
        let scene = isFixed ? Scene.fixed() : Scene.variable()
        let reader = try #require(scene.join())
        var sent = 0
        while scene.send("\(sent)") { sent += 1 }
        #expect(sent == (isFixed ? 8 : 7))
        let room = isFixed ? scene.makeRoom() : scene.makeRoom(byteCount: 1)
        #expect(room == .held(by: reader.entry.index))
        // A record that is used holds as much as one that was not looked at.
        #expect(reader.take() != nil)
        #expect(!scene.send("x"))
        #expect(reader.release())
        #expect(scene.send("\(sent)"))
        for expected in 1...sent { #expect(reader.text() == "\(expected)") }
    }

    @Test(arguments: [true, false]) func roomIsMadeOfWhatIsKnown(_ isFixed: Bool) throws {
        let scene = isFixed ? Scene.fixed() : Scene.variable()
        let reader = try #require(scene.join())
        var sent = 0
        while scene.send("\(sent)") { sent += 1 }
        for expected in 0..<sent { #expect(reader.text() == "\(expected)") }
        // This looks at the reader.
        #expect(scene.send("\(sent)"))
        // Up to there, every commit makes room for the next record, and its claim finds it.
        for _ in 1..<5 {
            #expect(isFixed ? scene.claim() != nil : scene.claim(byteCount: 1) != nil)
            sent += 1
            #expect(scene.send("\(sent)"))
        }
    }

    @Test(arguments: [true, false]) func whoEntersHoldsMoreThanWasKnown(_ isFixed: Bool) throws {
        let scene = isFixed ? Scene.fixed() : Scene.variable()
        let first = try #require(scene.join())
        var sent = 0
        while scene.send("\(sent)") { sent += 1 }
        for expected in 0..<sent { #expect(first.text() == "\(expected)") }
        #expect(scene.send("\(sent)"))
        // All but the last were known to be free; this reader begins below.
        let late = try #require(scene.join(history: .all))
        let start = Int(late.entry.sequence)
        #expect(start < sent)
        while scene.send("\(sent + 1)") { sent += 1 }
        for expected in start...sent { #expect(late.text() == "\(expected)") }
    }

    @Test func nobodyHoldsALogWithoutReaders() throws {
        let scene = Scene.fixed()
        for _ in 0..<100 { #expect(scene.send("x")) }
        #expect(scene.log.headPosition &- scene.log.floorPosition <= 512)
    }

    @Test func aClaimThatIsNotSentLeavesNothing() throws {
        let scene = Scene.variable(1024)
        let reader = try #require(scene.join())
        for round in 0..<60 {
            // What it writes looks like commit words wherever a header could come to lie.
            #expect(scene.makeRoom(byteCount: 240).isReady)
            let place = try #require(scene.claim(byteCount: 240))
            for word in 0..<30 {
                (place + 8 * word).storeBytes(of: scene.log.nextSequence + 1 + UInt64(word % 3), as: UInt64.self)
            }
            #expect(reader.text() == nil && reader.look() == .nothing)
            #expect(scene.send("\(round)"))
            #expect(reader.text() == "\(round)")
            #expect(reader.text() == nil && reader.look() == .nothing)
        }
    }

    @Test func aRecordMayBecomeShorterThanItsClaim() throws {
        let scene = Scene.variable(2048)
        let reader = try #require(scene.join())
        for round in 0..<100 {
            #expect(scene.makeRoom(byteCount: 400).isReady)
            let place = try #require(scene.claim(byteCount: 400))
            for word in 0..<50 {
                (place + 8 * word).storeBytes(of: scene.log.nextSequence + 2, as: UInt64.self)
            }
            scene.log.commit(byteCount: round % 3 * 100)
            let bytes = try #require(reader.receive())
            #expect(bytes.count == round % 3 * 100)
            #expect(reader.receive() == nil)
        }
    }

    @Test func sizesBeyondTheLimitAreRefused() {
        let scene = Scene.variable(1024)
        #expect(scene.log.largestPayloadBytes == 240)
        #expect(scene.makeRoom(byteCount: 240).isReady)
        #expect(scene.makeRoom(byteCount: 241) == .tooLarge)
        #expect(scene.makeRoom(byteCount: .max) == .tooLarge)
        #expect(scene.claim(byteCount: 241) == nil)
        let fixed = Scene.fixed(48, 8)
        #expect(fixed.makeRoom(records: 2).isReady)
        #expect(fixed.makeRoom(records: 3) == .tooLarge)
        #expect(fixed.makeRoom(records: .max) == .tooLarge)
        #expect(fixed.makeRoom(records: 0) == .tooLarge)
        let two = Scene.fixed(48, 2)
        for _ in 0..<10 { #expect(two.send("x")) }
    }

    @Test func batches() throws {
        let scene = Scene.fixed(48, 64)
        let reader = try #require(scene.join())
        for batch in 0..<20 {
            #expect(scene.makeRoom(records: 16).isReady)
            #expect(scene.log.recordsWithinLimit >= 16)
            for index in 0..<16 {
                let place = try #require(scene.claim())
                place.storeBytes(of: UInt64(batch * 16 + index), as: UInt64.self)
                scene.log.commit()
            }
            var samples: [UnsafeRawPointer] = []
            while let sample = reader.cursor.next() { samples.append(sample) }
            #expect(samples.map { $0.load(as: UInt64.self) } == (0..<16).map { UInt64(batch * 16 + $0) })
            #expect(reader.release())
        }
    }

    @Test(arguments: [true, false]) func theEndComesAfterTheLastRecord(_ isFixed: Bool) throws {
        let scene = isFixed ? Scene.fixed() : Scene.variable()
        let reader = try #require(scene.join())
        #expect(scene.send("last"))
        scene.log.end()
        #expect(reader.look(publisherIsGone: true) == .record)
        #expect(reader.text() == "last")
        #expect(reader.look() == .ended)
        #expect(reader.look(publisherIsGone: true) == .ended)
    }

    @Test func aDeadPublishersRecordsAreReadFirst() throws {
        let scene = Scene.variable()
        let reader = try #require(scene.join())
        #expect(scene.send("last"))
        _ = scene.claim(byteCount: 10)
        #expect(reader.look(publisherIsGone: true) == .record)
        #expect(reader.text() == "last")
        #expect(reader.look(publisherIsGone: false) == .nothing)
        #expect(reader.look(publisherIsGone: true) == .abandoned)
    }

    @Test(arguments: [true, false]) func joinersGetTheHistoryThatTheyAskFor(_ isFixed: Bool) throws {
        for sent in 0..<40 {
            let scene = isFixed ? Scene.fixed(48, 8) : Scene.variable(512)
            for index in 0..<sent { #expect(scene.send("\(index)")) }
            let all = try #require(scene.join(history: .all))
            let three = try #require(scene.join(history: .latest(3)))
            let none = try #require(scene.join(history: .none))
            let negative = try #require(scene.join(history: .latest(-1)))
            #expect(none.entry.sequence == UInt64(sent) && negative.entry.sequence == UInt64(sent))
            #expect(none.text() == nil)
            let first = Int(all.entry.sequence)
            #expect(sent < 6 ? first == 0 : sent - first >= 5)
            for index in first..<sent { #expect(all.text() == "\(index)") }
            for index in max(first, sent - 3)..<sent { #expect(three.text() == "\(index)") }
            #expect(all.text() == nil && three.text() == nil)
            #expect(scene.send("new"))
            #expect([all, three, none].map { $0.text() } == ["new", "new", "new"])
        }
    }

    @Test func readersHavePlacesAndGiveThemBack() throws {
        let scene = Scene(LogLayout(fixedPayloadBytes: 8, recordCount: 4)!, maximumReaders: 2)
        let first = try #require(scene.join())
        let second = try #require(scene.join())
        #expect(scene.join() == nil)
        #expect(scene.log.roster.count == 2)
        scene.remove(first)
        let third = try #require(scene.join())
        #expect(third.entry.index == first.entry.index)
        #expect(scene.log.roster.count == 2)
        while scene.send("x") {}
        scene.remove(second)
        scene.remove(third)
        #expect(scene.send("x"))
    }
}
