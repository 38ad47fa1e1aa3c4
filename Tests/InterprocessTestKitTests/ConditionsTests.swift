// SPDX-License-Identifier: Apache-2.0
import InterprocessTestKit
import Testing

@Suite struct ConditionsTests {
    @Test func theFixtureIsReadWhole() {
        #expect(Conditions.all.count > 150)
        #expect(Conditions.rows("pipe").count == 11)
        #expect(Conditions.rows("pipe").first?.expected == "EPIPE")
        #expect(Conditions.all.allSatisfy { !$0.call.isEmpty && !$0.condition.isEmpty && !$0.expected.isEmpty })
    }

    @Test func gapsAreNamed() {
        let table = ConditionTable(
            "eventfd",
            [
                .row("read O_NONBLOCK", "counter 0") {},
                .row("read O_NONBLOCK", "counter 0") {},
                .row("read", "no such condition") {},
                .unreachable("EFD_SEMAPHORE", "read", because: "the flag is not offered"),
            ])
        #expect(
            table.gaps == [
                "no case for eventfd | read/write | buffer < 8 bytes",
                "no case for eventfd | write O_NONBLOCK | counter would exceed 2^64-2",
                "no such row: eventfd | read | no such condition",
                "told 2 times: eventfd | read O_NONBLOCK | counter 0",
            ])
        #expect(table.cases[0].testDescription == "eventfd | read O_NONBLOCK | counter 0")
        #expect(table.cases[3].testDescription.hasSuffix("unreachable: the flag is not offered"))
    }
}
