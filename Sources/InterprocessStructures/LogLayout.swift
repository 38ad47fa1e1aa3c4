// SPDX-License-Identifier: Apache-2.0

/// How the memory of a log is laid out.
///
/// ```
///   0  floor          UInt64   position of the oldest intact record; only the publisher moves it
///   8  state          UInt64   0 open, 1 ended by its publisher
///  64  magic          UInt64   "IPCLOG" and the version of this layout; constant from here to 128
///  72  capacity       UInt64   bytes of the ring
///  80  stride         UInt64   bytes from record to record; 0 where records have their own lengths
///  88  payloadOffset  UInt64   from the record's beginning to its payload
///  96  payloadBytes   UInt64   of every record, or of the largest
/// 128  ring           records, 64-byte aligned
///
/// record
///   0  commit         UInt64   sequence number + 1, stored last; anything else: not there yet
///   8  length, kind   UInt32 each, one word: payload bytes, and data or padding to the end of the ring
///  16… payload        at payloadOffset
/// ```
///
/// Positions count bytes since the log's birth; a position's place in the ring is its remainder by the capacity.
@frozen @usableFromInline
package struct LogLayout: Sendable, Equatable {
    /// Every record begins at a multiple of this: a cache line.
    @inlinable package static var lineBytes: Int { 64 }
    /// Of the region; the ring follows.
    package static let ringOffset = 128
    /// Commit word, length and kind.
    @inlinable package static var headerBytes: Int { 16 }
    package static let magic: UInt64 = 0x0001_474F_4C43_5049

    static let floorOffset = 0
    static let stateOffset = 8
    static let magicOffset = 64
    static let capacityOffset = 72
    static let strideOffset = 80
    static let payloadOffsetOffset = 88
    static let payloadBytesOffset = 96

    /// So that no sum of sizes overflows.
    static let largestCapacity = 1 << 40
    /// Bytes of the largest region.
    package static var largestRegion: Int { ringOffset + largestCapacity }

    /// So that every length fits its 32 bits.
    static let largestPayload = 1 << 31

    /// Bytes of the ring.
    @usableFromInline package let capacity: Int
    /// Bytes from record to record, 0 where records have their own lengths.
    @usableFromInline package let stride: Int
    /// From a record's beginning to its payload: 16, or more for payloads of greater alignment and for fields in between.
    @usableFromInline package let payloadOffset: Int
    /// Payload bytes of every record, or of the largest.
    @usableFromInline package let payloadBytes: Int

    /// Of the whole region.
    package var regionBytes: Int { Self.ringOffset + capacity }
    package var isFixed: Bool { stride != 0 }

    @usableFromInline init(capacity: Int, stride: Int, payloadOffset: Int, payloadBytes: Int) {
        self.capacity = capacity
        self.stride = stride
        self.payloadOffset = payloadOffset
        self.payloadBytes = payloadBytes
    }

    /// Records of one size, `recordCount` of them: at least 2. Nil for sizes that cannot be.
    package init?(fixedPayloadBytes: Int, recordCount: Int, payloadOffset: Int = headerBytes) {
        guard Self.isPayloadOffset(payloadOffset), fixedPayloadBytes >= 0, fixedPayloadBytes <= Self.largestPayload,
            recordCount >= 2
        else { return nil }
        let stride = Self.roundedUp(payloadOffset + fixedPayloadBytes)
        let capacity = stride.multipliedReportingOverflow(by: recordCount)
        guard !capacity.overflow, capacity.partialValue <= Self.largestCapacity else { return nil }
        self.init(
            capacity: capacity.partialValue, stride: stride, payloadOffset: payloadOffset,
            payloadBytes: fixedPayloadBytes)
    }

    /// Records of their own lengths in a ring of `variableCapacity` bytes: a multiple of 64, at least 256. Nil for others.
    ///
    /// The largest record takes a quarter of the ring.
    package init?(variableCapacity: Int, payloadOffset: Int = headerBytes) {
        guard Self.isPayloadOffset(payloadOffset), variableCapacity >= 4 * Self.lineBytes,
            variableCapacity <= Self.largestCapacity, variableCapacity % Self.lineBytes == 0
        else { return nil }
        let largest = (variableCapacity / 4) & ~(Self.lineBytes - 1)
        guard largest >= payloadOffset else { return nil }
        self.init(
            capacity: variableCapacity, stride: 0, payloadOffset: payloadOffset,
            payloadBytes: min(largest - payloadOffset, Self.largestPayload))
    }

    @inlinable @inline(__always)
    package static func roundedUp(_ bytes: Int) -> Int { (bytes &+ (lineBytes &- 1)) & ~(lineBytes &- 1) }

    private static func isPayloadOffset(_ offset: Int) -> Bool {
        offset >= headerBytes && offset <= 4096 && offset % headerBytes == 0
    }
}

/// Why memory is no log, or none of ours.
package enum LogLayoutError: Error, Equatable {
    case tooSmall
    /// Not a log, or of another version.
    case unknown
    /// Numbers that contradict each other or the size of the region.
    case contradictory
}

extension LogLayout {
    /// What the header of a log says that another process made, believed only if all of it fits together and into `byteCount`.
    ///
    /// - Safety: `byteCount` bytes at `region` are mapped, aligned to 64 bytes.
    @unsafe
    package init(reading region: UnsafeMutableRawPointer, byteCount: Int) throws(LogLayoutError) {
        guard byteCount >= Self.ringOffset else { throw .tooSmall }
        // SAFETY: the fields lie within the header, whose size was checked; each is fetched once.
        guard unsafe SharedWord(region + Self.magicOffset).loadRelaxed() == Self.magic else { throw .unknown }
        guard let capacity = Int(exactly: unsafe SharedWord(region + Self.capacityOffset).loadRelaxed()),
            let stride = Int(exactly: unsafe SharedWord(region + Self.strideOffset).loadRelaxed()),
            let payloadOffset = Int(exactly: unsafe SharedWord(region + Self.payloadOffsetOffset).loadRelaxed()),
            let payloadBytes = Int(exactly: unsafe SharedWord(region + Self.payloadBytesOffset).loadRelaxed()),
            capacity <= byteCount - Self.ringOffset
        else { throw .contradictory }
        let expected =
            stride == 0
            ? LogLayout(variableCapacity: capacity, payloadOffset: payloadOffset)
            : LogLayout(
                fixedPayloadBytes: payloadBytes, recordCount: capacity / stride, payloadOffset: payloadOffset)
        let claimed = LogLayout(
            capacity: capacity, stride: stride, payloadOffset: payloadOffset, payloadBytes: payloadBytes)
        guard expected == claimed else { throw .contradictory }
        self = claimed
    }

    /// Makes an empty log of zeroed memory.
    ///
    /// - Safety: `regionBytes` zeroed bytes at `region` are mapped for writing, aligned to 64 bytes; nobody else uses them yet.
    @unsafe
    package func format(_ region: UnsafeMutableRawPointer, origin: LogOrigin = .zero) {
        // SAFETY: every offset lies within the region, says the caller.
        unsafe SharedWord(region + Self.floorOffset).storeRelaxed(origin.position)
        unsafe SharedWord(region + Self.stateOffset).storeRelaxed(LogState.open)
        unsafe SharedWord(region + Self.capacityOffset).storeRelaxed(UInt64(capacity))
        unsafe SharedWord(region + Self.strideOffset).storeRelaxed(UInt64(stride))
        unsafe SharedWord(region + Self.payloadOffsetOffset).storeRelaxed(UInt64(payloadOffset))
        unsafe SharedWord(region + Self.payloadBytesOffset).storeRelaxed(UInt64(payloadBytes))
        if isFixed {
            // Nothing reads these on the way of a message; they tell whoever dumps the memory.
            var record = Self.ringOffset
            while record < regionBytes {
                unsafe SharedWord(region + record + 8).storeRelaxed(RecordKind.data.word(length: payloadBytes))
                record += stride
            }
        }
        unsafe SharedWord(region + Self.magicOffset).storeRelaxed(Self.magic)
    }
}

/// A position and the sequence number of the record there. A log begins at 0, but for tests of what happens when numbers wrap
/// around.
package struct LogOrigin: Sendable, Equatable {
    package let position: UInt64
    package let sequence: UInt64
    package static let zero = LogOrigin(position: 0, sequence: 0)

    package init(position: UInt64, sequence: UInt64) {
        self.position = position
        self.sequence = sequence
    }
}

/// The values of the log's state.
package enum LogState {
    package static let open: UInt64 = 0
    package static let ended: UInt64 = 1
}

/// The upper half of a record's second word.
@frozen @usableFromInline
package enum RecordKind: UInt32, Sendable {
    case data = 1
    case padding = 2

    @inlinable @inline(__always)
    package func word(length: Int) -> UInt64 {
        UInt64(truncatingIfNeeded: length) | UInt64(truncatingIfNeeded: rawValue) &<< 32
    }
}
