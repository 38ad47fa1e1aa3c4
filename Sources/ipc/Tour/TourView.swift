// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls

/// What the tour shows while it runs and as it goes.
struct TourView {
    let file: TourFile
    let json: Bool
    /// Whether the explanation fits beside the numbers.
    private let isWide = (Output.columns ?? 200) >= 130

    init(file: TourFile, json: Bool) {
        self.file = file
        self.json = json
    }

    private static let heads = ["MECHANISM", "BYTES", "VERIFIED", "THROUGHPUT", "MEDIAN", "P99"]
    private static let widths = [17, 7, 9, 11, 9, 9]

    func begin() {
        if json { return }
        let path = "\(file.path)".printable
        Output.line("\(path): \(file.size) bytes, \(CRC32.text(file.checksum)), from one process to another")
        Output.line("")
        let line = cells(TourView.heads) + (isWide ? "  GOOD FOR" : "")
        Output.line(Colour.bold(line))
    }

    func progress(_ mechanism: TourMechanism, _ share: Double) {
        guard Output.errorIsTerminal, !json || !Output.isTerminal else { return }
        let done = Int(share * 24)
        let bar = String(repeating: "━", count: done) + String(repeating: "·", count: 24 - done)
        Output.error("\r\u{1b}[K" + mechanism.title.padded(to: 19) + Colour.cyan(bar, if: Colour.onError))
    }

    func show(_ result: TourResult) {
        if Output.errorIsTerminal { Output.error("\r\u{1b}[K") }
        if json { return Output.line(result.json.text) }
        let mark = result.verified ? Colour.green("✓ same") : Colour.red(result.reason == nil ? "✗ differs" : "✗ no")
        if let reason = result.reason {
            return Output.line(cells([result.mechanism.title, "-", mark, "-", "-", "-"]) + "  " + reason.printable)
        }
        let line = cells([
            Colour.cyan(result.mechanism.title), Cell.size(UInt64(result.bytes)), mark,
            Cell.size(UInt64(result.bytesPerSecond)) + "B/s", TourView.time(result.medianNanoseconds),
            TourView.time(result.p99Nanoseconds),
        ])
        if isWide { return Output.line(line + "  " + result.mechanism.goodFor) }
        Output.line(line)
        Output.line("  " + Colour.dim(result.mechanism.goodFor))
    }

    func end(_ allVerified: Bool) {
        if json { return }
        Output.line("")
        Output.line(
            allVerified
                ? "Everything arrived as it was sent. Median and p99: a 64-byte message, one way."
                : Colour.red("Not everything could be verified.") + " Median and p99: a 64-byte message, one way.")
    }

    private func cells(_ texts: [String]) -> String {
        texts.indices.map { texts[$0].padded(to: TourView.widths[$0], right: $0 != 0 && $0 != 2) }
            .joined(separator: "  ")
    }

    static func time(_ nanoseconds: UInt64) -> String {
        switch nanoseconds {
        case ..<10_000: Cell.fixed(Double(nanoseconds) / 1000, 1) + " µs"
        case ..<1_000_000: "\(nanoseconds / 1000) µs"
        case ..<10_000_000: Cell.fixed(Double(nanoseconds) / 1_000_000, 1) + " ms"
        default: "\(nanoseconds / 1_000_000) ms"
        }
    }
}
