// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessTestKit
import SystemPackage
import Testing

/// The examples print what their READMEs say.
@Suite(.bounded()) struct SharedMemoryExampleTests {
    @Test func aPictureThatSeveralProcessesLookAt() throws {
        let scratch = ScratchMemory()
        let program = Checkout.products.appending("shared-memory-picture").string
        func run(_ verb: String) throws -> String { try Peer([program, verb, scratch.name.description]).finish().text }
        #expect(try run("draw") == "drew a circle into shm:\(scratch.name)\n")
        let circle = """
            ...............................
            .......#################.......
            ....#####.............#####....
            ..####...................####..
            .####.....................####.
            .####.....................####.
            .####.....................####.
            ..####...................####..
            ....#####.............#####....
            .......#################.......
            ...............................

            """
        #expect(try run("show") == circle)
        #expect(try run("invert") == "inverted; edition 1\n")
        #expect(try run("show") == String(circle.map { $0 == "#" ? "." : $0 == "." ? "#" : $0 }))
        #expect(try run("remove") == "removed shm:\(scratch.name)\n")
    }

    @Test func memoryThatTheReceiverCanTrust() throws {
        let scratch = ScratchMemory()
        let program = Checkout.products.appending("shared-memory-sealed").string
        let place = scratch.path("meeting").string
        let giver = try Peer([program, "give", place])
        try giver.expect("giving at \(place)")
        let taker = try Peer([program, "take", place]).finish()
        #expect(
            taker.text == """
                refused: it must be sealed against shrink, grow, write, seal, and shrink, grow, write, seal is missing
                took: the price is 5

                """)
        try giver.expect("to change it afterwards: permission denied")
    }
}
