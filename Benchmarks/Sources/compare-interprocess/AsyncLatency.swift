// SPDX-License-Identifier: Apache-2.0
import CCompare
import Interprocess
import InterprocessMessaging

/// Exchanges of a task, whose thread is that of a `Reactor`, with a process that blocks.
enum AsyncLatency {
    static func measure<let count: Int>(_ channels: Channels<count>) throws(IPCError) {
        nonisolated(unsafe) let channels = channels
        Task(executorPreference: try Reactor(name: "benchmark")) {
            do throws(IPCError) {
                let publisher = try channels.publisher()
                compare_spawn(channels.run)
                let subscriber = try channels.subscriber(after: publisher)
                try await loop(channels.run, publisher, subscriber)
            } catch {
                print(error)
                compare_failed("topics")
            }
            compare_end()
        }
        compare_sleep()
    }

    private static func exchange<let count: Int>(
        _ run: UnsafeMutablePointer<compare>, _ publisher: borrowing Publisher<Words<count>>,
        _ subscriber: borrowing Subscriber<Words<count>>, _ number: UInt64
    ) async throws(IPCError) {
        guard var loan = try publisher.tryLoan() else { compare_failed("no room") }
        var words = loan.payload.mutableSpan
        words.withUnsafeMutableBufferPointer { compare_fill(run, $0.baseAddress, number) }
        loan.send()
        guard let sample = try await subscriber.next() else { compare_failed("the end") }
        check(sample, number, run)
    }

    private static func loop<let count: Int>(
        _ run: UnsafeMutablePointer<compare>, _ publisher: borrowing Publisher<Words<count>>,
        _ subscriber: borrowing Subscriber<Words<count>>
    ) async throws(IPCError) {
        var number: UInt64 = 0
        var rounds: UInt64 = 20
        var spent: UInt64 = 1
        for turn in 0..<2 {
            compare_start_phase(run, rounds)
            let before = compare_now()
            for _ in 0..<rounds {
                try await exchange(run, publisher, subscriber, number)
                number += 1
            }
            spent = compare_now() - before
            compare_await_phase(run)
            if turn == 0 { rounds = compare_rounds(Double(run.pointee.milliseconds) * 0.1, rounds, spent) }
        }
        // An exchange takes microseconds: each is timed, and what the clock takes is taken off.
        let plan = compare_plan_of(run, rounds, spent)
        let count = plan.singles * 3
        let each = compare_samples(count)!
        let cost = compare_clock_cost()
        compare_start_phase(run, count)
        var before = compare_now()
        for index in 0..<count {
            try await exchange(run, publisher, subscriber, number)
            number += 1
            let now = compare_now()
            each[Int(index)] = (Double(now - before) - cost) / 2
            before = now
        }
        compare_await_phase(run)
        compare_start_phase(run, 0)
        compare_report_latency(run, each, count, each, count)
    }
}
