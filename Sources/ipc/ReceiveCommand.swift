// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Interprocess
import InterprocessSyscalls

struct ReceiveCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "receive", abstract: "Receive from an address to standard output.",
        discussion: """
            Takes one message, its bytes untouched, unless --count or --follow ask for
            more. On streams (fifo, unix, tcp, file) it copies until the other side
            ends. Sockets are connected to; with --listen the command binds the address
            itself, serves one connection or one datagram, and takes its path away
            again.

            A topic is subscribed to: messages of all its publishers, from now on unless
            --history asks for more. It waits for publishers to come, and goes on when
            they go. Messages of a type come as its bytes.

            --json prints one object a line: schema, size, time (seconds since 1970),
            text or base64, and where they apply type, priority, sequence, publisher,
            sender {pid, uid, gid}.

            signal:USR1 takes signals sent to the command itself, which says on standard
            error when it is ready and under which number; each is a line such as
            "SIGRTMIN+3 42 from 812", with --json also signal, name, code, value.

            Examples:
              ipc receive mq:/orders
              ipc receive sysv-msg:0x2a --type-up-to 10 --follow --json
              ipc receive unix:/run/app.sock --listen > upload
              ipc receive unix:/run/app.sock --listen --fds -- sh -c 'cat <&3'
              ipc receive file:/var/log/syslog --follow
              ipc receive topic:camera/front --history 1 --no-wait > frame
              ipc receive topic:log/access --follow --lines --lossy
              ipc receive signal:SIGRTMIN+3 --count 2 --timeout 1m
            """,
        aliases: ["recv"])

    @Argument(help: .address, completion: .addresses, transform: Read.address)
    var address: Address

    @OptionGroup(title: "Which message (sysv-msg)") var choice: TypeOptions

    @Option(
        help: ArgumentHelp("End after so many messages.", valueName: "n"), transform: Read.positive)
    var count: Int?

    @Flag(help: "Go on: message after message, client after client.")
    var follow = false

    @Flag(help: "A newline after each message; on streams, a line is a message.")
    var lines = false

    @Flag(help: "One JSON object a line.")
    var json = false

    @Flag(help: "Leave the message where it is (sysv-msg, sockets).")
    var peek = false

    @Flag(help: "Bind the address and wait to be connected to (sockets).")
    var listen = false

    @Flag(help: "Run COMMAND (after --) with the descriptors that a message carries as 3, 4, … and its bytes as input.")
    var fds = false

    @OptionGroup(title: "Topics") var topic: TopicReadingOptions

    @OptionGroup var wait: WaitOptions

    @Argument(parsing: .postTerminator, help: ArgumentHelp("What --fds starts.", valueName: "command"))
    var command: [String] = []

    func validate() throws {
        if count != nil && follow { throw ValidationError("--count and --follow exclude each other") }
        if choice.selection != .first && address.kind != .sysvMsg {
            throw ValidationError("types are of sysv-msg; a \(address.kind.title) has none")
        }
        try topic.check(address)
        if listen && !address.kind.isSocket {
            throw ValidationError("--listen is for sockets; a \(address.kind.title) is there or is made with create")
        }
        if fds && !address.kind.isUnix {
            throw ValidationError("--fds is for unix sockets; a \(address.kind.title) carries no descriptors")
        }
        if fds && command.isEmpty { throw ValidationError("--fds wants a command: --fds -- COMMAND …") }
        if !fds && !command.isEmpty { throw ValidationError("a command after -- goes with --fds") }
        if fds && (json || peek || lines || follow || count != nil) {
            throw ValidationError(
                "--fds takes one message; it does not go with --json, --lines, --peek, --count, --follow")
        }
        if address.kind == .signal && (peek || lines) {
            throw ValidationError("--peek and --lines are for data; a signal is one line by itself")
        }
        if peek && address.kind == .topic {
            throw ValidationError("reading a topic takes nothing away from it: --history 1 begins with the latest")
        }
        if peek && follow { throw ValidationError("--peek and --follow exclude each other") }
    }

    func run() throws {
        if address.kind == .signal {
            return try SignalReceiving.run(
                address, count: follow ? nil : count ?? 1, json: json, until: wait.deadline)
        }
        if listen || follow { Cleaning.onSignals() }
        let plan = SourcePlan(
            follow: follow, listen: listen, wantsDescriptors: fds, deadline: wait.deadline, noWait: wait.noWait,
            topic: topic.reading)
        var source = try Carriers.source(address, plan)
        if lines && !source.keepsBoundaries { source = LineSource(source) }
        if fds { try runCommand(from: source) }
        if peek { return try look(at: source) }

        // A connection is served to its end; of what has no connections, one message is taken.
        let served = listen && address.kind.hasConnections
        var left = count ?? (follow || served || !address.keepsBoundaries ? Int.max : 1)
        var received = 0
        while left > 0 {
            guard let parcel = try source.receive(choice.selection, limit: source.chunk, until: wait.deadline) else {
                break
            }
            deliver(parcel)
            left -= 1
            received += 1
        }
        if let count, received < count, address.keepsBoundaries, !served { throw ended }
        if count == nil, received == 0, address.keepsBoundaries, !follow, !served { throw ended }
    }

    private var ended: Failure {
        Failure("\(address): the other side closed before a message came (EPIPE)", exitCode: 7)
    }

    private func look(at source: any Source) throws {
        for index in 0..<(count ?? 1) {
            guard let parcel = try source.peek(choice.selection, index: index, until: wait.deadline) else {
                throw ended
            }
            deliver(parcel)
        }
    }

    private func deliver(_ parcel: Parcel) {
        for descriptor in parcel.descriptors { try? sysClose(descriptor) }
        if json { return Output.line(parcel.json.text) }
        Output.write(lines ? parcel.bytes + [10] : parcel.bytes)
    }

    private func runCommand(from source: any Source) throws {
        while let parcel = try source.receive(.first, limit: source.chunk, until: wait.deadline) {
            if parcel.descriptors.isEmpty { continue }
            Cleaning.run()
            Cleaning.exit(try Child.run(command, input: parcel.bytes, descriptors: parcel.descriptors))
        }
        throw Failure("\(address): the other side closed before a descriptor came (EPIPE)", exitCode: 7)
    }
}

/// Which type of message is wanted.
struct TypeOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The oldest of this type.", valueName: "n"), transform: Read.positive)
    var type: Int?

    @Option(help: ArgumentHelp("The lowest type there is, up to this one.", valueName: "n"), transform: Read.positive)
    var typeUpTo: Int?

    @Option(help: ArgumentHelp("The oldest of any other type.", valueName: "n"), transform: Read.positive)
    var except: Int?

    func validate() throws {
        if [type, typeUpTo, except].compactMap({ $0 }).count > 1 {
            throw ValidationError("--type, --type-up-to and --except exclude each other")
        }
    }

    var selection: Selection {
        type.map { .type($0) } ?? typeUpTo.map { .upTo($0) } ?? except.map { .allBut($0) } ?? .first
    }
}

extension Parcel {
    var json: JSON {
        var members: [(String, JSON)] = [
            ("schema", .integer(1)), ("size", .integer(Int64(bytes.count))),
            ("time", .time(nanoseconds: sysRealtimeNanoseconds())), JSON.data(bytes),
        ]
        if let type { members.append(("type", .integer(Int64(type)))) }
        if let priority { members.append(("priority", .integer(Int64(priority)))) }
        if let topic { members += topic.members }
        if let sender {
            var identity: [(String, JSON)] = [("pid", .integer(Int64(sender.process)))]
            if let user = sender.user { identity.append(("uid", .integer(Int64(user)))) }
            if let group = sender.group { identity.append(("gid", .integer(Int64(group)))) }
            members.append(("sender", .object(identity)))
        }
        return .object(members)
    }
}
