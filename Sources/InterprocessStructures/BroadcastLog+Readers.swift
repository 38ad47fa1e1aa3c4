// SPDX-License-Identifier: Apache-2.0

extension BroadcastLog {
    /// The first reader from `index` on that sleeps and has not been rung for; -1: none. Its bell has been rung: what is
    /// left is `FUTEX_WAKE`, or the datagram of a reader that awaits: its `sleepMode` says which.
    ///
    /// Called from 0 on after each commit, or once after a batch of them, and after ``end()``.
    @inlinable @inline(__always)
    package mutating func nextSleeper(from index: Int) -> Int {
        var word = bells.used.loadAfterStores()
        if _slowPath(word & ReaderBells.fenced != 0) && index == 0 {
            SharedFence.full()
            word = bells.used.loadRelaxed()
        }
        let used = Int(truncatingIfNeeded: word & ~ReaderBells.fenced)
        var index = index
        while index < used {
            let seen = bells.sleeps(index).loadRelaxed()
            if _slowPath(seen & 1 == 1), bells.ring(index, seen) { return index }
            index &+= 1
        }
        return -1
    }

    /// Puts a reader out: nothing is held for it any more, and it learns so. Its bell has been rung; wake it, whether it
    /// sleeps or not, as ``nextEvicted()`` asks.
    package mutating func evict(_ index: Int) { roster.withDesk { $0.evict(index) } }

    /// A reader that was put out since, by ``evict(_:)`` or for reporting what cannot be. To be asked after
    /// ``makeRoom(records:)``: each is to be woken.
    package mutating func nextEvicted() -> Int? { roster.withDesk { $0.news.popLast() } }

    /// Forgets a reader that has left, died or been put out. Its page may be unmapped afterwards, its number goes to another.
    package mutating func remove(_ index: Int) { roster.withDesk { $0.remove(index) } }

    /// The readers that were entered and neither put out nor removed since.
    package func enteredReaders() -> [Int] {
        roster.withDesk { desk in desk.slots.indices.filter { desk.slots[$0]?.standing == .entered } }
    }

    /// Why the reader at `index` holds what `.held(by:)` told: true for a lossless one, false for a pin; nil for nobody.
    package func isLossless(_ index: Int) -> Bool? {
        roster.withDesk { $0.slots.indices.contains(index) ? $0.slots[index]?.isLossless : nil }
    }

    /// Whether the reader at `index` still holds what `.held(by:)` told; wait for it with a ``SleepingSide`` over
    /// `waits` and `spaceBell` of its page.
    package func isEntered(_ index: Int) -> Bool {
        roster.withDesk { $0.slots.indices.contains(index) && $0.slots[index]?.standing == .entered }
    }
}
