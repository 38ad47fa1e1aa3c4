// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessTestKit
import SystemPackage
import Testing

/// Foreign programs on the other side, and peers that die at every step.
@Suite(.bounded()) struct SocketPeerTests {
    @Test(.requires("python3"), arguments: [StreamPlace.path, .abstract, .ipv4, .ipv6])
    func pythonConnectsToUs(_ place: StreamPlace) async throws {
        let scratch = ScratchName()
        let listener = try StreamListener.bind(to: try place.address(scratch))
        let peer = try Peer.python(
            connect + "s.sendall(b'from python'); s.shutdown(socket.SHUT_WR); print(s.recv(100).decode())",
            ["STREAM", listener.address.description])
        let connection = try await listener.accept()
        #expect(try await connection.receive(exactly: 11) == bytes("from python"))
        #expect(try await connection.receive(upTo: 1) == [])
        if listener.address.isUnix {
            #expect(try connection.peerCredentials().processID == peer.processID)
        }
        try await connection.send(bytes("from swift\n"))
        try peer.expect("from swift")
        try peer.wait()
    }

    @Test(.requires("python3"), arguments: ["STREAM", "SEQPACKET", "DGRAM"])
    func weConnectToPython(_ type: String) async throws {
        let scratch = ScratchName()
        let path = scratch.path()
        let peer = try Peer.python(
            """
            import socket,sys
            s=socket.socket(socket.AF_UNIX,getattr(socket,'SOCK_'+sys.argv[1])); s.bind(sys.argv[2])
            if sys.argv[1]!='DGRAM': s.listen()
            print('up')
            c=s if sys.argv[1]=='DGRAM' else s.accept()[0]
            print(c.recv(100).decode())
            """, [type, path.string])
        try peer.expect("up")
        switch type {
        case "STREAM": try await StreamSocket.connect(to: .path(path)).send(bytes("hello"))
        case "SEQPACKET": try await SequencedPacketSocket.connect(to: .path(path)).send(bytes("hello"))
        default: try await DatagramSocket.connect(to: .path(path)).send(bytes("hello"))
        }
        try peer.expect("hello")
        try peer.wait()
    }

    @Test(.requires("socat")) func socatBothWays() async throws {
        let scratch = ScratchName()
        let listener = try SequencedPacketListener.bind(to: .path(scratch.path()))
        let client = try Peer(["socat", "-u", "STDIN", "UNIX-CONNECT:\(listener.address),type=5"])
        try client.write(bytes("a packet"))
        let connection = try await listener.accept()
        #expect(try await connection.receive(upTo: 100).bytes == bytes("a packet"))
        client.closeInput()
        #expect(try await connection.receive(upTo: 100).receipt == .endOfStream)
        try client.wait()

        let path = scratch.path()
        let server = try Peer(["socat", "UNIX-LISTEN:\(path)", "EXEC:cat"])
        while try !exists(path) {}
        // The path is there a moment before socat listens.
        var echo: StreamSocket?
        while echo == nil { echo = try? StreamSocket.tryConnect(to: .path(path)) }
        let socket = try must(echo.take())
        try await socket.send(bytes("echo"))
        #expect(try await socket.receive(exactly: 4) == bytes("echo"))
        try socket.shutDown(.sending)
        #expect(try await socket.receive(upTo: 4) == [])
        try server.wait()
    }

    @Test(.requires("nc")) func netcatOverTCPandUDP() async throws {
        let listener = try StreamListener.bind(to: .ipv4(.loopback, port: 0))
        let port = try #require(listener.address.port)
        let client = try Peer.shell("printf 'over tcp' | nc -N 127.0.0.1 \(port)")
        let connection = try await listener.accept()
        #expect(try await connection.receive(exactly: 8) == bytes("over tcp"))
        try connection.close()
        try client.wait()
        let inbox = try DatagramSocket.bind(to: .ipv4(.loopback, port: 0))
        let udp = try #require(inbox.address.port)
        let sender = try Peer.shell("printf 'over udp' | nc -u -w 1 127.0.0.1 \(udp)")
        #expect(try await inbox.receive(upTo: 100).bytes == bytes("over udp"))
        try sender.wait()
    }

    @Test(.requires("python3")) func killedBeforeItIsAccepted() async throws {
        let listener = try StreamListener.bind(to: .unnamed)
        let peer = try Peer.python(
            connect + "s.sendall(b'last words'); print('up'); sys.stdin.read()",
            ["STREAM", listener.address.description])
        try peer.expect("up")
        peer.kill()
        try peer.wait()
        let connection = try await listener.accept()
        #expect(try await connection.receive(exactly: 20) == bytes("last words"))
        let error = #expect(throws: IPCError.self) { try connection.send([1]) }
        #expect(error?.code == .disconnected)
    }

    @Test(.requires("python3")) func killedAfterItWasAccepted() async throws {
        let listener = try StreamListener.bind(to: .unnamed)
        let peer = try Peer.python(connect + "print('up'); sys.stdin.read()", ["STREAM", listener.address.description])
        let connection = try await listener.accept()
        async let end = connection.receive(upTo: 10)
        try peer.expect("up")
        peer.kill()
        #expect(try await end == [])
        #expect(try await connection.waitForEnd())
    }

    @Test(.requires("python3")) func killedWithUnreadData() async throws {
        let listener = try SequencedPacketListener.bind(to: .unnamed)
        let peer = try Peer.python(
            connect + "print('up'); sys.stdin.read()", ["SEQPACKET", listener.address.description])
        let connection = try await listener.accept()
        try await connection.send(bytes("never read"))
        try peer.expect("up")
        peer.kill()
        try peer.wait()
        let error = #expect(throws: IPCError.self) { try connection.receive(upTo: 10).bytes }
        #expect(error?.errno == .connectionReset)
        let message = try await connection.receive(upTo: 10)
        #expect(message.isEndOfStream == true)
    }

    @Test(.requires("python3")) func killedHalfWayThroughAMessage() async throws {
        let listener = try StreamListener.bind(to: .unnamed)
        let peer = try Peer.python(
            connect + "s.sendall(b'x'*70000); print('up'); sys.stdin.read()", ["STREAM", listener.address.description])
        let connection = try await listener.accept()
        async let message = connection.receive(exactly: 100_000)
        try peer.expect("up")
        peer.kill()
        #expect(try await message.count == 70000)
    }

    @Test(.requires("python3")) func aPeerAsAPidfdOutlivesItsNumber() async throws {
        let listener = try StreamListener.bind(to: .unnamed)
        let peer = try Peer.python(connect + "print('up'); sys.stdin.read()", ["STREAM", listener.address.description])
        let connection = try await listener.accept()
        let process: AwaitableDescriptor
        do throws(IPCError) { process = AwaitableDescriptor(try connection.peerProcess()) } catch {
            #expect(error.code == .unsupported)
            return
        }
        #expect(try await process.wait(for: .readable, until: .now) == false)
        try peer.expect("up")
        peer.kill()
        #expect(try await process.wait(for: .readable))
    }
}

/// A Python client: type and address are its arguments.
private let connect = """
    import socket,sys
    t=getattr(socket,'SOCK_'+sys.argv[1]); a=sys.argv[2]
    if a[0] in '/@': s=socket.socket(socket.AF_UNIX,t); s.connect(a.replace('@','\\0',1) if a[0]=='@' else a)
    else:
        h,p=a.rsplit(':',1); s=socket.create_connection((h.strip('[]'),int(p)))

    """
