// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Interprocess
import InterprocessInspection

struct RemoveCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove", abstract: "Remove objects: fifos, socket paths, queues, memory, semaphores, files.",
        discussion: """
            Who waits on a System V queue or semaphore is told (EIDRM); who has a fifo, or
            a POSIX queue, memory or semaphore open may go on with it. All addresses are
            tried; the exit code is that of the first that failed.

            --orphaned removes only what nobody seems to use any more: queues and
            semaphores whose users are gone, memory that nobody has, socket paths that
            nobody is bound to. Look first with --dry-run.

            Examples:
              ipc remove mq:/orders
              ipc remove sysv-msg:0x2a sysv-msg:id=32769
              ipc remove --orphaned --older-than 1d --dry-run
            """,
        aliases: ["rm"])

    @Argument(help: .address, completion: .addresses, transform: Read.address)
    var addresses: [Address] = []

    @Flag(help: "Remove what nobody seems to use any more: of these addresses, or of all of the host.")
    var orphaned = false

    @Option(
        help: ArgumentHelp("With --orphaned: only what nothing has happened to for so long.", valueName: "duration"),
        transform: Read.duration)
    var olderThan: Duration?

    @Flag(help: "Say what would be removed, and remove nothing.")
    var dryRun = false

    func validate() throws {
        if addresses.isEmpty, !orphaned { throw ValidationError("which object? For example: ipc remove mq:/orders") }
        if olderThan != nil, !orphaned { throw ValidationError("--older-than goes with --orphaned") }
    }

    func run() throws {
        if orphaned { return try removeOrphans() }
        try Each.of(addresses) { address in
            if dryRun {
                try Objects.verify(address)
                Output.line("\(address)")
            } else {
                try Objects.remove(address)
            }
        }
    }

    private func removeOrphans() throws {
        let view = HostView.read()
        var orphans = view.orphans(olderThan: olderThan ?? .zero)
        if !addresses.isEmpty {
            let wanted = Set(addresses.map(Objects.canonical))
            orphans = orphans.filter { orphan in
                wanted.contains(orphan.object.address) || !wanted.isDisjoint(with: orphan.object.otherAddresses)
            }
        }
        let reasons = Dictionary(orphans.map { ($0.object.address, $0) }, uniquingKeysWith: { first, _ in first })
        try Each.of(orphans.map(\.object.address)) { address in
            if !dryRun { try Objects.remove(address) }
            let age =
                reasons[address]?.ageSeconds.map {
                    $0 < 1 ? ", touched just now" : ", untouched for " + Cell.span(Double($0))
                } ?? ""
            Output.line("\(address)".printable + "  " + Colour.dim((reasons[address]?.reason ?? "") + age))
        }
        // What may be in use by somebody who cannot be seen is left alone, and that is said.
        let kinds = Set(addresses.map(\.kind))
        let missing = view.missing.filter { kinds.isEmpty || !$0.kinds.isDisjoint(with: kinds) }
        if !missing.isEmpty {
            for part in missing { Output.note("not seen: \(part)") }
            throw Failure("", exitCode: 2)
        }
    }
}

/// Does the same to several objects: one that fails does not keep the others from it.
enum Each {
    static func of(_ addresses: [Address], _ body: (Address) throws -> Void) throws {
        var first: Failure?
        for address in addresses {
            let failure: Failure
            do {
                try body(address)
                continue
            } catch let error as Failure {
                failure = error
            } catch let error as IPCError {
                failure = Failure(error)
            }
            Output.note(failure.description)
            if first == nil { first = failure }
        }
        if let first { throw Failure("", exitCode: first.exitCode) }
    }
}
