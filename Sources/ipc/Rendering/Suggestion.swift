// SPDX-License-Identifier: Apache-2.0

/// What somebody who mistyped a word may have meant.
enum Suggestion {
    /// The nearest of `words`, if it is near enough to be worth saying.
    static func closest(to word: String, among words: [String]) -> String? {
        let word = word.lowercased()
        let ranked = words.map { ($0, distance(Array(word.utf8), Array($0.utf8))) }.min { $0.1 < $1.1 }
        guard let (best, distance) = ranked, distance <= max(1, min(word.count, best.count) / 3 + 1) else {
            return words.first { !word.isEmpty && $0.hasPrefix(word) }
        }
        return best
    }

    /// Edits between two words; two letters that changed places count as one.
    private static func distance(_ left: [UInt8], _ right: [UInt8]) -> Int {
        if left.isEmpty || right.isEmpty { return max(left.count, right.count) }
        var rows = [Array(0...right.count)]
        for i in 1...left.count {
            var row = [i] + Array(repeating: 0, count: right.count)
            for j in 1...right.count {
                let cost = left[i - 1] == right[j - 1] ? 0 : 1
                row[j] = min(rows[i - 1][j] + 1, row[j - 1] + 1, rows[i - 1][j - 1] + cost)
                if i > 1, j > 1, left[i - 1] == right[j - 2], left[i - 2] == right[j - 1] {
                    row[j] = min(row[j], rows[i - 2][j - 2] + 1)
                }
            }
            rows.append(row)
        }
        return rows[left.count][right.count]
    }
}
