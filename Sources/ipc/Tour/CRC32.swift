// SPDX-License-Identifier: Apache-2.0

/// The CRC-32 of zlib, gzip and Ethernet, eight bytes at a time: `python3 -c 'import zlib; …zlib.crc32(data)'`
/// gives the same number.
struct CRC32: Sendable {
    private var state: UInt32 = 0xffff_ffff

    private static let tables: [UInt32] = {
        var tables = [UInt32](repeating: 0, count: 8 * 256)
        for index in 0..<256 {
            var value = UInt32(index)
            for _ in 0..<8 { value = value & 1 == 1 ? 0xedb8_8320 ^ (value >> 1) : value >> 1 }
            tables[index] = value
        }
        for table in 1..<8 {
            for index in 0..<256 {
                let before = tables[(table - 1) * 256 + index]
                tables[table * 256 + index] = (before >> 8) ^ tables[Int(before & 0xff)]
            }
        }
        return tables
    }()

    mutating func add(_ bytes: Span<UInt8>) {
        let tables = CRC32.tables.span
        var crc = state
        var index = 0
        while index + 8 <= bytes.count {
            let low =
                crc
                ^ (UInt32(bytes[index]) | UInt32(bytes[index + 1]) << 8 | UInt32(bytes[index + 2]) << 16
                    | UInt32(bytes[index + 3]) << 24)
            crc = tables[1792 + Int(low & 0xff)] ^ tables[1536 + Int(low >> 8 & 0xff)]
            crc ^= tables[1280 + Int(low >> 16 & 0xff)] ^ tables[1024 + Int(low >> 24)]
            crc ^= tables[768 + Int(bytes[index + 4])] ^ tables[512 + Int(bytes[index + 5])]
            crc ^= tables[256 + Int(bytes[index + 6])] ^ tables[Int(bytes[index + 7])]
            index += 8
        }
        while index < bytes.count {
            crc = (crc >> 8) ^ tables[Int(UInt8(truncatingIfNeeded: crc) ^ bytes[index])]
            index += 1
        }
        state = crc
    }

    var value: UInt32 { ~state }

    /// `crc32:0c7e7fd8`.
    var text: String { CRC32.text(value) }

    static func text(_ value: UInt32) -> String {
        let digits = String(value, radix: 16)
        return "crc32:" + String(repeating: "0", count: 8 - digits.count) + digits
    }
}
