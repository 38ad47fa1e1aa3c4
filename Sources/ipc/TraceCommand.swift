// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Interprocess
import InterprocessSyscalls
import SystemPackage

struct TraceCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "trace", abstract: "Show how a process talks to others: its IPC system calls, decoded.",
        usage: "ipc trace pid:N [options]\nipc trace [options] -- COMMAND …",
        discussion: """
            Pipes, sockets, queues, semaphores, shared memory, shared futexes, event
            counters, locks and signals of a process, all its threads, and the
            children that it makes: which object, how many bytes, how long it
            waited. Ordinary files are left out, unless they are locked, or mapped
            shared so as to write to them.

            pid:N follows a running process until it ends or Ctrl-C, which lets it
            run on. COMMAND is started and followed to its end, and its exit status
            is this one's (if it could not be started, the codes of ipc plus 100). So
            that every line of standard output is a record, what COMMAND writes to its
            standard output goes to standard error; with --output it stays where it is.

            --json prints one object a line: schema, time, pid, thread (if not the
            first), call, address (or object, for what has no address), peer, detail,
            bytes, result or errno, waitedNanoseconds. With --summary: address, calls,
            failures, bytesIn, bytesOut, waitedNanoseconds, byCall, pids.

            Examples:
              ipc trace --summary -- sh -c 'seq 100000 | sort | tail -1'
              ipc trace pid:812 --json
            """)

    @Argument(help: ArgumentHelp("The process, as pid:N.", valueName: "address"), transform: Read.address)
    var address: Address?

    @Flag(help: "One JSON object a line.")
    var json = false

    @Flag(help: "At the end, one line per object instead of one per call.")
    var summary = false

    @Flag(inversion: .prefixedNo, help: "Follow the children that it makes.")
    var follow = true

    @Option(name: .shortAndLong, help: ArgumentHelp("Write the records there.", valueName: "file"))
    var output: String?

    @Argument(parsing: .postTerminator, help: ArgumentHelp("What to start and trace.", valueName: "command"))
    var command: [String] = []

    func validate() throws {
        if address == nil && command.isEmpty { throw ValidationError("what is to be traced? pid:N, or -- COMMAND …") }
        if address != nil && !command.isEmpty { throw ValidationError("pid:N and -- COMMAND exclude each other") }
        if let address, address.kind != .pid {
            throw ValidationError("a process is traced, as pid:N; to see who uses \(address), try: ipc show \(address)")
        }
    }

    func run() throws {
        var file: FileDescriptor?
        if let output {
            do {
                file = try FileDescriptor.open(
                    FilePath(output), .writeOnly, options: [.create, .truncate, .closeOnExec],
                    permissions: .ownerReadWrite)
            } catch let errno as Errno { throw Failure(errno, output) }
        }
        let session = TraceSession(json: json, summary: summary, output: file?.rawValue)
        if let address, case .process(let id) = address.name {
            try traceProcess(id, session)
        } else {
            try traceCommand(session)
        }
    }

    private func traceProcess(_ id: Int32, _ session: TraceSession) throws {
        // Ctrl-C tells the sum; the kernel lets the process go on when this one ends.
        Cleaning.onSignals()
        Cleaning.add { session.finish() }
        let control = try ProcessControl.attach(
            to: id, options: .init(systemCalls: true, followsChildren: follow))
        Output.note("tracing pid:\(id); Ctrl-C ends it and lets the process run on")
        try session.follow(control)
        Cleaning.run()
    }

    private func traceCommand(_ session: TraceSession) throws {
        // What ends COMMAND ends this: Ctrl-C reaches both, and other signals are handed on.
        sysBlockTerminationSignals()
        var options = ProcessControl.Options(
            systemCalls: true, followsChildren: follow, ifControllerDies: .kill)
        // Children inherit the filter; one that nobody follows would have these calls refused.
        if follow { options.filteredCalls = sysInterprocessCalls.keys.sorted() }
        let control: ProcessControl
        do {
            control = try ProcessControl.spawn(
                try Child.find(command[0]), arguments: command, descriptors: output == nil ? [1: 2] : [:],
                options: options)
        } catch let error as IPCError {
            let failure = Failure(error)
            throw Failure(failure.description, exitCode: failure.exitCode + 100)
        } catch let errno as Errno {
            let failure = Failure(errno, command[0], hint: "the command could not be started")
            throw Failure(failure.description, exitCode: failure.exitCode + 100)
        }
        let process = control.process
        try sysStartThread(named: "ipc-signals") {
            while true {
                let signal = sysAwaitTerminationSignal()
                if signal != 2 { try? sysKill(process, signal) }
            }
        }
        let ending = try session.follow(control)
        session.finish()
        switch ending {
        case .exited(let code)?: Cleaning.exit(code)
        case .killed(let signal, _)?: Cleaning.exit(128 + signal.number)
        case nil: Cleaning.exit(1)
        }
    }
}

/// One run of the tracing, from the first event to the last.
final class TraceSession: Sendable {
    private struct State {
        var decoder = TraceDecoder()
        var summary = TraceSummary()
        var isFinished = false
    }

    private let state = Shared(State())
    private let json: Bool
    private let summary: Bool
    private let output: CInt?

    init(json: Bool, summary: Bool, output: CInt?) {
        self.json = json
        self.summary = summary
        self.output = output
    }

    /// Sees all to the end; how the process ended.
    @discardableResult
    func follow(_ control: borrowing ProcessControl) throws(IPCError) -> ProcessExit.Reason? {
        let first = control.process
        let ending = Shared(ProcessExit.Reason?.none)
        // On the tracing thread: nobody has to be woken for a call that is of no interest.
        control.answerEvents { event in
            self.see(event)
            if event.process == first, case .ended(let reason) = event.kind { ending.withLock { $0 = reason } }
            return .goOn
        }
        while let event = try control.nextEvent() {
            see(event)
            if event.process == first, case .ended(let reason) = event.kind { ending.withLock { $0 = reason } }
            try control.resume(event)
        }
        return ending.withLock { $0 }
    }

    private func see(_ event: TraceEvent) {
        let record = state.withLock { state -> TraceRecord? in
            let record: TraceRecord?
            switch event.kind {
            case .systemCallEntry(let call):
                state.decoder.begin(event, call)
                return nil
            case .systemCallExit(_, let result): record = state.decoder.end(event, result)
            case .ended, .threadEnded: record = state.decoder.abandon(event)
            default: return nil
            }
            if let record, summary { state.summary.add(record) }
            return record
        }
        if let record, !summary { write(json ? record.json.text : record.line) }
    }

    /// The sum, if that was asked for; once.
    func finish() {
        let table = state.withLock { state -> TraceSummary? in
            defer { state.isFinished = true }
            return state.isFinished ? nil : state.summary
        }
        guard let table, summary else { return }
        if json { for each in table.json() { write(each.text) } } else { writeText(table.table()) }
    }

    private func write(_ line: String) { writeText(line + "\n") }

    private func writeText(_ text: String) {
        guard let output else { return Output.write(Array(text.utf8)) }
        try? Output.writeAll(output, Array(text.utf8))
    }
}
