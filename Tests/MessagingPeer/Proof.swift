// SPDX-License-Identifier: Apache-2.0
import Interprocess

/// A message that shows whether it is whole: every word follows from who sent it and its number.
package struct Proof: SharedPayload, Equatable {
    package var sender: UInt64
    package var number: UInt64
    /// Several cache lines, so that half of one message and half of another would show.
    package var words: InlineArray<26, UInt64>

    package init(_ sender: UInt64, _ number: UInt64) {
        self.sender = sender
        self.number = number
        words = InlineArray { index in Self.mix(sender, number, UInt64(index)) }
    }

    package static func == (left: Proof, right: Proof) -> Bool {
        left.stamp == right.stamp && left.words.indices.allSatisfy { left.words[$0] == right.words[$0] }
    }

    package var stamp: Stamp {
        var isWhole = true
        for index in words.indices where words[index] != Self.mix(sender, number, UInt64(index)) { isWhole = false }
        return Stamp(sender: sender, number: number, isWhole: isWhole)
    }

    /// The same as bytes of a length of its own: 16 to 527.
    package static func bytes(_ sender: UInt64, _ number: UInt64) -> [UInt8] {
        var bytes: [UInt8] = []
        for shift in 0..<8 as Range<UInt64> { bytes.append(UInt8(truncatingIfNeeded: sender >> (8 * shift))) }
        for shift in 0..<8 as Range<UInt64> { bytes.append(UInt8(truncatingIfNeeded: number >> (8 * shift))) }
        var seed = mix(sender, number, 99)
        let length = 16 + Int(seed % 512)
        while bytes.count < length {
            seed = seed &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            bytes.append(UInt8(truncatingIfNeeded: seed >> 33))
        }
        return bytes
    }

    package static func stamp(of bytes: Span<UInt8>) -> Stamp {
        guard bytes.count >= 16 else { return Stamp(sender: 0, number: 0, isWhole: false) }
        var (sender, number): (UInt64, UInt64) = (0, 0)
        for index in 0..<8 {
            sender |= UInt64(bytes[index]) << (8 * UInt64(index))
            number |= UInt64(bytes[8 + index]) << (8 * UInt64(index))
        }
        let expected = Proof.bytes(sender, number)
        let isWhole =
            bytes.count == expected.count && bytes.indices.allSatisfy { index in bytes[index] == expected[index] }
        return Stamp(sender: sender, number: number, isWhole: isWhole)
    }

    private static func mix(_ sender: UInt64, _ number: UInt64, _ index: UInt64) -> UInt64 {
        var word = sender &* 0x9E37_79B9_7F4A_7C15 ^ number &* 0xBF58_476D_1CE4_E5B9 ^ index
        word ^= word >> 31
        return word &* 0x94D0_49BB_1331_11EB
    }
}

/// What is told of a message: who sent it, its number, and whether it was neither torn nor mixed.
package struct Stamp: Sendable, Equatable {
    package var sender: UInt64
    package var number: UInt64
    package var isWhole: Bool

    package init(sender: UInt64, number: UInt64, isWhole: Bool = true) {
        self.sender = sender
        self.number = number
        self.isWhole = isWhole
    }
}

/// A message that should not have come.
package struct Violation: Error, CustomStringConvertible {
    package let description: String
    package init(_ description: String) { self.description = description }
}

/// What was received of each sender so far; says no to whatever is torn, lost, duplicated or out of order.
package struct Ledger: Sendable {
    package struct Line: Sendable, Equatable {
        package var first: UInt64
        package var next: UInt64
        package var count: UInt64
    }

    package private(set) var lines: [UInt64: Line] = [:]
    private let isLossless: Bool

    package init(isLossless: Bool) { self.isLossless = isLossless }

    package mutating func note(_ stamp: Stamp) throws(Violation) {
        guard stamp.isWhole else { throw Violation("torn: \(stamp)") }
        guard var line = lines[stamp.sender] else {
            lines[stamp.sender] = Line(first: stamp.number, next: stamp.number + 1, count: 1)
            return
        }
        if isLossless && stamp.number != line.next { throw Violation("\(stamp) instead of \(line.next)") }
        if stamp.number < line.next { throw Violation("\(stamp) again or late: \(line.next) was expected") }
        line.next = stamp.number + 1
        line.count += 1
        lines[stamp.sender] = line
    }

    package var total: UInt64 { lines.values.reduce(0) { $0 + $1.count } }
}
