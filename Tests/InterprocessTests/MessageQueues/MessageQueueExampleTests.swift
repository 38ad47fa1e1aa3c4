// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessTestKit
import Testing

/// The examples print what their READMEs say.
@Suite(.bounded()) struct MessageQueueExampleTests {
    @Test func urgentOrdersComeFirst() throws {
        let scratch = ScratchName()
        let name = scratch.queueName()
        let outcome = try Peer([Checkout.products.appending("message-queues-priorities").string, name]).finish()
        #expect(outcome.status == .exited(0))
        #expect(
            outcome.text == """
                4 orders wait in \(name)
                priority 30: put out the fire
                priority 5: two pizzas
                priority 5: one more pizza
                priority 0: sweep the floor
                nothing more came

                """)
    }

    @Test func theFirstOfManyIsTaken() throws {
        let outcome = try Peer([Checkout.products.appending("message-queues-first-of-many").string]).finish()
        #expect(outcome.status == .exited(0))
        let lines = outcome.text.split(separator: "\n").dropFirst().map(String.init)
        #expect(lines == ["a line through the pipe", "control says stop", "job 1", "job 2", "job 3"])
    }
}
