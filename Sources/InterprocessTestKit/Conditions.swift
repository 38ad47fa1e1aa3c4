// SPDX-License-Identifier: Apache-2.0
import SystemPackage
import Testing

/// A row of `Tests/Fixtures/conditions.tsv`: what a call answers under a condition.
package struct ConditionRow: Sendable, Hashable, CustomStringConvertible {
    package let mechanism: String
    package let call: String
    package let condition: String
    package let expected: String
    package var description: String { "\(mechanism) | \(call) | \(condition)" }
}

/// The table of conditions.
package enum Conditions {
    /// Every row, in the order of the file.
    package static let all: [ConditionRow] = {
        let path = Checkout.root.appending("Tests/Fixtures/conditions.tsv")
        do { return parse(try Checkout.text(of: path)) } catch { fatalError("cannot read \(path): \(error)") }
    }()

    /// The rows of one mechanism.
    package static func rows(_ mechanism: String) -> [ConditionRow] { all.filter { $0.mechanism == mechanism } }

    package static func parse(_ text: String) -> [ConditionRow] {
        text.split(separator: "\n").dropFirst().map { line in
            let fields = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
            precondition(fields.count == 4, "a row has four fields: \(line)")
            return ConditionRow(mechanism: fields[0], call: fields[1], condition: fields[2], expected: fields[3])
        }
    }
}

/// How a row is made to happen, or why it cannot happen through this library.
package struct ConditionCase: Sendable, CustomTestStringConvertible {
    package let call: String
    package let condition: String
    package var mechanism = ""
    /// Why the library makes the row impossible.
    package let unreachable: String?
    private let body: @Sendable () async throws -> Void

    /// - Parameters:
    ///   - call: the second column of the table, as it stands there.
    ///   - condition: the third column.
    ///   - body: makes it happen and expects what the fourth column says.
    package static func row(
        _ call: String, _ condition: String, _ body: @escaping @Sendable () async throws -> Void
    ) -> ConditionCase {
        ConditionCase(call: call, condition: condition, unreachable: nil, body: body)
    }

    /// A row that a user of the library cannot bring about.
    package static func unreachable(_ call: String, _ condition: String, because reason: String) -> ConditionCase {
        precondition(!reason.isEmpty, "say why")
        return ConditionCase(call: call, condition: condition, unreachable: reason, body: {})
    }

    /// Runs it; nothing for an unreachable row.
    package func check() async throws { try await body() }

    package var testDescription: String {
        "\(mechanism) | \(call) | \(condition)" + (unreachable.map { " — unreachable: \($0)" } ?? "")
    }
}

/// The cases of one mechanism, for `@Test(arguments: table.cases)`; a second test expects `table.gaps` to be empty.
package struct ConditionTable: Sendable {
    package let mechanism: String
    package let cases: [ConditionCase]

    package init(_ mechanism: String, _ cases: [ConditionCase]) {
        self.mechanism = mechanism
        self.cases = cases.map { each in
            var each = each
            each.mechanism = mechanism
            return each
        }
    }

    /// Rows without a case, cases without a row, cases told twice; one sentence each.
    package var gaps: [String] {
        let rows = Set(Conditions.rows(mechanism).map { [$0.call, $0.condition] })
        let told = cases.map { [$0.call, $0.condition] }
        var found = rows.subtracting(told).map { "no case for \(mechanism) | \($0[0]) | \($0[1])" }
        found += Set(told).subtracting(rows).map { "no such row: \(mechanism) | \($0[0]) | \($0[1])" }
        for (pair, group) in Dictionary(grouping: told, by: { $0 }) where group.count > 1 {
            found.append("told \(group.count) times: \(mechanism) | \(pair[0]) | \(pair[1])")
        }
        return found.sorted()
    }
}
