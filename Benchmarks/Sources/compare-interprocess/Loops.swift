// SPDX-License-Identifier: Apache-2.0
import CCompare

/// What a process has of the run: a side that sends and one that receives, both waiting as the mode wants.
protocol Ends: ~Copyable {
    /// Sends the message of this number.
    func send(_ number: UInt64)
    /// Receives the message of this number.
    func receive(_ number: UInt64)
}

/// The loops of `compare.h`, around ends in Swift: what is inlined there is inlined here.
struct Loops<E: Ends & ~Copyable>: ~Copyable {
    let run: UnsafeMutablePointer<compare>
    let ends: E
    var sent: UInt64 = 0
    var received: UInt64 = 0

    init(_ run: UnsafeMutablePointer<compare>, _ ends: consuming E) {
        self.run = run
        self.ends = ends
    }

    @inline(__always)
    mutating func send() {
        ends.send(sent)
        sent &+= 1
    }

    @inline(__always)
    mutating func receive() {
        ends.receive(received)
        received &+= 1
    }

    mutating func go() {
        if run.pointee.child >= 0 {
            answer()
        } else if run.pointee.exchanges != 0 {
            measureLatency()
        } else {
            measureRate()
        }
    }

    private mutating func answer() {
        while true {
            let rounds = compare_next_phase(run)
            if rounds == 0 { return }
            if run.pointee.exchanges != 0 {
                for _ in 0..<rounds {
                    receive()
                    send()
                }
            } else {
                consume(rounds)
            }
            compare_phase_done(run)
        }
    }

    /// The clock is read once a slice, and begins with the first message.
    private mutating func consume(_ rounds: UInt64) {
        receive()
        let slices = UInt64(compare_slices)
        let slice = (rounds - 1) / slices
        let first = compare_now()
        var before = first
        for index in 0..<slices {
            for _ in 0..<slice { receive() }
            let now = compare_now()
            compare_note_slice(run, index, Double(now - before) / Double(slice))
            before = now
        }
        compare_note_phase(run, Double(before - first) / Double(slice * slices))
        for _ in (1 + slice * slices)..<rounds { receive() }
    }

    private mutating func exchange(_ rounds: UInt64) -> UInt64 {
        let before = compare_now()
        for _ in 0..<rounds {
            send()
            receive()
        }
        return compare_now() - before
    }

    private mutating func measureLatency() {
        let (rounds, spent) = warmUp()
        let plan = compare_plan_of(run, rounds, spent)
        let means = compare_samples(plan.batches)!
        compare_start_phase(run, plan.batches * plan.batch)
        for index in 0..<plan.batches { means[Int(index)] = Double(exchange(plan.batch)) / Double(plan.batch) / 2 }
        compare_await_phase(run)
        let each = compare_samples(plan.singles)!
        let cost = compare_clock_cost()
        compare_start_phase(run, plan.singles)
        var before = compare_now()
        for index in 0..<plan.singles {
            send()
            receive()
            let now = compare_now()
            each[Int(index)] = (Double(now - before) - cost) / 2
            before = now
        }
        compare_await_phase(run)
        compare_start_phase(run, 0)
        compare_report_latency(run, means, plan.batches, each, plan.singles)
    }

    /// Twice: the first messages find cold pages.
    private mutating func warmUp() -> (rounds: UInt64, spent: UInt64) {
        var rounds: UInt64 = 20
        for turn in 0..<2 {
            compare_start_phase(run, rounds)
            let spent = exchange(rounds)
            compare_await_phase(run)
            if turn == 1 { return (rounds, spent) }
            rounds = compare_rounds(Double(run.pointee.milliseconds) * 0.1, rounds, spent)
        }
        return (rounds, 1)
    }

    private mutating func measureRate() {
        var rounds: UInt64 = 128
        for turn in 0..<3 {
            compare_start_phase(run, rounds)
            let before = compare_now()
            for _ in 0..<rounds { send() }
            compare_await_phase(run)
            rounds = compare_next_rate_rounds(run, Int32(turn), rounds, compare_now() - before)
        }
        compare_start_phase(run, 0)
        compare_report_rate(run)
    }
}
