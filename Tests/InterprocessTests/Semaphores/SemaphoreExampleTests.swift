// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessTestKit
import SystemPackage
import Testing

/// The examples print what their READMEs say.
@Suite(.bounded()) struct SemaphoreExampleTests {
    @Test func whoTakesBothForksAtOnceEats() throws {
        let outcome = try Peer([Checkout.products.appending("semaphores-starvation").string]).finish()
        #expect(outcome.status == .exited(0))
        #expect(outcome.text == "one fork after the other: 0 meals\nboth forks or none: 15 meals\n")
    }

    @Test func everyPieceIsTakenOnce() throws {
        let scratch = ScratchName()
        let program = Checkout.products.appending("semaphores-producer-consumer").string
        let file = scratch.path("buffer").string
        #expect(try Peer([program, file, "create"]).finish().status == .exited(0))
        let producers = try [("1", "50"), ("51", "100")].map { try Peer([program, file, "produce", $0.0, $0.1]) }
        let consumers = try ["40", "60"].map { try Peer([program, file, "consume", $0]) }
        let taken = try consumers.map { try $0.finish().text.split(separator: "\n").compactMap { Int($0) } }
        #expect(taken.map(\.count) == [40, 60])
        #expect(taken.joined().sorted() == Array(1...100))
        for producer in producers { #expect(try producer.finish().status == .exited(0)) }
    }
}
