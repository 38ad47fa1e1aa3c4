// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import InterprocessTestKit
import SystemPackage
import Testing

@Suite struct TidyTests {
    @Test(arguments: Rules.all.map(\.name)) func everyFileKeepsTheRule(_ name: String) throws {
        let rule = try #require(Rules.all.first { $0.name == name }).rule
        let findings = try SourceFile.all().flatMap { rule($0) }
        #expect(findings.isEmpty, "\(findings.map(\.description).joined(separator: "\n"))")
    }

    /// The same eight words name the folder of a mechanism everywhere.
    @Test func foldersOfTestsMirrorTheSources() throws {
        let sources = Set(try TestSyscalls.entries(of: Checkout.root.appending("Sources/Interprocess")))
        let tests = Set(try TestSyscalls.entries(of: Checkout.root.appending("Tests/InterprocessTests")))
        let folders = sources.filter { !$0.hasSuffix(".docc") && !$0.hasPrefix(".") }
        #expect(folders.subtracting(tests).isEmpty, "without tests: \(folders.subtracting(tests).sorted())")
        let strays = tests.subtracting(folders).filter { !$0.hasPrefix(".") && !$0.hasSuffix(".swift") }
        #expect(strays.isEmpty, "tests of nothing: \(strays.sorted())")
    }

    /// Every example says what it shows and what it prints, and a test runs it.
    @Test func everyExampleIsExplainedAndRun() throws {
        let tests = try SourceFile.below("Tests").flatMap(\.lines)
        for example in try TestSyscalls.entries(of: Checkout.root.appending("Examples")) where !example.hasPrefix(".") {
            let readme = Checkout.root.appending("Examples/\(example)/README.md")
            let text = (try? Checkout.text(of: readme)) ?? ""
            #expect(text.contains("```"), "Examples/\(example)/README.md shows how to run it and what it prints")
            #expect(tests.contains { $0.contains("\"\(example)\"") }, "no test runs Examples/\(example)")
        }
    }
}

/// A rule that cannot fail is no rule.
@Suite struct TidyRuleTests {
    private func findings(_ rule: Rules.Rule, _ path: String, _ text: String) -> Int {
        rule(SourceFile(path: path, text: text)).count
    }

    @Test func aMissingLicenseIsFound() {
        #expect(findings(Rules.license, "Sources/ipc/A.swift", "import Interprocess\n") == 1)
        #expect(findings(Rules.license, "Sources/ipc/A.swift", "// SPDX-License-Identifier: Apache-2.0\n") == 0)
    }

    @Test func anImportAgainstTheArrowsIsFound() {
        #expect(findings(Rules.imports, "Sources/Interprocess/A.swift", "import CInterprocess") == 1)
        #expect(findings(Rules.imports, "Sources/Interprocess/A.swift", "package import Glibc") == 1)
        #expect(findings(Rules.imports, "Sources/Interprocess/A.swift", "public import SystemPackage") == 0)
        #expect(findings(Rules.imports, "Sources/InterprocessSyscalls/A.swift", "import Interprocess") == 1)
        #expect(findings(Rules.imports, "Sources/InterprocessStructures/A.swift", "import SystemPackage") == 1)
        #expect(findings(Rules.imports, "Sources/InterprocessStructures/A.swift", "import Synchronization") == 0)
        #expect(findings(Rules.imports, "Tests/X/A.swift", "import Foundation") == 1)
        #expect(findings(Rules.imports, "Sources/ipc/A.swift", "// an import Foundation in words") == 0)
    }

    @Test func unexplainedOrMisplacedUnsafetyIsFound() {
        #expect(findings(Rules.unsafety, "Sources/Interprocess/A.swift", "let a = unsafe b()") == 1)
        #expect(findings(Rules.unsafety, "Sources/InterprocessSyscalls/A.swift", "let a = unsafe b()") == 1)
        #expect(findings(Rules.unsafety, "Sources/InterprocessStructures/A.swift", "let a = unsafe b()") == 1)
        #expect(
            findings(Rules.unsafety, "Sources/InterprocessSyscalls/A.swift", "// SAFETY: so\nlet a = unsafe b()") == 0)
        #expect(
            findings(Rules.unsafety, "Sources/InterprocessSyscalls/A.swift", "// SAFETY: so\n}\n\nlet a = unsafe b()")
                == 1)
        #expect(findings(Rules.unsafety, "Sources/Interprocess/A.swift", "let a = \"unsafe\" // unsafe") == 0)
    }

    @Test func lengthsAreFound() {
        let long = Array(repeating: "        a()", count: 80).joined(separator: "\n")
        #expect(findings(Rules.functionLength, "Sources/ipc/A.swift", "    func f() {\n\(long)\n    }") == 1)
        #expect(
            findings(Rules.functionLength, "Sources/ipc/A.swift", "    func f() {\n        a()\n    }\n\(long)") == 0)
        #expect(findings(Rules.fileLength, "Sources/ipc/A.swift", String(repeating: "\n", count: 500)) == 1)
    }

    @Test func leftoversNamesAndTracesAreFound() {
        #expect(findings(Rules.leftovers, "Sources/ipc/A.swift", "// FIX" + "ME later") == 1)
        #expect(findings(Rules.names, "Sources/ipc/A.swift", "struct QueueManager {") == 1)
        #expect(findings(Rules.names, "Sources/ipc/A.swift", "struct Process {") == 1)
        #expect(findings(Rules.names, "Sources/ipc/A.swift", "struct Queue {") == 0)
        #expect(findings(Rules.machine, "Sources/ipc/A.swift", "let a = \"/Use" + "rs/somebody\"") == 1)
    }
}
