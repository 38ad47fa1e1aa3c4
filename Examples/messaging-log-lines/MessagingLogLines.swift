// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessJSON
import InterprocessMessaging
import SystemPackage

/// What a worker says at its end.
struct Report: Codable, Sendable {
    var worker: Int
    var lines: Int
}

/// Workers that write their log lines to one topic, and a collector that has them all.
///
///     messaging-log-lines                        a collector and three workers, in a directory of their own
///     messaging-log-lines collect DIRECTORY      the collector alone, until three workers have come and gone
///     messaging-log-lines work DIRECTORY 1       a worker, also from another terminal
@main
struct MessagingLogLines {
    static func main() async throws {
        let words = CommandLine.arguments
        switch (words.dropFirst().first, words.count) {
        case (nil, _): try await all()
        case ("collect", 3): try await collect(Rendezvous(directory: FilePath(words[2])))
        case ("work", 4): try await work(Rendezvous(directory: FilePath(words[2])), Int(words[3]) ?? 0)
        default: fatalError("usage: messaging-log-lines [collect DIRECTORY | work DIRECTORY NUMBER]")
        }
    }

    static func work(_ rendezvous: Rendezvous, _ worker: Int) async throws {
        let log = try ByteTopic("log/lines", in: rendezvous).publisher()
        let reports = try CodableTopic("log/reports", of: Report.self, coder: JSONCoder(), in: rendezvous).publisher()
        guard try await log.waitForSubscribers(1, until: .after(.seconds(20))),
            try await reports.waitForSubscribers(1, until: .after(.seconds(20)))
        else { return }
        for number in 1...1000 {
            // Written into the log itself; a line is as long as it is.
            try await log.send(upTo: 200) { line in
                for byte in "worker \(worker): line \(number) of 1000".utf8 { line.append(byte) }
            }
        }
        try await reports.send(Report(worker: worker, lines: 1000))
    }

    static func collect(_ rendezvous: Rendezvous) async throws {
        let log = try await ByteTopic("log/lines", in: rendezvous).subscriber()
        let reports = try await CodableTopic("log/reports", of: Report.self, coder: JSONCoder(), in: rendezvous)
            .subscriber()
        // Messages and news come in one order: that a publisher has ended comes after its last line.
        var latest: [TopicPeer: [UInt8]] = [:]
        var counts: [TopicPeer: Int] = [:]
        var ends: [String] = []
        while ends.count < 3, let event = try await log.nextEvent(until: .after(.seconds(20))) {
            switch consume event {
            case .message(let line):
                let publisher = line.header.publisher
                counts[publisher, default: 0] += 1
                latest[publisher] = line.bytes.indices.map { line.bytes[$0] }
            case .notice(.ended(let publisher)):
                ends.append(
                    "\(counts[publisher] ?? 0) lines, the last: "
                        + String(decoding: latest[publisher] ?? [], as: UTF8.self))
            case .notice: break
            }
        }
        for end in ends.sorted() { print(end) }
        var sum = 0
        for _ in 0..<3 { sum += try await reports.next(until: .after(.seconds(20)))?.lines ?? 0 }
        print("the workers report \(sum) lines")
    }

    static func all() async throws {
        let directory = "/tmp/interprocess-log-\(try ProcessHandle.current().processID)"
        let collector = try ProcessHandle.spawn(.thisProgram(["collect", directory]))
        // They are not waited for: their ends come over the topic.
        for number in 1...3 { _ = try ProcessHandle.spawn(.thisProgram(["work", directory, "\(number)"])) }
        let end = try await collector.exit()
        if end.code != 0 { print("the collector ended with \(end)") }
        _ = try await ProcessHandle.spawn(ProcessCommand("rm", ["-r", directory])).exit()
    }
}
