// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessMessaging
import InterprocessSyscalls
import SystemPackage

/// The other process of the tests of messaging: publishes or subscribes proofs until it has done so many, or is killed.
///
///     messaging-peer publish DIRECTORY typed|bytes id=7 count=1000 waiting=blocking subscribers=1 note=FILE
///     messaging-peer subscribe DIRECTORY typed|bytes delivery=lossy style=copy count=1000
///
/// `kill=N` kills it in place of the library's system call number N, `record` counts them: debug builds only. It says `open`, and `first` with the first message; at the end a line for each sender. What is torn, lost, duplicated or out of order
/// ends it with a line that begins with `VIOLATION`.
@main
struct MessagingPeer {
    let kind: ProofKind
    let directory: String
    let options: [String: String]

    static func main() async {
        let words = CommandLine.arguments
        guard words.count >= 4, let kind = ProofKind(rawValue: words[3]) else {
            say("usage: messaging-peer publish|subscribe DIRECTORY typed|bytes [key=value …]")
            return
        }
        var options: [String: String] = [:]
        for word in words.dropFirst(4) {
            let parts = word.split(separator: "=", maxSplits: 1).map(String.init)
            options[parts[0]] = parts.count > 1 ? parts[1] : ""
        }
        let peer = MessagingPeer(kind: kind, directory: words[2], options: options)
        // In place of this call of the library, counted over all threads.
        if let number = options["kill"].flatMap({ Int($0) }) { Faults.kill(number: number) }
        if options["record"] != nil { Faults.startRecording() }
        do {
            if words[1] == "publish" { try await peer.publish() } else { try await peer.subscribe() }
        } catch {
            say(error is Violation ? "VIOLATION \(error)" : "error \(error)")
        }
        if options["record"] != nil { say("calls \(Faults.stopRecording().count)") }
    }

    static func say(_ line: String) { _ = try? FileDescriptor.standardOutput.writeAll(Array((line + "\n").utf8)) }

    func number(_ key: String, _ standard: UInt64) -> UInt64 { options[key].flatMap { UInt64($0) } ?? standard }

    var waiting: WaitStrategy {
        switch options["waiting"] {
        case "spinning": .spinning
        case "adaptive": .standard
        default: .blocking
        }
    }

    // MARK: Publishing

    func publish() async throws {
        let note = try options["note"].map { try MappedFile(FilePath($0)).map() }
        let sender = try kind.sender(
            directory, number("id", 1),
            PublisherOptions(waiting: waiting, stallLimit: .milliseconds(Int(number("stall", 60_000)))),
            capacity: Int(number("capacity", 8)))
        Self.say("open")
        let wanted = Int(number("subscribers", 0))
        guard try sender.waitForSubscribers(wanted, until: .after(.seconds(20))) else {
            throw Violation("\(wanted) subscribers did not come")
        }
        for round in 0..<number("count", .max) {
            if options["style"] == "async" {
                try await sender.awaitSend(round, until: .after(.seconds(20)))
            } else if try !sender.send(round, until: .after(.seconds(20))) {
                throw Violation("no room for 20 s")
            }
            note?.store(round + 1)
            if round == 0 { try forkIfAsked() }
            if round == 0 { Self.say("first") }
        }
        Self.say("sent \(number("count", .max))")
        if options["stay"] != nil { try? await Task.sleep(for: .seconds(600)) }
    }

    /// A child that does nothing for a while and outlives its parent.
    private func forkIfAsked() throws {
        guard options["fork"] != nil else { return }
        _ = try TestSyscalls.forkChild {
            TestSyscalls.sleep(nanoseconds: 4_000_000_000)
            return 0
        }
    }

    // MARK: Subscribing

    func subscribe() async throws {
        let isLossless = options["delivery"] != "lossy"
        let receiver = try kind.receiver(
            directory,
            SubscriberOptions(
                history: options["history"] == "all" ? .all : .none, delivery: isLossless ? .lossless : .lossy,
                waiting: waiting, endsWithLastPublisher: true))
        Self.say("open")
        var ledger = Ledger(isLossless: isLossless)
        do throws(IPCError) { try await take(from: receiver, &ledger) } catch {
            Self.say("ended \(error.code)")
        }
        for (sender, line) in ledger.lines { Self.say("received \(sender) \(line.first) \(line.next) \(line.count)") }
        Self.say("done")
    }

    private func take(from receiver: any ProofReceiver, _ ledger: inout Ledger) async throws(IPCError) {
        for round in 0..<number("count", .max) {
            let stamp: Stamp?
            switch options["style"] {
            case "async": stamp = try await receiver.next(until: .after(.seconds(60)))
            case "copy": stamp = try receiver.copyNext()
            case "hold":
                stamp = try receiver.hold {
                    try? forkIfAsked()
                    Self.say("holds")
                    _ = try? PrivateSemaphore(initialValue: 0).wait(until: .after(.seconds(600)))
                }
            default: stamp = try receiver.receive(until: .after(.seconds(60)))
            }
            guard let stamp else { return Self.say("ended none") }
            do throws(Violation) { try ledger.note(stamp) } catch {
                Self.say("VIOLATION \(error)")
                return
            }
            if round == 0 { Self.say("first") }
        }
    }
}
