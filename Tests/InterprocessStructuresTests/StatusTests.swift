// SPDX-License-Identifier: Apache-2.0
import InterprocessStructures
import InterprocessTestKit
import Testing

@Suite(.bounded()) struct StatusTests {
    private func status(_ scene: Scene) -> LogStatus { scene.log.roster.status() }

    @Test(arguments: [true, false], [0, .max - 64 * 6 + 1] as [UInt64])
    func aStatusSaysWhoIsBehind(_ isFixed: Bool, _ position: UInt64) throws {
        // Born so that positions wrap around on the way; numbers do not, since a commit word of 0 is none.
        let origin = LogOrigin(position: position, sequence: position == 0 ? 0 : (1 << 63) - 3)
        let scene = isFixed ? Scene.fixed(origin: origin) : Scene.variable(origin: origin)
        let empty = status(scene)
        #expect(empty.floor == origin && empty.head == origin && empty.capacity == 512 && empty.readers == [])
        let slow = try #require(scene.join())
        let quick = try #require(scene.join(stagger: 1))
        let lossy = try #require(scene.join(lossless: false, stagger: 2))
        for sent in 1...20 {
            let bytes = isFixed ? scene.padded("x") : [UInt8](repeating: 7, count: sent % 3 * 40)
            while !scene.send(bytes) { #expect(slow.receive() != nil) }
            #expect(quick.receive() != nil)
            let status = status(scene)
            #expect(status.head.sequence == origin.sequence &+ UInt64(sent))
            #expect(status.head.position == scene.log.headPosition)
            #expect(status.floor.position == scene.log.floorPosition)
            #expect(status.retainedRecords == status.head.sequence &- status.floor.sequence)
            #expect(status.readers.map(\.index) == [0, 1, 2])
            #expect(status.readers.map(\.isLossless) == [true, true, false])
            #expect(status.readers[0].backlogRecords == status.head.sequence &- slow.cursor.nextSequence)
            #expect(status.readers[0].backlogBytes == scene.log.headPosition &- slow.cursor.nextPosition)
            #expect(status.readers[1].backlogRecords == 0 && status.readers[1].backlogBytes == 0)
            #expect(status.readers[2].position == nil && status.readers[2].backlogRecords == nil)
        }
        guard case .lapped(let missed) = lossy.look() else {
            Issue.record("twenty records in a ring of eight")
            return
        }
        #expect(status(scene).readers[2].missed == missed && lossy.cursor.missedRecords == missed)
        #expect(lossy.take() != nil)
        #expect(status(scene).readers[2].backlogRecords == 20 - missed)
        #expect(scene.send("more") || slow.receive() != nil)
        slow.pair.sleeps.storeRelaxed(1)
        #expect(status(scene).readers.map(\.isSleeping) == [true, false, false])
    }

    /// Missed is what was missed in all, and the other side's copy of it is never read back.
    @Test(arguments: [true, false]) func whatWasMissedAddsUp(_ isFixed: Bool) throws {
        let scene = isFixed ? Scene.fixed() : Scene.variable()
        let lossy = try #require(scene.join(lossless: false))
        var missed: UInt64 = 0
        for round in 0..<5 {
            for _ in 0..<(9 + round) { #expect(scene.send("x")) }
            if case .lapped(let more) = lossy.look() { missed += more }
            #expect(lossy.pair.missed.loadRelaxed() == missed)
            lossy.pair.missed.storeRelaxed(.max)
        }
        #expect(missed > 0 && lossy.cursor.missedRecords == missed)
    }

    @Test func whoIsPutOutHoldsNothing() throws {
        let scene = Scene.fixed()
        let readers = try (0..<3).map { try #require(scene.join(stagger: $0)) }
        #expect(scene.send("x"))
        #expect(scene.enteredReaders() == [0, 1, 2])
        scene.evict(readers[1])
        #expect(scene.enteredReaders() == [0, 2])
        #expect(status(scene).readers.map(\.standing) == [.entered, .evicted, .entered])
        #expect(status(scene).readers.map(\.backlogRecords) == [1, nil, 1])
        scene.remove(readers[1])
        #expect(status(scene).readers.map(\.index) == [0, 2])
        let lossy = try #require(scene.join(lossless: false, stagger: 1))
        #expect(lossy.entry.index == 1)
        #expect((-1...8).map { scene.isLossless($0) } == [nil, true, false, true, nil, nil, nil, nil, nil, nil])
    }

    /// Whatever readers write: a status is bounded, and puts nobody out.
    @Test(arguments: [true, false]) func aStatusBelievesNobody(_ isFixed: Bool) throws {
        var dice = Dice(Dice.seed())
        print("INTERPROCESS_SEED=\(dice.seed)")
        let scene = isFixed ? Scene.fixed() : Scene.variable()
        let liars = try (0..<2).map { try #require(scene.join(lossless: $0 == 0, stagger: $0)) }
        for index in 0..<5 { #expect(scene.send("\(index)")) }
        for _ in 0..<20_000 {
            let liar = liars[dice.roll(2)]
            let value = dice.roll(2) == 0 ? dice.next() : HostileTests.words.randomElement(using: &dice)!
            liar.page[[0, 8, 1024, 1040, 1048][dice.roll(5)] + 64 * liar.entry.index] = value
            let status = status(scene)
            for reader in status.readers {
                guard let position = reader.position else { continue }
                #expect(position &- status.floor.position <= status.head.position &- status.floor.position)
                #expect(reader.backlogBytes == status.head.position &- position)
                #expect(reader.backlogRecords ?? 0 <= 5)
            }
            #expect(status.readers.map(\.standing) == [.entered, .entered])
        }
        #expect(scene.nextEvicted() == nil)
    }

    /// Another thread asks again and again while the log moves.
    @Test(arguments: [true, false]) func aStatusFromAnotherThread(_ isFixed: Bool) throws {
        let scene = isFixed ? Scene.fixed(48, 16) : Scene.variable(2048)
        let reader = try #require(scene.join())
        let (publisher, roster) = (Unguarded((scene, reader)), scene.log.roster)
        let count = 30_000
        both {
            let (scene, reader) = publisher.value
            for number in 0..<count {
                let bytes = isFixed ? scene.padded("x") : [UInt8](repeating: 1, count: number % 300)
                while !scene.send(bytes) { _ = reader.receive() }
            }
        } _: {
            var last = roster.status()
            while last.head.sequence < UInt64(count) {
                let status = roster.status()
                #expect(status.head.position >= last.head.position && status.floor.position >= last.floor.position)
                #expect(status.retainedRecords <= 32 && status.readers[0].backlogRecords! <= status.retainedRecords)
                last = status
                yieldProcessor()
            }
        }
    }
}
