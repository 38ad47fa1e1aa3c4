// SPDX-License-Identifier: Apache-2.0

/// A reader's place in a log that another process writes.
///
/// ```
/// if let sample = cursor.next() { …; if !cursor.release() { it was overwritten meanwhile } }
/// else { switch cursor.look() { … } }
/// ```
///
/// Three ways to read: lossless (``next()`` or ``nextRecord()``, ``release(keepingPin:)``: the publisher waits for it), pinning
/// (``pinNext()`` or ``pinNextRecord()``, ``release(keepingPin:)``: the publisher waits while a record is used), copying
/// (``copyNext(into:)``: the publisher never waits).
///
/// Nothing that the publisher writes is believed: each word is fetched once, bounded, and never leads outside the ring.
///
/// Concurrency: one owner at a time.
///
/// Ownership: borrows the memory; whoever makes one keeps log (for reading) and page (for writing) mapped.
@frozen @usableFromInline
package struct ReaderCursor: ~Copyable, Sendable {
    @usableFromInline let ring: RingMemory
    @usableFromInline let stride: Int
    @usableFromInline let payloadOffset: Int
    @usableFromInline let largestPayload: Int
    @usableFromInline let floorWord: SharedWord
    @usableFromInline let stateWord: SharedWord
    @usableFromInline let releasedWord: SharedWord
    @usableFromInline let pinWord: SharedWord
    @usableFromInline let evictedWord: SharedWord
    let missedWord: SharedWord
    @usableFromInline let isLossless: Bool
    @usableFromInline let isFenced: Bool
    /// Position of the next record.
    @usableFromInline var position: UInt64
    /// Its place in the ring.
    @usableFromInline var offset: Int
    /// Its sequence number.
    @usableFromInline var sequence: UInt64
    /// Position of the oldest record that is still used.
    @usableFromInline var released: UInt64
    @usableFromInline var isPinned = false
    /// How many records were missed in all: what `missedWord` says.
    var missed: UInt64 = 0
    /// The publisher that waits for room.
    @usableFromInline var room: RingingSide

    /// Begins where the publisher's roster has entered the reader.
    ///
    /// - Parameters:
    ///   - region: the log, of at least `layout.regionBytes`.
    ///   - layout: as read from the log, which checks it.
    ///   - position, sequence: from the hand-shake. Nil is returned for a position that cannot be.
    ///   - isFenced: whether a full fence follows each release, because the publisher cannot call `membarrier(2)`.
    ///
    /// - Safety: the region is mapped and aligned to 64 bytes while this is used; so is the page's.
    @unsafe
    package init?(
        _ region: UnsafeMutableRawPointer, _ layout: LogLayout, _ page: PairPage, isLossless: Bool,
        position: UInt64, sequence: UInt64, isFenced: Bool = false
    ) {
        let place = Int(position % UInt64(layout.capacity))
        guard place % (layout.isFixed ? layout.stride : LogLayout.lineBytes) == 0 else { return nil }
        // SAFETY: the caller promises a region of this size.
        unsafe ring = RingMemory(region + LogLayout.ringOffset, capacity: layout.capacity)
        unsafe floorWord = SharedWord(region + LogLayout.floorOffset)
        unsafe stateWord = SharedWord(region + LogLayout.stateOffset)
        stride = layout.stride
        payloadOffset = layout.payloadOffset
        largestPayload = layout.payloadBytes
        releasedWord = page.released
        pinWord = page.pin
        evictedWord = page.evicted
        missedWord = page.missed
        self.isLossless = isLossless
        self.isFenced = isFenced
        self.position = position
        self.sequence = sequence
        released = position
        offset = place
        room = RingingSide(count: page.waits, bell: page.spaceBell)
    }

    /// Sequence number of the next record; that of the one just taken is one less.
    package var nextSequence: UInt64 { sequence }
    /// How many records this reader has missed since it was entered.
    package var missedRecords: UInt64 { missed }
    /// Whether less than an eighth of the ring was taken and not released.
    @inlinable package var holdsLittle: Bool {
        position &- released < UInt64(truncatingIfNeeded: ring.capacity) &>> 3
    }
    /// Position of the next record.
    package var nextPosition: UInt64 { position }

    /// Whether something stands where the next record is expected: a record, or padding in front of it.
    @inlinable @inline(__always)
    package var hasNext: Bool { isCommitted }

    /// Whether the record that is expected next is there.
    @inlinable @inline(__always)
    var isCommitted: Bool { ring.commit(offset).loadAcquire() == sequence &+ 1 }

    /// Whether the publisher has given up what lies at `position`. Meant after a fence.
    @inlinable @inline(__always)
    func isPassed(_ position: UInt64) -> Bool {
        Int64(bitPattern: floorWord.loadRelaxed() &- position) > 0
    }
}

/// A record of its own length, in place.
@frozen @usableFromInline
@safe
package struct RecordView {
    /// Within the ring, aligned to 16 bytes.
    @unsafe @usableFromInline package let start: UnsafeRawPointer
    /// All of them within the ring.
    @usableFromInline package let byteCount: Int

    @inlinable @inline(__always)
    init(_ start: UnsafeRawPointer, _ byteCount: Int) {
        // SAFETY: kept, not used.
        unsafe self.start = start
        self.byteCount = byteCount
    }
}

// MARK: Lossless

extension ReaderCursor {
    /// The payload of the next record of a log of one size; nil: not there, ``look(publisherIsGone:)`` says why.
    ///
    /// It stays until ``release(keepingPin:)``; several may be taken before.
    @inlinable @inline(__always)
    package mutating func next() -> UnsafeRawPointer? {
        assert(stride != 0 && isLossless)
        guard isCommitted else { return nil }
        // SAFETY: the record at the offset is committed.
        return unsafe step()
    }

    @unsafe @inlinable @inline(__always)
    mutating func step() -> UnsafeRawPointer {
        // SAFETY: the offset is this side's own; it advances by whole records of the ring.
        let payload = unsafe UnsafeRawPointer(ring.payload(offset, payloadOffset))
        position &+= UInt64(truncatingIfNeeded: stride)
        offset &+= stride
        if offset == ring.capacity { offset = 0 }
        sequence &+= 1
        return unsafe payload
    }

    /// The next record of its own length; nil: not there, ``look(publisherIsGone:)`` says why.
    @inlinable @inline(__always)
    package mutating func nextRecord() -> RecordView? {
        assert(stride == 0 && isLossless)
        while isCommitted {
            guard let shape = shape() else { return nil }
            // A reader that was put out could see bytes of a payload here.
            if _slowPath(evictedWord.loadRelaxed() != 0) { return nil }
            if _fastPath(!shape.isPadding) { return step(shape) }
            skipPadding(shape)
        }
        return nil
    }

    /// What the record says of itself, if that can be.
    @inlinable @inline(__always)
    func shape() -> RecordShape? {
        RecordShape(
            ring.shape(offset).loadRelaxed(), at: offset, capacity: ring.capacity, payloadOffset: payloadOffset,
            largestPayload: largestPayload)
    }

    @inlinable @inline(__always)
    mutating func step(_ shape: RecordShape) -> RecordView {
        // SAFETY: the shape was found to fit between the offset and the end of the ring.
        let view = unsafe RecordView(UnsafeRawPointer(ring.payload(offset, payloadOffset)), shape.payloadBytes)
        move(shape.recordBytes)
        sequence &+= 1
        return view
    }

    @inlinable @inline(__always)
    mutating func move(_ bytes: Int) {
        position &+= UInt64(truncatingIfNeeded: bytes)
        offset &+= bytes
        if offset == ring.capacity { offset = 0 }
    }

    /// Padding is released at once, unless something before it is still used.
    @inlinable @inline(never)
    mutating func skipPadding(_ shape: RecordShape) {
        let isFirst = released == position
        move(shape.recordBytes)
        guard isFirst else { return }
        released = position
        if isLossless { releasedWord.storeRelease(position) }
    }

    /// Gives back everything that was taken. False: the publisher has put this reader out and overwritten some of it.
    ///
    /// Afterwards ``mustWakePublisher()``.
    ///
    /// - Parameter keepingPin: a pinning reader keeps what comes next from being overwritten, and need not fence again; not
    ///   for one that goes to sleep.
    @inlinable @inline(__always)
    package mutating func release(keepingPin: Bool = false) -> Bool {
        // What was read of the payload is read before the mark is.
        SharedFence.acquire()
        let isIntact = _fastPath(evictedWord.loadRelaxed() == 0) || !isPassed(released)
        released = position
        if isLossless {
            releasedWord.storeRelease(position)
        } else if isPinned {
            pinWord.storeRelease(keepingPin ? position : PairLayout.noPin)
            isPinned = keepingPin
        }
        return isIntact
    }

    /// Whether the publisher sleeps until there is room: its bell has been rung, what its `waitMode` asks for is left. After each
    /// ``release(keepingPin:)``, and before this reader sleeps.
    @inlinable @inline(__always)
    package mutating func mustWakePublisher() -> Bool {
        if isFenced { SharedFence.full() }
        return room.mustWake()
    }
}
