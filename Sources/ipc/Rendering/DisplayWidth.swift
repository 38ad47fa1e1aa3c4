// SPDX-License-Identifier: Apache-2.0

extension String {
    /// The number of columns that a terminal gives to this text: two for wide East Asian characters and
    /// emoji, none for combining marks and colour codes.
    var displayWidth: Int {
        var width = 0
        var rest = Substring(self)
        while let character = rest.first {
            if character == "\u{1b}" {
                // A colour code: ESC [ … letter.
                rest = rest.dropFirst()
                guard rest.first == "[" else { continue }
                rest = rest.dropFirst().drop { !("@"..."~").contains($0) }.dropFirst()
                continue
            }
            width += character.displayWidth
            rest = rest.dropFirst()
        }
        return width
    }

    func padded(to width: Int, right: Bool = false) -> String {
        let gap = String(repeating: " ", count: max(0, width - displayWidth))
        return right ? gap + self : self + gap
    }

    /// Control characters of somebody else's names do not reach the terminal.
    var printable: String {
        guard unicodeScalars.contains(where: { $0.value < 0x20 || (0x7f..<0xa0).contains($0.value) }) else {
            return self
        }
        var text = ""
        for scalar in unicodeScalars {
            if scalar.value < 0x20 || (0x7f..<0xa0).contains(scalar.value) {
                text += "\\x" + (scalar.value < 16 ? "0" : "") + String(scalar.value, radix: 16)
            } else {
                text.unicodeScalars.append(scalar)
            }
        }
        return text
    }

    /// At most `width` columns, with an ellipsis where something was cut. Not for text with colour codes.
    func clipped(to width: Int) -> String {
        guard displayWidth > width, width > 0 else { return self }
        var kept = ""
        var used = 0
        for character in self {
            if used + character.displayWidth > width - 1 { break }
            kept.append(character)
            used += character.displayWidth
        }
        return kept + "…"
    }
}

extension Character {
    var displayWidth: Int {
        guard let first = unicodeScalars.first else { return 0 }
        if first.value < 0x20 || (0x7f..<0xa0).contains(first.value) { return 0 }
        if first.value < 0x300 { return unicodeScalars.contains("\u{fe0f}") ? 2 : 1 }
        if unicodeScalars.contains("\u{fe0f}") || first.properties.isEmojiPresentation { return 2 }
        switch first.properties.generalCategory {
        case .nonspacingMark, .enclosingMark, .format: return 0
        default: return Character.isWide(first.value) ? 2 : 1
        }
    }

    /// East_Asian_Width W and F, by block.
    private static func isWide(_ value: UInt32) -> Bool {
        switch value {
        case 0x1100...0x115f, 0x2e80...0x303e, 0x3041...0x33ff, 0x3400...0x4dbf, 0x4e00...0x9fff, 0xa000...0xa4cf,
            0xa960...0xa97f, 0xac00...0xd7a3, 0xf900...0xfaff, 0xfe10...0xfe19, 0xfe30...0xfe6f, 0xff00...0xff60,
            0xffe0...0xffe6, 0x16fe0...0x18aff, 0x1b000...0x1b2ff, 0x1f200...0x1f2ff, 0x20000...0x3fffd:
            true
        default: false
        }
    }
}
