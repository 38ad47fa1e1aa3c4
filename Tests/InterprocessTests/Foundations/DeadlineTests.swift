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

    @Test func nowHasPassedAndLaterHasNot() {
        #expect(Deadline.now.hasPassed)
        #expect(!Deadline.after(.seconds(3600)).hasPassed)
        #expect(Deadline.now <= Deadline.now)
        #expect(Deadline.after(.seconds(1)) < Deadline.after(.seconds(100)))
        #expect(Deadline.after(.seconds(1)) < .never)
    }

    @Test func addsExactly() {
        let start = Deadline(monotonicNanoseconds: 1_000)
        #expect(start + .nanoseconds(5) == Deadline(monotonicNanoseconds: 1_005))
        #expect(start + .seconds(2) == Deadline(monotonicNanoseconds: 2_000_001_000))
        #expect(start + .zero == start)
    }

    @Test func theRemainderShrinks() throws {
        let deadline = Deadline.after(.seconds(3600))
        let first = try #require(deadline.remaining)
        let second = try #require(deadline.remaining)
        #expect(second <= first)
        #expect(first <= .seconds(3600))
    }
}
