// SPDX-License-Identifier: Apache-2.0
import Interprocess

/// A condition on rows: `used > 80% and owner == "www"`.
///
/// `and`, `or`, `not`, parentheses; `==`, `!=`, `<`, `<=`, `>`, `>=`, and `~` for "contains". Numbers may have
/// the units of the column: `80%`, `64K`, `5m`, `0600`.
struct Filter {
    indirect enum Expression {
        case comparison(String, Comparison, String)
        case not(Expression)
        case and(Expression, Expression)
        case or(Expression, Expression)
    }

    enum Comparison: String {
        case equal = "=="
        case unequal = "!="
        case less = "<"
        case atMost = "<="
        case greater = ">"
        case atLeast = ">="
        case contains = "~"
    }

    private let expression: Expression

    init(_ text: String, columns: [String]) throws(Failure) {
        var parser = FilterParser(text, columns: columns)
        expression = try parser.parse()
    }

    func matches(_ row: Record) throws(Failure) -> Bool { try evaluate(expression, row) }

    private func evaluate(_ expression: Expression, _ row: Record) throws(Failure) -> Bool {
        switch expression {
        case .not(let inner): !(try evaluate(inner, row))
        case .and(let left, let right): try evaluate(left, row) ? try evaluate(right, row) : false
        case .or(let left, let right): try evaluate(left, row) ? true : try evaluate(right, row)
        case .comparison(let column, let comparison, let literal):
            try compare(row[column], comparison, literal, column)
        }
    }

    private func compare(
        _ cell: Cell, _ comparison: Comparison, _ literal: String, _ column: String
    ) throws(Failure) -> Bool {
        if comparison == .contains { return cell.display(exactBytes: true).contains(literal) }
        let order: Int
        switch cell {
        case .none:
            // What is not known equals only "-", and is neither more nor less than anything.
            return comparison == .unequal ? literal != "-" : comparison == .equal && literal == "-"
        case .text(let value): order = value == literal ? 0 : value < literal ? -1 : 1
        case .bool(let value): order = (value ? "yes" : "no") == literal || "\(value)" == literal ? 0 : 1
        case .integer(let value): order = try Filter.order(Double(value), number(literal, column))
        case .bytes(let value):
            do throws(IPCError) { order = Filter.order(Double(value), Double(try Quantity.size(literal))) } catch {
                throw .usage("--filter: \(column) is a size; \(error.hint)")
            }
        case .share(let value):
            let digits = literal.hasSuffix("%") ? String(literal.dropLast()) : literal
            order = Filter.order(value * 100, try number(digits, column))
        case .duration(let seconds):
            do throws(IPCError) {
                let wanted = try Quantity.duration(literal).components
                order = Filter.order(seconds, Double(wanted.seconds) + Double(wanted.attoseconds) / 1e18)
            } catch { throw .usage("--filter: \(column) is a duration; \(error.hint)") }
        case .mode(let value):
            do throws(IPCError) {
                order = Filter.order(Double(value), Double(try Quantity.permissions(literal).rawValue))
            } catch { throw .usage("--filter: \(column) is a mode; \(error.hint)") }
        }
        return switch comparison {
        case .equal: order == 0
        case .unequal: order != 0
        case .less: order < 0
        case .atMost: order <= 0
        case .greater: order > 0
        case .atLeast: order >= 0
        case .contains: false
        }
    }

    private static func order(_ left: Double, _ right: Double) -> Int { left == right ? 0 : left < right ? -1 : 1 }

    private func number(_ literal: String, _ column: String) throws(Failure) -> Double {
        guard let value = Double(literal) else {
            throw .usage("--filter: \(column) is a number, \"\(literal)\" is not")
        }
        return value
    }
}
