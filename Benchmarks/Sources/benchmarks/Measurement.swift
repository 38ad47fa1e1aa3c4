// SPDX-License-Identifier: Apache-2.0
import CSupport
import Interprocess

/// How long and how often.
struct Effort {
    /// How often each subject has its turn.
    let repetitions: Int
    /// How long C's turn is to last.
    let batchNanoseconds: UInt64

    static let full = Effort(repetitions: 401, batchNanoseconds: 6_000_000)
    static let quick = Effort(repetitions: 101, batchNanoseconds: 4_000_000)
}

/// The turns of one subject, in nanoseconds for one exchange.
struct Samples {
    let subject: Subject
    var values: [Double] = []

    var median: Double { values.sorted()[values.count / 2] }
    var minimum: Double { values.min() ?? 0 }
}

/// One row: what all subjects of a workload needed, in turns.
struct Measurement {
    let workload: Workload
    var samples: [Samples]

    /// All processes of a workload live through all of it; they take turns: A, B, B, A, A, B, …
    init(_ workload: Workload, _ effort: Effort, program: String, control: Bool) throws {
        self.workload = workload
        samples = workload.subjects.map { Samples(subject: $0) }
        let first = try Side(workload.subjects[0], workload, program: program, control: control)
        let second = try Side(workload.subjects[1], workload, program: program, control: control)
        let third =
            workload.subjects.count > 2
            ? try Side(workload.subjects[2], workload, program: program, control: control) : nil
        func turn(_ index: Int, _ rounds: UInt64) throws -> UInt64 {
            switch index {
            case 0: try first.run(rounds)
            case 1: try second.run(rounds)
            default: try third?.run(rounds) ?? 1
            }
        }
        let rounds = try Self.rounds(effort) { rounds throws in try turn(1, rounds) }
        for index in samples.indices { _ = try turn(index, rounds) }
        for repetition in 0..<effort.repetitions {
            let order = repetition.isMultiple(of: 2) ? Array(samples.indices) : samples.indices.reversed()
            for index in order {
                let nanoseconds = try turn(index, rounds)
                samples[index].values.append(Double(nanoseconds) / (Double(rounds) * workload.waysPerSample))
            }
        }
    }

    /// How many round trips last about as long as a turn shall.
    private static func rounds(_ effort: Effort, _ run: (UInt64) throws -> UInt64) throws -> UInt64 {
        var rounds: UInt64 = 16
        while true {
            let nanoseconds = try run(rounds)
            if nanoseconds > effort.batchNanoseconds / 3 {
                return max(8, rounds * effort.batchNanoseconds / nanoseconds)
            }
            rounds *= 2
        }
    }

    // MARK: Beside C

    private var c: Samples { samples[1] }

    /// How the medians compare.
    func ratio(_ index: Int) -> Double { samples[index].median / c.median }

    /// How the fastest turns compare.
    func ratioOfMinima(_ index: Int) -> Double { samples[index].minimum / c.minimum }

    /// In which range the middle of the ratios of neighbouring turns lies, with 95 % confidence (order statistics): what
    /// slows the machine for a while slows both neighbours.
    func ratioRange(_ index: Int) -> ClosedRange<Double> {
        let ratios = zip(samples[index].values, c.values).map { $0 / $1 }.sorted()
        let middle = Double(ratios.count) / 2
        let width = 0.98 * Double(ratios.count).squareRoot()
        let low = max(0, Int(middle - width))
        let high = min(ratios.count - 1, Int(middle + width))
        return ratios[low]...ratios[high]
    }

    /// Nil for rows that have none. Without a number the goal is that nothing can be measured: the range reaches down to
    /// what C is found to differ from itself.
    var goalIsMet: Bool? {
        guard samples[0].subject == .interprocess else { return nil }
        if let goal = workload.goal { return ratio(0) <= goal }
        return ratioRange(0).lowerBound <= 1 + Self.resolution
    }

    /// Two pairs of the same C program differ by as much (`--control`).
    static let resolution = 0.02
}
