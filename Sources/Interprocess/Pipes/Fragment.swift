// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls

/// What stands before each piece of a message on a pipe with many writers; 36 bytes, little endian.
///
/// | bytes | field |
/// |---|---|
/// | 0–3 | magic `IPCf` |
/// | 4–7 | checksum of the 28 bytes that follow and of the payload |
/// | 8–15 | writer |
/// | 16–23 | number of the message |
/// | 24–27 | length of the whole message |
/// | 28–31 | offset of this piece in it |
/// | 32–35 | length of this piece; with 2³² − 1 the message is called off |
struct Fragment: Sendable, Equatable {
    static let magic: [UInt8] = Array("IPCf".utf8)
    static let headerBytes = 36
    static let payloadBytes = pipeAtomicBytes - headerBytes
    static let calledOff: UInt32 = .max

    var writer: UInt64
    var message: UInt64
    var total: UInt32
    var offset: UInt32
    /// ``calledOff`` or the payload's length.
    var length: UInt32

    var payloadCount: Int { length == Self.calledOff ? 0 : Int(length) }

    func encoded(_ payload: ArraySlice<UInt8>) -> [UInt8] {
        var bytes = Self.magic
        bytes.reserveCapacity(Self.headerBytes + payload.count)
        bytes += [0, 0, 0, 0]
        for half in [writer, message] {
            forEachByte(of: UInt32(truncatingIfNeeded: half)) { bytes.append($0) }
            forEachByte(of: UInt32(truncatingIfNeeded: half >> 32)) { bytes.append($0) }
        }
        for field in [total, offset, length] { forEachByte(of: field) { bytes.append($0) } }
        bytes += payload
        var place = 4
        forEachByte(of: Self.checksum(bytes.span.extracting(8...))) {
            bytes[place] = $0
            place += 1
        }
        return bytes
    }

    /// The header at the start of `bytes`, which has at least ``headerBytes``; nil if it is none. The checksum is not looked at.
    static func header(_ bytes: Span<UInt8>) -> Fragment? {
        for index in 0..<4 where bytes[index] != magic[index] { return nil }
        let fragment = Fragment(
            writer: UInt64(word(bytes, 8)) | UInt64(word(bytes, 12)) << 32,
            message: UInt64(word(bytes, 16)) | UInt64(word(bytes, 20)) << 32,
            total: word(bytes, 24), offset: word(bytes, 28), length: word(bytes, 32))
        return fragment.payloadCount <= payloadBytes ? fragment : nil
    }

    static func isIntact(_ bytes: Span<UInt8>) -> Bool { word(bytes, 4) == checksum(bytes.extracting(8...)) }

    private static func word(_ bytes: Span<UInt8>, _ place: Int) -> UInt32 {
        UInt32(bytes[place]) | UInt32(bytes[place + 1]) << 8 | UInt32(bytes[place + 2]) << 16
            | UInt32(bytes[place + 3]) << 24
    }

    /// Four bytes at a time, FNV-1a with a final mix: against accidents, not against an adversary, who could compute it too.
    static func checksum(_ bytes: Span<UInt8>) -> UInt32 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        var place = 0
        while place + 4 <= bytes.count {
            hash = (hash ^ UInt64(word(bytes, place))) &* 0x0000_0100_0000_01b3
            hash ^= hash >> 29
            place += 4
        }
        while place < bytes.count {
            hash = (hash ^ UInt64(bytes[place])) &* 0x0000_0100_0000_01b3
            place += 1
        }
        hash ^= UInt64(bytes.count)
        hash = (hash ^ (hash >> 31)) &* 0x9e37_79b9_7f4a_7c15
        return UInt32(truncatingIfNeeded: hash >> 32)
    }
}
