// SPDX-License-Identifier: Apache-2.0

/// A column that a verb can show.
struct Column: Sendable {
    var name: String
    var title: String
    var explanation: String
    /// Shown when nobody says which columns are wanted.
    var isDefault = true
    var colour: Colour? = nil
}

/// Rows under headings, as wide as what a terminal shows.
struct Table {
    var columns: [Column]
    var rows: [Record]
    var headings = true
    var exactBytes = false

    func render(width: Int? = Output.columns) -> String {
        let texts = rows.map { row in columns.map { row[$0.name].display(exactBytes: exactBytes) } }
        var widths = columns.indices.map { index in
            let own = texts.map { $0[index].displayWidth }.max() ?? 0
            return headings ? max(own, columns[index].title.displayWidth) : own
        }
        if let width { shrink(&widths, to: width) }
        var output = ""
        if headings {
            let line = columns.indices.map { cell(columns[$0].title, $0, widths) }.joined(separator: "  ")
            output += Colour.bold(trim(line)) + "\n"
        }
        for (row, texts) in zip(rows, texts) {
            var line = columns.indices.map { index in
                let number = row[columns[index].name].isNumber
                let text = cell(texts[index], index, widths, right: number)
                return columns[index].colour.map { $0(text) } ?? text
            }.joined(separator: "  ")
            if !Colour.onOutput { line = trim(line) }
            output += line + "\n"
        }
        return output
    }

    private func cell(_ text: String, _ index: Int, _ widths: [Int], right: Bool? = nil) -> String {
        let right = right ?? (rows.first { !isNone($0[columns[index].name]) }?[columns[index].name].isNumber ?? false)
        return text.clipped(to: widths[index]).padded(to: widths[index], right: right)
    }

    private func isNone(_ cell: Cell) -> Bool {
        if case .none = cell { true } else { false }
    }

    /// Takes columns from the widest until the line fits.
    private func shrink(_ widths: inout [Int], to width: Int) {
        while !widths.isEmpty, widths.reduce(0, +) + 2 * (widths.count - 1) > width {
            guard let widest = widths.indices.max(by: { widths[$0] < widths[$1] }), widths[widest] > 8 else { return }
            widths[widest] -= 1
        }
    }

    private func trim(_ line: String) -> String {
        var line = Substring(line)
        while line.last == " " { line.removeLast() }
        return String(line)
    }
}
