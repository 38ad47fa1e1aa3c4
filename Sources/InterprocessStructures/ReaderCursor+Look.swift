// SPDX-License-Identifier: Apache-2.0

extension ReaderCursor {
    /// What stands where the next record is expected.
    package enum Sighting: Equatable, Sendable {
        /// A record: take it.
        case record
        /// Nothing yet.
        case nothing
        /// A lossy reader was overtaken and goes on at the oldest record; so many were missed.
        case lapped(missed: UInt64)
        /// The publisher has put this reader out. What it has not read is lost.
        case evicted
        /// The publisher has ended the log, and everything was read.
        case ended
        /// The publisher is gone, and everything that it had committed was read.
        case abandoned
        /// What stands there no publisher of ours has written.
        case corrupt
    }

    /// Looks closely after a next record was not found: now and then while spinning, and always before sleeping.
    ///
    /// - Parameter publisherIsGone: the mark of the publisher's death, read before this call.
    package mutating func look(publisherIsGone: Bool = false) -> Sighting {
        // Before the record: else an end could be seen that stands behind a record which was not yet seen.
        let hasEnded = stateWord.loadAcquire() == LogState.ended
        // Padding follows no padding, so twice is often enough.
        for _ in 0..<3 {
            if evictedWord.loadAcquire() != 0 { return .evicted }
            SharedFence.acquire()
            if isPassed(position) {
                if isLossless { return .evicted }
                guard let sighting = goOnAtFloor() else { continue }
                return sighting
            }
            guard isCommitted else { return hasEnded ? .ended : publisherIsGone ? .abandoned : .nothing }
            if stride != 0 { return .record }
            let shape = shape()
            // What was read is the record's only if the floor has not passed it.
            SharedFence.acquire()
            if evictedWord.loadRelaxed() != 0 || isPassed(position) { continue }
            guard let shape else { return .corrupt }
            if !shape.isPadding { return .record }
            skipPadding(shape)
        }
        return .nothing
    }

    /// The record at the floor is intact as long as the floor stays: its word says how many were missed. Nil: none was.
    private mutating func goOnAtFloor() -> Sighting? {
        unpin()
        for _ in 0..<8 {
            let floor = floorWord.loadAcquire()
            let place = Int(floor % UInt64(ring.capacity))
            guard place % (stride != 0 ? stride : LogLayout.lineBytes) == 0 else { return .corrupt }
            let word = ring.commit(place).loadAcquire()
            SharedFence.acquire()
            if floorWord.loadRelaxed() != floor { continue }
            let missed = word &- 1 &- sequence
            guard Int64(bitPattern: missed) >= 0 else { return .corrupt }
            position = floor
            offset = place
            sequence = word &- 1
            released = floor
            if missed == 0 { return nil }
            self.missed &+= missed
            missedWord.storeRelaxed(self.missed)
            return .lapped(missed: missed)
        }
        // A publisher that runs away, or one that lies: the next look tries again.
        return .nothing
    }
}
