// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessMessaging
import InterprocessSyscalls
import SystemPackage

/// What `show` prints of a topic.
extension TopicView {
    func text(exactBytes: Bool) -> String {
        var lines: [(String, String)] = [
            ("owner", owner), ("group", group), ("mode", Cell.octal(mode)), ("directory", "\(directory)"),
            ("type", types.isEmpty ? "whatever its first publisher will say" : typeWords),
            ("publishers", "\(publishers.count + silent.count)"), ("subscribers", "\(subscriberCount)"),
        ]
        let size = { (bytes: UInt64) in Cell.bytes(bytes).display(exactBytes: exactBytes) }
        if let rate { lines.append(("rate", BenchView.rate(rate) + " messages")) }
        if !publishers.isEmpty {
            let share = fraction.map { ", \(Int(($0 * 100).rounded()))% of a log" } ?? ""
            lines.append(("backlog", "\(size(backlogBytes)) bytes\(share)"))
            lines.append(("retained", "\(size(retainedBytes)) of \(size(capacityBytes)) bytes"))
            lines.append(("missed", "\(subscribers.reduce(0) { $0 &+ $1.missed })"))
            let memory = publishers.reduce(0) { $0 &+ $1.report.memoryBytes }
            let descriptors = publishers.reduce(0) { $0 + $1.report.descriptors }
            lines.append(("memory", "\(size(memory)) bytes, \(descriptors) descriptors"))
        }
        let width = lines.map(\.0.displayWidth).max() ?? 0
        var text = Colour.bold("\(address)".printable) + "  " + Colour.dim(address.kind.title) + "\n"
        for (name, value) in lines { text += "  \(name.padded(to: width))  \(value.printable)\n" }
        for publisher in publishers { text += words(publisher, exactBytes) }
        for failure in silent {
            let who = failure.publisher.map { TopicView.words($0.credentials) } ?? "a publisher"
            text += "  \(Colour.yellow(who)) does not answer: \(Failure(failure.error).description.printable)\n"
        }
        if publishers.isEmpty, silent.isEmpty {
            text += "  nobody publishes it; who waits for a publisher cannot be seen\n"
        }
        return text
    }

    private var typeWords: String {
        var words: [String] = []
        for publisher in publishers where !words.contains(publisher.report.payload.text) {
            words.append(publisher.report.payload.text)
        }
        return words.joined(separator: "; ")
    }

    private func words(_ publisher: Publisher, _ exactBytes: Bool) -> String {
        let report = publisher.report
        let size = { (bytes: UInt64) in Cell.bytes(bytes).display(exactBytes: exactBytes) }
        var text = "  " + Colour.cyan(TopicView.words(publisher.identity.credentials)) + " publishes: "
        text += "\(report.sequence) message\(report.sequence == 1 ? "" : "s") so far"
        if let rate = publisher.rate { text += ", \(BenchView.rate(rate))" }
        text += ", keeps \(size(report.retainedBytes)) of \(size(UInt64(clamping: report.capacityBytes))) bytes\n"
        for reader in report.readers {
            text += "    " + Colour.cyan(TopicView.words(reader.credentials)) + " subscribes"
            if !reader.isLossless { text += ", lossy" }
            if reader.isSleeping { text += ", sleeps" }
            if reader.backlog > 0 {
                text += ", \(reader.backlog) message\(reader.backlog == 1 ? "" : "s") behind"
            }
            if reader.missed > 0 { text += ", missed \(reader.missed)" }
            if reader.isEvicted {
                text += ", " + Colour.red("put out")
            } else if publisher.isSlow(reader) {
                text += ", " + Colour.yellow("slow")
            }
            text += "\n"
        }
        return text
    }

    private static func words(_ who: PeerCredentials) -> String {
        "\(command(who.processID) ?? "?") (\(who.processID))".printable
            + ", \(sysUserName(who.userID) ?? "\(who.userID)")"
    }
}
