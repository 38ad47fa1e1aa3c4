// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessTestKit
import SystemPackage
import Testing

/// The addresses at which a stream can be had on one host.
enum StreamPlace: String, CaseIterable, Sendable {
    case path, longPath, abstract, ipv4, ipv6

    func address(_ scratch: ScratchName) throws -> SocketAddress {
        switch self {
        case .path: return .path(scratch.path())
        case .longPath: return .path(try longFolder(scratch).appending("s.sock"))
        case .abstract: return .abstract(scratch.abstractName())
        case .ipv4: return .ipv4(.loopback, port: 0)
        case .ipv6: return .ipv6(.loopback, port: 0)
        }
    }
}

/// A folder whose path alone is longer than any socket's may be.
func longFolder(_ scratch: ScratchName) throws -> FilePath {
    let folder = scratch.directory.appending(String(repeating: "d", count: 120))
    let peer = try Peer(["mkdir", "-p", folder.string])
    try peer.wait()
    return folder
}

func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

@Suite(.bounded()) struct StreamSocketTests {
    @Test(arguments: StreamPlace.allCases)
    func blockingRoundTrip(_ place: StreamPlace) throws {
        let scratch = ScratchName()
        let listener = try StreamListener.bind(to: try place.address(scratch))
        let client = try StreamSocket.connect(to: listener.address)
        let server = try listener.accept()
        try client.send(bytes("question"))
        #expect(try server.receive(exactly: 8) == bytes("question"))
        try client.shutDown(.sending)
        #expect(try server.receive(upTo: 10) == [])
        try server.send(bytes("answer"), until: .after(.seconds(10)))
        #expect(try client.receive(upTo: 10, until: .after(.seconds(10))) == bytes("answer"))
        try server.close()
        #expect(try client.receive(upTo: 10) == [])
        try listener.close()
        if case .path(let path) = try place.address(scratch) { #expect(try exists(path) == false) }
    }

    @Test(arguments: StreamPlace.allCases)
    func asyncRoundTrip(_ place: StreamPlace) async throws {
        let scratch = ScratchName()
        let listener = try StreamListener.bind(to: try place.address(scratch))
        let address = listener.address
        async let echo: Int = {
            var served = 0
            while let connection = try await listener.next() {
                while true {
                    let part = try await connection.receive(upTo: 1 << 16)
                    if part.isEmpty { break }
                    try await connection.send(part)
                }
                served += 1
                if served == 3 { return served }
            }
            return served
        }()
        for round in 0..<3 {
            let client = try await StreamSocket.connect(to: address)
            let payload = [UInt8](repeating: UInt8(round), count: 100_000)
            try await client.send(payload)
            #expect(try await client.receive(exactly: payload.count) == payload)
        }
        #expect(try await echo == 3)
    }

    @Test func tryFacesReturnAtOnce() throws {
        let pair = try StreamSocket.pair()
        #expect(try pair.first.tryReceive(upTo: 10) == nil)
        let block = [UInt8](repeating: 7, count: 1 << 16)
        var sent = 0
        while true {
            let count = try pair.first.trySend(block)
            if count == 0 { break }
            sent += count
        }
        #expect(sent > 0)
        let late = #expect(throws: IPCError.self) { try pair.first.send([1], until: .after(.milliseconds(5))) }
        #expect(late?.code == .timedOut)
        var received = 0
        while let part = try pair.second.tryReceive(upTo: 1 << 20) { received += part.count }
        #expect(received == sent)
        let none = #expect(throws: IPCError.self) { try pair.second.receive(upTo: 1, until: .after(.milliseconds(5))) }
        #expect(none?.code == .timedOut)
    }

    @Test func backPressureSuspendsTheTask() async throws {
        let pair = try StreamSocket.pair()
        let payload = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        let first = pair.first
        let second = pair.second
        async let sending: Void = first.send(payload)
        let received = try await second.receive(exactly: payload.count)
        try await sending
        #expect(received == payload)
    }

    @Test func aTimedOutSendSaysHowFarItGot() throws {
        let pair = try StreamSocket.pair()
        let error = #expect(throws: IPCError.self) {
            try pair.first.send([UInt8](repeating: 0, count: 4 << 20), until: .after(.milliseconds(20)))
        }
        #expect(error?.code == .timedOut)
        #expect(error?.hint.contains("of 4194304 bytes had been sent") == true)
    }

    @Test func cancellationEndsAWait() async throws {
        let pair = try StreamSocket.pair()
        let first = pair.first
        let task = Task { try await first.receive(upTo: 1) }
        await Task.yield()
        task.cancel()
        let error = await #expect(throws: IPCError.self) { try await task.value }
        #expect(error?.code == .cancelled)
        _ = pair.second.rawValue
    }

    @Test func tcpConnectionRefused() async throws {
        let free = try StreamListener.bind(to: .ipv4(.loopback, port: 0))
        let address = free.address
        try free.close()
        let blocking = #expect(throws: IPCError.self) { try StreamSocket.connect(to: address).close() }
        #expect(blocking?.code == .noPeer)
        #expect(blocking?.subject == "tcp:\(address)")
        let bounded = #expect(throws: IPCError.self) {
            try StreamSocket.connect(to: address, until: .after(.seconds(10))).close()
        }
        #expect(bounded?.code == .noPeer)
        let suspending = await #expect(throws: IPCError.self) { try await StreamSocket.connect(to: address).close() }
        #expect(suspending?.code == .noPeer)
        #expect(suspending?.errno == .connectionRefused)
    }

    @Test func tcpResetIsDisconnected() throws {
        let listener = try StreamListener.bind(to: .ipv4(.loopback, port: 0))
        let client = try StreamSocket.connect(to: listener.address)
        let server = try listener.accept()
        try server.set(.lingerSeconds, to: 0)
        try server.close()
        let error = #expect(throws: IPCError.self) { try client.receive(upTo: 1) }
        #expect(error?.code == .disconnected)
        #expect(error?.errno == .connectionReset)
    }

    @Test func tcpAddressInUse() throws {
        let listener = try StreamListener.bind(to: .ipv4(.loopback, port: 0))
        let address = listener.address
        let error = #expect(throws: IPCError.self) { try StreamListener.bind(to: address).close() }
        #expect(error?.code == .alreadyExists)
        _ = listener.rawValue
    }

    @Test func tcpByTheNameOfAHost() async throws {
        // The host may have IPv6 first; nobody listens there, so the next address is tried.
        let listener = try StreamListener.bind(to: .ipv4(.loopback, port: 0))
        let host = "localhost:\(try #require(listener.address.port))"
        let client = try await StreamSocket.connect(toHost: host)
        let server = try await listener.accept()
        try await client.send([1])
        #expect(try await server.receive(upTo: 1) == [1])
        #expect(try { try StreamSocket.connect(toHost: host).rawValue >= 0 }())
        try listener.close()
        let error = await #expect(throws: IPCError.self) { try await StreamSocket.connect(toHost: host).close() }
        #expect(error?.code == .noPeer)
    }

    @Test func tcpTryConnectNeverWaits() throws {
        let listener = try StreamListener.bind(to: .ipv4(.loopback, port: 0))
        let isThere = try StreamSocket.tryConnect(to: listener.address) != nil
        #expect(!isThere)
    }

    @Test func endIsAwaitable() async throws {
        let pair = try StreamSocket.pair()
        let first = pair.first
        #expect(try await first.waitForEnd(until: .now) == false)
        try pair.second.shutDown(.sending)
        #expect(try await first.waitForEnd())
        #expect(try { try first.waitForEnd() }())
    }

    @Test func framesWorkOnIt() async throws {
        let pair = try StreamSocket.pair()
        let answers = FrameReader(try pair.first.duplicate())
        let questions = FrameWriter(pair.first)
        let server = pair.second
        async let serving: Void = {
            let input = FrameReader(try server.duplicate())
            let output = FrameWriter(try server.duplicate())
            while let message = try await input.receive() { try await output.send(message.reversed()) }
            try output.sink.shutDown(.sending)
        }()
        for count in [0, 1, 100, 300_000] {
            let message = (0..<count).map { UInt8(truncatingIfNeeded: $0) }
            try await questions.send(message)
            #expect(try await answers.receive() == message.reversed())
        }
        try questions.sink.shutDown(.sending)
        #expect(try await answers.receive() == nil)
        try await serving
    }

    @Test func adoptsOnlyStreams() throws {
        let stream = try StreamSocket.pair()
        let adopted = try StreamSocket(adopting: stream.first.release())
        try adopted.send([1])
        #expect(try stream.second.receive(upTo: 1) == [1])
        let error = #expect(throws: IPCError.self) {
            let packets = try SequencedPacketSocket.pair()
            try StreamSocket(adopting: packets.first.release()).close()
        }
        #expect(error?.code == .wrongKind)
    }

    @Test func optionsAreTyped() throws {
        let listener = try StreamListener.bind(
            to: .ipv4(.loopback, port: 0), settings: [SocketSetting(.receiveBufferBytes, 50_000)])
        #expect(try listener.get(.isListening))
        #expect(try listener.get(.reuseAddress))
        #expect(try listener.get(.receiveBufferBytes) >= 50_000)
        let client = try StreamSocket.connect(to: listener.address, settings: [SocketSetting(.noDelay, true)])
        #expect(try client.get(.noDelay))
        #expect(try client.get(.keepAlive) == false)
        try client.set(.keepAlive, to: true)
        try client.set(.keepAliveIdleSeconds, to: 30)
        #expect(try client.get(.keepAliveIdleSeconds) == 30)
        #expect(try client.get(.lingerSeconds) == nil)
        try client.set(.lingerSeconds, to: 3)
        #expect(try client.get(.lingerSeconds) == 3)
        #expect(try client.get(.error) == 0)
        #expect(try client.get(.type) == 1)
        let pair = try StreamSocket.pair()
        let error = #expect(throws: IPCError.self) { try pair.first.set(.noDelay, to: true) }
        #expect(error?.code == .unsupported)
    }
}

/// Sockets and files that this process holds. Not event counters and the like: the runtime makes such when it pleases.
struct HeldDescriptors {
    private let before = Self.count

    static var count: Int { LeakCheck.descriptors().values.count { !$0.hasPrefix("anon_inode:") } }

    /// Expects no more than at the beginning; what closes a little later is waited for.
    func expectNoMore() {
        let deadline = Deadline.after(.seconds(5))
        while Self.count > before && !deadline.hasPassed {}
        #expect(Self.count <= before, "\(LeakCheck.descriptors())")
    }
}

/// `#require` cannot take what cannot be copied.
func must<Value: ~Copyable>(_ value: consuming Value?) throws -> Value {
    guard let value else { throw IPCError(code: .system, subject: "test", hint: "there is nothing") }
    return value
}

func exists(_ path: FilePath) throws -> Bool {
    try Peer(["test", "-e", path.string]).wait() == .exited(0)
}
