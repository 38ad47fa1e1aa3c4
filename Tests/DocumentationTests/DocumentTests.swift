// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessTestKit
import SystemPackage
import Testing

/// What the documents say is so: their Swift compiles and runs, their commands print what stands below them, their
/// links lead somewhere.
@Suite struct DocumentTests {
    static let swiftBlocks = Documents.blocks("README.md").filter { $0.info == "swift" }
    static let consoleBlocks = Documents.names.flatMap(Documents.blocks).filter { $0.language == "console" }

    @Test("An example of README.md is the one that is compiled", arguments: swiftBlocks)
    func examplesAreTheSame(_ block: Block) throws {
        let compiled = try #require(Documents.examples()[block.heading], "no example is called \(block.heading)")
        #expect(block.lines == compiled)
    }

    @Test func everyCompiledExampleIsShown() {
        #expect(Set(Documents.examples().keys) == Set(Self.swiftBlocks.map(\.heading)))
    }

    /// One after another and in one process of a host at a time: the names in them are fixed.
    @Test(.timeLimit(.minutes(5))) func examplesRun() async throws {
        let turn = try await Turn.take()
        try await Examples.pipe()
        try await Examples.manyWriters()
        try await Examples.namedPipe()
        try await Examples.unixSocket()
        try await Examples.tcp()
        try await Examples.messageQueue()
        try await Examples.systemVMessageQueue()
        try await Examples.sharedMemory()
        try await Examples.sealedMemory()
        try await Examples.semaphore()
        try await Examples.semaphoreSet()
        try await Examples.robustMutex()
        try await Examples.fileLock()
        try await Examples.signals()
        try await Examples.processes()
        try await Examples.topics()
        try await Examples.waitAny()
        turn.end()
    }

    /// A line that begins with `$ ` is typed into one shell for the whole block; the lines below it are what it prints, `…` stands
    /// for anything.
    @Test(.timeLimit(.minutes(5))) func commandsPrintWhatIsShown() async throws {
        let turn = try await Turn.take()
        for block in Self.consoleBlocks {
            let missing = block.needs.filter { Program.find($0) == nil }
            if !missing.isEmpty { continue }
            let shown = block.lines.map { $0.hasPrefix("$ ") ? "$ " : $0 }
            let printed = try Self.run(block)
            let isSame = shown.count == printed.count && zip(shown, printed).allSatisfy(matches)
            let difference = (["shown:"] + shown + ["printed:"] + printed).joined(separator: "\n")
            #expect(isSame, "\(block)\n\(difference)")
        }
        turn.end()
    }

    @Test("Every link leads to a file", arguments: Documents.names + ["CHANGELOG.md"])
    func linksLeadSomewhere(_ document: String) throws {
        #expect(!Documents.text(document).isEmpty)
        var folder = Checkout.root.pushing(FilePath(document))
        folder.removeLastComponent()
        for link in Documents.links(document) {
            let path = String(link.prefix { $0 != "#" })
            #expect(Program.isThere(folder.pushing(FilePath(path))), "\(document): \(link)")
        }
    }

    /// What the lines of a block print, with `$ ` where each began.
    private static func run(_ block: Block) throws -> [String] {
        var script = "exec 2>&1\nPATH=\(Checkout.products):$PATH\nexport NO_COLOR=1\ncd \"$(mktemp -d)\"\n"
        for line in block.lines where line.hasPrefix("$ ") { script += "echo '$ '\n\(line.dropFirst(2))\n" }
        script += "rm -rf \"$PWD\"\n"
        let outcome = try Peer(["/bin/bash", "-c", script]).finish()
        var lines = outcome.text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        if lines.last == "" { lines.removeLast() }
        return lines
    }

    /// Whether `printed` is `shown`, where `…` stands for anything.
    private func matches(_ shown: String, _ printed: String) -> Bool {
        let parts = shown.split(separator: "…", omittingEmptySubsequences: false)
        if parts.count == 1 { return shown == printed }
        var rest = printed[...]
        guard rest.hasPrefix(parts[0]) else { return false }
        rest = rest.dropFirst(parts[0].count)
        for part in parts.dropFirst().dropLast() {
            guard let start = firstPlace(of: part, in: rest) else { return false }
            rest = rest[start...].dropFirst(part.count)
        }
        return rest.hasSuffix(parts[parts.count - 1])
    }

    private func firstPlace(of part: Substring, in text: Substring) -> String.Index? {
        text.indices.first { text[$0...].hasPrefix(part) } ?? (part.isEmpty ? text.startIndex : nil)
    }
}

/// The right to use the fixed names of the examples: an abstract socket that one process of a host can have.
struct Turn: ~Copyable {
    private let socket: DatagramSocket

    static func take() async throws -> Turn {
        let deadline = Deadline.after(.seconds(240))
        while true {
            do throws(IPCError) {
                return Turn(socket: try DatagramSocket.bind(to: .abstract("swift-interprocess-documents")))
            } catch {
                if error.code != .alreadyExists || deadline.hasPassed { throw error }
            }
            try await Task.sleep(for: .milliseconds(50))
        }
    }

    consuming func end() {}
}

extension Program {
    static func isThere(_ path: FilePath) -> Bool {
        guard let descriptor = try? FileDescriptor.open(path, .readOnly) else { return false }
        try? descriptor.close()
        return true
    }
}
