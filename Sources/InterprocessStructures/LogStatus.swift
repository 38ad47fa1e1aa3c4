// SPDX-License-Identifier: Apache-2.0

/// How a log fares, as seen at one moment from any thread of its publisher's process.
///
/// What a reader says of itself is a claim; positions are bounded, nothing else is checked.
package struct LogStatus: Sendable, Equatable {
    /// The oldest intact record.
    package let floor: LogOrigin
    /// Behind the last committed record.
    package let head: LogOrigin
    /// Bytes of the ring.
    package let capacity: Int
    /// In the order of their indices.
    package let readers: [Reader]

    /// How many committed records are retained.
    package var retainedRecords: UInt64 { head.sequence &- floor.sequence }

    package struct Reader: Sendable, Equatable {
        /// Its number among the readers, until it is removed.
        package let index: Int
        package let isLossless: Bool
        package let standing: Standing
        /// Up to where a lossless reader has done, or what a lossy one has pinned; nil for one that holds nothing. Not below
        /// the floor nor beyond the head.
        package let position: UInt64?
        /// From there to the head.
        package let backlogBytes: UInt64?
        /// The records in between; nil where the position is no record's border.
        package let backlogRecords: UInt64?
        /// Whether it says that it sleeps.
        package let isSleeping: Bool
        /// How many records it says that it has missed.
        package let missed: UInt64
    }

    /// Whether the log knows a reader.
    package enum Standing: Sendable, Equatable {
        case entered
        /// Put out, and not yet removed.
        case evicted
    }
}

extension ReaderRoster {
    /// How the log fares. Takes the roster's mutex: the floor stands still meanwhile, commits go on.
    ///
    /// Any thread of the publisher's process. In a log whose records have their own lengths it walks over all that is retained.
    package func status() -> LogStatus {
        withDesk { desk in
            let floor = LogOrigin(position: desk.floor, sequence: desk.floorSequence)
            // Before the head: what an honest reader claims was committed by then.
            let claims = desk.slots.map { $0?.claim }
            var borders: [UInt64: UInt64] = [floor.position: floor.sequence]
            for case let position?? in claims { borders[position] = borders[position] ?? .max }
            let head = walk(floor, records: .max) { record in
                if borders[record.position] != nil { borders[record.position] = record.sequence }
            }.end
            let readers = desk.slots.indices.compactMap { index -> LogStatus.Reader? in
                guard let slot = desk.slots[index] else { return nil }
                let position = (claims[index] ?? nil).map {
                    slot.bounded($0, floor: floor.position, head: head.position)
                }
                let bytes = position.map { head.position &- $0 }
                return LogStatus.Reader(
                    index: index, isLossless: slot.isLossless,
                    standing: slot.standing == .entered ? .entered : .evicted, position: position,
                    backlogBytes: bytes, backlogRecords: position.flatMap { records(from: $0, to: head, borders) },
                    isSleeping: slot.page.sleeps.loadRelaxed() & 1 == 1, missed: slot.page.missed.loadRelaxed())
            }
            return LogStatus(floor: floor, head: head, capacity: layout.capacity, readers: readers)
        }
    }

    private func records(from position: UInt64, to head: LogOrigin, _ borders: [UInt64: UInt64]) -> UInt64? {
        if position == head.position { return 0 }
        if layout.isFixed {
            let (count, rest) = (head.position &- position).quotientAndRemainder(dividingBy: UInt64(layout.stride))
            return rest == 0 ? count : nil
        }
        guard let sequence = borders[position], sequence != .max else { return nil }
        return head.sequence &- sequence
    }
}

extension ReaderDesk.Slot {
    /// What the reader reports; nil: nothing is held for it.
    fileprivate var claim: UInt64? {
        guard standing == .entered else { return nil }
        if isLossless { return page.released.loadAcquire() }
        let pin = page.pin.loadAcquire()
        return pin == PairLayout.noPin ? nil : pin
    }

    /// Like what the publisher believes, but that nobody is put out here.
    fileprivate func bounded(_ claim: UInt64, floor: UInt64, head: UInt64) -> UInt64 {
        let position = claim &- accepted <= head &- accepted ? claim : accepted
        return Int64(bitPattern: position &- floor) < 0 ? floor : position
    }
}
