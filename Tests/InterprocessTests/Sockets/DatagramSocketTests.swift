// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessTestKit
import SystemPackage
import Testing

@Suite(.bounded()) struct DatagramSocketTests {
    @Test(arguments: StreamPlace.allCases)
    func sendsAndAnswers(_ place: StreamPlace) async throws {
        let scratch = ScratchName()
        let inbox = try DatagramSocket.bind(to: try place.address(scratch))
        let local: SocketAddress =
            switch place {
            case .path, .longPath, .abstract: .abstract(scratch.abstractName())
            case .ipv4: .ipv4(.loopback, port: 0)
            case .ipv6: .ipv6(.loopback, port: 0)
            }
        let client = try DatagramSocket.bind(to: local)
        try await client.send(bytes("question"), to: inbox.address)
        let message = try await inbox.receiveMessage(upTo: 100, until: .after(.seconds(20)))
        #expect(message.bytes == bytes("question"))
        let found: SocketAddress? = message.sender
        let sender = try #require(found)
        #expect(sender == client.address)
        try await inbox.send(bytes("answer"), to: sender)
        #expect(try await client.receive(upTo: 100).bytes == bytes("answer"))
    }

    @Test func tellsTruncation() throws {
        let inbox = try DatagramSocket.bind(to: .ipv4(.loopback, port: 0))
        let client = try DatagramSocket.connect(to: inbox.address)
        try client.send([UInt8](repeating: 3, count: 500))
        #expect(try inbox.receive(upTo: 20).receipt == .truncated(20, of: 500))
        try client.send([])
        #expect(try inbox.receive(upTo: 20).receipt == .message(0))
        let pair = try DatagramSocket.pair()
        try pair.first.send([UInt8](repeating: 3, count: 500))
        #expect(try pair.second.receive(upTo: 20).receipt == .truncated(20, of: 500))
    }

    @Test func udpTellsThatNobodyWasThere() throws {
        let gone = try DatagramSocket.bind(to: .ipv4(.loopback, port: 0))
        let address = gone.address
        try gone.close()
        let client = try DatagramSocket.connect(to: address)
        try client.send([1])
        let error = #expect(throws: IPCError.self) { try client.receive(upTo: 1, until: .after(.seconds(20))).bytes }
        #expect(error?.code == .noPeer)
    }

    /// An unconnected unix socket is always writable to poll, whatever the receiver's queue says.
    @Test func waitsForTheReceiverWithoutBeingConnected() async throws {
        let scratch = ScratchName()
        let inbox = try DatagramSocket.bind(to: .path(scratch.path()))
        let client = try DatagramSocket.open(.unix)
        let address = inbox.address
        var count = 0
        while try client.trySend([UInt8(truncatingIfNeeded: count)], to: address) { count += 1 }
        #expect(count > 0)
        let late = #expect(throws: IPCError.self) {
            try client.send([0], to: address, until: .after(.milliseconds(20)))
        }
        #expect(late?.code == .timedOut)
        async let sending: Void = client.send(bytes("last"), to: address)
        for index in 0..<count {
            #expect(try await inbox.receive(upTo: 10).bytes == [UInt8(truncatingIfNeeded: index)])
        }
        #expect(try await inbox.receive(upTo: 10).bytes == bytes("last"))
        try await sending
    }

    @Test func aConnectedSenderWaitsForTheReceiver() async throws {
        let inbox = try DatagramSocket.bind(to: .unnamed)
        let client = try DatagramSocket.connect(to: inbox.address)
        var count = 0
        while try client.trySend([1]) { count += 1 }
        let late = #expect(throws: IPCError.self) { try client.send([0], until: .after(.milliseconds(20))) }
        #expect(late?.code == .timedOut)
        async let sending: Void = client.send(bytes("last"))
        for _ in 0..<count { #expect(try await inbox.receive(upTo: 10).bytes == [1]) }
        #expect(try await inbox.receive(upTo: 10).bytes == bytes("last"))
        try await sending
    }

    @Test func removesItsPath() throws {
        let scratch = ScratchName()
        let path = scratch.path()
        let inbox = try DatagramSocket.bind(to: .path(path), permissions: [.ownerReadWrite, .groupWrite, .otherWrite])
        #expect(try exists(path))
        try inbox.close()
        #expect(try !exists(path))
    }

    @Test func passesDescriptors() throws {
        let scratch = ScratchName()
        let inbox = try DatagramSocket.bind(to: .path(scratch.path()))
        let client = try DatagramSocket.open(.unix)
        let other = try StreamSocket.pair()
        try client.send([1], to: inbox.address, descriptors: [other.first.fileDescriptor])
        var message = try inbox.receiveMessage(upTo: 10)
        let passed = try StreamSocket(adopting: try must(message.descriptors.takeFirst()))
        try passed.send(bytes("through"))
        #expect(try other.second.receive(upTo: 10) == bytes("through"))
    }

    @Test func broadcastNeedsTheOption() throws {
        let socket = try DatagramSocket.open(.ipv4)
        let everybody = SocketAddress.ipv4(IPv4Address(rawValue: 0xffff_ffff), port: 9)
        let error = #expect(throws: IPCError.self) { try socket.send([1], to: everybody) }
        #expect(error?.code == .permissionDenied || error?.code == .noPeer)
    }
}
