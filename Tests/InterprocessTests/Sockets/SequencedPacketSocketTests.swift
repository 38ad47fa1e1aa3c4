// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessTestKit
import SystemPackage
import Testing

@Suite(.bounded()) struct SequencedPacketSocketTests {
    @Test func keepsBoundaries() throws {
        let pair = try SequencedPacketSocket.pair()
        try pair.first.send(bytes("one"))
        try pair.first.send(bytes("twotwo"))
        let one = try pair.second.receive(upTo: 100)
        #expect(one.bytes == bytes("one"))
        #expect(one.receipt == .message(3))
        #expect(try pair.second.receive(upTo: 100).bytes == bytes("twotwo"))
        let nothing = try pair.second.tryReceive(upTo: 100) == nil
        #expect(nothing)
    }

    @Test func tellsTruncationWithTheRealLength() throws {
        let pair = try SequencedPacketSocket.pair()
        try pair.first.send([UInt8](repeating: 5, count: 1000))
        try pair.first.send([9])
        let cut = try pair.second.receive(upTo: 10)
        #expect(cut.receipt == .truncated(10, of: 1000))
        #expect(cut.bytes.count == 10)
        #expect(try pair.second.receive(upTo: 10).bytes == [9])
        try pair.first.send([UInt8](repeating: 5, count: 1000))
        let again = try pair.second.receiveMessage(upTo: 3)
        #expect(again.receipt == .truncated(3, of: 1000))
    }

    @Test func tellsEmptyMessagesFromTheEnd() throws {
        let pair = try SequencedPacketSocket.pair()
        try pair.first.send([])
        #expect(try pair.second.receive(upTo: 10).receipt == .message(0))
        try pair.first.send([])
        try pair.first.send([1])
        try pair.first.close()
        #expect(try pair.second.receive(upTo: 10).receipt == .message(0))
        #expect(try pair.second.receive(upTo: 10).receipt == .message(1))
        #expect(try pair.second.receive(upTo: 10).receipt == .endOfStream)
    }

    @Test func credentialsProveThatTheLastEmptyMessageWasOne() throws {
        let pair = try SequencedPacketSocket.pair()
        try pair.second.set(.passCredentials, to: true)
        try pair.first.send([])
        try pair.first.close()
        #expect(try pair.second.receiveMessage(upTo: 10).receipt == .message(0))
        #expect(try pair.second.receiveMessage(upTo: 10).receipt == .endOfStream)
    }

    @Test func backPressureInAllFaces() async throws {
        let pair = try SequencedPacketSocket.pair()
        var count = 0
        while try pair.first.trySend([UInt8](repeating: 1, count: 1000)) { count += 1 }
        #expect(count > 0)
        let late = #expect(throws: IPCError.self) { try pair.first.send([2], until: .after(.milliseconds(5))) }
        #expect(late?.code == .timedOut)
        let first = pair.first
        let second = pair.second
        async let sending: Void = first.send(bytes("last"))
        for _ in 0..<count { #expect(try await second.receive(upTo: 1000).bytes.count == 1000) }
        #expect(try await second.receive(upTo: 1000).bytes == bytes("last"))
        try await sending
    }

    @Test(arguments: [StreamPlace.path, .longPath, .abstract])
    func connects(_ place: StreamPlace) async throws {
        let scratch = ScratchName()
        let listener = try SequencedPacketListener.bind(to: try place.address(scratch))
        let client = try await SequencedPacketSocket.connect(to: listener.address)
        let server = try await listener.accept()
        try await client.send(bytes("hello"))
        #expect(try await server.receive(upTo: 10).bytes == bytes("hello"))
        let late = await #expect(throws: IPCError.self) { try await server.receive(upTo: 10, until: .now).bytes }
        #expect(late?.code == .timedOut)
    }

    @Test func bufferFaces() throws {
        let pair = try SequencedPacketSocket.pair()
        let payload: [UInt8] = [1, 2, 3, 4]
        try pair.first.send(payload.span)
        var receipt: SocketReceipt?
        let stored = [UInt8](capacity: 3) { buffer in
            receipt = try? pair.second.receive(into: &buffer, until: .after(.seconds(10)))
        }
        #expect(stored == [1, 2, 3])
        #expect(receipt == .truncated(3, of: 4))
    }

    @Test func aConnectionIsNotAnotherType() throws {
        let scratch = ScratchName()
        let path = SocketAddress.path(scratch.path())
        let listener = try SequencedPacketListener.bind(to: path)
        let error = #expect(throws: IPCError.self) { try StreamSocket.connect(to: path).close() }
        #expect(error?.code == .wrongKind)
        _ = listener.rawValue
    }
}
