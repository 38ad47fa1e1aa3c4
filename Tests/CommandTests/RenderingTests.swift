// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import ipc

@Suite struct RenderingTests {
    @Test func widthsAreWhatATerminalShows() {
        #expect("abc".displayWidth == 3)
        #expect("日本".displayWidth == 4)
        #expect("👩‍👩‍👧".displayWidth == 2)
        #expect("e\u{301}".displayWidth == 1)
        #expect("\u{1b}[31mred\u{1b}[0m".displayWidth == 3)
        #expect("日本語テキスト".clipped(to: 5) == "日本…")
    }

    @Test func jsonKeepsNumbersAndEscapes() {
        let value = JSON.object([
            ("a", .integer(-1)), ("b", .string("\u{1}\"\\\n")), ("t", .time(nanoseconds: 1_000_000_005)),
        ])
        #expect(value.text == #"{"a":-1,"b":"\u0001\"\\\n","t":1.000000005}"#)
        #expect(JSON.data([0xff]).0 == "base64")
        #expect(JSON.data([0]).0 == "base64")
        #expect(JSON.data(Array("é".utf8)).0 == "text")
        #expect(JSON.base64(Array("f".utf8)) == "Zg==")
        #expect(JSON.base64(Array("foob".utf8)) == "Zm9vYg==")
    }

    @Test(arguments: [
        ("used > 80%", true), ("used > 90%", false), ("used > 80% and owner == \"www\"", true),
        ("owner == root or size >= 64K", true), ("not (size < 1M)", false), ("mode == 0600", true),
        ("owner ~ w", true), ("age > 1m and age < 3m", true), ("nothing == -", true), ("nothing > 3", false),
    ])
    func filters(_ text: String, _ expected: Bool) throws {
        let row = Record(cells: [
            ("used", .share(0.85)), ("owner", .text("www")), ("size", .bytes(70000)), ("mode", .mode(0o600)),
            ("age", .duration(120)), ("nothing", .none),
        ])
        let filter = try Filter(text, columns: row.cells.map(\.name))
        #expect(try filter.matches(row) == expected)
    }

    @Test(arguments: ["", "used >", "ownr == www", "(used > 3", "used > 3 owner", "used ! 3", "\"x", "used == and"])
    func filtersThatMeanNothingAreRefused(_ text: String) {
        #expect(throws: Failure.self) {
            let filter = try Filter(text, columns: ["used", "owner"])
            _ = try filter.matches(Record(cells: [("used", .share(1)), ("owner", .none)]))
        }
    }

    @Test func tablesAlign() {
        let table = Table(
            columns: [
                Column(name: "a", title: "NAME", explanation: ""), Column(name: "b", title: "N", explanation: ""),
            ],
            rows: [
                Record(cells: [("a", .text("日本")), ("b", .integer(5))]),
                Record(cells: [("a", .text("x")), ("b", .integer(12))]),
            ], headings: false)
        #expect(table.render(width: nil) == "日本   5\nx     12\n")
    }

    @Test func suggestions() {
        #expect(Suggestion.closest(to: "sned", among: Verbs.built) == "send")
        #expect(Suggestion.closest(to: "recieve", among: Verbs.built) == "receive")
        #expect(Suggestion.closest(to: "xyzzy", among: Verbs.built) == nil)
    }
}
