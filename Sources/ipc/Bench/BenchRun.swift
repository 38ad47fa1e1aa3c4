// SPDX-License-Identifier: Apache-2.0
import Histogram
import Interprocess
import InterprocessSyscalls

/// One measurement, from the side of the process that was started by hand.
struct BenchRun {
    static let repetitions = 5

    let plan: BenchCase
    let peer: TourControl

    func measure<End: BenchEnd & ~Copyable>(_ end: inout End) throws -> BenchResult {
        plan.workload == .latency ? try latency(&end) : try stream(&end)
    }

    private var repetitionNanoseconds: UInt64 {
        max(1, UInt64(plan.duration / .nanoseconds(1)) / UInt64(Self.repetitions))
    }

    // MARK: There and back

    private func latency<End: BenchEnd & ~Copyable>(_ end: inout End) throws -> BenchResult {
        var outcome = BenchResult(plan: plan)
        var allRight = true
        // The first rounds bring the pages; the second ones tell how many are worth a clock's reading.
        _ = try roundTrips(32, &end, &allRight)
        let guess = max(1, try roundTrips(64, &end, &allRight) / 64)
        let batch = max(1, min(64, 2000 / guess))
        let batches = max(8, min(200_000, repetitionNanoseconds / 2 / (guess * batch)))
        let singles = max(16, min(1_000_000, repetitionNanoseconds / 2 / guess))
        var medians: [Double] = []
        var single = Histogram<UInt64>(highestTrackableValue: 60_000_000_000, numberOfSignificantValueDigits: .three)
        for _ in 0..<Self.repetitions {
            medians.append(try batchMedian(batches, of: batch, &end, &allRight))
            try eachRoundTrip(singles, &end, &single, &allRight)
            outcome.messages += Int(2 * (batches * batch + singles))
        }
        outcome.median = Self.median(&medians)
        outcome.p99 = max(outcome.median, Double(single.valueAtPercentile(99)) / 2)
        outcome.repetitions = Self.repetitions
        outcome.verified = allRight
        return outcome
    }

    /// One way, in nanoseconds: half of a round trip, where one clock reading covers `size` of them.
    private func batchMedian<End: BenchEnd & ~Copyable>(
        _ count: UInt64, of size: UInt64, _ end: inout End, _ allRight: inout Bool
    ) throws -> Double {
        try begin("echo", count * size)
        var times: [Double] = []
        times.reserveCapacity(Int(count))
        var value: UInt8 = 0
        for _ in 0..<count {
            let start = sysMonotonicNanoseconds()
            for _ in 0..<size { try roundTrip(&value, &end, &allRight) }
            times.append(Double(sysMonotonicNanoseconds() - start) / Double(2 * size))
        }
        try finish(&allRight)
        return Self.median(&times)
    }

    private func eachRoundTrip<End: BenchEnd & ~Copyable>(
        _ count: UInt64, _ end: inout End, _ histogram: inout Histogram<UInt64>, _ allRight: inout Bool
    ) throws {
        try begin("echo", count)
        var value: UInt8 = 0
        for _ in 0..<count {
            let start = sysMonotonicNanoseconds()
            try roundTrip(&value, &end, &allRight)
            _ = histogram.record(max(1, sysMonotonicNanoseconds() - start))
        }
        try finish(&allRight)
    }

    private func roundTrips<End: BenchEnd & ~Copyable>(
        _ count: UInt64, _ end: inout End, _ allRight: inout Bool
    ) throws -> UInt64 {
        try begin("echo", count)
        var value: UInt8 = 0
        let start = sysMonotonicNanoseconds()
        for _ in 0..<count { try roundTrip(&value, &end, &allRight) }
        let time = sysMonotonicNanoseconds() - start
        try finish(&allRight)
        return time
    }

    @inline(__always)
    private func roundTrip<End: BenchEnd & ~Copyable>(
        _ value: inout UInt8, _ end: inout End, _ allRight: inout Bool
    ) throws {
        value &+= 1
        try end.send(value)
        if try !end.receive(value) { allRight = false }
    }

    // MARK: One way

    private func stream<End: BenchEnd & ~Copyable>(_ end: inout End) throws -> BenchResult {
        var outcome = BenchResult(plan: plan)
        var allRight = true
        var count: UInt64 = 64
        var time = try streamed(count, &end, &allRight)
        while time < repetitionNanoseconds / 4, count < 1 << 30 {
            count *= 4
            time = try streamed(count, &end, &allRight)
        }
        count = max(64, UInt64(Double(count) * Double(repetitionNanoseconds) / Double(time)))
        var rates: [Double] = []
        for _ in 0..<Self.repetitions {
            rates.append(Double(count) * 1e9 / Double(try streamed(count, &end, &allRight)))
            outcome.messages += Int(count)
        }
        outcome.median = Self.median(&rates)
        outcome.repetitions = Self.repetitions
        outcome.verified = allRight
        return outcome
    }

    /// From the first send until the other process has the last.
    private func streamed<End: BenchEnd & ~Copyable>(
        _ count: UInt64, _ end: inout End, _ allRight: inout Bool
    ) throws -> UInt64 {
        try begin("take", count)
        var value: UInt8 = 0
        let start = sysMonotonicNanoseconds()
        for _ in 0..<count {
            value &+= 1
            try end.send(value)
        }
        return max(1, max(start, try finish(&allRight)) - start)
    }

    // MARK: What the two agree on

    private func begin(_ word: String, _ count: UInt64) throws {
        try peer.say("\(word) \(count)")
        guard try peer.hear() == ["go"] else { throw Failure("the other process did not begin") }
    }

    /// When the other process had the last message, by the clock that both share.
    @discardableResult
    private func finish(_ allRight: inout Bool) throws -> UInt64 {
        let words = try peer.hear()
        guard words.count == 3, words[0] == "done", let time = UInt64(words[2]) else {
            throw Failure("the other process said \(words)")
        }
        if words[1] != "right" { allRight = false }
        return time
    }

    static func median(_ values: inout [Double]) -> Double {
        values.sort()
        return values.isEmpty ? 0 : values[values.count / 2]
    }
}

/// The other process: echoes, or takes, as many as it is told.
enum BenchPeer {
    static func serve<End: BenchEnd & ~Copyable>(_ control: TourControl, _ end: inout End) throws {
        while true {
            // The other side closes its end of the line when it has measured enough.
            guard let words = try? control.hear(), words.count == 2, let count = UInt64(words[1]) else { return }
            try control.say("go")
            var allRight = true
            var value: UInt8 = 0
            if words[0] == "echo" {
                for _ in 0..<count {
                    value &+= 1
                    if try !end.receive(value) { allRight = false }
                    try end.send(value)
                }
            } else {
                for _ in 0..<count {
                    value &+= 1
                    if try !end.receive(value) { allRight = false }
                }
            }
            try control.say("done \(allRight ? "right" : "wrong") \(sysMonotonicNanoseconds())")
        }
    }
}
