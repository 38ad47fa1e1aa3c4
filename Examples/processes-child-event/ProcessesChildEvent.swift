// SPDX-License-Identifier: Apache-2.0
import Interprocess

/// The end of a child is an event like any other: awaited beside a pipe, without SIGCHLD and without a thread that waits.
@main
struct ProcessesChildEvent {
    static func main() async throws {
        let pipe = try PipePair()
        var command = ProcessCommand.shell("echo working; exec sleep 600")
        command.descriptors = [0: .null, 1: .number(pipe.writer.rawValue), 2: 2]
        let worker = try ProcessHandle.spawn(command)
        let quick = try ProcessHandle.spawn(.shell("exit 3"))

        let events = WaitAny([try worker.exitReadiness(), try quick.exitReadiness(), try pipe.reader.readable()])
        var news = Set<String>()
        while news.count < 2 {
            switch try await events.first() {
            case 1:
                if let end = try quick.tryExit() { news.insert("the quick one exited with \(end.code ?? -1)") }
            case 2:
                guard case .bytes(let bytes) = try pipe.reader.tryRead() else { continue }
                news.insert("the worker says: \(String(decoding: bytes.dropLast(), as: UTF8.self))")
            default: break
            }
        }
        for line in news.sorted() { print(line) }

        // Asked to end, and made to if it does not in time.
        let end = try await worker.terminate(grace: .seconds(5))
        print("the worker was ended by \(end.signal.map { "\($0)" } ?? "nothing")")
        // Who waits for any process may do so: this one was started by somebody else.
        let stranger = try ProcessHandle(processID: try ProcessHandle.parent().processID)
        print("my parent still runs: \(try await !stranger.ended(until: .now))")
    }
}
