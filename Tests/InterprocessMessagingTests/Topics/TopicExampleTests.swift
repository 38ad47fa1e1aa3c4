// SPDX-License-Identifier: Apache-2.0
import InterprocessTestKit
import Testing

/// INTERPROCESS_TESTS leaves the examples out.
private let areBuilt = (try? Checkout.contents(of: Checkout.products.appending("messaging-log-lines"))) != nil

/// The examples print what their READMEs say.
@Suite(.bounded(), .enabled(if: areBuilt, "INTERPROCESS_TESTS leaves the examples out")) struct TopicExampleTests {
    @Test(arguments: ["messaging-killed-publisher", "messaging-log-lines"])
    func printsWhatItsReadmeSays(_ name: String) throws {
        #expect(try run(name) == shown(name))
    }

    @Test func theCameraGoesOnWithoutTheSlowViewer() throws {
        let name = "messaging-camera-and-viewer"
        let lines = try run(name).sorted { $0.count > $1.count }
        try #require(lines.count == 2)
        let numbers = lines[0].split { !$0.isNumber }.compactMap { Int($0) }
        try #require(numbers.count == 3)
        #expect(numbers[0] + numbers[1] == 65 && numbers[2] == 65)
        let expected = try shown(name)
        #expect(lines[1] == expected[0])
        #expect(lines[0].filter { !$0.isNumber } == expected[1].filter { !$0.isNumber })
    }

    private func shown(_ name: String) throws -> [String] {
        let readme = try Checkout.text(of: Checkout.root.appending("Examples").appending(name).appending("README.md"))
        return readme.split(separator: "```")[1].split(separator: "\n").dropFirst().map(String.init)
    }

    private func run(_ name: String) throws -> [String] {
        let outcome = try Peer([Checkout.products.appending(name).string]).finish()
        #expect(outcome.status == .exited(0), "\(outcome.errorText)")
        #expect(outcome.errorText.isEmpty)
        return outcome.text.split(separator: "\n").map(String.init)
    }
}
