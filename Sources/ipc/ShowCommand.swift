// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Interprocess
import InterprocessInspection
import InterprocessMessaging
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
              ipc show shm:/frames
              ipc show topic:camera/front
              ipc show pid:812
            """)

    @Argument(help: .address, completion: .addresses, transform: Read.address)
    var address: Address

    @Flag(help: "One JSON object on one line: kind, address, owner, mode, sizes and counts, holders.")
    var json = false

    @Flag(name: [.short, .long], help: "Sizes as exact numbers of bytes.")
    var bytes = false

    func run() throws {
        if address.kind == .topic { return try showTopic() }
        guard HostView.kinds.contains(address.kind) else {
            throw Failure.unfit(address, "to show a \(address.kind.title) is not built yet")
        }
        let object = try HostView.lookUp(Objects.canonical(address))
        if json {
            Output.line(ObjectRecord.json(object).text)
        } else {
            Output.write(Array(text(object).utf8))
        }
        var isPartial = false
        if Self.lacksValues(object) {
            Output.note("not seen: what \(object.address) stands at (needs read permission)")
            isPartial = true
        }
        if !object.holdersAreComplete, !Self.hasNoHolders.contains(object.kind) {
            Output.note("not seen: who else may have \(object.address) open (needs CAP_SYS_PTRACE, or the same user)")
            isPartial = true
        }
        if isPartial { throw Failure("", exitCode: 2) }
    }

    /// Two looks, for the rate.
    private func showTopic() throws {
        let place = try TopicPlace(address, in: Rendezvous.chosen())
        let view = try TopicView.look(place.rendezvous, place.name, interval: .milliseconds(250))
        Output.write(Array((json ? view.json.text + "\n" : view.text(exactBytes: bytes)).utf8))
        if view.silent.isEmpty { return }
        Output.note("not seen: what \(view.silent.count) of its publishers do, which did not answer")
        throw Failure("", exitCode: 2)
    }

    private static func lacksValues(_ object: InspectedObject) -> Bool {
        switch object.details {
        case .semaphore(let details): details.value == nil
        case .systemVSemaphores(let details): details.values == nil
        default: false
        }
    }

    /// Kinds of which nobody knows who else uses them: not a matter of permission.
    private static let hasNoHolders: Set<Address.Kind> = [.sysvMsg, .sysvSem]

    private func text(_ object: InspectedObject) -> String {
        var lines: [(String, String)] = []
        let row = ObjectRecord.row(object)
        for name in ["owner", "group", "mode", "messages", "max", "size", "limit", "used", "age"] {
            let cell = row[name]
            if case .none = cell { continue }
            lines.append((name, cell.display(exactBytes: bytes)))
        }
        for other in object.otherAddresses { lines.append(("also", "\(other)")) }
        let told: Set = ["messages", "maxMessages", "receiveQueueBytes", "pendingConnections", "backlog", "size"]
        for fact in object.facts where !told.contains(fact.key) {
            if case .list(let values) = fact.value {
                if values.isEmpty { continue }
                if case .group = values[0] {
                    for value in values { lines.append((words(fact.key), words(value))) }
                    continue
                }
            }
            lines.append((words(fact.key), words(fact.value)))
        }
        let width = lines.map(\.0.displayWidth).max() ?? 0
        var text = Colour.bold("\(object.address)".printable) + "  " + Colour.dim(object.kind.title) + "\n"
        for (name, value) in lines { text += "  \(name.padded(to: width))  \(value.printable)\n" }
        if object.holders.isEmpty { text += nobody(object) }
        for holder in object.holders { text += line(holder) }
        return text
    }

    private func nobody(_ object: InspectedObject) -> String {
        switch object.kind {
        case .sysvMsg: "  nobody waits in it; who else uses it the kernel does not know\n"
        case .sysvSem: "  nobody waits for it; who else uses it the kernel does not know\n"
        case .sysvShm: "  nobody is attached to it\n"
        case .pid: ""
        default: "  nobody has it open\n"
        }
    }

    private func line(_ holder: Holder) -> String {
        let program = "\(holder.command ?? "?") (\(holder.processID))".printable
        let user = holder.user.map { ", \($0)" } ?? ""
        let descriptors = holder.descriptors.map(\.description).joined(separator: " ")
        let size = holder.mappedBytes.map { Cell.bytes($0).display(exactBytes: bytes) + " of it " } ?? ""
        let relation =
            switch holder.relation {
            case .open: "has it open as \(descriptors)"
            case .waitsToSend: "waits to send"
            case .waitsToReceive: "waits to receive"
            case .lastSender: "sent last"
            case .lastReceiver: "received last"
            case .maps: "has \(size.isEmpty ? "it " : size)in its memory"
            case .attached: "is attached"
            case .waits: "waits in it"
            case .holdsLock: "holds a lock"
            case .waitsForLock: "waits for a lock"
            case .creator: "made it"
            case .lastUser: "used it last"
            }
        return "  \(Colour.cyan(program))\(user) \(relation)\(holder.isAlive ? "" : "; it is gone")\n"
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
        case .list(let values): values.map { words($0) }.joined(separator: " ")
        case .group(let facts): facts.map { "\(words($0.key)) \(words($0.value))" }.joined(separator: ", ")
        }
    }

    private func ago(_ seconds: Double) -> String {
        let span = Cell.span(seconds)
        return span == "now" ? span : span + " ago"
    }
}
