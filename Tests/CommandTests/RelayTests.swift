// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import InterprocessTestKit
import SystemPackage
import Testing

@Suite struct RelayTests {
    let scratch = ScratchName()

    /// A TCP port that nobody uses at this moment.
    private func freePort() throws -> String {
        let peer = try Peer.python(
            "import socket; s = socket.socket(); s.bind(('127.0.0.1', 0)); print(s.getsockname()[1])")
        return try #require(try peer.finish().text.split(separator: "\n").first.map(String.init))
    }

    @Test(.requires("python3")) func aChainThroughEveryMechanismKeepsEveryByte() throws {
        let (fifo, socket, file, input) = (scratch.path(), scratch.path(), scratch.path(), scratch.path())
        let (mq, key) = ("mq:\(scratch.queueName())", "sysv-msg:0x" + String(scratch.key(), radix: 16))
        let tcp = "tcp:127.0.0.1:\(try freePort())"
        _ = try Peer.shell("head -c 300000 /dev/urandom > '\(input)'").finish()
        for address in ["fifo:\(fifo)", mq, key, "file:\(file)"] { try ipc("create", address) }

        let last = try start("relay", key, "file:\(file)")
        let fourth = try start("relay", "unix-seqpacket:\(socket)", key)
        try eventually("the socket is bound") { exists(socket) }
        let third = try start("relay", tcp, "unix-seqpacket:\(socket)")
        try eventually("the port is bound") { try Peer.runIPC("list", "tcp", "-n", "-o", "address").text.contains(tcp) }
        let second = try start("relay", mq, tcp)
        let first = try start("relay", "fifo:\(fifo)", mq)
        try ipc("send", "fifo:\(fifo)", input: "")
        #expect(try first.finish().status == .exited(0))
        let again = try start("relay", "fifo:\(fifo)", mq)
        _ = try Peer.shell("cat '\(input)' > '\(fifo)'").finish()
        #expect(try again.finish().status == .exited(0))
        try eventually("all has arrived") { try sysStatus(file).size == 300000 }
        #expect(try Peer(["cmp", "\(input)", "\(file)"]).finish().status == .exited(0))
        // The end of what has an end goes down the chain.
        second.kill(15)
        #expect(try second.wait() == .signaled(15))
        #expect(try third.finish().status == .exited(0))
        #expect(try fourth.finish().status == .exited(0))
        #expect(!exists(socket))
        last.kill(15)
        try last.wait()
    }

    @Test func bordersTypesAndPrioritiesAreKept() throws {
        let (a, b) = (
            "sysv-msg:0x" + String(scratch.key(), radix: 16), "sysv-msg:0x" + String(scratch.key(), radix: 16)
        )
        let (c, d) = ("mq:\(scratch.queueName())", "mq:\(scratch.queueName())")
        for address in [a, b, c, d] { try ipc("create", address) }
        try ipc("send", a, "--type", "9", "nine")
        try ipc("send", a, "")
        try ipc("relay", a, b, "--count", "2")
        #expect(
            try parsed(try ipc("receive", b, "--count", "2", "--json").text, "[(m['type'], m['text']) for m in d]")
                == "[(9, 'nine'), (1, '')]")
        try ipc("send", c, "--priority", "4", "four")
        try ipc("relay", c, d, "--count", "1")
        #expect(try parsed(try ipc("receive", d, "--json").text, "(d[0]['priority'], d[0]['text'])") == "(4, 'four')")
        try ipc("relay", a, b, "--timeout", "30ms", expecting: 4)
    }

    @Test(.requires("nc", "socat")) func bothWays() throws {
        let path = scratch.path()
        let tcp = try freePort()
        let server = try Peer(["socat", "UNIX-LISTEN:\(path)", "EXEC:tr a-z A-Z"])
        try eventually("socat listens") { exists(path) }
        let relay = try start("relay", "tcp:127.0.0.1:\(tcp)", "unix:\(path)", "--both", "--listen")
        try eventually("the port is bound") {
            try Peer.runIPC("list", "tcp", "-n", "-o", "address").text.contains(":\(tcp)")
        }
        let client = try Peer(["nc", "-N", "127.0.0.1", tcp])
        try client.send("hello")
        #expect(try client.finish().text == "HELLO\n")
        #expect(try relay.finish().status == .exited(0))
        _ = try server.finish()
    }

    @Test func aRemovedQueueEndsIt() throws {
        let (a, b) = ("sysv-msg:0x" + String(scratch.key(), radix: 16), "mq:\(scratch.queueName())")
        for address in [a, b] { try ipc("create", address) }
        let relay = try start("relay", a, b)
        try eventually("it waits in msgrcv") {
            String(decoding: try Checkout.contents(of: FilePath("/proc/\(relay.processID)/wchan")), as: UTF8.self)
                .contains("msgrcv")
        }
        try ipc("remove", a)
        #expect(try relay.finish().status == .exited(7))
    }
}
