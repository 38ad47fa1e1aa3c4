// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import InterprocessTestKit
import SystemPackage

/// A file of the package and its lines.
struct SourceFile: Sendable, CustomStringConvertible {
    /// Below the package's folder: `Sources/ipc/IPC.swift`.
    let path: String
    let lines: [String]

    var description: String { path }
    var isSwift: Bool { path.hasSuffix(".swift") }
    var name: String { String(path.split(separator: "/").last ?? "") }
    /// `Sources/Interprocess` of `Sources/Interprocess/Pipes/PipePair.swift`.
    var target: String { path.split(separator: "/").prefix(2).joined(separator: "/") }
    var components: [String] { path.split(separator: "/").map(String.init) }

    init(path: String, lines: [String]) {
        self.path = path
        self.lines = lines
    }

    init(path: String, text: String) {
        self.init(path: path, lines: text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init))
    }

    /// Every file of ours that is code.
    static func all() throws -> [SourceFile] {
        try ["Package.swift", "Sources", "Tests", "Examples", "Snippets", "Benchmarks", "Fuzzing"].flatMap {
            try below($0)
        }
        .filter { $0.isSwift || $0.path.hasSuffix(".h") || $0.path.hasSuffix(".c") }
    }

    static func below(_ path: String) throws -> [SourceFile] {
        let place = Checkout.root.appending(path)
        guard let status = try? sysStatus(place) else { return [] }
        if status.kind != .directory { return [SourceFile(path: path, text: try Checkout.text(of: place))] }
        return try TestSyscalls.entries(of: place).sorted().flatMap { entry -> [SourceFile] in
            if entry.hasPrefix(".") || entry == "out" { return [] }
            return try below("\(path)/\(entry)")
        }
    }

    /// The line without its comment and without what stands in quotation marks, roughly.
    static func code(_ line: String) -> String {
        var result = ""
        var isQuoted = false
        var previous: Character = " "
        for character in line {
            if character == "\"" && previous != "\\" { isQuoted.toggle() }
            if character == "/" && previous == "/" && !isQuoted {
                result.removeLast()
                break
            }
            if !isQuoted { result.append(character) }
            previous = character
        }
        return result
    }
}

/// Where a rule is broken and how to mend it.
struct Finding: CustomStringConvertible, Equatable {
    let path: String
    let line: Int
    let message: String
    var description: String { "\(path):\(line): \(message)" }

    init(_ file: SourceFile, _ line: Int, _ message: String) {
        path = file.path
        self.line = line
        self.message = message
    }
}
