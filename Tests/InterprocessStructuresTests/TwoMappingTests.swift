// SPDX-License-Identifier: Apache-2.0
import InterprocessStructures
import InterprocessSyscalls
import InterprocessTestKit
import Testing

/// A publisher and a reader at the same time, each with its own mapping of the same memory.
@Suite(.bounded(Stress.limit)) struct TwoMappingTests {
    /// Words that the reader can tell from torn ones, and that look like commit words.
    private static func fill(_ place: UnsafeMutableRawPointer, _ number: Int, _ words: Int) {
        for word in 0..<words { (place + 8 * word).storeBytes(of: UInt64(number + word), as: UInt64.self) }
    }

    private static func isWhole(_ bytes: UnsafeRawBufferPointer, _ number: Int) -> Bool {
        for word in 0..<bytes.count / 8 where bytes.load(fromByteOffset: 8 * word, as: UInt64.self) != number + word {
            return false
        }
        return true
    }

    private static func words(_ number: Int) -> Int { number % 7 * 3 }

    private static func publish(_ scene: Scene, _ count: Int, _ waitForRoom: () -> Void) {
        for number in 0..<count {
            let words = scene.layout.isFixed ? scene.layout.payloadBytes / 8 : words(number)
            while true {
                let room = scene.layout.isFixed ? scene.makeRoom() : scene.makeRoom(byteCount: words * 8)
                if room.isReady { break }
                waitForRoom()
            }
            let place = scene.layout.isFixed ? scene.claim() : scene.claim(byteCount: words * 8)
            fill(place!, number, words)
            if scene.layout.isFixed { scene.log.commit() } else { scene.log.commit(byteCount: words * 8) }
        }
        scene.log.end()
    }

    @Test(arguments: [
        LogLayout(fixedPayloadBytes: 64, recordCount: 2)!, LogLayout(fixedPayloadBytes: 48, recordCount: 64)!,
        LogLayout(variableCapacity: 1024)!, LogLayout(variableCapacity: 8192)!,
    ]) func nothingIsLostOrTorn(_ layout: LogLayout) throws {
        try Stress.rounds { _ in
            let count = 40_000
            let scene = Scene(layout)
            let reader = try #require(scene.join())
            let (publisher, follower) = (Unguarded(scene), Unguarded(reader))
            both {
                Self.publish(publisher.value, count) { yieldProcessor() }
            } _: {
                var number = 0
                while true {
                    guard let bytes = follower.value.take() else {
                        if follower.value.look() == .ended { break }
                        yieldProcessor()
                        continue
                    }
                    #expect(Self.isWhole(bytes, number))
                    #expect(follower.value.release())
                    number += 1
                }
                #expect(number == count)
            }
        }
    }

    @Test(arguments: [true, false], [true, false])
    func aLossyReaderSeesNothingTorn(_ isFixed: Bool, _ isCopying: Bool) throws {
        try Stress.rounds { _ in
            let count = 60_000
            let scene = isFixed ? Scene.fixed(200, 8) : Scene.variable(1024)
            let reader = try #require(scene.join(lossless: false))
            let (publisher, follower) = (Unguarded(scene), Unguarded(reader))
            both {
                Self.publish(publisher.value, count) { yieldProcessor() }
            } _: {
                let reader = follower.value
                var (number, missed, received) = (0, 0, 0)
                var buffer = [UInt8](repeating: 0, count: reader.layout.payloadBytes)
                while true {
                    var isTaken = false
                    if isCopying {
                        if case .copied(let bytes) = reader.copy(into: &buffer) {
                            buffer.withUnsafeBytes { #expect(Self.isWhole(.init(rebasing: $0[..<bytes]), number)) }
                            isTaken = true
                        }
                    } else if let bytes = reader.take() {
                        #expect(Self.isWhole(bytes, number))
                        #expect(reader.release())
                        isTaken = true
                    }
                    if isTaken {
                        (number, received) = (number + 1, received + 1)
                        continue
                    }
                    switch reader.look() {
                    case .lapped(let more): (number, missed) = (number + Int(more), missed + Int(more))
                    case .ended:
                        #expect(received + missed == count)
                        print("received \(received), missed \(missed)")
                        return
                    case .corrupt, .evicted, .abandoned: Issue.record("not this")
                    case .record, .nothing: break
                    }
                }
            }
        }
    }

    /// Both sides sleep without a limit: one lost ring, and this never ends.
    @Test(arguments: [true, false]) func everyRingIsHeard(_ isFixed: Bool) throws {
        try Stress.rounds { _ in
            let count = 20_000
            let scene = Scene(
                isFixed ? LogLayout(fixedPayloadBytes: 48, recordCount: 4)! : LogLayout(variableCapacity: 2048)!,
                isFenced: true)
            let page = GuardedMemory(PairLayout.regionBytes)
            let pair = PairPage(page.base, PairLayout(stagger: 0)!)
            let entry = try #require(scene.log.roster.enter(pair, isLossless: true, history: .none))
            let reader = Reader(scene, page, pair, entry, true, isFenced: true)
            let (publisher, follower) = (Unguarded(scene), Unguarded(reader))
            both {
                let scene = publisher.value
                var space = SleepingSide(count: pair.waits, bell: pair.spaceBell)
                for number in 0..<count {
                    let bytes =
                        isFixed
                        ? Array(repeating: UInt8(truncatingIfNeeded: number), count: 48)
                        : Array(repeating: UInt8(truncatingIfNeeded: number), count: number % 200)
                    while !scene.send(bytes) {
                        let prepared = space.prepare(isFenced: true)
                        if scene.send(bytes) { break }
                        try? sysFutexWait(pair.spaceBell.futexAddress, expected: prepared.expected, shared: true)
                        space.leave()
                    }
                    space.leave()
                    if scene.nextSleeper() >= 0 { _ = try? sysFutexWake(pair.doorbell.futexAddress, shared: true) }
                }
            } _: {
                let reader = follower.value
                var sleep = SleepingSide(count: pair.sleeps, bell: pair.doorbell)
                for number in 0..<count {
                    while true {
                        if let bytes = reader.take() {
                            #expect(bytes.allSatisfy { $0 == UInt8(truncatingIfNeeded: number) })
                            break
                        }
                        if reader.mustWakePublisher() {
                            _ = try? sysFutexWake(pair.spaceBell.futexAddress, shared: true)
                        }
                        let prepared = sleep.prepare(isFenced: true)
                        if reader.look() == .nothing {
                            // What was skipped on the way may be what the publisher waits for.
                            if reader.mustWakePublisher() {
                                _ = try? sysFutexWake(pair.spaceBell.futexAddress, shared: true)
                            }
                            try? sysFutexWait(pair.doorbell.futexAddress, expected: prepared.expected, shared: true)
                        }
                        sleep.leave()
                    }
                    #expect(reader.release())
                    if reader.mustWakePublisher() { _ = try? sysFutexWake(pair.spaceBell.futexAddress, shared: true) }
                }
            }
        }
    }

    /// Somebody scribbles over all that a publisher can write while a reader reads.
    @Test(arguments: [true, false]) func scribblingWhileOneReads(_ isLossless: Bool) throws {
        try Stress.rounds { _ in
            let scene = Scene.variable(1024)
            let reader = try #require(scene.join(lossless: isLossless))
            let (publisher, follower) = (Unguarded(scene), Unguarded(reader))
            let seed = Dice.seed()
            print("INTERPROCESS_SEED=\(seed)")
            both {
                var dice = Dice(seed)
                for _ in 0..<200_000 {
                    let line = dice.roll(18) * 64
                    let value: UInt64 = dice.roll(2) == 0 ? UInt64(dice.roll(40)) : dice.next() >> UInt64(dice.roll(64))
                    publisher.value.memory[line + dice.roll(2) * 8] = dice.roll(2) == 0 ? 1 << 32 | value : value
                }
            } _: {
                let reader = follower.value
                var sum: UInt8 = 0
                for step in 0..<100_000 {
                    switch step % 4 {
                    case 0: _ = reader.look()
                    case 1: _ = reader.release(keepingPin: step % 8 == 0)
                    case 2 where !isLossless: for byte in reader.copy() ?? [] { sum &+= byte }
                    default: for byte in reader.take() ?? UnsafeRawBufferPointer(start: nil, count: 0) { sum &+= byte }
                    }
                }
            }
        }
    }
}

/// One side's things, for the one thread that uses them.
struct Unguarded<Value>: @unchecked Sendable {
    let value: Value
    init(_ value: Value) { self.value = value }
}
