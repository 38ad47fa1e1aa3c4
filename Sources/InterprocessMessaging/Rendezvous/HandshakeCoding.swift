// SPDX-License-Identifier: Apache-2.0

/// What is wrong with a message of the hand-shake.
package enum HandshakeFault: Error, Sendable, Equatable, CustomStringConvertible {
    /// Shorter than what it says, or than its kind is.
    case tooShort
    /// Not the magic number at the start.
    case foreign
    /// Of another version of the protocol.
    case otherVersion(UInt16)
    /// A kind, a purpose, a tag or a flag that this version does not know.
    case unknown(String)
    /// A length or a number that cannot be, or bytes after the end.
    case outOfBounds(String)

    package var description: String {
        switch self {
        case .tooShort: "a message of the hand-shake ends too early"
        case .foreign: "that is no message of this protocol"
        case .otherVersion(let version):
            "the other side speaks version \(version) of the protocol, this one \(HandshakeMessage.version)"
        case .unknown(let what): "unknown \(what)"
        case .outOfBounds(let what): "\(what) is out of bounds"
        }
    }
}

/// Writes numbers with the least significant byte first, whatever the machine.
struct HandshakeWriter {
    private(set) var bytes: [UInt8] = []

    mutating func add<Number: FixedWidthInteger>(_ number: Number) {
        for shift in stride(from: 0, to: Number.bitWidth, by: 8) {
            bytes.append(UInt8(truncatingIfNeeded: number >> shift))
        }
    }

    /// A length of two bytes, then UTF-8; cut between characters to at most `limit` bytes.
    mutating func add(_ text: String, limit: Int) {
        let text = Self.cut(text, limit: limit)
        add(UInt16(text.utf8.count))
        bytes += Array(text.utf8)
    }

    static func cut(_ text: String, limit: Int) -> String {
        if text.utf8.count <= limit { return text }
        var result = ""
        var count = 0
        for scalar in text.unicodeScalars {
            count += UTF8.width(scalar)
            if count > limit { break }
            result.unicodeScalars.append(scalar)
        }
        return result
    }

    mutating func set(_ number: UInt32, at place: Int) {
        for index in 0..<4 { bytes[place + index] = UInt8(truncatingIfNeeded: number >> (8 * UInt32(index))) }
    }
}

/// Reads what a ``HandshakeWriter`` wrote, or what somebody made up: never beyond the end, and nothing twice.
struct HandshakeReader {
    private var rest: ArraySlice<UInt8>

    init(_ bytes: [UInt8]) { rest = bytes[...] }

    var isAtEnd: Bool { rest.isEmpty }

    mutating func take<Number: FixedWidthInteger>(_ type: Number.Type = Number.self) throws(HandshakeFault) -> Number {
        let count = Number.bitWidth / 8
        guard rest.count >= count else { throw .tooShort }
        defer { rest = rest.dropFirst(count) }
        return rest.prefix(count).reversed().reduce(Number(0)) { $0 << 8 | Number(truncatingIfNeeded: $1) }
    }

    /// A count of bytes or things, as a number that this machine can hold.
    mutating func takeCount(_ what: String, limit: UInt64 = 1 << 62) throws(HandshakeFault) -> Int {
        let number = try take(UInt64.self)
        guard number <= limit else { throw .outOfBounds(what) }
        return Int(number)
    }

    mutating func takeText(_ what: String, limit: Int) throws(HandshakeFault) -> String {
        let count = Int(try take(UInt16.self))
        guard count <= limit else { throw .outOfBounds("the length of \(what)") }
        guard rest.count >= count else { throw .tooShort }
        defer { rest = rest.dropFirst(count) }
        guard let text = String(validating: rest.prefix(count), as: UTF8.self) else {
            throw .outOfBounds("\(what), which is no UTF-8,")
        }
        return text
    }

    /// Bytes that are 0 in this version.
    mutating func skipZeros(_ count: Int) throws(HandshakeFault) {
        for _ in 0..<count where try take(UInt8.self) != 0 { throw .unknown("flag") }
    }
}
