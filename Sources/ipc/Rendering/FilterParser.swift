// SPDX-License-Identifier: Apache-2.0

/// Reads the language of `--filter`.
struct FilterParser {
    private enum Token: Equatable {
        case word(String)
        case quoted(String)
        case symbol(String)
    }

    private let columns: [String]
    private let source: String
    private var tokens: [Token] = []
    private var next = 0

    init(_ text: String, columns: [String]) {
        source = text
        self.columns = columns
    }

    mutating func parse() throws(Failure) -> Filter.Expression {
        try tokenize()
        guard !tokens.isEmpty else { throw complaint("there is nothing in it") }
        let expression = try alternatives()
        if next < tokens.count { throw complaint("\(text(tokens[next])) is one word too many") }
        return expression
    }

    private func complaint(_ why: String) -> Failure {
        .usage("--filter '\(source)': \(why); a right filter is: used > 80% and owner == \"www\"")
    }

    private func text(_ token: Token) -> String {
        switch token {
        case .word(let word), .symbol(let word): "\"\(word)\""
        case .quoted(let word): "\"\(word)\""
        }
    }

    private mutating func tokenize() throws(Failure) {
        var rest = Substring(source)
        while let first = rest.first {
            if first == " " || first == "\t" || first == "\n" {
                rest.removeFirst()
            } else if first == "\"" || first == "'" {
                let body = rest.dropFirst()
                guard let end = body.firstIndex(of: first) else { throw complaint("a quote is not closed") }
                tokens.append(.quoted(String(body[..<end])))
                rest = body[body.index(after: end)...]
            } else if let symbol = ["==", "!=", "<=", ">=", "&&", "||", "=~", "<", ">", "=", "~", "(", ")", "!"].first(
                where: { rest.hasPrefix($0) })
            {
                tokens.append(.symbol(symbol))
                rest = rest.dropFirst(symbol.count)
            } else {
                let word = rest.prefix { !" \t\n\"'=!<>~()&|".contains($0) }
                guard !word.isEmpty else { throw complaint("\"\(first)\" means nothing here") }
                tokens.append(.word(String(word)))
                rest = rest.dropFirst(word.count)
            }
        }
    }

    private mutating func take(_ spellings: Token...) -> Bool {
        guard next < tokens.count, spellings.contains(tokens[next]) else { return false }
        next += 1
        return true
    }

    private mutating func alternatives() throws(Failure) -> Filter.Expression {
        var left = try conjunction()
        while take(.word("or"), .symbol("||")) { left = .or(left, try conjunction()) }
        return left
    }

    private mutating func conjunction() throws(Failure) -> Filter.Expression {
        var left = try negation()
        while take(.word("and"), .symbol("&&")) { left = .and(left, try negation()) }
        return left
    }

    private mutating func negation() throws(Failure) -> Filter.Expression {
        if take(.word("not"), .symbol("!")) { return .not(try negation()) }
        if take(.symbol("(")) {
            let inner = try alternatives()
            guard take(.symbol(")")) else { throw complaint("a parenthesis is not closed") }
            return inner
        }
        return try comparison()
    }

    private mutating func comparison() throws(Failure) -> Filter.Expression {
        guard next < tokens.count, case .word(let column) = tokens[next] else {
            throw complaint("a column's name is missing")
        }
        guard columns.contains(column) else {
            let guess = Suggestion.closest(to: column, among: columns).map { "; did you mean \"\($0)\"?" } ?? ""
            throw complaint("there is no column \"\(column)\"\(guess) (\(columns.joined(separator: ", ")))")
        }
        next += 1
        let spellings = ["=": "==", "=~": "~"]
        guard next < tokens.count, case .symbol(let symbol) = tokens[next],
            let comparison = Filter.Comparison(rawValue: spellings[symbol] ?? symbol)
        else { throw complaint("after \"\(column)\" stands ==, !=, <, <=, >, >= or ~") }
        next += 1
        guard next < tokens.count else { throw complaint("after \"\(symbol)\" a value is missing") }
        defer { next += 1 }
        switch tokens[next] {
        case .word(let value), .quoted(let value): return .comparison(column, comparison, value)
        case .symbol: throw complaint("after \"\(symbol)\" a value is missing")
        }
    }
}
