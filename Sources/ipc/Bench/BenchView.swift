// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls

/// What the bench shows while it runs and as it goes.
struct BenchView {
    let json: Bool

    private static let heads = ["", "PAYLOAD", "MODE", "ONE WAY", "P99", "STREAM", "BYTES"]
    private static let widths = [14, 7, 16, 9, 9, 10, 9]

    func begin(_ subject: String) {
        if json { return }
        Output.line(subject)
        Output.line("")
        Output.line(Colour.bold(cells(Self.heads)))
    }

    /// Says on a terminal what is being measured.
    func progress(_ plan: BenchCase, _ done: Int, of all: Int) {
        guard Output.errorIsTerminal, !json || !Output.isTerminal else { return }
        let width = all == 0 ? 0 : done * 24 / all
        let bar = String(repeating: "━", count: width) + String(repeating: "·", count: 24 - width)
        let words = "\(plan.subject.rawValue), \(Cell.size(UInt64(plan.payloadBytes))) bytes, \(plan.mode.rawValue)"
        Output.error("\r\u{1b}[K" + Colour.cyan(bar, if: Colour.onError) + " " + words)
    }

    func clear() { if Output.errorIsTerminal { Output.error("\r\u{1b}[K") } }

    /// One subject with one payload and one way of waiting: what each workload gave.
    func show(_ results: [BenchResult]) {
        clear()
        if json {
            for result in results { Output.line(result.json.text) }
            return
        }
        guard let first = results.first else { return }
        var columns = [
            Colour.cyan(first.plan.subject.rawValue), Cell.size(UInt64(first.plan.payloadBytes)),
            first.plan.mode.rawValue,
        ]
        let latency = results.first { $0.plan.workload == .latency && $0.reason == nil }
        let stream = results.first { $0.plan.workload == .stream && $0.reason == nil }
        columns += [latency.map { Self.time($0.median) } ?? "-", latency?.p99.map { Self.time($0) } ?? "-"]
        let bytes = stream.map { $0.median * Double($0.plan.payloadBytes) }
        columns += [stream.map { Self.rate($0.median) } ?? "-", bytes.map { Cell.size(UInt64($0)) + "B/s" } ?? "-"]
        var line = cells(columns)
        if let reason = results.compactMap(\.reason).first { line += "  " + reason.printable }
        if results.contains(where: { $0.reason == nil && !$0.verified }) { line += "  " + Colour.red("✗ not as sent") }
        Output.line(line)
    }

    func end(_ notes: [String]) {
        if json { return }
        Output.line("")
        for note in notes { Output.line(note) }
    }

    private func cells(_ texts: [String]) -> String {
        texts.indices.map { texts[$0].padded(to: Self.widths[$0], right: $0 != 0 && $0 != 2) }.joined(separator: "  ")
    }

    static func time(_ nanoseconds: Double) -> String {
        nanoseconds < 1000 ? "\(Int(nanoseconds.rounded())) ns" : TourView.time(UInt64(nanoseconds))
    }

    /// `4.1 M/s`.
    static func rate(_ perSecond: Double) -> String {
        switch perSecond {
        case ..<1000: "\(Int(perSecond.rounded()))/s"
        case ..<1_000_000: Cell.fixed(perSecond / 1000, perSecond < 99_500 ? 1 : 0) + " k/s"
        default: Cell.fixed(perSecond / 1_000_000, perSecond < 99_500_000 ? 1 : 0) + " M/s"
        }
    }
}
