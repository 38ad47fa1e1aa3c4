// SPDX-License-Identifier: Apache-2.0
import InterprocessTestKit
import Testing

/// The protocols of the log under the memory model of C11: loads may be stale, and what is ordered is what the sources order.
@Suite(.bounded()) struct ViewMachineTests {
    /// Each holds as the sources have it. Each fence, acquire and release of it is weakened in turn: then it breaks, or the
    /// transcription says why it does not.
    @Test(arguments: Transcription.all) func everyOrderIsNeeded(_ transcription: Transcription) {
        let sites = Sites()
        let outcome = explore(transcription, sites, spurious: transcription.spurious)
        #expect(outcome.violation == nil, "\(transcription.name)")
        print("\(transcription.name): \(outcome.states) states")
        var weakened: Set<String> = []
        for (name, order) in sites.all {
            for weaker in order.weaker {
                let change = "\(name) → \(weaker)"
                weakened.insert(change)
                let outcome = explore(transcription, Sites([name: weaker]), stopsEarly: true)
                let reason = transcription.needless[change]
                print("  \(change): \(outcome.violation ?? "holds, \(reason ?? "and nobody knows why")")")
                #expect((outcome.violation == nil) == (reason != nil), "\(transcription.name), \(change)")
            }
        }
        #expect(Set(transcription.needless.keys).subtracting(weakened) == [], "\(transcription.name)")
    }

    /// Of two that each do as much as the other, one must be there.
    @Test func oneOfTwoIsNeeded() {
        breaks(.onAtTheFloor, ["the look's fence": .none, "the reader's load of commit": .none])
        breaks(.markAndRing, ["reading the bell": .none, "the sleeper's fence": .none, "the look at the mark": .none])
        breaks(.putOut, ["evicted": .none, "floor": .none, "the floor's fence": .none])
        breaks(.hanging(placesBeginWith: 0), [:])
    }

    private func breaks(
        _ transcription: Transcription, _ change: [String: ViewMachine.Order],
        at location: SourceLocation = #_sourceLocation
    ) {
        let outcome = explore(transcription, Sites(change))
        #expect(outcome.violation != nil, "\(transcription.name), \(change)", sourceLocation: location)
    }

    private func explore(
        _ transcription: Transcription, _ sites: Sites, spurious: Int = 0, stopsEarly: Bool = false
    ) -> ViewMachine.Outcome {
        ViewMachine.explore(
            memory: transcription.memory, spurious: spurious, transcription.programs(sites), stopsEarly: stopsEarly)
    }

    // MARK: The machine itself

    /// Whether the last thread, which looks at the end, can find this.
    private func allows(
        _ memory: [UInt8], _ programs: [[ViewMachine.Step]], _ isFound: @escaping ([UInt8]) -> Bool
    ) -> Bool {
        let count = programs.count
        let finished = memory.count + 2 * count
        // Each thread's registers go to words of its own, which a last one reads when all have finished.
        let all = programs.enumerated().map { index, steps -> [ViewMachine.Step] in
            steps + [
                .store(memory.count + 2 * index, .none) { $0[0] },
                .store(memory.count + 2 * index + 1, .none) { $0[1] },
                .add(finished, .acquireRelease),
            ]
        }
        let judge: [ViewMachine.Step] =
            [
                .label("wait"), .load(0, from: finished, .acquire),
                .jump("wait") { Int($0[0]) != count },
            ]
            + (0..<min(4, 2 * count)).map { .load(1 + $0, from: memory.count + $0, .none) }
            + [.check("found") { !isFound(Array($0[1...])) }]
        let words = memory + Array(repeating: 0, count: 2 * count + 1)
        return ViewMachine.explore(memory: words, all + [judge]).violation == "found"
    }

    @Test func whatTheMachineShows() {
        typealias Order = ViewMachine.Order
        /// A payload and its mark.
        func passing(_ store: Order, _ load: Order, fences: (Order, Order) = (.none, .none)) -> Bool {
            allows(
                [0, 0],
                [
                    [.store(0, .none) { _ in 1 }, .fence(fences.0), .store(1, store) { _ in 1 }],
                    [.load(0, from: 1, load), .fence(fences.1), .load(1, from: 0, .none)],
                ]
            ) { $0[2] == 1 && $0[3] == 0 }
        }
        #expect(passing(.none, .none) && passing(.release, .none) && passing(.none, .acquire))
        #expect(!passing(.release, .acquire))
        #expect(!passing(.none, .none, fences: (.release, .acquire)))
        #expect(!passing(.none, .acquire, fences: (.release, .none)))
        #expect(!passing(.release, .none, fences: (.none, .acquire)))
        #expect(passing(.none, .none, fences: (.release, .none)) && passing(.none, .none, fences: (.none, .acquire)))

        /// Both look for the other's store.
        func buffering(_ first: Order, _ second: Order) -> Bool {
            allows(
                [0, 0],
                [
                    [.store(0, .release) { _ in 1 }, .fence(first), .load(0, from: 1, .acquire)],
                    [.store(1, .release) { _ in 1 }, .fence(second), .load(0, from: 0, .acquire)],
                ]
            ) { $0[0] == 0 && $0[2] == 0 }
        }
        #expect(!buffering(.full, .full))
        #expect(buffering(.full, .acquireRelease) && buffering(.none, .full) && buffering(.none, .none))

        // A word never goes back.
        #expect(
            !allows(
                [0], [[.store(0, .none) { _ in 1 }], [.load(0, from: 0, .none), .load(1, from: 0, .none)]]
            ) { $0[2] == 1 && $0[3] == 0 })
        // Additions are never lost, and what they are made upon goes along.
        #expect(!allows([0], [[.add(0, .none)], [.add(0, .none), .load(0, from: 0, .none)]]) { $0[2] == 0 })
    }

    @Test func racesAreFound() {
        let store: ViewMachine.Step = .plainStore(0) { _ in 1 }
        let race = ViewMachine.explore(memory: [0, 0], [[store], [.plainLoad(0, from: 0)]])
        #expect(race.violation != nil)
        let writes = ViewMachine.explore(memory: [0, 0], [[store], [store]])
        #expect(writes.violation != nil)
        let reads = ViewMachine.explore(memory: [0, 0], [[.plainLoad(0, from: 0)], [.plainLoad(0, from: 0)]])
        #expect(reads.violation == nil)
        let ordered = ViewMachine.explore(
            memory: [0, 0],
            [
                [store, .store(1, .release) { _ in 1 }],
                [
                    .load(0, from: 1, .acquire), .jump("done") { $0[0] == 0 }, .plainLoad(1, from: 0), store,
                    .label("done"),
                ],
            ])
        #expect(ordered.violation == nil)
    }
}
