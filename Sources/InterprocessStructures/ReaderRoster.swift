// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// The readers of one log, in the publisher's process.
///
/// Concurrency: the thread that shakes hands enters readers; only the log's owner moves the floor, puts out and removes. A
/// mutex of this process is between them, never held while anybody waits. No other process sees any of it.
@usableFromInline
package final class ReaderRoster: Sendable {
    let bells: ReaderBells
    private let ring: RingMemory
    let layout: LogLayout
    private let desk: Mutex<ReaderDesk>

    init(_ ring: RingMemory, _ layout: LogLayout, maximumReaders: Int, isFenced: Bool, origin: LogOrigin) {
        precondition(maximumReaders >= 1, "a log has room for a reader")
        bells = ReaderBells(count: maximumReaders, isFenced: isFenced)
        self.ring = ring
        self.layout = layout
        desk = Mutex(ReaderDesk(bells, origin))
    }

    deinit { bells.free() }

    /// How much of what is retained a reader begins with.
    package enum History: Sendable {
        case none
        case latest(Int)
        case all
    }

    /// Where a reader begins: the hand-shake tells it.
    package struct Entry: Sendable, Equatable {
        /// Its number among the readers of this log, until it is removed.
        package let index: Int
        package let position: UInt64
        package let sequence: UInt64
        /// This process calls `membarrier(2)` (`PRIVATE_EXPEDITED`) before it tells the reader: the commit under way is one
        /// without a fence.
        package let needsProcessBarrier: Bool
    }

    /// Enters a reader: from now on it holds the publisher back (lossless or while it pins) and is rung for.
    ///
    /// Any thread of the publisher's process.
    ///
    /// - Parameter needsFences: whether the reader cannot call `membarrier(2)` before it sleeps. From then on each commit
    ///   fences.
    /// - Parameter page: freshly zeroed memory that the reader maps too. Stays mapped until ``BroadcastLog/remove(_:)``.
    /// - Returns: nil if there are as many readers as there may be.
    package func enter(
        _ page: PairPage, isLossless: Bool, history: History, needsFences: Bool = false
    ) -> Entry? {
        desk.withLock { desk in
            guard let index = desk.freeIndex() else { return nil }
            let start = start(history, floor: desk.floor, sequence: desk.floorSequence)
            // Its claims are in place before anybody looks at them.
            page.pin.storeRelease(PairLayout.noPin)
            page.released.storeRelease(start.position)
            desk.enter(ReaderDesk.Slot(page, isLossless: isLossless, start: start.position), at: index)
            bells.hang(page, at: index)
            return Entry(
                index: index, position: start.position, sequence: start.sequence,
                needsProcessBarrier: needsFences && bells.beginFencing())
        }
    }

    /// The number that the next reader gets; nil if there are as many as there may be.
    package var nextIndex: Int? { desk.withLock { $0.freeIndex() } }

    /// Puts a reader out, see ``BroadcastLog/evict(_:)``.
    package func evict(_ index: Int) { desk.withLock { $0.evict(index) } }

    /// Forgets a reader that has left, died or been put out; its number goes to the next.
    ///
    /// Any thread of the publisher's process. A commit under way may look at the page once more and ring its bell: the
    /// address stays mapped for writing, whatever lies there.
    package func remove(_ index: Int) { desk.withLock { $0.remove(index) } }

    /// Whether the reader at `index` was put out and not yet removed.
    package func isEvicted(_ index: Int) -> Bool { desk.withLock { $0.slots[index]?.standing == .evicted } }

    /// How many readers there are.
    package var count: Int { desk.withLock { desk in desk.slots.count { $0?.standing == .entered } } }

    func withDesk<T: Sendable>(_ body: (inout ReaderDesk) -> T) -> T { desk.withLock { body(&$0) } }

    /// Under the mutex: the floor stands still, and with it everything above it stays.
    private func start(_ history: History, floor: UInt64, sequence: UInt64) -> LogOrigin {
        let origin = LogOrigin(position: floor, sequence: sequence)
        switch history {
        case .all: return origin
        case .none: return walk(origin, records: .max).end
        case .latest(let count):
            let all = walk(origin, records: .max).count
            return walk(origin, records: max(0, all - max(0, count))).end
        }
    }

    /// Over at most `records` committed records; `visit` is told of each that has its own length.
    func walk(
        _ origin: LogOrigin, records: Int, visit: (LogOrigin) -> Void = { _ in }
    ) -> (end: LogOrigin, count: Int) {
        let place = Int(origin.position % UInt64(layout.capacity))
        if layout.isFixed { return walkFixed(origin, place, records: records) }
        var (position, sequence, index, count) = (origin.position, origin.sequence, place, 0)
        while count < records, ring.commit(index).loadAcquire() == sequence &+ 1 {
            let word = ring.shape(index).loadRelaxed()
            guard
                let shape = RecordShape(
                    word, at: index, capacity: layout.capacity, payloadOffset: layout.payloadOffset,
                    largestPayload: layout.payloadBytes)
            else { preconditionFailure("the log's own memory was overwritten") }
            visit(LogOrigin(position: position, sequence: sequence))
            position &+= UInt64(shape.recordBytes)
            index = (index + shape.recordBytes) % layout.capacity
            if !shape.isPadding { (sequence, count) = (sequence &+ 1, count + 1) }
        }
        return (LogOrigin(position: position, sequence: sequence), count)
    }

    /// Committed records come first and are numbered without gaps: half the rest is decided by a look at its middle.
    private func walkFixed(_ origin: LogOrigin, _ place: Int, records: Int) -> (end: LogOrigin, count: Int) {
        var (low, high) = (0, min(records, layout.capacity / layout.stride))
        while low < high {
            let middle = (low + high) / 2
            let index = (place + middle * layout.stride) % layout.capacity
            let isCommitted = ring.commit(index).loadAcquire() == origin.sequence &+ UInt64(middle) &+ 1
            if isCommitted { low = middle + 1 } else { high = middle }
        }
        let end = LogOrigin(
            position: origin.position &+ UInt64(low * layout.stride), sequence: origin.sequence &+ UInt64(low))
        return (end, low)
    }
}

/// What the mutex of a roster guards.
struct ReaderDesk: Sendable {
    enum Standing: Sendable { case entered, evicted }

    struct Slot: Sendable {
        let page: PairPage
        let isLossless: Bool
        /// What the reader reported last and was believed.
        var accepted: UInt64
        var standing: Standing = .entered

        init(_ page: PairPage, isLossless: Bool, start: UInt64) {
            self.page = page
            self.isLossless = isLossless
            accepted = start
        }
    }

    /// The floor, and the sequence number of the record there.
    var floor: UInt64
    var floorSequence: UInt64
    private(set) var slots: [Slot?]
    /// How many of them have ever been in use.
    private var used = 0
    /// What ``bound(floor:head:)`` found last. No reader uses anything below as long as all of them are lossless, since what these
    /// report only grows; a reader that enters takes it back to the floor.
    private(set) var known: UInt64
    /// Whether nobody pins: the floor then moves by what is known, and nobody need be looked at again.
    private(set) var isLossless = true
    /// Put out, and not yet told to the owner.
    var news: [Int] = []
    private let bells: ReaderBells

    init(_ bells: ReaderBells, _ origin: LogOrigin) {
        self.bells = bells
        floor = origin.position
        known = origin.position
        floorSequence = origin.sequence
        slots = Array(repeating: nil, count: bells.count)
    }

    func freeIndex() -> Int? { slots.firstIndex { $0 == nil } }

    mutating func enter(_ slot: Slot, at index: Int) {
        slots[index] = slot
        used = max(used, index + 1)
        known = floor
        noteWhoPins()
    }

    private mutating func noteWhoPins() {
        isLossless = !slots[..<used].contains { $0.map { $0.standing == .entered && !$0.isLossless } ?? false }
    }

    /// The lowest position that a reader still uses, and which reader that is.
    mutating func bound(floor: UInt64, head: UInt64) -> (UInt64, Int?) {
        var (bound, holder): (UInt64, Int?) = (head, nil)
        for index in 0..<used {
            guard let position = claim(index, head: head) else { continue }
            // Wrapping: how far above the floor. A pin below it is one that its reader is about to take back.
            let height = Int64(bitPattern: position &- floor)
            let lowest = Int64(bitPattern: bound &- floor)
            if max(height, 0) < lowest || (holder == nil && height <= lowest) {
                (bound, holder) = (floor &+ UInt64(max(height, 0)), index)
            }
        }
        known = bound
        return (bound, holder)
    }

    /// A reader that has pinned what lies below the floor.
    mutating func pinned(below floor: UInt64, head: UInt64) -> Int? {
        for index in 0..<used where slots[index]?.isLossless == false {
            if let position = claim(index, head: head), Int64(bitPattern: position &- floor) < 0 { return index }
        }
        return nil
    }

    /// The position that a reader holds, nil for none. What it reports is believed if it is neither behind what it has reported before
    /// nor beyond the head; else it is put out.
    private mutating func claim(_ index: Int, head: UInt64) -> UInt64? {
        guard let slot = slots[index], slot.standing == .entered else { return nil }
        let reported = slot.isLossless ? slot.page.released.loadAcquire() : slot.page.pin.loadAcquire()
        if !slot.isLossless && reported == PairLayout.noPin { return nil }
        guard reported &- slot.accepted <= head &- slot.accepted else {
            evict(index)
            return nil
        }
        slots[index]?.accepted = reported
        return reported
    }

    /// The mark first, then the bell.
    mutating func evict(_ index: Int) {
        guard let slot = slots[index], slot.standing == .entered else { return }
        slots[index]?.standing = .evicted
        slot.page.evicted.storeRelease(1)
        slot.page.doorbell.ring()
        bells.silence(index)
        noteWhoPins()
        news.append(index)
    }

    mutating func remove(_ index: Int) {
        bells.silence(index)
        slots[index] = nil
        noteWhoPins()
        news.removeAll { $0 == index }
    }
}
