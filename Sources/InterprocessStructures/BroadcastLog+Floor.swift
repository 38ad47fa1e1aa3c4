// SPDX-License-Identifier: Apache-2.0

extension BroadcastLog {
    /// Whether there is room.
    @frozen @usableFromInline
    package enum Room: Sendable, Equatable {
        /// The claim will succeed.
        case ready
        /// This reader still uses what would be overwritten. Wait for it, put it out, or give up.
        case held(by: Int)
        /// More than ``largestPayloadBytes``: never.
        case tooLarge
    }

    /// Makes room for `records` records of one size, at most a quarter of the ring.
    ///
    /// Never waits. After `.held` it may be called again at any time, or the claim given up. Readers that reported what
    /// cannot be are put out: ``nextEvicted()`` names them afterwards.
    package mutating func makeRoom(records: Int = 1) -> Room {
        assert(stride != 0)
        let needed = records.multipliedReportingOverflow(by: stride)
        guard records >= 1, !needed.overflow, needed.partialValue <= max(stride, ring.capacity / 4) else {
            return .tooLarge
        }
        return ensure(needed.partialValue)
    }

    /// Makes room for a record of its own length.
    package mutating func makeRoom(byteCount: Int) -> Room {
        assert(stride == 0)
        guard byteCount >= 0, byteCount <= largestPayload else { return .tooLarge }
        let bytes = LogLayout.roundedUp(byteCount + payloadOffset)
        let left = ring.capacity - offset
        if bytes > left {
            // Committed by itself, so that a reader that has come here is never what the record waits for.
            let room = ensure(left + LogLayout.lineBytes)
            guard room == .ready else { return room }
            commitPadding()
        }
        return ensure(bytes + LogLayout.lineBytes)
    }

    /// Takes no number: its commit word is that of the record behind it.
    private mutating func commitPadding() {
        let left = ring.capacity - offset
        ring.shape(offset).storeRelaxed(RecordKind.padding.word(length: left - LogLayout.headerBytes))
        clearHeader(at: head &+ UInt64(left))
        ring.commit(offset).storeRelease(sequence &+ 1)
        head &+= UInt64(left)
        offset = 0
    }

    private mutating func ensure(_ needed: Int) -> Room {
        while limit &- head < UInt64(needed) {
            if let holder = raiseLimit() { return .held(by: holder) }
            if limit &- head >= UInt64(needed) { break }
            let before = floor
            if let holder = raiseFloor() { return .held(by: holder) }
            // No claim is large enough for that: see the largest payload.
            precondition(floor != before, "a claim that needs the last record's room")
        }
        return .ready
    }

    /// Moves the floor by at least one record, beyond that by at most an eighth of the ring, and never past what a reader
    /// uses; the last record always stays. Returns the reader that forbids it.
    package mutating func raiseFloor() -> Int? {
        // A floor is confirmed before the next one.
        if let holder = raiseLimit() { return holder }
        let before = floor
        let (holder, isLossless) = roster.withDesk { desk -> (Int?, Bool) in
            if let next = knownFloor(desk) { return (nil, moveFloor(to: next, &desk)) }
            let (bound, holder) = desk.bound(floor: before, head: head)
            let next = advancedFloor(to: bound)
            return next == before ? (holder, false) : (nil, moveFloor(to: next, &desk))
        }
        if floor != before { confirmFloor(isLossless) }
        return holder
    }

    /// Moves the floor by what is known of the readers, without a look at their pages, if the next record has no room yet. After a
    /// commit, when its reader is on its way anyway.
    @usableFromInline @inline(never)
    mutating func raiseKnownFloor() {
        guard limit == floor &+ UInt64(ring.capacity) else { return }
        let isLossless = roster.withDesk { desk in
            guard let next = knownFloor(desk) else { return false }
            return moveFloor(to: next, &desk)
        }
        if isLossless { confirmFloor(true) }
    }

    /// Where the floor may go by what was seen of the readers before; nil: they must be looked at.
    private func knownFloor(_ desk: borrowing ReaderDesk) -> UInt64? {
        guard desk.isLossless else { return nil }
        let next = advancedFloor(to: desk.known)
        return next == floor ? nil : next
    }

    /// Under the mutex: who enters afterwards begins at the new floor or above. Returns whether nobody pins.
    private mutating func moveFloor(to next: UInt64, _ desk: inout ReaderDesk) -> Bool {
        desk.floor = next
        desk.floorSequence = ring.commit(place(next)).loadRelaxed() &- 1
        floorWord.storeRelease(next)
        floor = next
        return desk.isLossless
    }

    private mutating func confirmFloor(_ isLossless: Bool) {
        if isLossless {
            // Nothing is pinned, so that nobody need be looked at again; the floor is seen before what overwrites the records below.
            SharedFence.release()
            limit = floor &+ UInt64(ring.capacity)
        } else {
            // Between the new floor and the second look at the pins: either the reader sees the one or this sees the other.
            SharedFence.full()
        }
    }

    /// Lets the limit follow the floor, unless a reader has pinned what lies below; returns that one.
    package mutating func raiseLimit() -> Int? {
        let target = floor &+ UInt64(ring.capacity)
        if limit == target { return nil }
        if let holder = roster.withDesk({ $0.pinned(below: floor, head: head) }) { return holder }
        // Whoever was put out since the floor moved finds the mark before what overwrites its record.
        SharedFence.release()
        limit = target
        return nil
    }

    /// Whole records from the floor to at most `bound`.
    private func advancedFloor(to bound: UInt64) -> UInt64 {
        let step = UInt64(ring.capacity / 8)
        var next = floor
        var index = place(next)
        // At least one record always stays: where the floor is, there is a word that says its number.
        while next != head {
            let bytes = recordBytes(index)
            let after = next &+ bytes
            guard bound &- floor >= after &- floor, head &- floor > after &- floor,
                next == floor || after &- floor <= step
            else { return next }
            next = after
            index += Int(bytes)
            if index == ring.capacity { index = 0 }
        }
        return next
    }

    /// Read from the log, which only this process writes.
    private func recordBytes(_ index: Int) -> UInt64 {
        if stride != 0 { return UInt64(stride) }
        let shape = RecordShape(
            ring.shape(index).loadRelaxed(), at: index, capacity: ring.capacity, payloadOffset: payloadOffset,
            largestPayload: largestPayload)
        guard let shape else { preconditionFailure("the log's own memory was overwritten") }
        return UInt64(shape.recordBytes)
    }

    private func place(_ position: UInt64) -> Int { Int(position % UInt64(ring.capacity)) }
}

extension BroadcastLog.Room {
    @inlinable package var isReady: Bool {
        if case .ready = self { return true }
        return false
    }
}
