// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Interprocess
import SystemPackage

struct CreateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create", abstract: "Make a fifo, queue, memory, semaphore or file; print its address.",
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
              ipc create shm:/frames --size 1MiB
              ipc create sysv-sem:0x2a --values 1,0,8
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

    @Option(
        help: ArgumentHelp("How many bytes it has, reserved at once (shm, sysv-shm, file).", valueName: "size"),
        transform: Read.size)
    var size: Int?

    @Option(help: ArgumentHelp("Its first value (sem, sysv-sem). (default: 0)", valueName: "n"))
    var value: Int?

    @Option(
        help: ArgumentHelp("How many semaphores the set has (sysv-sem). (default: 1)", valueName: "n"),
        transform: Read.positive)
    var count: Int?

    @Option(
        help: ArgumentHelp("The first value of each of them, such as 1,0,8 (sysv-sem).", valueName: "n,…"),
        transform: CreateCommand.numbers)
    var values: [Int]?

    static func numbers(_ text: String) throws -> [Int] {
        try text.split(separator: ",", omittingEmptySubsequences: false).map { word in
            guard let number = Int(word), (0...32_767).contains(number) else {
                throw ValidationError("values are numbers from 0 to 32767 with commas between them, such as 1,0,8")
            }
            return number
        }
    }

    func validate() throws {
        let title = address.kind.title
        if size != nil, ![.shm, .sysvShm, .file].contains(address.kind) {
            throw ValidationError("--size is of shm, sysv-shm and file; a \(title) takes none")
        }
        if let size, size < 1, address.kind != .file { throw ValidationError("--size is a size from 1 up") }
        if value != nil, ![.sem, .sysvSem].contains(address.kind) {
            throw ValidationError("--value is of sem and sysv-sem; a \(title) takes none")
        }
        if let value, value < 0 || value > (address.kind == .sysvSem ? 32_767 : Int(Int32.max)) {
            throw ValidationError("--value is a number from 0 to \(address.kind == .sysvSem ? "32767" : "2147483647")")
        }
        if count != nil || values != nil, address.kind != .sysvSem {
            throw ValidationError("--count and --values are of sysv-sem; a \(title) takes neither")
        }
        if values != nil, value != nil || count.map({ $0 != values?.count }) == true {
            throw ValidationError("--values gives each value; --value and --count say something else")
        }
        if maxMessages != nil || messageSize != nil, address.kind != .mq {
            throw ValidationError("--max-messages and --message-size are of mq; a \(address.kind.title) takes neither")
        }
        if let messageSize, messageSize < 1 { throw ValidationError("--message-size is a size from 1 up") }
    }

    func run() throws {
        let plan = CreationPlan(
            permissions: mode ?? .ownerOnly, exclusive: exclusive, maxMessages: maxMessages, messageSize: messageSize,
            size: size == 0 ? nil : size, value: value, count: count, values: values)
        Output.line("\(try Objects.create(address, plan))")
    }
}
