// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessMessaging
import InterprocessSyscalls
import SystemPackage

/// A topic as a row of `list` and as the JSON of `list` and `show`.
extension TopicView {
    var owner: String { sysUserName(status.user) ?? "\(status.user)" }
    var group: String { sysGroupName(status.group) ?? "\(status.group)" }
    var mode: UInt16 { UInt16(truncatingIfNeeded: status.permissions & 0o7777) }
    var capacityBytes: UInt64 { publishers.reduce(0) { $0 &+ UInt64(clamping: $1.report.capacityBytes) } }
    var retainedBytes: UInt64 { publishers.reduce(0) { $0 &+ $1.report.retainedBytes } }

    /// Share of the fullest log that somebody has still to read.
    var fraction: Double? {
        publishers.flatMap { publisher in
            publisher.report.readers.map { reader in
                Double(publisher.backlogBytes(reader)) / Double(max(1, publisher.report.capacityBytes))
            }
        }.max()
    }

    /// Publishers first, then subscribers; each process once of each.
    var holders: [(process: Int32, user: UInt32, relation: String)] {
        var holders: [(process: Int32, user: UInt32, relation: String)] = []
        func add(_ who: PeerCredentials, _ relation: String) {
            if holders.contains(where: { $0.process == who.processID && $0.relation == relation }) { return }
            holders.append((who.processID, who.userID, relation))
        }
        for publisher in publishers { add(publisher.identity.credentials, "publishes") }
        for publisher in silent.compactMap(\.publisher) { add(publisher.credentials, "publishes") }
        for reader in subscribers { add(reader.credentials, "subscribes") }
        return holders
    }

    private var processes: [Int32] {
        var processes: [Int32] = []
        for holder in holders where !processes.contains(holder.process) { processes.append(holder.process) }
        return processes
    }

    var row: Record {
        let processes = processes
        let programs = processes.map { (TopicView.command($0) ?? "?") + "(\($0))" }
        return Record(cells: [
            ("address", .text("\(address)")), ("owner", .text(owner)), ("mode", .mode(mode)),
            ("size", .bytes(backlogBytes)), ("used", fraction.map { .share($0) } ?? .none),
            ("holders", programs.isEmpty ? .none : .text(programs.joined(separator: " "))),
            ("kind", .text(Address.Kind.topic.rawValue)), ("group", .text(group)), ("limit", .bytes(capacityBytes)),
            ("type", types.isEmpty ? .none : .text(types.joined(separator: ", "))),
            ("pids", processes.isEmpty ? .none : .text(processes.map { "\($0)" }.joined(separator: ","))),
            ("publishers", .integer(Int64(publishers.count + silent.count))),
            ("subscribers", .integer(Int64(subscriberCount))),
        ])
    }

    /// What the JSON of a row has beyond its columns.
    var extra: [(String, JSON)] {
        [("holderPIDs", .array(processes.map { .integer(Int64($0)) }))]
    }

    static func command(_ process: Int32) -> String? {
        guard let text = try? sysReadFile(FilePath("/proc/\(process)/comm"), limit: 64) else { return nil }
        return String(decoding: text, as: UTF8.self).split(separator: "\n").first.map(String.init)
    }

    // MARK: JSON of `show`

    var json: JSON {
        var members: [(String, JSON)] = [
            ("schema", .integer(1)), ("kind", .string("topic")), ("address", .string("\(address)")),
            ("directory", .string("\(directory)")), ("owner", .string(owner)),
            ("ownerID", .integer(Int64(status.user))),
            ("group", .string(group)), ("groupID", .integer(Int64(status.group))), ("mode", .string(Cell.octal(mode))),
            ("types", .array(types.map { .string($0) })), ("usedBytes", .unsigned(backlogBytes)),
            ("limitBytes", .unsigned(capacityBytes)), ("retainedBytes", .unsigned(retainedBytes)),
        ]
        if let fraction { members.append(("used", .double((fraction * 10000).rounded() / 10000))) }
        if let rate { members.append(("rate", .double((rate * 10).rounded() / 10))) }
        members += [
            ("publisherCount", .integer(Int64(publishers.count + silent.count))),
            ("subscriberCount", .integer(Int64(subscriberCount))),
            ("missed", .unsigned(subscribers.reduce(0) { $0 &+ $1.missed })),
            ("memoryBytes", .unsigned(publishers.reduce(0) { $0 &+ $1.report.memoryBytes })),
            ("descriptors", .integer(Int64(publishers.reduce(0) { $0 + $1.report.descriptors }))),
            ("publishers", .array(publishers.map(\.json))), ("silent", .array(silent.map(TopicView.json))),
        ]
        let holders = holders.map { holder -> JSON in
            var members: [(String, JSON)] = [("pid", .integer(Int64(holder.process)))]
            if let command = TopicView.command(holder.process) { members.append(("command", .string(command))) }
            members.append(("user", .string(sysUserName(holder.user) ?? "\(holder.user)")))
            members.append(("relation", .string(holder.relation)))
            return .object(members)
        }
        return .object(
            members + [("holders", .array(holders)), ("holdersComplete", .bool(silent.isEmpty))])
    }

    /// Messages a second of all publishers together.
    var rate: Double? {
        let rates = publishers.compactMap(\.rate)
        return rates.isEmpty ? nil : rates.reduce(0, +)
    }

    private static func json(_ silent: ChannelObservation.Failure) -> JSON {
        var members: [(String, JSON)] = [("id", .string(TopicLabel.hexadecimal(silent.publisherID)))]
        if let publisher = silent.publisher { members += json(publisher.credentials) }
        return .object(members + [("reason", .string(Failure(silent.error).description))])
    }

    fileprivate static func json(_ who: PeerCredentials) -> [(String, JSON)] {
        var members: [(String, JSON)] = [("pid", .integer(Int64(who.processID)))]
        if let command = command(who.processID) { members.append(("command", .string(command))) }
        return members + [("uid", .integer(Int64(who.userID))), ("gid", .integer(Int64(who.groupID)))]
    }
}

extension TopicView.Publisher {
    var json: JSON {
        var members: [(String, JSON)] = [("id", .string(TopicLabel.hexadecimal(identity.publisherID)))]
        members += TopicView.json(identity.credentials)
        members.append(("payload", payload))
        members += [
            ("messages", .unsigned(report.sequence)), ("capacityBytes", .integer(Int64(report.capacityBytes))),
            ("retainedBytes", .unsigned(report.retainedBytes)), ("fields", fieldNames),
            ("memoryBytes", .unsigned(report.memoryBytes)), ("descriptors", .integer(Int64(report.descriptors))),
        ]
        if let rate { members.append(("rate", .double((rate * 10).rounded() / 10))) }
        let readers = report.readers.map { reader -> JSON in
            .object(
                TopicView.json(reader.credentials) + [
                    ("lossless", .bool(reader.isLossless)), ("sleeping", .bool(reader.isSleeping)),
                    ("putOut", .bool(reader.isEvicted)), ("backlog", .unsigned(reader.backlog)),
                    ("backlogBytes", .unsigned(backlogBytes(reader))), ("missed", .unsigned(reader.missed)),
                    ("slow", .bool(isSlow(reader))),
                ])
        }
        return .object(members + [("subscribers", .array(readers))])
    }

    /// `null` for bytes: every length is right.
    private var payload: JSON {
        guard let fixed = report.payload.fixed else { return .null }
        return .object([
            ("type", .string(fixed.typeName)), ("sizeBytes", .integer(Int64(fixed.sizeBytes))),
            ("strideBytes", .integer(Int64(fixed.strideBytes))),
            ("alignmentBytes", .integer(Int64(fixed.alignmentBytes))), ("version", .unsigned(UInt64(fixed.version))),
        ])
    }

    private var fieldNames: JSON {
        guard let fields else { return .array([]) }
        var names: [JSON] = []
        if fields.timestampOffset > 0 { names.append(.string("timestamp")) }
        if fields.traceContextOffset > 0 { names.append(.string("traceContext")) }
        if fields.userHeaderBytes > 0 { names.append(.string("header")) }
        return .array(names)
    }
}
