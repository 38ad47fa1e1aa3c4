// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Interprocess
import InterprocessSyscalls
import SystemPackage

/// The command. It parses, calls the library, and renders; what a program would want is in the library.
@main
enum Main {
    static func main() {
        sysIgnoreBrokenPipes()
        let arguments = Array(CommandLine.arguments.dropFirst())
        if arguments.first == TourPeer.word { TourPeerMain.run(Array(arguments.dropFirst())) }
        if let failure = Arguments.objection(to: arguments) ?? Verbs.objection(to: arguments) { end(failure) }
        do {
            var command = try IPC.parseAsRoot(arguments)
            try command.run()
        } catch let failure as Failure {
            end(failure)
        } catch let error as IPCError {
            end(Failure(error))
        } catch let errno as Errno {
            end(Failure(errno, "ipc"))
        } catch {
            Cleaning.run()
            let addition = Holding.addition(arguments)
            if addition == 0 || IPC.exitCode(for: error).isSuccess { IPC.exit(withError: error) }
            Output.error(IPC.fullMessage(for: error) + "\n")
            sysExit(IPC.exitCode(for: error).rawValue + addition)
        }
        Cleaning.exit(0)
    }

    static func end(_ failure: Failure) -> Never {
        if !failure.description.isEmpty { Output.note(failure.description) }
        Cleaning.exit(failure.exitCode)
    }
}

struct IPC: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ipc",
        abstract: "Every way in which processes on this host talk to each other, under one kind of address.",
        usage: "ipc VERB ADDRESS …",
        discussion: """
            An address is kind:name.
              fifo:/run/log          named pipe
              unix:/run/app.sock     unix socket; unix:@name has no path;
                                     unix-datagram, unix-seqpacket likewise
              tcp:localhost:8080     internet socket; udp:[::1]:53
              mq:/orders             POSIX message queue
              sysv-msg:0x2a          System V message queue; by id:
                                     sysv-msg:id=7, by file and project:
                                     sysv-msg:/etc/hostname#1
              shm:/frames            POSIX shared memory; sysv-shm:0x2a
              sem:/gate              POSIX semaphore; sysv-sem:0x2a is a set
              file:/tmp/ledger       ordinary file: appended to, followed, locked
              topic:camera/front     topic: many publishers, many subscribers, no copy
              pid:812                a process: seen, traced, sent signals
              signal:USR1            signals that the command itself is sent

            To try it, in two terminals:
              ipc receive topic:hello
              ipc send topic:hello 'good morning'

            Exit codes: 0 done, 1 failed, 2 partial view, 3 no such object, 4 would
            block or timed out, 5 permission denied, 6 exists already, 7 the other side
            is gone, 64 usage; 100 more where a COMMAND was to be run and never started.
            """,
        version: "0.1.0",
        groupedSubcommands: [
            CommandGroup(name: "LOOK", subcommands: [ListCommand.self, ShowCommand.self]),
            CommandGroup(
                name: "USE",
                subcommands: [
                    CreateCommand.self, SendCommand.self, ReceiveCommand.self, RelayCommand.self, ReadCommand.self,
                    WriteCommand.self, WaitCommand.self, PostCommand.self, LockCommand.self, SignalCommand.self,
                    ChmodCommand.self,
                    ChownCommand.self, RemoveCommand.self,
                ]),
            CommandGroup(name: "WATCH A PROCESS", subcommands: [TraceCommand.self]),
            CommandGroup(
                name: "MORE", subcommands: [TourCommand.self, BenchCommand.self, CompletionsCommand.self]),
        ])

    func run() throws { try Overview.show() }
}

/// The words that may come first.
enum Verbs {
    static let built = [
        "list", "ls", "show", "create", "send", "receive", "recv", "relay", "read", "write", "wait", "post", "lock",
        "signal", "chmod", "chown", "remove", "rm", "trace", "tour",
        "bench", "completions", "help",
    ]
    private static let planned = [
        "tree", "who", "map", "top", "watch", "doctor", "call",
    ]
    private static let otherWords = [
        "delete": "remove", "unlink": "remove", "del": "remove", "mkfifo": "create", "make": "create", "new": "create",
        "add": "create", "put": "send", "push": "send", "get": "receive", "pop": "receive", "cat": "receive",
        "listen": "receive", "status": "show", "info": "show", "stat": "show", "inspect": "show", "pipe": "relay",
        "forward": "relay", "poke": "write", "peek": "read", "dump": "read", "acquire": "wait", "down": "wait",
        "take": "wait",
        "release": "post", "up": "post", "give": "post", "flock": "lock", "bridge": "relay", "demo": "tour",
        "kill": "signal",
        "completion": "completions", "benchmark": "bench", "measure": "bench",
    ]

    /// Why the first word cannot be a verb; nil if it can.
    static func objection(to arguments: [String]) -> Failure? {
        if arguments.first == "help", arguments.count > 1 { return objection(to: Array(arguments.dropFirst())) }
        guard let word = arguments.first, !word.hasPrefix("-"), !built.contains(word)
        else { return nil }
        if planned.contains(word) {
            return .usage("\(word) is not built yet; ipc --help shows the verbs that are")
        }
        if let verb = Suggestion.closest(to: word, among: built) ?? otherWords[word] {
            return .usage("there is no verb \"\(word.printable)\"; did you mean \"\(verb)\"? (ipc --help shows all)")
        }
        if word.contains(":"), (try? Address(word)) != nil {
            return .usage("what is to be done with \(word.printable)? For example: ipc show \(word.printable)")
        }
        return .usage("there is no verb \"\(word.printable)\"; ipc --help shows all")
    }
}
