// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessTestKit
import SystemPackage
import Testing

/// The examples print what their READMEs say.
@Suite(.bounded()) struct SocketExampleTests {
    @Test func echoesOverUnixAndTCP() async throws {
        let scratch = ScratchName()
        for address in [scratch.path().string, "127.0.0.1:0"] {
            let server = try Peer([Checkout.products.appending("sockets-echo").string, address])
            let line = try #require(try server.readLine())
            let place = try #require(line.split(separator: " ").last)
            #expect(line == "listening at \(place)")
            let client = try await StreamSocket.connect(to: try SocketAddress(String(place)))
            try await client.send(bytes("hello\n"))
            #expect(try await client.receive(exactly: 6) == bytes("hello\n"))
            try client.shutDown(.sending)
            #expect(try await client.receive(upTo: 1) == [])
            try server.expect("a client went away after 6 bytes")
            server.kill()
            try server.wait()
        }
    }

    @Test func passesAnOpenFile() throws {
        let scratch = ScratchName()
        let program = Checkout.products.appending("sockets-pass-descriptor").string
        let (socket, log) = (scratch.path(), scratch.path("log"))
        let giver = try Peer([program, "give", socket.string, log.string])
        try giver.expect("giving \(log) at \(socket)")
        let taker = try Peer([program, "take", socket.string])
        try taker.expect("wrote to \(log)")
        try giver.expect("gave it to the process that came")
        try giver.wait()
        #expect(try Checkout.text(of: log) == "a line through a descriptor that was passed\n")
        #expect(try !exists(socket))
    }
}
