// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Interprocess

struct SignalCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "signal", abstract: "Send a signal to a process, with a value if there is one.",
        discussion: """
            SIGNAL is a name (USR1, SIGTERM, SIGRTMIN+3) or a number. A value is 32 bits,
            as sigqueue(3) sends it. Real-time signals (SIGRTMIN to SIGRTMAX) are queued,
            each with its value; of the others one that is pending swallows the next.

            The process is held by a handle of the kernel from the look-up on: another
            that gets its number later is never reached.

            Examples:
              ipc signal pid:812 USR1
              ipc signal pid:812 SIGRTMIN+3 --value 42
              ipc signal pid:812 TERM --wait 5s || ipc signal pid:812 KILL
            """)

    @Argument(
        help: ArgumentHelp("The process, as pid:NUMBER.", valueName: "address"), completion: .addresses,
        transform: Read.address)
    var address: Address

    @Argument(help: ArgumentHelp("Which signal.", valueName: "signal"), transform: Read.signal)
    var signal: Signal

    @Option(
        parsing: .unconditional,  // -1 is a value, not an option
        help: ArgumentHelp("What travels with it, −2147483648 to 2147483647.", valueName: "n"))
    var value: Int32?

    @Option(
        help: ArgumentHelp(
            "Wait for the process to end, at most this long (500ms, 2s, 1m), then end with 4.", valueName: "duration"),
        transform: Read.duration)
    var wait: Duration?

    func validate() throws {
        guard case .pid = address.kind else {
            throw ValidationError(
                "signals are sent to processes: \(Address.Kind.pid.example), not to a \(address.kind.title)")
        }
    }

    func run() throws {
        guard case .process(let number) = address.name else {
            throw Failure.unfit(address, "no process has that number")
        }
        let process = try ProcessHandle(processID: number)
        try process.send(signal, value: value)
        guard let wait else { return }
        guard let end = try Self.end(of: process, until: .after(wait)) else {
            throw Failure(
                "\(address): it still runs (ETIMEDOUT): \(signal) has not ended it in the time allowed", exitCode: 4)
        }
        Output.note("\(end)")
    }

    /// nil if it runs on.
    private static func end(of process: borrowing ProcessHandle, until deadline: Deadline) throws -> ProcessExit? {
        guard try process.ended(until: deadline) else { return nil }
        return try process.tryExit()
    }
}

extension Read {
    static func signal(_ text: String) throws -> Signal {
        do { return try Signal(text) } catch { throw ValidationError("there is no \(error.subject): \(error.hint)") }
    }
}
