// SPDX-License-Identifier: Apache-2.0
import InterprocessStructures
import InterprocessTestKit
import Testing

@Suite(.bounded()) struct WaitWordTests {
    /// A futex without a kernel: the wait begins if the bell still says what is expected, and a wake ends it.
    private final class Sleeper {
        let page = GuardedMemory(PairLayout.regionBytes)
        let pair: PairPage
        var side: SleepingSide
        var ring: RingingSide
        var preparation: SleepingSide.Preparation?
        var isAsleep = false
        var news = 0
        var seen = 0
        var wakes = 0

        init() {
            pair = PairPage(page.base, PairLayout(stagger: 2)!)
            side = SleepingSide(count: pair.sleeps, bell: pair.doorbell)
            ring = RingingSide(count: pair.sleeps, bell: pair.doorbell)
        }

        func publish() {
            news += 1
        }

        func wake() {
            guard ring.mustWake() else { return }
            wakes += 1
            isAsleep = false
        }

        func prepare() {
            if !isAsleep { preparation = side.prepare(isFenced: true) }
        }

        func lookAndWait() {
            guard !isAsleep, let preparation else { return }
            self.preparation = nil
            if news > seen {
                seen = news
                side.leave()
            } else if side.bell.read() == preparation.expected {
                isAsleep = true
            } else {
                side.leave()
            }
        }

        func leave() {
            guard !isAsleep, preparation == nil else { return }
            side.leave()
            if news > seen { seen = news }
        }
    }

    @Test func nobodySleepsThroughNews() {
        var sleeps = 0
        let runs = Exhaustion.interleave {
            let sleeper = Sleeper()
            let publisher: [() -> Void] = (0..<3).flatMap { _ in [{ sleeper.publish() }, { sleeper.wake() }] }
            let reader: [() -> Void] = (0..<3).flatMap { _ in
                [{ sleeper.prepare() }, { sleeper.lookAndWait() }, { sleeper.leave() }]
            }
            return (
                [publisher, reader],
                {
                    #expect(!(sleeper.isAsleep && sleeper.seen < sleeper.news))
                    if sleeper.isAsleep { sleeps += 1 }
                }
            )
        }
        print("the wait word: \(runs) orders, \(sleeps) end asleep")
        #expect(sleeps > 0)
    }

    @Test func aStoppedSleeperIsRungForOnce() {
        let sleeper = Sleeper()
        sleeper.prepare()
        for _ in 0..<100 {
            sleeper.publish()
            sleeper.wake()
        }
        #expect(sleeper.wakes == 1 && sleeper.pair.doorbell.read() == 1)
        // A new wait is a new value: it is rung for again.
        let again = sleeper.side.prepare(isFenced: false)
        #expect(again.expected == 1 && again.needsProcessBarrier)
        #expect(sleeper.pair.sleeps.loadRelaxed() == 3)
        sleeper.wake()
        #expect(sleeper.wakes == 2)
        sleeper.side.leave()
        sleeper.side.leave()
        #expect(sleeper.pair.sleeps.loadRelaxed() == 4)
    }

    /// Neither side reads back what the other could have spoilt.
    @Test func aSpoiltCountIsWrittenAnew() {
        let sleeper = Sleeper()
        sleeper.pair.sleeps.storeRelaxed(.max)
        _ = sleeper.side.prepare(isFenced: true)
        #expect(sleeper.pair.sleeps.loadRelaxed() == 1)
    }

    /// How a sleeper wants to be woken is said with each sleep, and nothing else is believed.
    @Test func aSleepSaysHowItEnds() {
        let pair = PairPage(GuardedMemory.kept().base, PairLayout(stagger: 3)!)
        var side = SleepingSide(count: pair.sleeps, bell: pair.doorbell, mode: pair.sleepMode)
        var ring = RingingSide(count: pair.sleeps, bell: pair.doorbell)
        for waking in [WaitMode.datagram, .futex, .datagram] {
            _ = side.prepare(isFenced: true, waking: waking)
            let mustWake = ring.mustWake()
            #expect(mustWake && WaitMode(pair.sleepMode) == waking)
            side.leave()
        }
        pair.sleepMode.storeRelaxed(7)
        #expect(WaitMode(pair.sleepMode) == .futex)
        // Without the word, only a futex wakes.
        var plain = SleepingSide(count: pair.waits, bell: pair.spaceBell)
        _ = plain.prepare(isFenced: true)
        #expect(pair.waitMode.loadRelaxed() == 0)
        plain.leave()
    }

    @Test func allReadersAreLookedAt() throws {
        let scene = Scene(LogLayout(fixedPayloadBytes: 8, recordCount: 8)!, maximumReaders: 20, isFenced: true)
        let readers = try (0..<16).map { try #require(scene.join(lossless: false, stagger: $0)) }
        for awake in 0..<16 {
            let asleep = readers.indices.filter { $0 % 3 == awake % 3 }
            for index in asleep { readers[index].pair.sleeps.storeRelaxed(UInt64(awake * 2 + 1)) }
            #expect(scene.send("x"))
            var rung: [Int] = []
            var next = scene.nextSleeper()
            while next >= 0 {
                rung.append(next)
                next = scene.nextSleeper(from: next + 1)
            }
            #expect(rung == asleep.map { readers[$0].entry.index })
            #expect(scene.nextSleeper() == -1, "once for each sleep")
            for index in asleep { readers[index].pair.sleeps.storeRelaxed(UInt64(awake * 2 + 2)) }
        }
    }

    @Test func aLogTurnsToFencesOnce() throws {
        let scene = Scene.fixed()
        let pairs = (0..<3).map { PairPage(GuardedMemory.kept().base, PairLayout(stagger: $0)!) }
        let entries = try zip(pairs, [false, true, true]).map { pair, needsFences in
            try #require(
                scene.log.roster.enter(pair, isLossless: false, history: .none, needsFences: needsFences))
        }
        #expect(entries.map(\.needsProcessBarrier) == [false, true, false])
        for pair in pairs { pair.sleeps.storeRelaxed(1) }
        #expect(scene.send("x"))
        #expect(scene.nextSleeper() == 0 && scene.nextSleeper(from: 1) == 1 && scene.nextSleeper(from: 2) == 2)
        #expect(scene.nextSleeper() == -1)
        let fenced = Scene(scene.layout, isFenced: true)
        let pair = PairPage(GuardedMemory.kept().base, PairLayout(stagger: 0)!)
        let entry = fenced.log.roster.enter(pair, isLossless: true, history: .none, needsFences: true)
        #expect(entry?.needsProcessBarrier == false)
    }

    /// A place that another takes over owes the new one its first ring.
    @Test func aNewReaderIsRungForLikeThoseBefore() throws {
        let scene = Scene.fixed()
        for _ in 0..<3 {
            let reader = try #require(scene.join())
            reader.pair.sleeps.storeRelaxed(1)
            #expect(scene.nextSleeper() == reader.entry.index)
            scene.remove(reader)
            reader.pair.sleeps.storeRelaxed(3)
            #expect(scene.nextSleeper() == -1)
        }
    }
}
