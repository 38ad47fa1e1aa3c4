// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Interprocess
import InterprocessSyscalls

struct SendCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "send", abstract: "Send DATA, or standard input, to an address.",
        discussion: """
            Where messages have borders (mq, sysv-msg, topic, unix-datagram,
            unix-seqpacket, udp) all of the input is one message, unless --lines or
            --frame cut it. On streams (fifo, unix, tcp, file) it is copied as it is. A
            fifo waits for a reader, a topic for a subscriber; a socket to which nobody
            listens fails at once.

            What is sent to a topic reaches those who subscribe at that moment. If its
            publishers carry a type, a message is one payload of it, as it lies in
            memory. --no-wait gives those who are there a quarter of a second.

            Examples:
              ipc send mq:/orders --priority 5 'two coffees'
              tail -f access.log | ipc send sysv-msg:0x2a --type 3 --lines
              ipc send tcp:localhost:8080 < page.html
              ipc send unix:/run/app.sock --fd 3 3< secret.txt
              ipc send fifo:/tmp/f --no-wait hello || echo nobody reads
              tail -f access.log | ipc send topic:log/access --lines --wait-for 0
            """)

    @Argument(help: .address, completion: .addresses, transform: Read.address)
    var address: Address

    @Argument(help: ArgumentHelp("What to send; without it, standard input.", valueName: "data"))
    var data: String?

    @Option(help: ArgumentHelp("The message's type, 1 or more (sysv-msg). (default: 1)", valueName: "n"))
    var type: Int?

    @Option(help: ArgumentHelp("The message's priority, 0 to 32767 (mq). (default: 0)", valueName: "n"))
    var priority: UInt32?

    @Flag(help: "Each line of the input is a message, without its newline.")
    var lines = false

    @Option(
        help: ArgumentHelp("Each so many bytes of the input are a message.", valueName: "size"), transform: Read.size)
    var frame: Int?

    @Option(
        help: ArgumentHelp(
            "Pass this open descriptor of the command along (unix sockets); may be given several times.",
            valueName: "n"))
    var fd: [Int32] = []

    @Flag(help: "Make the object if it is not there (fifo, mq, sysv-msg, file).")
    var create = false

    @OptionGroup(title: "Topics") var topic: TopicWritingOptions

    @OptionGroup var wait: WaitOptions

    func validate() throws {
        if lines && frame != nil { throw ValidationError("--lines and --frame exclude each other") }
        if let frame, frame < 1 { throw ValidationError("--frame is a size from 1 up") }
        if type != nil && address.kind != .sysvMsg {
            throw ValidationError("--type is for sysv-msg; a \(address.kind.title) has no types")
        }
        if let type, type < 1 { throw ValidationError("--type is a number from 1 up") }
        if priority != nil && address.kind != .mq {
            throw ValidationError("--priority is for mq; a \(address.kind.title) has none")
        }
        try topic.check(address)
        if !fd.isEmpty && !address.kind.isUnix {
            throw ValidationError("--fd is for unix sockets; a \(address.kind.title) carries no descriptors")
        }
    }

    func run() throws {
        for number in fd where (try? sysStatus(number)) == nil {
            throw Failure(
                "descriptor \(number): not open (EBADF); hand it over in the shell: ipc send … --fd \(number) \(number)< FILE"
            )
        }
        let plan = SinkPlan(
            create: create, deadline: wait.deadline, noWait: wait.noWait,
            topic: topic.writing(waitsAtOnce: lines || frame != nil))
        let sink = try Carriers.sink(address, plan)
        if data == nil, Output.inputIsTerminal, Output.errorIsTerminal {
            Output.note("reading from the terminal; Ctrl-D ends the input")
        }
        let cutting: Cutting =
            lines ? .lines : frame.map { .frames($0) } ?? (sink.keepsBoundaries ? .whole : .flowing)
        var input = CutInput(cutting, data: data.map { Array($0.utf8) })
        var descriptors = fd
        while let bytes = try input.next() {
            try sink.send(parcel(bytes, &descriptors), until: wait.deadline)
        }
        if !descriptors.isEmpty { try sink.send(parcel([], &descriptors), until: wait.deadline) }
        try sink.finish()
    }

    private func parcel(_ bytes: [UInt8], _ descriptors: inout [Int32]) -> Parcel {
        // Descriptors travel with a byte; where there is none, one zero byte carries them.
        let bytes =
            bytes.isEmpty && !descriptors.isEmpty ? [0] : lines && !address.keepsBoundaries ? bytes + [10] : bytes
        defer { descriptors = [] }
        return Parcel(bytes: bytes, type: type ?? 1, priority: priority ?? 0, descriptors: descriptors)
    }
}
