// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Interprocess
import InterprocessMessaging

/// How a topic is subscribed to.
struct TopicReadingOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Begin with the latest so many messages that are there, or with all. (default: none)", valueName: "n"),
        transform: TopicReadingOptions.history)
    var history: SubscriberOptions.History?

    @Flag(help: "Hold no publisher up: what is overwritten before it is read is missed, and told.")
    var lossy = false

    static func history(_ text: String) throws -> SubscriberOptions.History {
        if text == "all" { return .all }
        guard let count = Int(text), count >= 0 else { throw ValidationError("--history is a number, or all") }
        return count == 0 ? .none : .latest(count)
    }

    var reading: TopicReading { TopicReading(history: history ?? .none, isLossy: lossy) }

    /// For an address that the options are given with.
    func check(_ address: Address) throws {
        if address.kind != .topic, history != nil || lossy {
            throw ValidationError("--history and --lossy are for topics; a \(address.kind.title) has neither")
        }
    }
}

/// How a topic is published.
struct TopicWritingOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Wait for so many subscribers before the first message; 0 for none. (default: 1)", valueName: "n"))
    var waitFor: Int?

    @Option(
        help: ArgumentHelp(
            "Bytes that are kept for who is slow; a message takes a quarter at most. (default: 1MiB, or what the first needs)",
            valueName: "size"),
        transform: Read.size)
    var capacity: Int?

    func writing(waitsAtOnce: Bool = false) -> TopicWriting {
        TopicWriting(subscribers: waitFor ?? 1, capacityBytes: capacity, waitsAtOnce: waitsAtOnce)
    }

    /// For an address that the options are given with.
    func check(_ address: Address) throws {
        if address.kind != .topic, waitFor != nil || capacity != nil {
            throw ValidationError("--wait-for and --capacity are for topics; a \(address.kind.title) has neither")
        }
        if let waitFor, waitFor < 0 { throw ValidationError("--wait-for is a number from 0 up") }
        if let capacity, !(256...(1 << 30)).contains(capacity) {
            throw ValidationError("--capacity is a size from 256 to 1GiB")
        }
    }
}
