// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Interprocess
import InterprocessInspection

struct ListCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "What is on this host, and who has it open.",
        discussion: """
            Without KIND: everything that has a name, and listening sockets.
            Connections, processes, and pipes, memory and event counters without a name
            come with --all, or when their kind is asked for. Ends with 2, and says why,
            if not all of the host could be seen.

            Examples:
              ipc list
              ipc list mq sysv-msg --filter 'used > 80%'
              ipc list -o address,pids,age unix
              ipc list topic --filter 'subscribers == 0'
              ipc list sem sysv-sem --filter 'value == 0'
              ipc list --json --filter 'owner == "www" and mode != 0600'
            """,
        aliases: ["ls"])

    @Argument(
        help: ArgumentHelp("Only these kinds: fifo, unix, mq, shm, sem, pid, …", valueName: "kind"),
        completion: .list(ListCommand.kinds.map(\.rawValue).sorted()))
    var kinds: [String] = []

    @Flag(name: [.short, .long], help: "Connections, processes and what has no name too.")
    var all = false

    @OptionGroup var table: TableOptions

    /// The host's, and what this package makes of them.
    private static let kinds = HostView.kinds.union([.topic])

    func run() throws {
        let columns = ObjectRecord.columns(for: kinds)
        if table.listColumns { return Output.line(table.listing(of: columns)) }
        var wanted: Set<Address.Kind> = []
        for word in kinds {
            let bare = word.hasSuffix(":") ? String(word.dropLast()) : word
            guard let kind = Address.Kind(rawValue: bare) else {
                let guess = Address.Kind.nearest(to: bare).map { "; did you mean \"\($0.rawValue)\"?" } ?? ""
                throw Failure.usage("there is no kind \"\(word.printable)\"\(guess)")
            }
            guard ListCommand.kinds.contains(kind) else {
                throw Failure.usage("to list every \(kind.title) is not built yet")
            }
            wanted.insert(kind)
        }
        // A mistake in the filter or the columns is told before anything is looked at.
        _ = try table.choose(from: columns)
        if let filter = table.filter { _ = try Filter(filter, columns: columns.map(\.name)) }

        let unasked = all ? HostView.kinds : HostView.kinds.subtracting([.pid])
        let view = HostView.read(
            HostView.Options(kinds: wanted.isEmpty ? unasked : wanted.subtracting([.topic])))
        let objects = view.objects.filter { all || !wanted.isEmpty || ObjectRecord.isRemarkable($0) }
        let topics = wanted.isEmpty || wanted.contains(.topic) ? TopicView.all() : (views: [], missing: [])
        try table.print(objects.map(ObjectRecord.row) + topics.views.map(\.row), columns: columns) { index in
            index < objects.count
                ? ObjectRecord.extra(objects[index]) : topics.views[index - objects.count].extra
        }
        let unseen = ObjectRecord.missing(view).filter { wanted.isEmpty || !$0.kinds.isDisjoint(with: wanted) }
        let missing = unseen.map(\.description) + topics.missing
        if !missing.isEmpty {
            for part in missing { Output.note("not seen: \(part)") }
            throw Failure("", exitCode: 2)
        }
    }
}

extension ObjectRecord {
    /// Whether an object is shown without being asked for: what has a name, or waits for somebody.
    static func isRemarkable(_ object: InspectedObject) -> Bool {
        switch (object.details, object.address.name) {
        case (.pipe(let pipe), _): pipe.path != nil
        case (.eventCounter, _), (.process, _): false
        case (.sharedMemory(let memory), _): memory.isLinked != nil
        case (.unix(let socket), .number): socket.state == .listening
        case (.unix(let socket), _): socket.state != .connected
        case (.internet(let socket), _): socket.state == .listening || socket.state == .unconnected
        default: true
        }
    }

    /// What is not seen of what a list shows. Who waits on a System V queue is no part of it: the kernel keeps no
    /// list of who has one open, so that no row could show it.
    static func missing(_ view: HostView) -> [MissingPart] {
        view.missing.filter { $0.kinds != [.sysvMsg] }
    }

    /// What the JSON of a row has beyond its columns.
    static func extra(_ object: InspectedObject) -> [(String, JSON)] {
        var extra = [("holderPIDs", JSON.array(users(object).map { .integer(Int64($0.processID)) }))]
        if case .systemVSemaphores(let set) = object.details, let values = set.values {
            extra.append(("values", .array(values.map { .integer(Int64($0)) })))
        }
        return extra
    }
}
