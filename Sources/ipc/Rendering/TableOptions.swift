// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

/// What every verb that prints a table understands.
struct TableOptions: ParsableArguments {
    @Flag(name: [.short, .long], help: "Leave the headings out.")
    var noHeadings = false

    @Option(
        name: [.short, .long],
        help: ArgumentHelp("Show these columns; +COL adds one to the usual ones.", valueName: "COL,…"))
    var output: String?

    @Flag(name: [.short, .long], help: "Sizes as exact numbers of bytes.")
    var bytes = false

    @Option(
        help: ArgumentHelp(
            "Only rows for which this holds, such as 'used > 80% and owner == \"www\"'.", valueName: "expression"))
    var filter: String?

    @Flag(help: "Say which columns there are.")
    var listColumns = false

    @Flag(help: "One JSON object a line, with every column; numbers are numbers.")
    var json = false

    func listing(of columns: [Column]) -> String {
        let width = columns.map(\.name.count).max() ?? 0
        return columns.map { column in
            "\(column.name.padded(to: width))  \(column.explanation)\(column.isDefault ? "" : " (on request)")"
        }.joined(separator: "\n")
    }

    func choose(from columns: [Column]) throws(Failure) -> [Column] {
        guard let output else { return columns.filter(\.isDefault) }
        let names = output.split(separator: ",").map(String.init)
        guard !names.isEmpty else { throw .usage("--output names no column; there are: \(list(columns))") }
        var chosen = names.contains { $0.hasPrefix("+") } ? columns.filter(\.isDefault) : []
        for name in names {
            let bare = name.hasPrefix("+") ? String(name.dropFirst()) : name
            guard let column = columns.first(where: { $0.name == bare }) else {
                let guess = Suggestion.closest(to: bare, among: columns.map(\.name))
                throw .usage(
                    "no column \"\(bare)\"\(guess.map { "; did you mean \"\($0)\"?" } ?? ".") There are: \(list(columns))"
                )
            }
            if !chosen.contains(where: { $0.name == bare }) { chosen.append(column) }
        }
        return chosen
    }

    /// Prints the rows that the filter lets through.
    func print(_ rows: [Record], columns: [Column], extra: (Int) -> [(String, JSON)]) throws(Failure) {
        let chosen = try choose(from: columns)
        var kept = Array(rows.enumerated())
        if let filter {
            let expression = try Filter(filter, columns: columns.map(\.name))
            var passed: [(offset: Int, element: Record)] = []
            for row in kept where try expression.matches(row.element) { passed.append(row) }
            kept = passed
        }
        if json {
            for (offset, row) in kept {
                let own = row.cells.filter { if case .none = $0.cell { false } else { true } }
                Output.line(
                    JSON.object([("schema", .integer(1))] + own.map { ($0.name, $0.cell.json) } + extra(offset)).text)
            }
            return
        }
        let table = Table(
            columns: chosen, rows: kept.map(\.element), headings: !noHeadings, exactBytes: bytes)
        Output.write(Array(table.render().utf8))
    }

    private func list(_ columns: [Column]) -> String { columns.map(\.name).joined(separator: ", ") }
}
