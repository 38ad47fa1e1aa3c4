// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Interprocess
import InterprocessInspection
import InterprocessSyscalls
import SystemPackage

struct ShowCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Everything about one object, and who has it open.",
        discussion: """
            Examples:
              ipc show mq:/orders
              ipc show sysv-msg:0x2a --json
              ipc show tcp:127.0.0.1:8080
            """)

    @Argument(help: .address, completion: .addresses, transform: Read.address)
    var address: Address

    @Flag(help: "One JSON object on one line: kind, address, owner, mode, sizes and counts, holders.")
    var json = false

    @Flag(name: [.short, .long], help: "Sizes as exact numbers of bytes.")
    var bytes = false

    func run() throws {
        if case .path(let path) = address.name, address.kind == .file { return try showFile(path) }
        guard HostView.kinds.contains(address.kind) else {
            throw Failure.unfit(address, "to show a \(address.kind.title) is not built yet")
        }
        let object = try HostView.lookUp(Objects.canonical(address))
        if json {
            Output.line(ObjectRecord.json(object).text)
        } else {
            Output.write(Array(text(object).utf8))
        }
        if !object.holdersAreComplete, object.kind != .sysvMsg {
            Output.note("not seen: who else may have \(object.address) open (needs CAP_SYS_PTRACE, or the same user)")
            throw Failure("", exitCode: 2)
        }
    }

    private func text(_ object: InspectedObject) -> String {
        var lines: [(String, String)] = []
        let row = ObjectRecord.row(object)
        for name in ["owner", "group", "mode", "messages", "max", "size", "limit", "used", "age"] {
            let cell = row[name]
            if case .none = cell { continue }
            lines.append((name, cell.display(exactBytes: bytes)))
        }
        for other in object.otherAddresses { lines.append(("also", "\(other)")) }
        let told: Set = ["messages", "maxMessages", "receiveQueueBytes", "pendingConnections", "backlog"]
        for fact in object.facts where !told.contains(fact.key) {
            lines.append((words(fact.key), words(fact.value)))
        }
        let width = lines.map(\.0.displayWidth).max() ?? 0
        var text = Colour.bold("\(object.address)".printable) + "  " + Colour.dim(object.kind.title) + "\n"
        for (name, value) in lines { text += "  \(name.padded(to: width))  \(value.printable)\n" }
        if object.holders.isEmpty {
            text +=
                object.kind == .sysvMsg
                ? "  nobody waits in it; who else uses it the kernel does not know\n" : "  nobody has it open\n"
        }
        for holder in object.holders {
            let program = "\(holder.command ?? "?") (\(holder.processID))".printable
            let user = holder.user.map { ", \($0)" } ?? ""
            let descriptors = holder.descriptors.map(\.description).joined(separator: " ")
            let relation =
                switch holder.relation {
                case .open: "has it open as \(descriptors)"
                case .waitsToSend: "waits to send"
                case .waitsToReceive: "waits to receive"
                case .lastSender: "sent last"
                case .lastReceiver: "received last"
                }
            text += "  \(Colour.cyan(program))\(user) \(relation)\(holder.isAlive ? "" : "; it is gone")\n"
        }
        return text
    }

    /// `maxMessages` as a person would write it.
    private func words(_ key: String) -> String {
        var text = ""
        var last: Character?
        for character in key {
            if character.isUppercase, last?.isLowercase == true { text += " " }
            text += character.lowercased()
            last = character
        }
        return text
    }

    private func words(_ value: Fact.Value) -> String {
        switch value {
        case .text(let text): text
        case .number(let number): String(number)
        case .bytes(let size): Cell.bytes(size).display(exactBytes: bytes)
        case .flag(let flag): flag ? "yes" : "no"
        case .time(let seconds): ago(max(0, Double(sysRealtimeNanoseconds()) / 1e9 - Double(seconds)))
        }
    }

    private func ago(_ seconds: Double) -> String {
        let span = Cell.span(seconds)
        return span == "now" ? span : span + " ago"
    }

    private func showFile(_ path: FilePath) throws {
        let status = try PathObject(address, path).verify()
        let owner = sysUserName(status.user) ?? "\(status.user)"
        let group = sysGroupName(status.group) ?? "\(status.group)"
        let shown = Objects.canonical(address)
        if json {
            return Output.line(
                JSON.object([
                    ("schema", .integer(1)), ("kind", .string("file")), ("address", .string("\(shown)")),
                    ("owner", .string(owner)), ("ownerID", .integer(Int64(status.user))), ("group", .string(group)),
                    ("groupID", .integer(Int64(status.group))), ("mode", .string(Cell.octal(status.permissions))),
                    ("size", .integer(status.size)), ("inode", .unsigned(status.inode)),
                    ("device", .unsigned(status.device)), ("lastChange", .integer(status.modified)),
                ]).text)
        }
        let size = Cell.bytes(UInt64(max(0, status.size))).display(exactBytes: bytes)
        Output.line("\(Colour.bold("\(shown)"))  \(Colour.dim("file"))")
        Output.line(
            "  owner  \(owner)\n  group  \(group)\n  mode   \(Cell.octal(status.permissions))\n  size   \(size)")
    }
}
