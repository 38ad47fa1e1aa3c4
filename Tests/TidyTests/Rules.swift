// SPDX-License-Identifier: Apache-2.0

/// What a reviewer would otherwise say again and again. Each rule takes a file and returns what breaks it.
enum Rules {
    typealias Rule = @Sendable (SourceFile) -> [Finding]

    static let all: [(name: String, rule: Rule)] = [
        ("license header", license), ("imports", imports), ("unsafe is explained and in its place", unsafety),
        ("length of files", fileLength), ("length of functions", functionLength),
        ("nothing left to be done", leftovers),
        ("names", names), ("no trace of a machine", machine),
    ]

    static func license(_ file: SourceFile) -> [Finding] {
        let place = file.name == "Package.swift" ? 1 : 0
        let line = file.lines.count > place ? file.lines[place] : ""
        if file.lines.prefix(3).contains(where: { $0.contains("SPDX-License-Identifier: Apache-2.0") }) { return [] }
        return [Finding(file, 1, "begin with `// SPDX-License-Identifier: Apache-2.0`; it begins with `\(line)`")]
    }

    /// The only importer of the C library is the system call layer; Foundation stays outside.
    static func imports(_ file: SourceFile) -> [Finding] {
        guard file.isSwift else { return [] }
        var allowed: Set<String> = ["Synchronization", "SystemPackage"]
        switch file.target {
        case "Sources/InterprocessSyscalls": allowed.formUnion(["CInterprocess"])
        // Algorithms over memory that is handed to them: no operating system.
        case "Sources/InterprocessStructures": allowed = ["Synchronization"]
        case "Sources/Interprocess": allowed.formUnion(["InterprocessSyscalls"])
        case "Sources/InterprocessMessaging":
            allowed.formUnion(["Interprocess", "InterprocessStructures", "InterprocessSyscalls"])
        case "Sources/InterprocessJSON": allowed = ["FoundationEssentials", "InterprocessMessaging"]
        case "Sources/InterprocessInspection": allowed.formUnion(["Interprocess", "InterprocessSyscalls"])
        case "Sources/InterprocessTestKit": allowed.formUnion(["Interprocess", "InterprocessSyscalls", "Testing"])
        case "Sources/ipc":
            allowed.formUnion([
                "Interprocess", "InterprocessMessaging", "InterprocessInspection", "InterprocessSyscalls",
                "ArgumentParser", "Histogram",
            ])
        default:
            // Tests and examples may import what they like, Foundation excepted.
            return importLines(file).filter { $0.module == "Foundation" }.map {
                Finding(file, $0.line, "do without Foundation: it makes the command four times as large")
            }
        }
        return importLines(file).filter { !allowed.contains($0.module) }.map {
            Finding(
                file, $0.line,
                "\(file.target) does not import \($0.module); arrows point down only (docs/architecture.md)")
        }
    }

    private static func importLines(_ file: SourceFile) -> [(line: Int, module: String)] {
        file.lines.enumerated().compactMap { index, line in
            let words = SourceFile.code(line).split(separator: " ")
            guard let place = words.firstIndex(of: "import"), words.count > place + 1 else { return nil }
            let before = words[..<place]
            guard
                before.allSatisfy({
                    ["public", "package", "internal", "private", "@testable"].contains($0) || $0.hasPrefix("@")
                })
            else { return nil }
            return (index + 1, String(words[place + 1].prefix { $0 != "." }))
        }
    }

    /// `unsafe` in few places, and there with a reason.
    static func unsafety(_ file: SourceFile) -> [Finding] {
        guard file.isSwift, file.components.first == "Sources" else { return [] }
        let uses = file.lines.indices.filter { index in
            SourceFile.code(file.lines[index]).split { !$0.isLetter && $0 != "_" && $0 != "@" }.contains("unsafe")
        }
        if uses.isEmpty { return [] }
        guard
            file.target == "Sources/InterprocessSyscalls" || file.target == "Sources/InterprocessStructures"
                || file.name == "MappedRegion.swift" || file.name.hasSuffix("+Memory.swift")
        else {
            return uses.map {
                Finding(file, $0 + 1, "unsafe belongs into InterprocessSyscalls; give it a safe face there")
            }
        }
        // One reason covers the function that it stands in.
        return uses.filter { !isExplained(file, $0) }.map {
            Finding(file, $0 + 1, "say in a `// SAFETY:` line above why this is safe")
        }
    }

    private static func isExplained(_ file: SourceFile, _ use: Int) -> Bool {
        if file.lines[use...].prefix(4).contains(where: { $0.contains("// SAFETY:") }) { return true }
        var index = use
        while index >= 0 && use - index < 70 {
            let line = file.lines[index]
            if line.contains("// SAFETY:") { return true }
            // The beginning of the function or of another member: no reason further up counts.
            if index < use && line == "    }" && file.lines[index + 1].isEmpty { return false }
            if index < use && line.hasPrefix("}") { return false }
            index -= 1
        }
        return false
    }

    static func fileLength(_ file: SourceFile) -> [Finding] {
        file.lines.count <= 500
            ? []
            : [Finding(file, 500, "\(file.lines.count) lines: split it by verb or by noun (at most 500, better 200)")]
    }

    static func functionLength(_ file: SourceFile) -> [Finding] {
        guard file.isSwift else { return [] }
        var findings: [Finding] = []
        for (index, line) in file.lines.enumerated() {
            let code = SourceFile.code(line)
            let indent = code.prefix { $0 == " " }.count
            let words = code.split(separator: " ")
            guard words.contains("func") || words.contains(where: { $0.hasPrefix("init(") }), !words.contains("case"),
                !(code.contains("{") && code.hasSuffix("}"))
            else { continue }
            let closing = String(repeating: " ", count: indent) + "}"
            guard let end = file.lines[index...].firstIndex(where: { $0.hasPrefix(closing) }) else { continue }
            if end - index > 70 {
                findings.append(
                    Finding(file, index + 1, "a function of \(end - index) lines: take it apart (at most 70)"))
            }
        }
        return findings
    }

    static func leftovers(_ file: SourceFile) -> [Finding] {
        let words = ["FIX" + "ME", "TO" + "DO", "XX" + "X", "HA" + "CK"]
        return file.lines.enumerated().filter { _, line in
            words.contains { word in line.split { !$0.isLetter }.contains { $0 == word } }
        }.map { Finding(file, $0.offset + 1, "do it now, or write it into an issue") }
    }

    static func names(_ file: SourceFile) -> [Finding] {
        guard file.isSwift, file.components.first == "Sources" else { return [] }
        let bad = ["Manager", "Helper", "Util", "Utils", "Utilities", "Common"]
        let clashes: Set<Substring> = ["Pipe", "Process", "Mutex"]
        return file.lines.enumerated().flatMap { index, line -> [Finding] in
            let words = SourceFile.code(line).split { !$0.isLetter && !$0.isNumber && $0 != "_" }
            guard
                let place = words.firstIndex(where: { ["struct", "class", "enum", "actor", "protocol"].contains($0) }),
                words.count > place + 1
            else { return [] }
            let name = words[place + 1]
            if bad.contains(where: { name.hasSuffix($0) || name.hasPrefix($0) }) {
                return [Finding(file, index + 1, "\(name): name it after what it is, not after helping or managing")]
            }
            return clashes.contains(name)
                ? [Finding(file, index + 1, "\(name) clashes with Foundation or Synchronization")] : []
        }
    }

    static func machine(_ file: SourceFile) -> [Finding] {
        let traces = ["/wo" + "rk/", "/Use" + "rs/", "/ro" + "ot/"]
        return file.lines.enumerated().filter { _, line in traces.contains { line.contains($0) } }.map {
            Finding(file, $0.offset + 1, "no path of somebody's machine")
        }
    }
}
