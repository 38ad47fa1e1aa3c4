// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Interprocess
import InterprocessSyscalls
import SystemPackage

struct RelayCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "relay", abstract: "Pass everything that arrives at one address on to another.",
        discussion: """
            Any kind to any kind. Borders of messages, types and priorities are kept
            where both sides have them; a side that is full slows the other down. FROM,
            if it is a socket, is connected to if somebody listens there, and listened
            on if not; TO is connected to. Nothing is taken from FROM for a topic that
            nobody subscribes to yet (--wait-for 0 does not wait).

            Examples:
              ipc relay fifo:/tmp/in mq:/orders
              ipc relay tcp:0.0.0.0:5432 unix:/run/postgresql/.s.PGSQL.5432 --both
              ipc relay sysv-msg:0x2a file:/tmp/journal --create
              ipc relay topic:camera/front unix-seqpacket:/run/viewer.sock --lossy
            """)

    @Argument(
        help: ArgumentHelp("Where it comes from.", valueName: "from"), completion: .addresses, transform: Read.address)
    var from: Address

    @Argument(help: ArgumentHelp("Where it goes.", valueName: "to"), completion: .addresses, transform: Read.address)
    var to: Address

    @Flag(help: "Both ways at once.")
    var both = false

    @Flag(help: "Listen on FROM, whether or not somebody does already.")
    var listen = false

    @Flag(help: "Go on when a writer or a client has gone.")
    var follow = false

    @Flag(help: "Make TO if it is not there (fifo, mq, sysv-msg, file).")
    var create = false

    @Flag(help: "Each line of a stream is a message.")
    var lines = false

    @Option(
        help: ArgumentHelp("End after so many messages.", valueName: "n"), transform: Read.positive)
    var count: Int?

    @Option(
        help: ArgumentHelp("End with 4 when nothing came, or could go, for so long.", valueName: "duration"),
        transform: Read.duration)
    var timeout: Duration?

    @OptionGroup(title: "FROM is a topic") var reading: TopicReadingOptions

    @OptionGroup(title: "TO is a topic") var writing: TopicWritingOptions

    func validate() throws {
        try reading.check(from)
        try writing.check(to)
        if from == to { throw ValidationError("FROM and TO are the same") }
        if both {
            for address in [from, to] where !address.kind.goesBothWays {
                throw ValidationError(
                    "--both: everything that one sends to \(address) would come back to one; two relays over two addresses do that"
                )
            }
        }
        if listen && !from.kind.isSocket { throw ValidationError("--listen is for sockets") }
    }

    private var deadline: Deadline { timeout.map { .after($0) } ?? .never }

    func run() throws {
        Cleaning.onSignals()
        let sourcePlan = SourcePlan(
            follow: follow, listen: listen, listenIfNobodyDoes: from.kind.isSocket && !listen,
            wantsDescriptors: from.kind.isUnix && to.kind.isUnix, deadline: deadline, topic: reading.reading)
        let sinkPlan = SinkPlan(create: create, deadline: deadline, topic: writing.writing(waitsAtOnce: true))
        if both { return try relayBothWays(sourcePlan, sinkPlan) }
        var source = try Carriers.source(from, sourcePlan)
        let sink = try Carriers.sink(to, sinkPlan)
        if lines && !source.keepsBoundaries { source = LineSource(source) }
        try forward(source, sink)
    }

    private func forward(_ source: any Source, _ sink: any Sink) throws {
        let limit = source.keepsBoundaries ? source.chunk : min(source.chunk, sink.largestMessage ?? source.chunk)
        let newline = lines && !sink.keepsBoundaries
        var left = count ?? Int.max
        while left > 0, var parcel = try source.receive(.first, limit: limit, until: deadline) {
            if newline { parcel.bytes.append(10) }
            try sink.send(parcel, until: deadline)
            for descriptor in parcel.descriptors { try? sysClose(descriptor) }
            left -= 1
        }
        try sink.finish()
    }

    private func relayBothWays(_ sourcePlan: SourcePlan, _ sinkPlan: SinkPlan) throws {
        let left = try Carriers.duplex(from, sourcePlan)
        let right = try Carriers.duplex(to, SourcePlan(deadline: deadline))
        let outcome = Shared<(finished: Bool, error: (any Error)?)>((false, nil))
        let (reading, writing) = try sysPlainPipe()
        try sysStartThread(named: "ipc-relay") {
            var failure: (any Error)?
            do { try forward(right, left) } catch { failure = error }
            outcome.withLock { $0 = (true, failure) }
            try? sysClose(writing)
        }
        try forward(left, right)
        _ = try readUpTo(1, reading)
        if let error = outcome.withLock({ $0.error }) { throw error }
    }
}

extension Address.Kind {
    /// Whether what is sent and what is received are different streams.
    var goesBothWays: Bool { hasConnections }
}
