// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import InterprocessTestKit
import SystemPackage
import Testing

/// Descriptors and credentials beside the bytes.
@Suite(.bounded()) struct PassingTests {
    @Test func manyInOneMessage() throws {
        let pair = try SequencedPacketSocket.pair()
        let other = try StreamSocket.pair()
        let numbers = Array(repeating: other.first.fileDescriptor, count: 253)
        try pair.first.send(bytes("all"), descriptors: numbers)
        var message = try pair.second.receiveMessage(upTo: 10)
        #expect(message.bytes == bytes("all"))
        #expect(message.descriptors.count == 253)
        let last = try must(message.descriptors.take(at: 252))
        let gone = message.descriptors.take(at: 252) == nil
        #expect(gone)
        let outside = message.descriptors.take(at: 253) == nil
        #expect(outside)
        #expect(message.descriptors.remaining == 252)
        #expect(try sysControl(last.rawValue, 1) == 1, "F_GETFD says FD_CLOEXEC")
        let passed = try StreamSocket(adopting: last)
        try passed.send(bytes("through"))
        #expect(try other.second.receive(upTo: 10) == bytes("through"))
    }

    @Test func onStreamsTheyKeepTheirBytes() async throws {
        let pair = try StreamSocket.pair()
        let other = try StreamSocket.pair()
        try await pair.first.send(bytes("plain"))
        try await pair.first.send(
            bytes("with"), descriptors: [other.first.fileDescriptor, other.second.fileDescriptor])
        try await pair.first.send(bytes("more"))
        // What went before may come along; what comes after never does.
        var text: [UInt8] = []
        var count = 0
        while count == 0 {
            let message = try await pair.second.receiveMessage(upTo: 100)
            text += message.bytes
            count = message.descriptors.count
        }
        #expect(text == bytes("plainwith"))
        #expect(count == 2)
        #expect(try await pair.second.receive(upTo: 100) == bytes("more"))
    }

    @Test func nothingLeaks() async throws {
        await #expect(processExitsWith: .success) {
            func scenario() throws {
                let pair = try SequencedPacketSocket.pair()
                let other = try StreamSocket.pair()
                let two = [other.first.fileDescriptor, other.second.fileDescriptor]
                // Unasked: the kernel closes them when there is no room for control data.
                try pair.first.send([1], descriptors: two)
                _ = try pair.second.receive(upTo: 10)
                // Not taken.
                try pair.first.send([2], descriptors: two)
                _ = try pair.second.receiveMessage(upTo: 10)
                // More than welcome.
                try pair.first.send([3], descriptors: Array(repeating: two[0], count: 40))
                let error = #expect(throws: IPCError.self) {
                    try pair.second.receiveMessage(upTo: 10, maximumDescriptors: 3).bytes
                }
                #expect(error?.code == .limitReached)
                // One more than welcome: there is room for it, since no credentials came.
                try pair.first.send([3], descriptors: Array(repeating: two[0], count: 4))
                #expect(throws: IPCError.self) { try pair.second.receiveMessage(upTo: 10, maximumDescriptors: 3).bytes }
                // Never received.
                try pair.first.send([4], descriptors: two)
            }
            try scenario()
            let check = HeldDescriptors()
            for _ in 0..<20 { try scenario() }
            check.expectNoMore()
        }
    }

    @Test func noRoomInTheTableClosesWhatCame() async throws {
        await #expect(processExitsWith: .success) {
            let pair = try SequencedPacketSocket.pair()
            let numbers = Array(repeating: pair.first.fileDescriptor, count: 10)
            try pair.first.send([1], descriptors: numbers)
            try pair.first.send([2], descriptors: numbers)
            try ProcessState.exhaustDescriptors(leaving: 4)
            for _ in 0..<2 {
                let error = #expect(throws: IPCError.self) { try pair.second.receiveMessage(upTo: 10).bytes }
                #expect(error?.code == .limitReached)
            }
            // The four are free again.
            let again = try StreamSocket.pair()
            let more = try StreamSocket.pair()
            #expect(again.first.rawValue != more.first.rawValue)
        }
    }

    @Test(.requires("python3")) func aHostilePeerCannotFillTheTable() async throws {
        await #expect(processExitsWith: .success) {
            let pair = try StreamSocket.pair()
            let second = pair.second
            let peer = try Peer.python(
                """
                import socket,array,os
                s=socket.socket(fileno=5)
                f=os.open('/dev/null',0)
                for n in (1,200,253):
                    s.sendmsg([b'x'],[(socket.SOL_SOCKET,socket.SCM_RIGHTS,array.array('i',[f]*n))])
                try:
                    s.sendmsg([b'x'],[(socket.SOL_SOCKET,socket.SCM_RIGHTS,array.array('i',[f]*300))])
                except OSError as e: print(e.errno)
                for level,kind,data in ((socket.SOL_SOCKET,77,b'1234'),(socket.SOL_SOCKET,socket.SCM_RIGHTS,b'123'),(41,50,b'')):
                    try:
                        s.sendmsg([b'y'],[(level,kind,data)])
                        print('sent')
                    except OSError as e: print(e.errno)
                s.sendall(b'end')
                """, descriptors: [5: pair.first.rawValue])
            try pair.first.close()
            let check = HeldDescriptors()
            try peer.wait()
            var failures = 0
            var all: [UInt8] = []
            while true {
                do {
                    let message = try second.receiveMessage(
                        upTo: 100, maximumDescriptors: 8, until: .after(.seconds(10)))
                    if message.isEndOfStream { break }
                    all += message.bytes
                } catch let error as IPCError {
                    #expect(error.code == .limitReached)
                    failures += 1
                }
            }
            #expect(failures == 2)
            #expect(String(decoding: all.suffix(3), as: UTF8.self) == "end")
            check.expectNoMore()
        }
    }

    @Test func credentialsOfAPair() throws {
        let pair = try StreamSocket.pair()
        #expect(try pair.first.peerCredentials() == .own)
        try pair.second.set(.passCredentials, to: true)
        try pair.first.send([1])
        let message = try pair.second.receiveMessage(upTo: 10)
        #expect(message.credentials == .own)
        try pair.first.send([2], descriptors: [], credentials: .own)
        #expect(try pair.second.receiveMessage(upTo: 10).credentials == .own)
    }

    @Test func peerAsAProcess() throws {
        let pair = try StreamSocket.pair()
        do throws(IPCError) {
            let process = try pair.first.peerProcess()
            #expect(process.rawValue >= 0)
        } catch {
            #expect(error.code == .unsupported, "only kernels before 6.5")
        }
        #expect(try pair.first.peerGroups().count >= 0)
    }

    @Test func internetSocketsKnowNoCredentials() throws {
        let listener = try StreamListener.bind(to: .ipv4(.loopback, port: 0))
        let client = try StreamSocket.connect(to: listener.address)
        let error = #expect(throws: IPCError.self) { try client.peerCredentials() }
        #expect(error?.code == .unsupported)
        #expect(throws: IPCError.self) { try client.peerGroups() }
        #expect(throws: IPCError.self) { try client.peerProcess().close() }
    }
}
