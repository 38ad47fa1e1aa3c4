// SPDX-License-Identifier: Apache-2.0
import InterprocessTestKit
import SystemPackage
import Testing

/// The examples print what their READMEs say.
@Suite(.bounded()) struct ProcessExampleTests {
    @Test(arguments: ["processes-child-event", "processes-supervised", "signals-carry-values"])
    func printsWhatItsReadmeSays(_ name: String) throws {
        let readme = try Checkout.text(of: Checkout.root.appending("Examples").appending(name).appending("README.md"))
        let block = readme.split(separator: "```")[1].split(separator: "\n").dropFirst().joined(separator: "\n")
        let program = Checkout.products.appending(name)
        try #require((try? Checkout.contents(of: program)) != nil, "the example \(name) is built with the package")
        let outcome = try Peer([program.string]).finish()
        #expect(outcome.status == .exited(0), "\(outcome.errorText)")
        #expect(outcome.text == block + "\n")
    }
}
