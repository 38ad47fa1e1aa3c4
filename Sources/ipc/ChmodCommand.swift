// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Interprocess
import InterprocessSyscalls

struct ChmodCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "chmod", abstract: "Change who may use objects; queues too, which no chmod reaches.",
        discussion: """
            Examples:
              ipc chmod 0660 mq:/orders sysv-msg:0x2a
              ipc chmod g+rw,o= fifo:/tmp/f
            """)

    @Argument(help: "Octal (0660), or u=rw,g=r; g+w and o-rwx change what is there.")
    var mode: String

    @Argument(help: .address, completion: .addresses, transform: Read.address)
    var addresses: [Address]

    func validate() throws { _ = try Read.mode(mode) }

    func run() throws {
        try Each.of(addresses) { try Objects.changeMode($0, mode) }
    }
}

struct ChownCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "chown", abstract: "Give objects to another user or group.",
        discussion: """
            Examples:
              ipc chown www mq:/orders
              ipc chown www:adm sysv-msg:0x2a
              ipc chown :adm fifo:/tmp/f
            """)

    @Argument(help: ArgumentHelp("USER, USER:GROUP or :GROUP, by name or number.", valueName: "owner"))
    var owner: String

    @Argument(help: .address, completion: .addresses, transform: Read.address)
    var addresses: [Address]

    private func parts() throws -> (user: UInt32?, group: UInt32?) {
        let parts = owner.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        var user: UInt32?
        var group: UInt32?
        if !parts[0].isEmpty {
            user = UInt32(parts[0]) ?? sysUserNumber(parts[0])
            if user == nil { throw ValidationError("there is no user \"\(parts[0])\"") }
        }
        if parts.count > 1, !parts[1].isEmpty {
            group = UInt32(parts[1]) ?? sysGroupNumber(parts[1])
            if group == nil { throw ValidationError("there is no group \"\(parts[1])\"") }
        }
        if user == nil && group == nil {
            throw ValidationError("the owner is missing; a right one is www, www:adm or :adm")
        }
        return (user, group)
    }

    func validate() throws { _ = try parts() }

    func run() throws {
        let (user, group) = try parts()
        try Each.of(addresses) { try Objects.changeOwner($0, user: user, group: group) }
    }
}
