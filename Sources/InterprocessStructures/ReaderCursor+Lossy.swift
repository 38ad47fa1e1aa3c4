// SPDX-License-Identifier: Apache-2.0

// MARK: Pinning

extension ReaderCursor {
    /// Pins the next record of a log of one size and returns its payload; nil: not there, or overtaken.
    @inlinable
    package mutating func pinNext() -> UnsafeRawPointer? {
        assert(stride != 0 && !isLossless)
        guard isCommitted, holdPin() else {
            unpinIfUnused()
            return nil
        }
        // SAFETY: the record at the offset is committed, and pinned.
        return unsafe step()
    }

    /// Pins the next record of its own length.
    @inlinable
    package mutating func pinNextRecord() -> RecordView? {
        assert(stride == 0 && !isLossless)
        while isCommitted {
            guard holdPin(), let shape = shape() else { break }
            if !shape.isPadding { return step(shape) }
            skipPadding(shape)
        }
        unpinIfUnused()
        return nil
    }

    /// The record is held once the floor is seen not to have passed it after the pin was set: either this sees the new
    /// floor, or the publisher the pin.
    @inlinable
    mutating func holdPin() -> Bool {
        // An older pin holds everything behind it as well.
        if isPinned { return evictedWord.loadRelaxed() == 0 }
        storePin()
        SharedFence.full()
        return confirmPin()
    }

    /// The first step of pinning; a full fence stands between it and the second.
    @inlinable
    package mutating func storePin() {
        pinWord.storeRelease(position)
        isPinned = true
        released = position
    }

    /// The second step: whether the pin holds. If not, it has been taken back.
    @inlinable
    package mutating func confirmPin() -> Bool {
        if !isPassed(position) && evictedWord.loadRelaxed() == 0 { return true }
        unpin()
        return false
    }

    /// A reader that has found nothing and uses nothing holds nobody back.
    @inlinable
    mutating func unpinIfUnused() {
        if isPinned && released == position { unpin() }
    }

    /// Takes back the pin without anything more.
    @inlinable
    package mutating func unpin() {
        guard isPinned else { return }
        pinWord.storeRelease(PairLayout.noPin)
        isPinned = false
    }
}

// MARK: Copying

extension ReaderCursor {
    /// What became of a copy.
    package enum Copy: Equatable, Sendable {
        /// So many bytes, none of them torn.
        case copied(Int)
        /// The record of so many bytes is still there: the memory given is too small.
        case tooLong(Int)
        /// Not there, or overtaken: ``ReaderCursor/look(publisherIsGone:)`` says which.
        case nothing
    }

    /// Copies the next record and holds nobody back.
    ///
    /// - Safety: `target` does not overlap the log.
    @unsafe
    package mutating func copyNext(into target: UnsafeMutableRawBufferPointer) -> Copy {
        assert(!isLossless)
        while isCommitted {
            let shape: RecordShape
            if stride != 0 {
                shape = RecordShape(recordBytes: stride, payloadBytes: largestPayload)
            } else {
                guard let found = self.shape() else { return .nothing }
                shape = found
            }
            let fits = shape.payloadBytes <= target.count
            if fits && !shape.isPadding {
                // SAFETY: the shape lies within the ring, and its payload fits the target.
                unsafe copyPayload(shape.payloadBytes, to: target)
            }
            // Whatever was read, the floor is read behind it: if it has not passed, nothing was overwritten.
            SharedFence.acquire()
            if isPassed(position) { return .nothing }
            if shape.isPadding {
                skipPadding(shape)
                continue
            }
            if !fits { return .tooLong(shape.payloadBytes) }
            move(shape.recordBytes)
            sequence &+= 1
            released = position
            return .copied(shape.payloadBytes)
        }
        return .nothing
    }

    /// Word by word with atomic loads: the publisher may write there at the same time.
    @unsafe
    private func copyPayload(_ byteCount: Int, to target: UnsafeMutableRawBufferPointer) {
        // SAFETY: records are whole lines, so the last word lies within the record although its payload may end before.
        let source = unsafe ring.payload(offset, payloadOffset)
        var index = 0
        while index &+ 8 <= byteCount {
            unsafe target.storeBytes(of: SharedWord(source + index).loadRelaxed(), toByteOffset: index, as: UInt64.self)
            index &+= 8
        }
        guard index < byteCount else { return }
        var rest = unsafe SharedWord(source + index).loadRelaxed().littleEndian
        while index < byteCount {
            unsafe target.storeBytes(of: UInt8(truncatingIfNeeded: rest), toByteOffset: index, as: UInt8.self)
            rest >>= 8
            index &+= 1
        }
    }

    /// Passes over the next record, which was too long; false: overtaken meanwhile.
    package mutating func skipNext() -> Bool {
        while isCommitted {
            guard let shape = stride != 0 ? RecordShape(recordBytes: stride, payloadBytes: largestPayload) : shape()
            else { return false }
            SharedFence.acquire()
            if isPassed(position) { return false }
            if shape.isPadding {
                skipPadding(shape)
                continue
            }
            move(shape.recordBytes)
            sequence &+= 1
            released = position
            return true
        }
        return false
    }
}
