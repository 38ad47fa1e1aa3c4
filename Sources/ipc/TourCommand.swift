// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Interprocess
import InterprocessSyscalls
import SystemPackage

struct TourCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tour",
        abstract: "Pass a file between two processes through every mechanism; verify and time it.",
        discussion: """
            For each mechanism a second process is started; it receives FILE and tells
            its CRC-32, then takes 64-byte messages one at a time: the time that each is
            on its way, by the clock that both share, gives the median and the 99th
            percentile. Ends with 1 if anything did not arrive as it was sent.

            Examples:
              ipc tour
              ipc tour /usr/share/dict/words
              ipc tour --json | jq -r '[.mechanism, .bytesPerSecond] | @tsv'
            """)

    @Argument(
        help: ArgumentHelp("What to pass; without it, this program's own file.", valueName: "file"),
        completion: .file())
    var path: String?

    @Flag(help: "One JSON object a line and mechanism.")
    var json = false

    @Option(
        help: ArgumentHelp("How many messages measure the latency. (default: 500)", valueName: "n"),
        transform: Read.positive)
    var rounds: Int?

    func run() throws {
        Cleaning.onSignals()
        let file = try TourFile(try path.map { FilePath($0) } ?? sysRealPath("/proc/self/exe"))
        let directory = FilePath("\(sysEnvironmentVariable("TMPDIR") ?? "/tmp")/ipc-tour-\(sysProcessID())")
        try Cleaning.make(directory)
        let view = TourView(file: file, json: json)
        view.begin()
        var allVerified = true
        for mechanism in TourMechanism.allCases {
            let stop = TourStop(
                mechanism: mechanism, file: try file.prefix(mechanism.share(of: file.size)), directory: directory,
                rounds: rounds ?? 500,
                progress: { view.progress(mechanism, $0) })
            view.progress(mechanism, 0)
            let result = stop.run()
            view.show(result)
            allVerified = allVerified && result.verified
        }
        view.end(allVerified)
        if !allVerified { throw Failure("", exitCode: 1) }
    }
}
