// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Interprocess

struct RemoveCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove", abstract: "Remove objects: fifos, socket paths, queues, files.",
        discussion: """
            Who waits on a System V queue is told (EIDRM); who has a fifo or a POSIX queue open may go on with it.
            All addresses are tried; the exit code is that of the first that failed.

            Examples:
              ipc remove mq:/orders
              ipc remove sysv-msg:0x2a sysv-msg:id=32769
              ipc remove --dry-run fifo:/tmp/a unix:/tmp/b.sock
            """,
        aliases: ["rm"])

    @Argument(help: .address, completion: .addresses, transform: Read.address)
    var addresses: [Address] = []

    @Flag(help: "Say what would be removed, and remove nothing.")
    var dryRun = false

    func validate() throws {
        if addresses.isEmpty { throw ValidationError("which object? For example: ipc remove mq:/orders") }
    }

    func run() throws {
        try Each.of(addresses) { address in
            if dryRun {
                try Objects.verify(address)
                Output.line("\(address)")
            } else {
                try Objects.remove(address)
            }
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
