// SPDX-License-Identifier: Apache-2.0

/// Takes numbers from the front of bytes; nil where there are not enough of them.
struct ByteReader {
    var rest: ArraySlice<UInt8>

    init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

    mutating func take(_ count: Int) -> ArraySlice<UInt8>? {
        guard count >= 0, rest.count >= count else { return nil }
        defer { rest = rest.dropFirst(count) }
        return rest.prefix(count)
    }

    /// A number in the machine's order, which on every Linux that Swift runs on is little-endian.
    mutating func number<Number: FixedWidthInteger & UnsignedInteger>(_ type: Number.Type = Number.self) -> Number? {
        guard let bytes = take(Number.bitWidth / 8) else { return nil }
        return bytes.reversed().reduce(0) { $0 << 8 | Number(truncatingIfNeeded: $1) }
    }

    /// A number in network order.
    mutating func networkNumber<Number: FixedWidthInteger & UnsignedInteger>(
        _ type: Number.Type = Number.self
    ) -> Number? {
        number(type)?.byteSwapped
    }
}

/// Appends numbers in the machine's order.
extension Array where Element == UInt8 {
    mutating func append<Number: FixedWidthInteger & UnsignedInteger>(number: Number) {
        for shift in stride(from: 0, to: Number.bitWidth, by: 8) {
            append(UInt8(truncatingIfNeeded: number >> Number(shift)))
        }
    }
}

/// A line of a file of /proc as its words. Bytes, not characters: names in it need not be text.
struct TextLine {
    var words: [ArraySlice<UInt8>]

    init(_ line: ArraySlice<UInt8>) {
        words = line.split { $0 == 0x20 || $0 == 0x09 }
    }

    static func lines(of bytes: [UInt8]) -> [ArraySlice<UInt8>] { bytes.split(separator: 0x0a) }

    func number<Number: FixedWidthInteger>(_ index: Int, radix: Int = 10, as: Number.Type = Number.self) -> Number? {
        words.indices.contains(index) ? parseNumber(words[index], radix: radix) : nil
    }

    func text(_ index: Int) -> String? {
        words.indices.contains(index) ? String(decoding: words[index], as: UTF8.self) : nil
    }
}

func parseNumber<Number: FixedWidthInteger>(
    _ bytes: ArraySlice<UInt8>, radix: Int = 10, as: Number.Type = Number.self
) -> Number? {
    // Longer than any 64-bit number in any radix used here: not worth making a string of.
    guard !bytes.isEmpty, bytes.count <= 24, bytes.first != UInt8(ascii: "+") else { return nil }
    return Number(String(decoding: bytes, as: UTF8.self), radix: radix)
}

/// The number in `prefix[123]`; nil for anything else.
func bracketed(_ bytes: [UInt8], after prefix: StaticString) -> UInt64? {
    let name = Array(prefix.description.utf8)
    guard bytes.starts(with: name), bytes.last == UInt8(ascii: "]") else { return nil }
    let inner = bytes[name.count...].dropLast()
    guard inner.first == UInt8(ascii: "[") else { return nil }
    return parseNumber(inner.dropFirst())
}

/// The value of a line `name: value` or `name:\tvalue`.
func fieldValue(_ name: StaticString, in bytes: [UInt8]) -> ArraySlice<UInt8>? {
    let name = Array(name.description.utf8) + [UInt8(ascii: ":")]
    for line in TextLine.lines(of: bytes) where line.starts(with: name) {
        let value = line.dropFirst(name.count).drop { $0 == 0x20 || $0 == 0x09 }
        return value.prefix(while: { $0 != 0x20 && $0 != 0x09 })
    }
    return nil
}
