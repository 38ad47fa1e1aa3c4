// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Interprocess

struct WaitCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "wait", abstract: "Take from a semaphore; with COMMAND, hold it while COMMAND runs.",
        discussion: """
            Waits until the value allows it, takes, and ends. With COMMAND it takes, runs
            COMMAND, gives back when COMMAND has ended, and ends as COMMAND did (128 and
            the signal's number if a signal ended it). If COMMAND was never started the
            exit code is 100 more than usual: 104 is timed out.

            --undo (sysv-sem): the kernel gives back if ipc itself is killed, even if
            COMMAND lives on. --by 0 (sysv-sem) waits for the value 0.

            Examples:
              ipc wait sem:/gate --timeout 2s
              ipc wait sem:/slots -- make -j8
              ipc wait sysv-sem:0x2a --index 1 --undo -- backup.sh
            """)

    @Argument(help: .address, completion: .addresses, transform: Read.address)
    var address: Address

    @Option(help: ArgumentHelp("Which of a set, from 0 (sysv-sem). (default: 0)", valueName: "n"))
    var index: Int?

    @Option(help: ArgumentHelp("How much to take (sysv-sem). (default: 1)", valueName: "n"))
    var by: Int?

    @Flag(help: "The kernel gives it back if ipc dies (sysv-sem, with COMMAND).")
    var undo = false

    @OptionGroup var wait: WaitOptions

    @Argument(parsing: .postTerminator, help: ArgumentHelp("What runs while it is held.", valueName: "command"))
    var command: [String] = []

    func validate() throws {
        try SemaphoreWords.validate(address, index: index, by: by, from: 0)
        if undo, address.kind != .sysvSem {
            throw ValidationError("--undo is for sysv-sem; a \(address.kind.title) has none")
        }
        if undo, command.isEmpty {
            throw ValidationError("--undo without a command would be undone at once: ipc wait … --undo -- COMMAND")
        }
        if address.kind == .sem, by ?? 1 != 1 {
            throw ValidationError("--by is for sysv-sem; a \(address.kind.title) is taken by one")
        }
    }

    func run() throws {
        if command.isEmpty { return try permit().take(until: wait.deadline, noWait: wait.noWait) }
        try Holding.run(command) {
            let permit = try permit()
            try permit.take(until: wait.deadline, noWait: wait.noWait)
            return { try permit.give() }
        }
    }

    private func permit() throws -> any Permit {
        try SemaphoreWords.permit(address, index: index, by: by, undo: undo)
    }
}

struct PostCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "post", abstract: "Give to a semaphore.",
        discussion: """
            Examples:
              ipc post sem:/gate
              ipc post sysv-sem:0x2a --index 1 --by 3
            """)

    @Argument(help: .address, completion: .addresses, transform: Read.address)
    var address: Address

    @Option(help: ArgumentHelp("Which of a set, from 0 (sysv-sem). (default: 0)", valueName: "n"))
    var index: Int?

    @Option(help: ArgumentHelp("How much to give. (default: 1)", valueName: "n"))
    var by: Int?

    @Flag(help: .hidden)
    var undo = false

    func validate() throws {
        try SemaphoreWords.validate(address, index: index, by: by, from: 1)
        if undo { throw ValidationError("--undo would be undone at once; it goes with: ipc wait … --undo -- COMMAND") }
    }

    func run() throws { try SemaphoreWords.permit(address, index: index, by: by, undo: false).give() }
}

/// What `wait` and `post` have in common.
enum SemaphoreWords {
    static func validate(_ address: Address, index: Int?, by: Int?, from least: Int) throws {
        guard address.kind == .sem || address.kind == .sysvSem else {
            throw ValidationError("wait and post are for sem and sysv-sem; a \(address.kind.title) is no semaphore")
        }
        if address.name == .key(.private) {
            throw ValidationError("\(address): private is for create; use the id= address that it printed")
        }
        if index != nil, address.kind != .sysvSem {
            throw ValidationError("--index is for sysv-sem; a \(address.kind.title) is one semaphore")
        }
        if let index, !(0...32_767).contains(index) { throw ValidationError("--index is a number from 0 up") }
        if let by, !(least...32_767).contains(by) {
            throw ValidationError("--by is a number from \(least) to 32767")
        }
    }

    static func permit(_ address: Address, index: Int?, by: Int?, undo: Bool) throws -> any Permit {
        if case .object(let name) = address.name { return try NamedPermit(address, name, count: by ?? 1) }
        return try SystemVPermit(address, index: index ?? 0, amount: by ?? 1, undo: undo)
    }
}
