// SPDX-License-Identifier: Apache-2.0

/// The ring of a log, and the words in it.
///
/// Ownership: borrows the memory.
@safe @frozen @usableFromInline
package struct RingMemory: @unchecked Sendable {
    @usableFromInline let base: UnsafeMutableRawPointer
    @usableFromInline let capacity: Int

    /// - Safety: `capacity` bytes at `base` are mapped, aligned to 64 bytes, and stay so while this is used.
    @unsafe
    init(_ base: UnsafeMutableRawPointer, capacity: Int) {
        // SAFETY: kept, not used.
        unsafe self.base = base
        self.capacity = capacity
    }

    /// The commit word of the record at `offset`: a multiple of 64 within the ring.
    @inlinable @inline(__always)
    func commit(_ offset: Int) -> SharedWord {
        assert(offset >= 0 && offset < capacity && offset % LogLayout.lineBytes == 0)
        // SAFETY: the offset lies within the ring; it is this side's own arithmetic.
        return unsafe SharedWord(base + offset)
    }

    /// The word of length and kind of the record at `offset`.
    @inlinable @inline(__always)
    func shape(_ offset: Int) -> SharedWord {
        assert(offset >= 0 && offset < capacity && offset % LogLayout.lineBytes == 0)
        // SAFETY: in the same line as the commit word.
        return unsafe SharedWord(base + offset + 8)
    }

    @unsafe @inlinable @inline(__always)
    func payload(_ offset: Int, _ payloadOffset: Int) -> UnsafeMutableRawPointer {
        // SAFETY: a record is longer than its payload's offset.
        unsafe base + (offset &+ payloadOffset)
    }
}

/// What the second word of a record says, once it has been found to fit into the ring.
@frozen @usableFromInline
struct RecordShape: Equatable {
    /// From this record to the next.
    @usableFromInline let recordBytes: Int
    /// -1 for padding.
    @usableFromInline let payloadBytes: Int

    @inlinable
    init(recordBytes: Int, payloadBytes: Int) {
        self.recordBytes = recordBytes
        self.payloadBytes = payloadBytes
    }

    /// Nil for what no publisher of ours would have written at `offset`.
    @inlinable @inline(__always)
    init?(_ word: UInt64, at offset: Int, capacity: Int, payloadOffset: Int, largestPayload: Int) {
        let length = Int(truncatingIfNeeded: word & 0xFFFF_FFFF)
        let kind = word &>> 32
        let left = capacity &- offset
        if _fastPath(kind == 1) {
            let bytes = LogLayout.roundedUp(length &+ payloadOffset)
            guard length <= largestPayload, bytes <= left else { return nil }
            recordBytes = bytes
            payloadBytes = length
        } else {
            // Padding fills the ring to its end, and so never stands at its beginning.
            guard kind == 2, offset != 0, length == left &- LogLayout.headerBytes else { return nil }
            recordBytes = left
            payloadBytes = -1
        }
    }

    @inlinable
    var isPadding: Bool { payloadBytes < 0 }
}
