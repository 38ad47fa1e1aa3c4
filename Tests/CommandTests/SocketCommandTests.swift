// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import InterprocessTestKit
import SystemPackage
import Testing

/// Sockets of every kind, with socat, nc, Python and Ruby at the other side.
@Suite struct SocketCommandTests {
    let scratch = ScratchName()

    /// Starts a listening command and waits until its path is there.
    private func listen(_ kind: String, _ path: FilePath, _ words: String...) throws -> Peer {
        let peer = try Peer([Checkout.command.string, "receive", "\(kind):\(path)", "--listen"] + words)
        try eventually("\(path) is bound") { exists(path) }
        return peer
    }

    @Test(arguments: ["unix", "unix-datagram", "unix-seqpacket"]) func itTalksToItself(_ kind: String) throws {
        let path = scratch.path()
        let receiver = try listen(kind, path, "--json")
        let sender = try start("send", "\(kind):\(path)", "hello")
        #expect(try sender.finish().status == .exited(0))
        let outcome = try receiver.finish()
        #expect(outcome.status == .exited(0))
        #expect(
            try parsed(outcome.text, "(d[0]['text'], d[0]['size'], d[0]['sender']['pid'], d[0]['sender']['uid'])")
                == "('hello', 5, \(sender.processID), \(sysEffectiveUserID()))")
        #expect(!exists(path), "the path is removed")
    }

    @Test(.requires("socat")) func socatSendsAndReceivesStreams() throws {
        let path = scratch.path()
        let receiver = try listen("unix", path)
        let socat = try Peer(["socat", "-u", "STDIN", "UNIX-CONNECT:\(path)"])
        try socat.write([0, 1, 255])
        _ = try socat.finish()
        #expect(try receiver.finish().output == [0, 1, 255])

        let server = try Peer(["socat", "-u", "UNIX-LISTEN:\(path)", "STDOUT"])
        try eventually("socat listens") { exists(path) }
        try ipc("send", "unix:\(path)", input: "to socat")
        #expect(try server.finish().text == "to socat")
    }

    @Test(.requires("nc")) func ncTalksTCP() throws {
        let server = try Peer.python(
            """
            import socket, sys
            s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen(); print(s.getsockname()[1])
            c, _ = s.accept(); print(repr(c.makefile('rb').read()))
            """)
        let port = try #require(try server.readLine())
        try ipc("send", "tcp:127.0.0.1:\(port)", "over tcp")
        #expect(try server.finish().text == "b'over tcp'\n")

        let receiver = try start("receive", "tcp:127.0.0.1:\(port)", "--listen")
        try eventually("nc is answered") {
            try Peer.shell("printf 'from nc' | nc -N 127.0.0.1 \(port)").finish().status == .exited(0)
        }
        #expect(try receiver.finish().text == "from nc")
    }

    @Test(.requires("ruby")) func rubySendsToSeqpacketAndUnix() throws {
        let path = scratch.path()
        let receiver = try listen("unix", path)
        _ = try Peer.ruby("require 'socket'; s = UNIXSocket.new(ARGV[0]); s.write('from ruby'); s.close", ["\(path)"])
            .finish()
        #expect(try receiver.finish().text == "from ruby")
    }

    @Test(.requires("python3")) func pythonKeepsMessagesApart() throws {
        let path = scratch.path()
        let receiver = try listen("unix-seqpacket", path, "--lines")
        _ = try Peer.python(
            """
            import socket, sys
            s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); s.connect(sys.argv[1])
            s.send(b'one'); s.send(b'two'); s.close()
            """, ["\(path)"]
        ).finish()
        #expect(try receiver.finish().text == "one\ntwo\n")

        let server = try Peer.python(
            """
            import socket, sys
            s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); s.bind(sys.argv[1]); s.listen(); print('up')
            c, _ = s.accept()
            while True:
                m = c.recv(100)
                if not m: break
                print(m)
            """, ["\(path)"])
        try server.expect("up")
        try ipc("send", "unix-seqpacket:\(path)", "--lines", input: "a\nbc\n")
        #expect(try server.finish().text == "b'a'\nb'bc'\n")
    }

    @Test(.requires("python3")) func datagramsBothWays() throws {
        let path = scratch.path()
        let receiver = try listen("unix-datagram", path)
        _ = try Peer.python(
            """
            import socket, sys
            s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.sendto(b'a datagram', sys.argv[1])
            """, ["\(path)"]
        ).finish()
        #expect(try receiver.finish().text == "a datagram")

        let server = try Peer.python(
            """
            import socket
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('127.0.0.1', 0)); print(s.getsockname()[1])
            print(s.recv(100))
            """)
        let port = try #require(try server.readLine())
        try ipc("send", "udp:127.0.0.1:\(port)", "udp")
        #expect(try server.finish().text == "b'udp'\n")
    }

    @Test(.requires("python3")) func descriptorsGoToACommand() throws {
        let path = scratch.path()
        let file = scratch.path("secret")
        try ipc("send", "file:\(file)", "--create", "the file")
        let receiver = try listen("unix", path, "--fds", "--", "sh", "-c", "cat; echo; cat <&3; exit 5")
        let open = try sysOpen(file, flags: 0)
        defer { TestSyscalls.close(open) }
        let sender = try start("send", "unix:\(path)", "the bytes", "--fd", "7", descriptors: [7: open])
        #expect(try sender.finish().status == .exited(0))
        let outcome = try receiver.finish()
        #expect(outcome.status == .exited(5))
        #expect(outcome.text == "the bytes\nthe file")
        #expect(!exists(path))

        let python = try Peer.python(
            """
            import socket, sys, os
            s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(); print('up')
            c, _ = s.accept(); m, fds, _, _ = socket.recv_fds(c, 100, 5); print(m, os.pread(fds[0], 100, 0))
            """, ["\(path)"])
        try python.expect("up")
        let again = try start("send", "unix:\(path)", "--fd", "7", "", descriptors: [7: open])
        #expect(try again.finish().status == .exited(0))
        #expect(try python.finish().text == "b'\\x00' b'the file'\n")
    }

    @Test func nobodyThereFailsAtOnce() throws {
        let path = scratch.path()
        #expect(try ipc("send", "unix:\(path)", "x", expecting: 3).errorText.contains("ENOENT"))
        #expect(
            try ipc("send", "unix:@\(scratch.abstractName())", "x", expecting: 7).errorText.contains("ECONNREFUSED"))
        let dead = try listen("unix", path)
        dead.kill()
        try dead.wait()
        #expect(exists(path), "a killed process leaves its path")
        #expect(try ipc("send", "unix:\(path)", "x", expecting: 7).errorText.contains("ECONNREFUSED"))
        let heir = try listen("unix", path)
        try eventually("the stale path is taken over") {
            try start("send", "unix:\(path)", "x").finish().status == .exited(0)
        }
        #expect(try heir.finish().text == "x")
    }

    @Test(arguments: [(CInt(2), Int32(2)), (15, 15), (1, 1)]) func signalsRemoveThePath(
        _ signal: CInt, _ expected: Int32
    ) throws {
        let path = scratch.path()
        let receiver = try listen("unix", path, "--follow")
        receiver.kill(signal)
        #expect(try receiver.wait() == .signaled(expected))
        #expect(!exists(path))
    }

    @Test func followServesClientAfterClient() throws {
        let path = scratch.path()
        let receiver = try listen("unix", path, "--follow", "--lines")
        for text in ["one", "two", "three"] { try ipc("send", "unix:\(path)", input: text + "\n") }
        #expect(
            try [receiver.readLine(), receiver.readLine(), receiver.readLine()].compactMap { $0 }.sorted() == [
                "one", "three", "two",
            ])
        receiver.kill(15)
        try receiver.wait()
        #expect(!exists(path))
    }

    @Test func timeoutsEnd() throws {
        let path = scratch.path()
        try ipc("receive", "unix:\(path)", "--listen", "--timeout", "50ms", expecting: 4)
        try ipc("receive", "unix-datagram:\(path)", "--listen", "--timeout", "50ms", expecting: 4)
        try ipc("receive", "unix-datagram:\(path)", "--listen", "--no-wait", expecting: 4)
        #expect(!exists(path))
    }
}
