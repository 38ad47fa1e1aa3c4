// SPDX-License-Identifier: Apache-2.0
import InterprocessTestKit
import SystemPackage

/// A fenced block of a document.
struct Block: Sendable, CustomStringConvertible {
    var document: String
    var line: Int
    /// What stands after the three backticks: `swift`, `console needs=socat`.
    var info: String
    /// The nearest heading above.
    var heading: String
    var lines: [String]

    var language: String { String(info.prefix { $0 != " " }) }
    var description: String { "\(document):\(line) \(heading)" }

    /// The programs that it needs beside this package's own.
    var needs: [String] {
        info.split(separator: " ").flatMap { word in
            word.hasPrefix("needs=") ? word.dropFirst(6).split(separator: ",").map(String.init) : []
        }
    }
}

enum Documents {
    static let names = ["README.md", "CONTRIBUTING.md", "docs/architecture.md", "docs/command.md", "docs/messaging.md"]

    static func text(_ name: String) -> String {
        (try? Checkout.text(of: Checkout.root.pushing(FilePath(name)))) ?? ""
    }

    static func lines(_ name: String) -> [String] {
        text(name).split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    }

    static func blocks(_ name: String) -> [Block] {
        var blocks: [Block] = []
        var open: Block?
        var heading = ""
        for (number, line) in lines(name).enumerated() {
            if line.hasPrefix("```") {
                if let block = open {
                    blocks.append(block)
                    open = nil
                } else {
                    open = Block(
                        document: name, line: number + 1, info: String(line.dropFirst(3)), heading: heading, lines: [])
                }
            } else if open != nil {
                open?.lines.append(line)
            } else if line.hasPrefix("#") {
                heading = String(line.drop { $0 == "#" || $0 == " " })
            }
        }
        return blocks
    }

    /// What a Markdown document links to, without links to other hosts; what looks like a link in code is none.
    static func links(_ name: String) -> [String] {
        var prose = ""
        var isCode = false
        for line in lines(name) {
            if line.hasPrefix("```") { isCode.toggle() }
            if !isCode { prose += line + "\n" }
        }
        return prose.split(separator: "](").dropFirst().compactMap { rest in
            let target = rest.prefix { $0 != ")" && $0 != " " && $0 != "\n" }
            return target.contains("://") || target.hasPrefix("#") || target.isEmpty ? nil : String(target)
        }
    }

    /// The examples of `Examples.swift` by their headings, without the indentation of the file.
    static func examples() -> [String: [String]] {
        var examples: [String: [String]] = [:]
        var open: (name: String, lines: [String])?
        for line in lines("Tests/DocumentationTests/Examples.swift") {
            let content = line.drop { $0 == " " }
            if content.hasPrefix("// README: ") {
                open = (String(content.dropFirst(11)), [])
            } else if content == "// end" {
                if let (name, lines) = open { examples[name] = lines }
                open = nil
            } else if open != nil {
                open?.lines.append(String(line.dropFirst(8)))
            }
        }
        return examples
    }
}
