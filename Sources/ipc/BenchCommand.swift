// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Interprocess
import InterprocessSyscalls
import SystemPackage

struct BenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Measure topics against the kernel's own mechanisms on this host.",
        discussion: """
            Two processes, each held on a processor of its own; every message is filled,
            and every byte of it checked. Latency is half of the way there and back, for
            a message at a time: the median, and the 99th percentile. Stream is as many
            as go through. In busy mode both look again and again, in blocking mode they
            sleep until something comes, in blocking-one-cpu they also share a processor.

            Examples:
              ipc bench
              ipc bench topic pipe --payload 64,4K,1MiB --mode busy
              ipc bench --workload latency --mode blocking-one-cpu
              ipc bench --json | jq -r '[.subject, .workload, .median] | @tsv'
            """)

    @Argument(
        help: ArgumentHelp(
            "Only these: \(BenchSubject.allCases.map(\.rawValue).joined(separator: ", ")).", valueName: "subject"),
        completion: .list(BenchSubject.allCases.map(\.rawValue)))
    var subjects: [String] = []

    @Option(
        help: ArgumentHelp("Bytes of a message; several with commas. (default: 64,64K)", valueName: "size,…"),
        transform: BenchCommand.sizes)
    var payload: [Int]?

    @Option(
        help: ArgumentHelp(
            "busy, blocking, blocking-one-cpu; several with commas. (default: busy,blocking)", valueName: "mode,…"),
        transform: { try BenchCommand.words($0, "mode") })
    var mode: [BenchMode]?

    @Option(
        help: ArgumentHelp("latency, stream; several with commas. (default: both)", valueName: "workload,…"),
        transform: { try BenchCommand.words($0, "workload") })
    var workload: [BenchWorkload]?

    @Option(
        help: ArgumentHelp("How long each is measured, up to 1m. (default: 250ms)", valueName: "duration"),
        transform: Read.duration)
    var duration: Duration?

    @Flag(help: "One JSON object a line and measurement.")
    var json = false

    static func sizes(_ text: String) throws -> [Int] {
        let sizes = try text.split(separator: ",").map { try Read.size(String($0)) }
        guard !sizes.isEmpty, sizes.allSatisfy({ (1...(64 << 20)).contains($0) }) else {
            throw ValidationError("a payload is a size from 1 to 64MiB")
        }
        return sizes
    }

    static func words<Word: RawRepresentable<String> & CaseIterable>(_ text: String, _ what: String) throws -> [Word] {
        let words = text.split(separator: ",").map(String.init)
        if words.isEmpty { throw ValidationError("which \(what)?") }
        return try words.map { word in
            if let value = Word(rawValue: word) { return value }
            let all = Word.allCases.map(\.rawValue)
            let guess = Suggestion.closest(to: word, among: all).map { "; did you mean \"\($0)\"?" } ?? ""
            throw ValidationError("there is no \(what) \"\(word)\"\(guess) There are: \(all.joined(separator: ", "))")
        }
    }

    func validate() throws {
        if let duration, duration <= .zero || duration > .seconds(60) {
            throw ValidationError("--duration is up to 1m: each measurement takes that long")
        }
        for word in subjects { _ = try BenchCommand.words(word, "subject") as [BenchSubject] }
    }

    func run() throws {
        Cleaning.onSignals()
        let chosen = try subjects.flatMap { try BenchCommand.words($0, "subject") as [BenchSubject] }
        let processors = sysProcessors()
        let cases = plan(chosen.isEmpty ? BenchSubject.allCases : chosen, processors)
        let directory = FilePath("\(sysEnvironmentVariable("TMPDIR") ?? "/tmp")/ipc-bench-\(sysProcessID())")
        if cases.contains(where: { $0[0].subject == .topic }) { try Cleaning.make(directory) }
        try BenchWatch.start()
        let view = BenchView(json: json)
        view.begin("Two processes, \(processors.count) processor\(processors.count == 1 ? "" : "s")")
        var done = 0
        var allRight = true
        for group in cases {
            var results: [BenchResult] = []
            for plan in group {
                view.progress(plan, done, of: cases.reduce(0) { $0 + $1.count })
                results.append(BenchStop(plan: plan, directory: directory).run())
                BenchWatch.end()
                done += 1
            }
            view.show(results)
            allRight = allRight && results.allSatisfy { $0.reason != nil || $0.verified }
        }
        view.end(notes(processors.count))
        if !allRight { throw Failure("not every message arrived as it was sent") }
    }

    /// What shares a line of the table stands together.
    private func plan(_ subjects: [BenchSubject], _ processors: [Int32]) -> [[BenchCase]] {
        var groups: [[BenchCase]] = []
        for mode in mode ?? [.busy, .blocking] {
            for payload in payload ?? [64, 65536] {
                for subject in subjects {
                    groups.append(
                        (workload ?? BenchWorkload.allCases).map { workload in
                            BenchCase(
                                subject: subject, workload: workload, payloadBytes: payload, mode: mode,
                                processors: mode.processors(of: processors), duration: duration ?? .milliseconds(250))
                        })
                }
            }
        }
        return groups
    }

    private func notes(_ processors: Int) -> [String] {
        var notes = ["One way: half of the way there and back. Every byte is filled, and checked."]
        #if DEBUG
            notes.append("This is a debug build: it measures itself. Build with -c release.")
        #endif
        if processors < 2 { notes.append("There is one processor: busy processes wait for each other.") }
        return notes
    }
}
