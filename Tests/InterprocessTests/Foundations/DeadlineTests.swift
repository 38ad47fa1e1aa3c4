// SPDX-License-Identifier: Apache-2.0
import Interprocess
import Testing

@Suite struct DeadlineTests {
    @Test func saturatesInsteadOfOverflowing() {
        #expect(Deadline.now + .seconds(Int64.max) == .never)
        #expect(Deadline.never + .seconds(1) == .never)
    }

    @Test func aNegativeDurationIsNow() {
        #expect(Deadline.after(.seconds(-5)).hasPassed)
        #expect(Deadline.after(.seconds(-5)).remaining == .zero)
    }

    @Test func neverHasNoRemainder() {
        #expect(Deadline.never.remaining == nil)
        #expect(!Deadline.never.hasPassed)
    }
}
