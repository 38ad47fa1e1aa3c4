// SPDX-License-Identifier: Apache-2.0
import InterprocessTestKit
import Testing

/// The protocols of the log, transcribed access by access, in every execution. Each holds as it is written in the sources and
/// breaks without any one of what it consists of: a transcription that cannot break says nothing.
@Suite(.bounded()) struct WeakMemoryTests {
    typealias Step = WeakMemory.Step
    typealias Model = WeakMemory.Model

    private func holds(
        _ name: String, memory: [UInt8], spurious: Int = 0, at location: SourceLocation = #_sourceLocation,
        _ programs: [[Step]]
    ) {
        for model in Model.allCases {
            let outcome = WeakMemory.explore(model, memory: memory, spurious: spurious, programs)
            print("\(name), \(model): \(outcome.states) states")
            #expect(outcome.violation == nil, "\(name), \(model)", sourceLocation: location)
        }
    }

    /// Not under each model: where `weakest` holds, those before it hold as well.
    private func breaks(
        _ name: String, in models: [Model], memory: [UInt8], spurious: Int = 0,
        at location: SourceLocation = #_sourceLocation, _ programs: [[Step]]
    ) {
        for model in Model.allCases {
            let outcome = WeakMemory.explore(model, memory: memory, spurious: spurious, programs)
            #expect(
                (outcome.violation != nil) == models.contains(model), "\(name), \(model)", sourceLocation: location)
        }
    }

    // MARK: Sleeping

    enum Barrier { case fences, process, none, readerOnly, publisherOnly }

    /// Words: 0 commit, 1 sleeps, 2 doorbell. Threads: 0 publisher, 1 reader.
    private func sleeping(
        _ barrier: Barrier, messages: UInt8 = 2, ringsOnce: Bool = true, staysOdd: Bool = false,
        readsBellLate: Bool = false
    ) -> [[Step]] {
        let publisher: [Step] =
            [
                .label("next"), .set(0) { $0[0] + 1 }, .release(0) { $0[0] },
            ] + (barrier == .fences || barrier == .publisherOnly ? [.fence] : []) + [
                .load(1, from: 1),
                .jump("quiet") { $0[1] % 2 == 0 || (ringsOnce && $0[1] == $0[2]) },
                .add(2), .wake(1), .set(2) { $0[1] },
                .label("quiet"), .jump("next") { $0[0] < messages },
            ]
        let announce: [Step] = [.set(3) { staysOdd ? $0[3] | 1 : $0[3] + 1 }, .release(1) { $0[3] }]
        let fence: [Step] =
            barrier == .process ? [.barrier(0)] : barrier == .fences || barrier == .readerOnly ? [.fence] : []
        let reader: [Step] =
            [
                .label("top"), .load(1, from: 0), .set(0) { $0[1] }, .jump("done") { $0[0] == messages },
            ] + (readsBellLate ? [] : [.load(2, from: 2)]) + announce + fence + [
                .load(1, from: 0), .jump("awake") { $0[1] != $0[0] },
            ] + (readsBellLate ? [.load(2, from: 2)] : []) + [
                .sleep(2, 2), .label("awake"),
            ] + (staysOdd ? [] : [.set(3) { $0[3] + 1 }, .release(1) { $0[3] }]) + [
                .jump("top") { _ in true }, .label("done"),
            ]
        return [publisher, reader]
    }

    @Test func nobodySleepsThroughNews() {
        holds("sleep, fenced", memory: [0, 0, 0], spurious: 1, sleeping(.fences))
        holds("sleep, process barrier", memory: [0, 0, 0], spurious: 1, sleeping(.process))
        let weak: [Model] = [.totalStoreOrder, .partialStoreOrder]
        breaks("no barrier", in: weak, memory: [0, 0, 0], sleeping(.none))
        breaks("only the reader fences", in: weak, memory: [0, 0, 0], sleeping(.readerOnly))
        breaks("only the publisher fences", in: weak, memory: [0, 0, 0], sleeping(.publisherOnly))
        breaks(
            "the same odd value", in: Model.allCases, memory: [0, 0, 0], spurious: 1, sleeping(.fences, staysOdd: true))
        breaks("the bell read late", in: Model.allCases, memory: [0, 0, 0], sleeping(.fences, readsBellLate: true))
    }

    /// A reader is entered while a commit is under way, in a log that fences only for readers that ask for it.
    /// Words: 0 commit, 1 sleeps, 2 doorbell, 3 the reader's place.
    private func joining(alwaysFenced: Bool, joinerHasBarrier: Bool) -> [[Step]] {
        let publisher: [Step] =
            [.release(0) { _ in 1 }] + (alwaysFenced ? [.fence] : []) + [
                .load(3, from: 3), .jump("done") { $0[3] == 0 },
            ] + (alwaysFenced ? [] : [.fence]) + [
                .load(1, from: 1), .jump("done") { $0[1] % 2 == 0 }, .add(2), .wake(1), .label("done"),
            ]
        let reader: [Step] =
            [.release(3) { _ in 1 }] + (joinerHasBarrier ? [.barrier(0)] : []) + [
                .load(2, from: 2), .release(1) { _ in 1 }, .fence, .load(1, from: 0), .jump("done") { $0[1] == 1 },
                .sleep(2, 2), .label("done"),
            ]
        return [publisher, reader]
    }

    @Test func whoIsEnteredIsRungFor() {
        holds("entering, always fenced", memory: [0, 0, 0, 0], joining(alwaysFenced: true, joinerHasBarrier: false))
        holds(
            "entering, fenced on demand behind a barrier", memory: [0, 0, 0, 0],
            joining(alwaysFenced: false, joinerHasBarrier: true))
        breaks(
            "entering, fenced on demand, no barrier", in: [.totalStoreOrder, .partialStoreOrder], memory: [0, 0, 0, 0],
            joining(alwaysFenced: false, joinerHasBarrier: false))
    }

    // MARK: Pinning, copying, being put out

    /// Words: 0 floor, 1 pin (9: none), 2 and 3 payload: 5 before it is overwritten.
    private func pinning(publisherFences: Bool = true, readerFences: Bool = true, looksAgain: Bool = true) -> [[Step]] {
        let publisher: [Step] =
            (looksAgain ? [] : [.label("wait"), .load(1, from: 1), .jump("wait") { $0[1] == 0 }])
            + [.release(0) { _ in 1 }] + (publisherFences ? [.fence] : [])
            + (looksAgain ? [.label("wait"), .load(1, from: 1), .jump("wait") { $0[1] == 0 }] : [])
            + [.store(2) { _ in 9 }, .store(3) { _ in 9 }]
        let reader: [Step] =
            [.release(1) { _ in 0 }] + (readerFences ? [.fence] : []) + [
                .load(0, from: 0), .jump("passed") { $0[0] > 0 },
                .load(1, from: 2), .load(2, from: 3),
                .check("a pinned record was overwritten") { $0[1] == 5 && $0[2] == 5 },
                .label("passed"), .release(1) { _ in 9 },
            ]
        return [publisher, reader]
    }

    @Test func whatIsPinnedStays() {
        let memory: [UInt8] = [0, 9, 5, 5]
        holds("pin", memory: memory, pinning())
        let weak: [Model] = [.totalStoreOrder, .partialStoreOrder]
        breaks("pin, no fence of the publisher", in: weak, memory: memory, pinning(publisherFences: false))
        breaks("pin, no fence of the reader", in: weak, memory: memory, pinning(readerFences: false))
        breaks("pin, no second look", in: Model.allCases, memory: memory, pinning(looksAgain: false))
    }

    /// Words: 0 floor, 1 and 2 payload.
    private func copying(fence: Bool = true, floorFirst: Bool = true, looksAgain: Bool = true) -> [[Step]] {
        let payload: [Step] = [.store(1) { _ in 9 }, .store(2) { _ in 9 }]
        let publisher: [Step] =
            floorFirst
            ? [.release(0) { _ in 1 }] + (fence ? [.fence] : []) + payload : payload + [.release(0) { _ in 1 }]
        let reader: [Step] =
            (looksAgain ? [] : [.load(0, from: 0)]) + [.load(1, from: 1), .load(2, from: 2)]
            + (looksAgain ? [.load(0, from: 0)] : []) + [
                .jump("passed") { $0[0] > 0 }, .check("a copy was torn") { $0[1] == 5 && $0[2] == 5 }, .label("passed"),
            ]
        return [publisher, reader]
    }

    @Test func noCopyIsTorn() {
        holds("copy", memory: [0, 5, 5], copying())
        breaks("copy, no fence", in: [.partialStoreOrder], memory: [0, 5, 5], copying(fence: false))
        breaks("copy, floor behind", in: Model.allCases, memory: [0, 5, 5], copying(floorFirst: false))
        breaks("copy, floor read before", in: Model.allCases, memory: [0, 5, 5], copying(looksAgain: false))
    }

    /// What stands between the floor and what overwrites the records below it. A releasing fence makes every store behind it a
    /// releasing one.
    enum Passing { case full, release, nothing }

    /// Words: 0 evicted, 1 floor, 2 payload. The reader looks at the floor only if it was put out.
    private func eviction(markFirst: Bool, _ passing: Passing = .full) -> [[Step]] {
        let mark: [Step] = [.release(0) { _ in 1 }]
        let payload: Step = passing == .release ? .release(2) { _ in 9 } : .store(2) { _ in 9 }
        let floor: [Step] = [.release(1) { _ in 1 }] + (passing == .full ? [.fence] : []) + [payload]
        let reader: [Step] = [
            .load(2, from: 2), .load(0, from: 0), .jump("intact") { $0[0] == 0 }, .load(1, from: 1),
            .jump("done") { $0[1] == 1 },
            .label("intact"), .check("overwritten, and not told") { $0[2] == 5 }, .label("done"),
        ]
        return [markFirst ? mark + floor : floor + mark, reader]
    }

    @Test func whoIsPutOutLearnsIt() {
        holds("eviction", memory: [0, 0, 5], eviction(markFirst: true))
        holds("eviction, nobody pins", memory: [0, 0, 5], eviction(markFirst: true, .release))
        breaks("eviction, mark behind", in: Model.allCases, memory: [0, 0, 5], eviction(markFirst: false))
        breaks("eviction, no fence", in: [.partialStoreOrder], memory: [0, 0, 5], eviction(markFirst: true, .nothing))
    }

    // MARK: Committing

    enum Clearing { case ahead, atCommit, behind, never }

    /// Two records of their own lengths behind one another. Words: 0, 1 header and payload of the first; 2, 3 of the second,
    /// where bytes of an earlier payload look like its commit word.
    private func committing(_ clearing: Clearing, isReleasing: Bool = true) -> [[Step]] {
        let clear: [Step] = [.store(2) { _ in 0 }]
        func commit(_ word: Int, _ value: UInt8) -> Step {
            isReleasing ? .release(word) { _ in value } : .store(word) { _ in value }
        }
        let publisher: [Step] =
            (clearing == .ahead ? clear : []) + [.store(1) { _ in 5 }] + (clearing == .atCommit ? clear : [])
            + [commit(0, 1)] + (clearing == .behind ? clear : []) + [.store(3) { _ in 6 }, commit(2, 2)]
        let reader: [Step] = [
            .label("first"), .load(0, from: 0), .jump("first") { $0[0] != 1 }, .load(1, from: 1),
            .check("the first record") { $0[1] == 5 },
            .label("second"), .load(0, from: 2), .jump("second") { $0[0] != 2 }, .load(1, from: 3),
            .check("the second record") { $0[1] == 6 },
        ]
        return [publisher, reader]
    }

    @Test func aCommitWordIsNeverMistaken() {
        let memory: [UInt8] = [0, 0, 2, 0]
        holds("commit, cleared at the commit", memory: memory, committing(.atCommit))
        holds("commit, cleared ahead", memory: memory, committing(.ahead))
        breaks("commit, never cleared", in: Model.allCases, memory: memory, committing(.never))
        breaks("commit, cleared behind", in: Model.allCases, memory: memory, committing(.behind))
        breaks(
            "commit, not releasing", in: [.partialStoreOrder], memory: memory, committing(.ahead, isReleasing: false))
    }
}
