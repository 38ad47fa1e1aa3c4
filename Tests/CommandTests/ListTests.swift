// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import InterprocessTestKit
import SystemPackage
import Testing

/// What `list` and `show` say, and what those may not see who have not the right.
@Suite struct ListTests {
    let scratch = ScratchName()

    @Test func rowsAreJSONAndFiltersChooseThem() throws {
        let name = scratch.queueName()
        try ipc("create", "mq:\(name)", "--max-messages", "2", "--message-size", "64")
        try ipc("send", "mq:\(name)", "four")
        let output = try ipc(
            "list", "mq", "--json", "--filter", "address == \"mq:\(name)\" and used >= 50% and mode == 0600"
        ).text
        #expect(
            try parsed(
                output,
                "[(m['schema'], m['kind'], m['messages'], m['max'], m['used'], m['size'], m['limit'], m['owner'] != '') for m in d]"
            )
                == "[(1, 'mq', 1, 2, 0.5, 4, 128, True)]")
        #expect(try ipc("list", "mq", "--filter", "address == \"mq:\(name)\" and used > 50%", "-n").text == "")
        let table = try ipc("list", "mq", "-o", "address,limit", "-b", "--filter", "address ~ \(name)").text
        #expect(table.split(separator: "\n").count == 2)
        #expect(table.hasPrefix("ADDRESS"))
        #expect(table.contains("128"))
        #expect(try ipc("list", "mq", "-n", "-o", "+pids", "--filter", "address ~ \(name)").text.contains("0600"))
        #expect(try ipc("ls", "--list-columns").text.contains("holders"))
    }

    @Test func listeningSocketsAndTheirHoldersAreSeen() throws {
        let path = scratch.path()
        let receiver = try start("receive", "unix-seqpacket:\(path)", "--listen")
        try eventually("it is bound") { exists(path) }
        let output = try ipc("list", "unix-seqpacket", "--json", "--filter", "address ~ \(path)").text
        #expect(
            try parsed(output, "[(m['state'], m['holderPIDs']) for m in d]")
                == "[('listening', [\(receiver.processID)])]")
        let shown = try ipc("show", "unix-seqpacket:\(path)", "--json").text
        #expect(
            try parsed(shown, "(d[0]['mode'], d[0]['state'], d[0]['holders'][0]['pid'], type(d[0]['backlog']))")
                == "('0600', 'listening', \(receiver.processID), <class 'int'>)")
    }

    @Test func bareItSaysWhatIsHereAndWhatToTry() throws {
        let lines = try ipc().text.split(separator: "\n", omittingEmptySubsequences: false)
        #expect(lines.count >= 5)
        #expect(lines[3].isEmpty, "three lines, then what to try")
        #expect(lines.contains { $0.contains("ipc tour") })
    }

    /// Runs the command as a user who owns nothing.
    private func asNobody(_ words: String...) throws -> PeerOutcome {
        let script =
            "import os, sys; os.setgroups([]); os.setgid(65534); os.setuid(65534); os.execv(sys.argv[1], sys.argv[1:])"
        return try Peer.python(script, [Checkout.command.string] + words).finish()
    }

    @Test(.requiresRoot, .requires("python3")) func othersObjectsAreForbiddenAndTheViewIsPartial() throws {
        guard case .exited(0) = try asNobody("--version").status else { return }
        let queue = "mq:\(scratch.queueName())"
        let key = "sysv-msg:0x" + String(scratch.key(), radix: 16)
        let fifo = "fifo:\(scratch.path())"
        for address in [queue, key, fifo] { try ipc("create", address) }
        for words in [
            ["send", queue, "x"], ["receive", queue], ["send", key, "x"], ["receive", key], ["send", fifo, "x"],
            ["remove", key], ["chmod", "0666", key], ["create", "fifo:/etc/swift-ipc-test-fifo"],
        ] {
            let script =
                "import os, sys; os.setgroups([]); os.setgid(65534); os.setuid(65534); os.execv(sys.argv[1], sys.argv[1:])"
            let outcome = try Peer.python(script, [Checkout.command.string] + words).finish()
            #expect(outcome.status == .exited(5), "\(words): \(outcome.errorText)")
            #expect(outcome.errorText.contains("EACCES") || outcome.errorText.contains("EPERM"), "\(outcome.errorText)")
        }
        let partial = try asNobody("list")
        #expect(partial.status == .exited(2))
        #expect(partial.errorText.contains("not seen"))
        #expect(partial.errorText.contains("CAP_"))
    }
}
