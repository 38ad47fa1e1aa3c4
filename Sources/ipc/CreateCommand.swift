// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Interprocess
import SystemPackage

struct CreateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create", abstract: "Make a fifo, a message queue or a file; print its address.",
        discussion: """
            What is there already is opened and left as it is, unless --exclusive asks
            for a new one (exit code 6). The mode asked for is the mode given, whatever
            the umask says. Sockets are made by listening: ipc receive
            unix:/run/app.sock --listen.

            Examples:
              ipc create fifo:/tmp/f
              ipc create mq:/orders --max-messages 10 --message-size 8K --mode 0660
              ipc create sysv-msg:private
              ipc create sysv-msg:/etc/hostname#7 --exclusive
            """)

    @Argument(help: .address, transform: Read.address)
    var address: Address

    @Option(
        help: ArgumentHelp("Who may use it: octal, or u=rw,g=r. (default: 0600)", valueName: "mode"),
        transform: Read.mode)
    var mode: FilePermissions?

    @Flag(help: "Fail with 6 if it is there already.")
    var exclusive = false

    @Option(
        help: ArgumentHelp("How many messages it holds (mq).", valueName: "n"), transform: Read.positive)
    var maxMessages: Int?

    @Option(
        help: ArgumentHelp("The largest message, in bytes (mq).", valueName: "size"), transform: Read.size)
    var messageSize: Int?

    func validate() throws {
        if maxMessages != nil || messageSize != nil, address.kind != .mq {
            throw ValidationError("--max-messages and --message-size are of mq; a \(address.kind.title) takes neither")
        }
        if let messageSize, messageSize < 1 { throw ValidationError("--message-size is a size from 1 up") }
    }

    func run() throws {
        let plan = CreationPlan(
            permissions: mode ?? .ownerOnly, exclusive: exclusive, maxMessages: maxMessages, messageSize: messageSize)
        Output.line("\(try Objects.create(address, plan))")
    }
}
