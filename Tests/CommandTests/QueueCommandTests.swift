// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import InterprocessTestKit
import SystemPackage
import Testing

/// POSIX queues, with Python's posix_ipc at the other side.
@Suite struct MessageQueueCommandTests {
    let scratch = ScratchName()

    @Test(.requires(python: "posix_ipc")) func pythonReceivesWhatItSends() throws {
        let name = scratch.queueName()
        #expect(try ipc("create", "mq:\(name)", "--max-messages", "4", "--message-size", "100").text == "mq:\(name)\n")
        try ipc("send", "mq:\(name)", "--priority", "7", "héllo")
        try ipc("send", "mq:\(name)", input: "a\0b\n")
        let script = """
            import posix_ipc, sys
            q = posix_ipc.MessageQueue(sys.argv[1])
            print(q.max_messages, q.max_message_size, oct(q.mode) if hasattr(q, 'mode') else '')
            print(q.receive()); print(q.receive())
            """
        let lines = try Peer.python(script, [name]).finish().text
        #expect(lines.contains("4 100"))
        #expect(lines.contains("(b'h\\xc3\\xa9llo', 7)"))
        #expect(lines.contains("(b'a\\x00b\\n', 0)"))
    }

    @Test(.requires(python: "posix_ipc")) func itReceivesWhatPythonSends() throws {
        let name = scratch.queueName()
        let script = """
            import posix_ipc, sys
            q = posix_ipc.MessageQueue(sys.argv[1], posix_ipc.O_CREX)
            q.send('text', priority=3); q.send(bytes([0, 255]), priority=9); q.send('')
            """
        _ = try Peer.python(script, [name]).finish()
        let output = try ipc("receive", "mq:\(name)", "--count", "3", "--json").text
        #expect(
            try parsed(output, "[(m['schema'], m['size'], m['priority'], m.get('text'), m.get('base64')) for m in d]")
                == "[(1, 2, 9, None, 'AP8='), (1, 4, 3, 'text', None), (1, 0, 0, '', None)]")
        #expect(try parsed(output, "all(type(m['time']) is float and m['time'] > 1e9 for m in d)") == "True")
    }

    @Test func fullAndEmptyAreWouldBlock() throws {
        let name = scratch.queueName()
        try ipc("create", "mq:\(name)", "--max-messages", "1")
        #expect(try ipc("receive", "mq:\(name)", "--no-wait", expecting: 4).errorText.contains("EAGAIN"))
        #expect(try ipc("receive", "mq:\(name)", "--timeout", "30ms", expecting: 4).errorText.contains("ETIMEDOUT"))
        try ipc("send", "mq:\(name)", "one")
        let full = try ipc("send", "mq:\(name)", "--no-wait", "two", expecting: 4).errorText
        #expect(full.contains("the queue is full (EAGAIN): 1 of 1 messages; nobody has it open for reading"))
        try ipc("send", "mq:\(name)", "--timeout", "30ms", "two", expecting: 4)
        try ipc("send", "mq:\(name)", String(repeating: "x", count: 9000), expecting: 1)
    }

    @Test func linesAndFramesAreMessages() throws {
        let name = scratch.queueName()
        try ipc("create", "mq:\(name)")
        try ipc("send", "mq:\(name)", "--lines", input: "a\n\nc")
        #expect(try ipc("receive", "mq:\(name)", "--count", "3", "--lines").text == "a\n\nc\n")
        try ipc("send", "mq:\(name)", "--frame", "2", input: "12345")
        #expect(try ipc("receive", "mq:\(name)", "--count", "3", "--lines").text == "12\n34\n5\n")
    }

    @Test func existingMissingAndGone() throws {
        let name = scratch.queueName()
        try ipc("receive", "mq:\(name)", expecting: 3)
        try ipc("send", "mq:\(name)", "x", expecting: 3)
        try ipc("show", "mq:\(name)", expecting: 3)
        try ipc("send", "mq:\(name)", "--create", "x")
        #expect(try ipc("create", "mq:\(name)", "--exclusive", expecting: 6).errorText.contains("EEXIST"))
        try ipc("create", "mq:\(name)")
        try ipc("chmod", "0640", "mq:\(name)")
        let shown = try ipc("show", "mq:\(name)", "--json").text
        #expect(shown.filter { $0 == "\n" }.count == 1)
        #expect(
            try parsed(shown, "(d[0]['kind'], d[0]['address'], d[0]['mode'], d[0]['messages'], d[0]['holders'])")
                == "('mq', 'mq:\(name)', '0640', 1, [])")
        #expect(try ipc("remove", "--dry-run", "mq:\(name)").text == "mq:\(name)\n")
        try ipc("remove", "mq:\(name)")
        #expect(try ipc("remove", "mq:\(name)", expecting: 3).errorText.contains("ENOENT"))
    }

    @Test func modesAreWhatWasAskedForWhateverTheUmaskSays() throws {
        let name = scratch.queueName()
        let outcome = try Peer.shell(
            "umask 077; '\(Checkout.command)' create mq:\(name) --mode 0666; umask 777; '\(Checkout.command)' show mq:\(name) --json"
        ).finish()
        #expect(outcome.text.contains(#""mode":"0666""#))
    }
}

/// System V queues, with Python's sysv_ipc, Perl, ipcs and ipcrm at the other side.
@Suite struct SystemVCommandTests {
    let scratch = ScratchName()

    private func address() -> (key: Int32, text: String) {
        let key = scratch.key()
        return (key, "sysv-msg:0x" + String(key, radix: 16))
    }

    @Test(.requires(python: "sysv_ipc")) func pythonReceivesWhatItSends() throws {
        let (key, address) = address()
        #expect(try ipc("create", "sysv-msg:\(key)").text == address + "\n")
        try ipc("send", address, "--type", "5", "five")
        try ipc("send", address, "one")
        let script = """
            import sysv_ipc, sys
            q = sysv_ipc.MessageQueue(int(sys.argv[1]))
            print(q.receive(), q.receive(), oct(q.mode))
            """
        #expect(try Peer.python(script, ["\(key)"]).finish().text.trimmed == "(b'five', 5) (b'one', 1) 0o600")
    }

    @Test(.requires("perl")) func perlTalksBothWays() throws {
        let (key, address) = address()
        try ipc("create", address)
        let script =
            #"$q = msgget($ARGV[0], 0); msgsnd($q, pack('l! a*', 9, "from perl"), 0); msgrcv($q, $m, 100, 4, 0); print unpack('x8 a*', $m);"#
        let perl = try Peer.perl(script, ["\(key)"])
        let output = try ipc("receive", address, "--json", "--type", "9").text
        #expect(try parsed(output, "(d[0]['type'], d[0]['text'])") == "(9, 'from perl')")
        try ipc("send", address, "--type", "4", "to perl")
        #expect(try perl.finish().text == "to perl")
    }

    @Test func selections() throws {
        let (_, address) = address()
        try ipc("create", address)
        for type in ["7", "3", "5", "3"] { try ipc("send", address, "--type", type, "t\(type)") }
        #expect(try ipc("receive", address, "--type-up-to", "9", "--peek").text == "t3")
        #expect(try ipc("receive", address, "--peek").text == "t7")
        #expect(try ipc("receive", address, "--type-up-to", "5").text == "t3")
        #expect(try ipc("receive", address, "--except", "7").text == "t5")
        #expect(try ipc("receive", address, "--type", "4", "--no-wait", expecting: 4).errorText.contains("ENOMSG"))
        try ipc("receive", address, "--type", "4", "--timeout", "30ms", expecting: 4)
        #expect(try ipc("receive", address, "--count", "2", "--lines").text == "t7\nt3\n")
    }

    @Test(.requires("ipcs", "ipcrm")) func theClassicToolsSeeAndRemoveWhatItMakes() throws {
        let (key, address) = address()
        try ipc("create", address, "--mode", "0644")
        let row = try Peer.shell("ipcs -q | grep -i 0x\(String(key, radix: 16))").finish().text
        #expect(row.contains("644"))
        let waiting = try start("receive", address)
        try eventually("it waits in msgrcv") {
            String(decoding: try Checkout.contents(of: FilePath("/proc/\(waiting.processID)/wchan")), as: UTF8.self)
                .contains("msgrcv")
        }
        _ = try Peer.shell("ipcrm -Q \(key)").finish()
        let outcome = try waiting.finish()
        #expect(outcome.status == .exited(7))
        #expect(outcome.errorText.contains("EIDRM") || outcome.errorText.contains("EINVAL"))
        try ipc("receive", address, expecting: 3)
    }

    @Test func privateQueuesGoById() throws {
        let id = try ipc("create", "sysv-msg:private").text.trimmed
        #expect(id.hasPrefix("sysv-msg:id="))
        try ipc("send", id, "x")
        try ipc("chmod", "g+r", id)
        #expect(try parsed(try ipc("show", id, "--json").text, "(d[0]['mode'], d[0]['usedCount'])") == "('0640', 1)")
        try ipc("remove", id)
        try ipc("show", id, expecting: 3)
        try ipc("send", id, "x", expecting: 3)
    }

    @Test func filesAndProjectsAreKeys() throws {
        let path = scratch.path()
        try ipc("create", "file:\(path)")
        let address = try ipc("create", "sysv-msg:\(path)#7", "--exclusive").text.trimmed
        #expect(address.hasPrefix("sysv-msg:0x"))
        try ipc("create", "sysv-msg:\(path)#7", "--exclusive", expecting: 6)
        try ipc("send", "sysv-msg:\(path)#7", "x")
        #expect(try ipc("receive", address).text == "x")
        try ipc("remove", address)
    }
}
