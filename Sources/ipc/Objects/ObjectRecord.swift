// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessInspection
import InterprocessSyscalls

/// An object of the host as a row of `list` and as the JSON of `list` and `show`.
enum ObjectRecord {
    static let columns = [
        Column(name: "address", title: "ADDRESS", explanation: "kind:name; what every verb takes", colour: .cyan),
        Column(name: "owner", title: "OWNER", explanation: "the user whose it is"),
        Column(name: "mode", title: "MODE", explanation: "who may use it"),
        Column(name: "messages", title: "MESSAGES", explanation: "messages (or connections) that wait in it"),
        Column(name: "size", title: "SIZE", explanation: "bytes that wait in it; of memory, how large it is"),
        Column(name: "value", title: "VALUE", explanation: "what a semaphore has to give; of a set, each"),
        Column(name: "used", title: "USED", explanation: "how full it is, in percent"),
        Column(name: "holders", title: "HOLDERS", explanation: "processes that have it open or in their memory"),
        Column(name: "kind", title: "KIND", explanation: "the kind alone", isDefault: false),
        Column(name: "group", title: "GROUP", explanation: "the group whose it is", isDefault: false),
        Column(name: "limit", title: "LIMIT", explanation: "bytes that it can hold", isDefault: false),
        Column(name: "max", title: "MAX", explanation: "messages (or connections) that it can hold", isDefault: false),
        Column(name: "state", title: "STATE", explanation: "what a socket or a process does", isDefault: false),
        Column(name: "age", title: "AGE", explanation: "time since something happened to it", isDefault: false),
        Column(name: "pids", title: "PIDS", explanation: "process numbers of the holders", isDefault: false),
        Column(name: "also", title: "ALSO", explanation: "other addresses of the same object", isDefault: false),
        Column(name: "type", title: "TYPE", explanation: "what a topic carries", isDefault: false),
        Column(name: "publishers", title: "PUBLISHERS", explanation: "how many publish a topic", isDefault: false),
        Column(
            name: "subscribers", title: "SUBSCRIBERS", explanation: "how many subscribe to a topic", isDefault: false),
    ]

    /// Topics alone are told by how many are at each end.
    static func columns(for kinds: [String]) -> [Column] {
        guard !kinds.isEmpty, kinds.allSatisfy({ $0 == "topic" || $0 == "topic:" }) else { return columns }
        let shown = ["address", "owner", "publishers", "subscribers", "type", "size", "used", "holders"]
        let first = shown.compactMap { name in columns.first { $0.name == name } }
        return (first + columns.filter { !shown.contains($0.name) }).map { column in
            var column = column
            column.isDefault = shown.contains(column.name)
            return column
        }
    }

    static func row(_ object: InspectedObject) -> Record {
        let open = users(object)
        let programs = open.map { "\($0.command ?? "?")(\($0.processID))" }
        return Record(cells: [
            ("address", .text("\(object.address)")),
            ("owner", object.owner.map { .text("\($0)") } ?? .none),
            ("mode", object.permissions.map { .mode(UInt16($0.rawValue & 0o7777)) } ?? .none),
            ("messages", object.usedCount.map { .integer(Int64(clamping: $0)) } ?? .none),
            ("size", object.usedBytes.map { .bytes($0) } ?? .none),
            ("value", value(object)),
            ("used", object.fraction.map { .share($0) } ?? .none),
            ("holders", programs.isEmpty ? .none : .text(programs.joined(separator: " "))),
            ("kind", .text(object.kind.rawValue)),
            ("group", object.groupID.map { .text(sysGroupName($0) ?? "\($0)") } ?? .none),
            ("limit", object.limitBytes.map { .bytes($0) } ?? .none),
            ("max", object.limitCount.map { .integer(Int64(clamping: $0)) } ?? .none),
            ("state", state(object).map { .text($0) } ?? .none),
            ("age", age(object).map { .duration($0) } ?? .none),
            ("pids", open.isEmpty ? .none : .text(open.map { "\($0.processID)" }.joined(separator: ","))),
            (
                "also",
                object.otherAddresses.isEmpty
                    ? .none : .text(object.otherAddresses.map(\.description).joined(separator: " "))
            ),
        ])
    }

    static func age(_ object: InspectedObject) -> Double? {
        object.lastChange.map { max(0, Double(sysRealtimeNanoseconds()) / 1e9 - Double($0)) }
    }

    /// Each process once that has it open or in its memory, or holds a lock on it.
    static func users(_ object: InspectedObject) -> [Holder] {
        var users: [Holder] = []
        for holder in object.holders where [.open, .maps, .attached, .holdsLock].contains(holder.relation) {
            if !users.contains(where: { $0.processID == holder.processID }) { users.append(holder) }
        }
        return users
    }

    static func value(_ object: InspectedObject) -> Cell {
        switch object.details {
        case .semaphore(let semaphore): semaphore.value.map { .integer(Int64($0)) } ?? .none
        case .systemVSemaphores(let set):
            set.values.map { .text($0.map { "\($0)" }.joined(separator: ",")) } ?? .none
        default: .none
        }
    }

    static func state(_ object: InspectedObject) -> String? {
        switch object.details {
        case .unix(let socket): socket.state.rawValue
        case .internet(let socket): socket.state.rawValue
        case .process(let process): process.state
        default: nil
        }
    }

    /// The whole object: what every kind has, then what only this kind has, then who holds it.
    static func json(_ object: InspectedObject) -> JSON {
        var members: [(String, JSON)] = [
            ("schema", .integer(1)), ("kind", .string(object.kind.rawValue)), ("address", .string("\(object.address)")),
        ]
        func add(_ key: String, _ value: JSON?) {
            if let value, !members.contains(where: { $0.0 == key }) { members.append((key, value)) }
        }
        if !object.otherAddresses.isEmpty {
            add("otherAddresses", .array(object.otherAddresses.map { .string("\($0)") }))
        }
        add("owner", object.owner.map { .string("\($0)") })
        add("ownerID", object.owner.map { .integer(Int64($0.id)) })
        add("group", object.groupID.map { .string(sysGroupName($0) ?? "\($0)") })
        add("groupID", object.groupID.map { .integer(Int64($0)) })
        add("mode", object.permissions.map { .string(Quantity.text(permissions: $0)) })
        add("usedBytes", object.usedBytes.map { .unsigned($0) })
        add("limitBytes", object.limitBytes.map { .unsigned($0) })
        add("usedCount", object.usedCount.map { .unsigned($0) })
        add("limitCount", object.limitCount.map { .unsigned($0) })
        add("used", object.fraction.map { .double(($0 * 10000).rounded() / 10000) })
        add("lastChange", object.lastChange.map { .integer($0) })
        for fact in object.facts { add(fact.key, json(fact.value)) }
        add("holders", .array(object.holders.map(json)))
        add("holdersComplete", .bool(object.holdersAreComplete))
        return .object(members)
    }

    private static func json(_ value: Fact.Value) -> JSON {
        switch value {
        case .text(let text): .string(text)
        case .number(let number), .bytes(let number): .unsigned(number)
        case .flag(let flag): .bool(flag)
        case .time(let time): .integer(time)
        case .list(let values): .array(values.map(json))
        case .group(let facts): .object(facts.map { ($0.key, json($0.value)) })
        }
    }

    private static func json(_ holder: Holder) -> JSON {
        var members: [(String, JSON)] = [("pid", .integer(Int64(holder.processID)))]
        if let command = holder.command { members.append(("command", .string(command))) }
        if let user = holder.user { members.append(("user", .string("\(user)"))) }
        members.append(("relation", .string(holder.relation.rawValue)))
        members.append(
            (
                "descriptors",
                .array(
                    holder.descriptors.map { descriptor in
                        .object([
                            ("number", .integer(Int64(descriptor.number))), ("reads", .bool(descriptor.canRead)),
                            ("writes", .bool(descriptor.canWrite)),
                        ])
                    })
            ))
        if let bytes = holder.mappedBytes { members.append(("mappedBytes", .unsigned(bytes))) }
        members.append(("alive", .bool(holder.isAlive)))
        return .object(members)
    }
}
