// SPDX-License-Identifier: Apache-2.0
import Interprocess

/// What is measured against what.
enum BenchSubject: String, CaseIterable, Sendable {
    case topic
    case pipe
    case unix
    case unixSeqpacket = "unix-seqpacket"
    case mq
}

/// How the two processes wait.
enum BenchMode: String, CaseIterable, Sendable {
    /// They look again and again, each on a processor of its own.
    case busy
    /// They sleep until something comes, each on a processor of its own.
    case blocking
    /// They sleep and share a processor.
    case blockingOneCPU = "blocking-one-cpu"

    /// Where the two run; nil where they may run anywhere, for this host has not enough processors.
    func processors(of all: [Int32]) -> (ours: Int32, theirs: Int32)? {
        guard all.count > 1 else { return nil }
        return (all[0], self == .blockingOneCPU ? all[0] : all[1])
    }
}

enum BenchWorkload: String, CaseIterable, Sendable {
    /// A message there and one back; half of the time is one way.
    case latency
    /// As many as go through, one way.
    case stream

    var unit: String { self == .latency ? "ns" : "messages/s" }
}

/// One line of the table.
struct BenchCase: Sendable {
    var subject: BenchSubject
    var workload: BenchWorkload
    var payloadBytes: Int
    var mode: BenchMode
    /// Where this process and the other are held; nil for anywhere.
    var processors: (ours: Int32, theirs: Int32)?
    /// How long it is measured.
    var duration: Duration
}

/// What a measurement showed.
struct BenchResult: Sendable {
    var plan: BenchCase
    /// Nanoseconds, or messages a second.
    var median: Double = 0
    /// Latency only.
    var p99: Double?
    var repetitions = 0
    var messages = 0
    /// Every byte was what was sent.
    var verified = false
    /// Why it could not be measured.
    var reason: String?

    /// The keys of `Benchmarks/compare`, and those of every object of the command.
    var json: JSON {
        var members: [(String, JSON)] = [
            ("schema", .integer(1)), ("subject", .string(plan.subject.rawValue)),
            ("workload", .string(plan.workload.rawValue)), ("payloadBytes", .integer(Int64(plan.payloadBytes))),
            ("subscribers", .integer(1)), ("mode", .string(plan.mode.rawValue)), ("verified", .bool(verified)),
        ]
        if let reason { return .object(members + [("reason", .string(reason))]) }
        members.append(("median", .double(BenchResult.rounded(median))))
        members.append(("unit", .string(plan.workload.unit)))
        if let p99 { members.append(("p99", .double(BenchResult.rounded(p99)))) }
        members.append(("repetitions", .integer(Int64(repetitions))))
        members.append(("messages", .integer(Int64(messages))))
        return .object(members)
    }

    private static func rounded(_ value: Double) -> Double { (value * 10).rounded() / 10 }
}
