// SPDX-License-Identifier: Apache-2.0
import CSupport

/// The table, the machine it is of, and the JSON.
enum Report {
    static func machine() -> String {
        let kernel = line("/proc/sys/kernel/osrelease", "")
        let cpu = line("/proc/cpuinfo", "model name")
        return "Linux \(kernel), \(cpu), CPUs \(bench_first_cpu()) and \(bench_last_cpu())"
    }

    private static func line(_ path: String, _ prefix: String) -> String {
        String(unsafeUninitializedCapacity: 256) { room in
            room.withMemoryRebound(to: CChar.self) {
                max(0, Int(bench_line_after(path, prefix, $0.baseAddress, CInt($0.count))))
            }
        }
    }

    static let heading = row(
        "mechanism", "bytes", "placement", "subject", "median", "C median", "ratio", "of minima", "95 % range", "goal")

    static func lines(_ measurement: Measurement) -> [String] {
        let workload = measurement.workload
        let c = measurement.samples[1]
        return measurement.samples.indices.filter { $0 != 1 }.map { index in
            let samples = measurement.samples[index]
            let range = measurement.ratioRange(index)
            return row(
                workload.name, workload.name == "eventfd" ? "8" : "\(workload.bytes)", workload.placement.rawValue,
                samples.subject == .interprocess ? workload.mode.rawValue : samples.subject.rawValue,
                nanoseconds(samples.median), nanoseconds(c.median), fixed(measurement.ratio(index), 3),
                fixed(measurement.ratioOfMinima(index), 3),
                "\(fixed(range.lowerBound, 3))–\(fixed(range.upperBound, 3))", goal(measurement, index))
        }
    }

    private static func goal(_ measurement: Measurement, _ index: Int) -> String {
        guard index == 0, let isMet = measurement.goalIsMet else { return "–" }
        let goal = measurement.workload.goal.map { "≤ \(fixed($0, 2))" } ?? "not measurable"
        return "\(goal): \(isMet ? "met" : "NOT MET")"
    }

    private static func nanoseconds(_ value: Double) -> String { "\(Int(value.rounded())) ns" }

    static func fixed(_ value: Double, _ digits: Int) -> String {
        var scale = 1
        for _ in 0..<digits { scale *= 10 }
        let whole = Int((value * Double(scale)).rounded())
        let rest = String(whole % scale)
        return "\(whole / scale).\(String(repeating: "0", count: digits - rest.count))\(rest)"
    }

    private static let widths = [15, 6, 10, 9, 10, 10, 7, 10, 13]

    private static func row(_ cells: String...) -> String {
        var text = ""
        for (index, cell) in cells.enumerated() {
            guard index < widths.count else { return text + cell }
            let space = String(repeating: " ", count: max(0, widths[index] - cell.count))
            // Words to the left, numbers to the right.
            text += (index == 0 || index == 2 || index == 3 ? cell + space : space + cell) + "  "
        }
        return text
    }

    // MARK: JSON

    static func json(_ measurements: [Measurement]) -> String {
        let objects = measurements.flatMap { measurement in
            measurement.samples.map { samples in
                let workload = measurement.workload
                let fields = [
                    #""workload":"\#(workload.name)""#,
                    #""payloadBytes":\#(workload.bytes)"#,
                    #""mode":"\#(workload.mode.rawValue)""#,
                    #""measure":"\#(workload.mode == .blocking ? "one-way" : "round-trip")""#,
                    #""placement":"\#(workload.placement.rawValue)""#,
                    #""subject":"\#(samples.subject.rawValue)""#,
                    #""median":\#(fixed(samples.median, 1))"#,
                    #""minimum":\#(fixed(samples.minimum, 1))"#,
                    #""unit":"nanoseconds""#,
                    #""repetitions":\#(samples.values.count)"#,
                ]
                return "  {" + fields.joined(separator: ",") + "}"
            }
        }
        return "[\n" + objects.joined(separator: ",\n") + "\n]\n"
    }
}
