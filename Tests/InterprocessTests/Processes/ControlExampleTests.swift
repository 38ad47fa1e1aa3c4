// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessTestKit
import SystemPackage
import Testing

/// The example prints what its README says.
@Suite(.bounded(), .requires("gcc", "nm")) struct ControlExampleTests {
    static let example = Checkout.products.appending("processes-debugger")

    @Test(.enabled(if: (try? FileDescriptor.open(example, .readOnly)) != nil, "examples are not built"))
    func aDebuggerSession() throws {
        let program = try ControlledProgram(
            """
            int add(int a, int b) { return a + b; }
            int main(void) { int sum = add(1, 2) + add(3, 4); *(volatile int *)0x10 = sum; }
            """)
        let address = "0x" + String(try program.address(of: "add"), radix: 16)
        let outcome = try Peer([Self.example.string, address, program.path.string]).finish()
        #expect(outcome.status == .exited(0))
        let lines = outcome.text.split(separator: "\n").map(String.init)
        #expect(
            lines.prefix(3) == [
                "stopped at \(address) with 1, 2", "stopped at \(address) with 3, 4",
                "about to be hit by SIGSEGV at 0x10",
            ])
        #expect(lines.last?.hasPrefix("ended: killed(SIGSEGV, dumpedCore: ") == true, "\(outcome.text)")
    }
}
