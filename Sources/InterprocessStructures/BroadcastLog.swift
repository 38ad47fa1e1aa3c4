// SPDX-License-Identifier: Apache-2.0

/// The publisher's side of a broadcast log: a ring of records in memory that only this process can write.
///
/// ```
/// if let place = log.claim() ?? { log.makeRoom() == .ready ? log.claim() : nil }() {
///     …                                       write the payload in place
///     log.commit()                            one releasing store: every reader sees it
///     var sleeper = log.nextSleeper(from: 0)  who sleeps is to be woken: system calls are the caller's
/// }
/// ```
///
/// One claim is open at a time; one that is not committed leaves nothing behind. A log has records of one size
/// (``claim()``, ``commit()``) or of their own lengths (``claim(byteCount:)``, ``commit(byteCount:)``), as its layout says.
///
/// Concurrency: one owner at a time. Readers are entered from any thread through ``roster``.
///
/// If a process dies: what was committed stays readable; an open claim was never visible.
///
/// Ownership: borrows the memory; whoever makes one keeps it mapped while this and ``roster`` are used.
@frozen @usableFromInline
package struct BroadcastLog: ~Copyable, Sendable {
    @usableFromInline let ring: RingMemory
    @usableFromInline let stride: Int
    @usableFromInline let payloadOffset: Int
    @usableFromInline let largestPayload: Int
    @usableFromInline let floorWord: SharedWord
    @usableFromInline let stateWord: SharedWord
    /// Position of the next record.
    @usableFromInline var head: UInt64
    /// Its place in the ring.
    @usableFromInline var offset: Int
    /// Its sequence number.
    @usableFromInline var sequence: UInt64
    /// Up to where may be written without another look at the readers.
    @usableFromInline var limit: UInt64
    /// From `head` to here every line begins with a zero, but for those below `dirty` (and, with records of one size, for
    /// those that have been claimed).
    @usableFromInline var clean: UInt64
    /// Up to here a claim that was not sent, or not in full, may have written.
    @usableFromInline var dirty: UInt64
    /// Position of the oldest intact record: what `floorWord` says.
    @usableFromInline var floor: UInt64
    /// What ``roster`` holds of its readers for ``nextSleeper(from:)``.
    @usableFromInline let bells: ReaderBells
    /// The readers; joiners enter here.
    @usableFromInline package let roster: ReaderRoster

    /// Begins an empty log.
    ///
    /// - Parameters:
    ///   - region: `layout.regionBytes` of memory, zeroed; this formats it.
    ///   - maximumReaders: how many readers there may be at once.
    ///   - isFenced: whether a full fence follows each commit: true where this process cannot call `membarrier(2)`. Else that
    ///     begins with the first reader that needs it.
    ///
    /// - Safety: the region is mapped for writing, aligned to 64 bytes, and nobody else uses it yet.
    @unsafe
    package init(
        formatting region: UnsafeMutableRawPointer, _ layout: LogLayout, maximumReaders: Int = 64,
        isFenced: Bool = false, origin: LogOrigin = .zero
    ) {
        let place = Int(origin.position % UInt64(layout.capacity))
        precondition(UInt(bitPattern: region) % UInt(LogLayout.lineBytes) == 0, "a log is aligned to 64 bytes")
        precondition(place % max(layout.stride, LogLayout.lineBytes) == 0, "a log begins at a record's border")
        // SAFETY: the caller promises a region of this size.
        unsafe layout.format(region, origin: origin)
        let ring = unsafe RingMemory(region + LogLayout.ringOffset, capacity: layout.capacity)
        let roster = ReaderRoster(ring, layout, maximumReaders: maximumReaders, isFenced: isFenced, origin: origin)
        self.roster = roster
        bells = roster.bells
        self.ring = ring
        unsafe floorWord = SharedWord(region + LogLayout.floorOffset)
        unsafe stateWord = SharedWord(region + LogLayout.stateOffset)
        stride = layout.stride
        payloadOffset = layout.payloadOffset
        largestPayload = layout.payloadBytes
        head = origin.position
        offset = place
        sequence = origin.sequence
        limit = origin.position &+ UInt64(layout.capacity)
        clean = limit
        dirty = head
        floor = origin.position
    }

    /// Sequence number of the next record.
    package var nextSequence: UInt64 { sequence }
    /// Position of the next record.
    package var headPosition: UInt64 { head }
    /// Position of the oldest intact record.
    package var floorPosition: UInt64 { floor }
    /// Bytes of the largest payload.
    @inlinable package var largestPayloadBytes: Int { largestPayload }

    /// How many records of one size fit without another look at the readers.
    @inlinable package var recordsWithinLimit: Int { Int((limit &- head) / UInt64(stride)) }

    /// No record follows: readers that have read all learn that this is the end. Wake sleepers afterwards.
    package mutating func end() {
        stateWord.storeRelease(LogState.ended)
    }
}

// MARK: Records of one size

extension BroadcastLog {
    /// The place of the next record's payload; nil: make room first.
    ///
    /// The memory may hold what an earlier record left there.
    @inlinable @inline(__always)
    package mutating func claim() -> UnsafeMutableRawPointer? {
        assert(stride != 0)
        guard limit &- head >= UInt64(truncatingIfNeeded: stride) else { return nil }
        // SAFETY: `offset` is a record's border, and the whole record lies within the ring.
        return unsafe ring.payload(offset, payloadOffset)
    }

    /// Makes the claimed record visible to every reader.
    @inlinable @inline(__always)
    package mutating func commit() {
        assert(stride != 0 && limit &- head >= UInt64(truncatingIfNeeded: stride), "nothing is claimed")
        sequence &+= 1
        ring.commit(offset).storeRelease(sequence)
        head &+= UInt64(truncatingIfNeeded: stride)
        offset &+= stride
        if offset == ring.capacity { offset = 0 }
        keepAhead(LogLayout.lineBytes)
        if _slowPath(limit &- head < UInt64(truncatingIfNeeded: stride)) { raiseKnownFloor() }
    }
}

// MARK: Records of their own lengths

extension BroadcastLog {
    /// The place of the next record's payload, `byteCount` bytes and no more than ``largestPayloadBytes``; nil: make room first.
    ///
    /// Room is needed for the record and the header behind it, which is zero when the commit comes: bytes of an earlier
    /// payload could look like a record there.
    @inlinable @inline(__always)
    package mutating func claim(byteCount: Int) -> UnsafeMutableRawPointer? {
        assert(stride == 0 && byteCount >= 0)
        guard byteCount <= largestPayload else { return nil }
        let bytes = LogLayout.roundedUp(byteCount &+ payloadOffset)
        guard bytes <= ring.capacity &- offset,
            limit &- head >= UInt64(truncatingIfNeeded: bytes &+ LogLayout.lineBytes)
        else { return nil }
        let end = head &+ UInt64(truncatingIfNeeded: bytes)
        if Int64(bitPattern: end &- dirty) > 0 { dirty = end }
        // SAFETY: the record ends within the ring.
        return unsafe ring.payload(offset, payloadOffset)
    }

    /// Makes the claimed record visible to every reader with its first `byteCount` bytes: as many as were claimed, or fewer.
    @inlinable @inline(__always)
    package mutating func commit(byteCount: Int) {
        clearNextHeader(byteCount: byteCount)
        publish(byteCount: byteCount)
    }

    /// The first step of a commit.
    @inlinable @inline(__always)
    package mutating func clearNextHeader(byteCount: Int) {
        let bytes = LogLayout.roundedUp(byteCount &+ payloadOffset)
        assert(stride == 0 && Int64(bitPattern: dirty &- head) >= Int64(bytes), "nothing is claimed")
        clearHeader(at: head &+ UInt64(truncatingIfNeeded: bytes))
    }

    /// Sees to it that no reader that comes to `position` finds anything there.
    @inlinable @inline(__always)
    mutating func clearHeader(at position: UInt64) {
        let isClean = Int64(bitPattern: clean &- position) > 0
        if _fastPath(isClean && Int64(bitPattern: dirty &- position) <= 0) { return }
        ring.commit(Int(position % UInt64(truncatingIfNeeded: ring.capacity))).storeRelaxed(0)
        if !isClean { clean = position &+ UInt64(truncatingIfNeeded: LogLayout.lineBytes) }
    }

    /// The second step of a commit.
    @inlinable @inline(__always)
    package mutating func publish(byteCount: Int) {
        let bytes = LogLayout.roundedUp(byteCount &+ payloadOffset)
        ring.shape(offset).storeRelaxed(RecordKind.data.word(length: byteCount))
        sequence &+= 1
        ring.commit(offset).storeRelease(sequence)
        head &+= UInt64(truncatingIfNeeded: bytes)
        offset &+= bytes
        if offset == ring.capacity { offset = 0 }
        keepAhead(bytes)
        if _slowPath(limit &- head < UInt64(truncatingIfNeeded: bytes &+ LogLayout.lineBytes)) { raiseKnownFloor() }
    }
}

// MARK: Lines ahead

extension BroadcastLog {
    /// Keeps a few lines ahead of the head clear.
    ///
    /// A line that a reader has read last is fetched by the first store into it. Done for many lines at once, and before
    /// their records come, these fetches overlap; and a commit finds the header behind its record cleared, so that the line
    /// where a reader waits is written only when its record comes.
    ///
    /// - Parameter bytes: clears more when no more than these are clear.
    @inlinable @inline(__always)
    mutating func keepAhead(_ bytes: Int) {
        if _slowPath(Int64(bitPattern: clean &- head) <= Int64(bytes)) { clearAhead() }
    }

    @usableFromInline @inline(never)
    mutating func clearAhead() {
        let line = UInt64(LogLayout.lineBytes)
        // Where the head is, a reader may wait.
        let start = Int64(bitPattern: clean &- head) > Int64(line) ? clean : head &+ line
        let free = Int64(bitPattern: limit &- start)
        guard free > 0 else { return }
        let end = start &+ min(UInt64(free), 16 * line)
        var place = Int(start % UInt64(ring.capacity))
        var position = start
        while position != end {
            ring.commit(place).storeRelaxed(0)
            position &+= line
            place += LogLayout.lineBytes
            if place == ring.capacity { place = 0 }
        }
        clean = end
    }
}
