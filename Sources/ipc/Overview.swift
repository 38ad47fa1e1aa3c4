// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessInspection

/// `ipc` alone: what is on this host, in three lines, and what to try next.
enum Overview {
    static func show() throws {
        let view = HostView.read()
        let objects = view.objects.filter(ObjectRecord.isRemarkable)
        let topics = (try? TopicView.names().names) ?? []
        Output.line(counts(objects, topics: topics.count))
        Output.line(holders(objects))
        Output.line(notice(objects, view))
        Output.line("")
        for (command, explanation) in suggestions(objects) {
            Output.line("  \(Colour.cyan(command.padded(to: 44)))  \(explanation)")
        }
    }

    private static func counts(_ objects: [InspectedObject], topics: Int) -> String {
        var counts: [Address.Kind: Int] = topics > 0 ? [.topic: topics] : [:]
        for object in objects { counts[object.kind, default: 0] += 1 }
        let parts = Address.Kind.allCases.compactMap { kind in
            // "shared memory" has no plural of its own.
            counts[kind].map { "\($0) \(kind.title)\($0 == 1 || kind.title.hasSuffix("memory") ? "" : "s")" }
        }
        return parts.isEmpty
            ? "Nothing on this host is used to talk between processes." : "Here: \(parts.joined(separator: ", "))."
    }

    private static func holders(_ objects: [InspectedObject]) -> String {
        var programs: [String: Int] = [:]
        for object in objects {
            for holder in Set(object.holders.compactMap({ $0.relation == .open ? $0.command : nil })) {
                programs[holder, default: 0] += 1
            }
        }
        let ranked = programs.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.prefix(4)
        if ranked.isEmpty { return "No process that can be seen has any of them open." }
        return "Used most by: " + ranked.map { "\($0.key.printable) (\($0.value))" }.joined(separator: ", ") + "."
    }

    private static func notice(_ objects: [InspectedObject], _ view: HostView) -> String {
        if let full = objects.filter({ ($0.fraction ?? 0) >= 0.8 }).max(by: { ($0.fraction ?? 0) < ($1.fraction ?? 0) })
        {
            return Colour.yellow("Nearly full: \(full.address) (\(Int((full.fraction ?? 0) * 100)) %).")
        }
        if let part = ObjectRecord.missing(view).first { return "Not seen: \(part)." }
        return "Nothing is full."
    }

    private static func suggestions(_ objects: [InspectedObject]) -> [(String, String)] {
        let example = objects.first { $0.kind == .mq || $0.kind == .sysvMsg } ?? objects.first
        return [
            ("ipc list", "all of it, in a table"),
            ("ipc show \(example.map { "\($0.address)".printable } ?? "mq:/orders")", "one object, and who holds it"),
            ("ipc create fifo:/tmp/f", "make something to try"),
            ("ipc tour", "every mechanism at work, measured"),
            ("ipc --help", "all verbs"),
        ]
    }

    /// For completion: the addresses that there are.
    static func addresses(startingWith prefix: String) -> [String] {
        let view = HostView.read(HostView.Options(findsHolders: false))
        let topics = (try? TopicView.names().names) ?? []
        let live =
            view.objects.filter(ObjectRecord.isRemarkable).map(\.address.description) + topics.map { "topic:\($0)" }
        let kinds = [
            "fifo:", "unix:", "unix-datagram:", "unix-seqpacket:", "tcp:", "udp:", "mq:/", "sysv-msg:", "shm:/",
            "sysv-shm:",
            "sem:/", "sysv-sem:", "file:", "pid:", "topic:",
        ]
        return (live + kinds).filter { $0.hasPrefix(prefix) }
    }
}
