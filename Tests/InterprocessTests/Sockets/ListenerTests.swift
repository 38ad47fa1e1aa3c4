// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import InterprocessTestKit
import SystemPackage
import Testing

@Suite(.bounded()) struct ListenerTests {
    @Test func reclaimsWhatADeadOwnerLeft() throws {
        let scratch = ScratchName()
        let path = scratch.path()
        let dead = try Peer.python(
            "import socket,sys\ns=socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(); print('up'); sys.stdin.read()",
            [path.string])
        try dead.expect("up")
        let living = #expect(throws: IPCError.self) { try StreamListener.bind(to: .path(path)).close() }
        #expect(living?.code == .alreadyExists)
        #expect(living?.hint.contains("living") == true)
        dead.kill()
        try dead.wait()
        #expect(try exists(path))
        let refused = #expect(throws: IPCError.self) { try StreamSocket.connect(to: .path(path)).close() }
        #expect(refused?.code == .noPeer)
        let strict = #expect(throws: IPCError.self) {
            try StreamListener.bind(to: .path(path), reclaimsStalePath: false).close()
        }
        #expect(strict?.code == .alreadyExists)
        let listener = try StreamListener.bind(to: .path(path))
        try StreamSocket.connect(to: .path(path)).close()
        try listener.accept().close()
    }

    /// Bound and not yet listening: connecting is refused as if it were stale, and yet it lives.
    @Test func doesNotTakeWhatDoesNotListenYet() throws {
        let scratch = ScratchName()
        let path = scratch.path()
        let slow = try Peer.python(
            "import socket,sys\ns=socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); print('up'); sys.stdin.read()",
            [path.string])
        try slow.expect("up")
        let error = #expect(throws: IPCError.self) { try StreamListener.bind(to: .path(path)).close() }
        #expect(error?.code == .alreadyExists)
        #expect(try exists(path))
        #expect(slow.isRunning)
    }

    @Test func leavesOtherFilesAlone() throws {
        let scratch = ScratchName()
        let path = scratch.path()
        try Checkout.write("precious", to: path)
        let error = #expect(throws: IPCError.self) { try StreamListener.bind(to: .path(path)).close() }
        #expect(error?.code == .alreadyExists)
        #expect(error?.hint.contains("not a socket") == true)
        #expect(try Checkout.text(of: path) == "precious")
    }

    @Test func oneOfManyStartersWins() async throws {
        let scratch = ScratchName()
        let path = scratch.path()
        let dead = try Peer.python(
            "import socket,sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])", [path.string])
        try dead.wait()
        let winners = await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<16 {
                group.addTask {
                    guard let listener = try? StreamListener.bind(to: .path(path)) else { return false }
                    // Whoever has bound is the one that clients reach, until it lets go.
                    let reached = (try? StreamSocket.tryConnect(to: .path(path))) != nil
                    let accepted = (try? listener.tryAccept()) != nil
                    return reached && accepted
                }
            }
            return await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
        }
        #expect(winners >= 1)
        #expect(try !exists(path))
    }

    @Test func removesOnlyItsOwnPath() throws {
        let scratch = ScratchName()
        let path = scratch.path()
        let first = try StreamListener.bind(to: .path(path))
        try Peer(["rm", path.string]).wait()
        let second = try StreamListener.bind(to: .path(path))
        try first.close()
        #expect(try exists(path))
        try StreamSocket.connect(to: .path(path)).close()
        try second.close()
        #expect(try !exists(path))
    }

    @Test func modeIsWhatWasAskedFor() async throws {
        await #expect(processExitsWith: .success) {
            let scratch = ScratchName()
            _ = scratch.directory
            for (mask, mode) in [(0o077, 0o666), (0o000, 0o600), (0o777, 0o640), (0o022, 0o777)] as [(UInt32, UInt16)] {
                ProcessState.setFileModeMask(mask)
                let path = scratch.path()
                let listener = try StreamListener.bind(
                    to: .path(path), permissions: FilePermissions(rawValue: CModeT(mode)))
                #expect(try sysStatus(path).permissions == mode)
                try listener.close()
            }
        }
    }

    @Test func refusesNamesThatAreTooLong() throws {
        let scratch = ScratchName()
        let folder = try longFolder(scratch)
        let error = #expect(throws: IPCError.self) {
            try StreamListener.bind(to: .path(folder.appending(String(repeating: "n", count: 100)))).close()
        }
        #expect(error?.code == .invalidName)
        #expect(error?.hint.contains("bytes") == true)
        for address in [
            SocketAddress.path(""), .path("/"), .path("/tmp/.."), .abstract(Array(repeating: 65, count: 108)),
        ] {
            let error = #expect(throws: IPCError.self) { try StreamListener.bind(to: address).close() }
            #expect(error?.code == .invalidName, "\(address)")
        }
    }

    @Test func exactlyAtTheLimitIsDirect() throws {
        let scratch = ScratchName()
        let room = 107 - scratch.directory.string.utf8.count - 1
        for length in [room, room + 1] {
            let path = scratch.directory.appending(String(repeating: "p", count: length))
            let listener = try StreamListener.bind(to: .path(path))
            let client = try StreamSocket.connect(to: .path(path))
            #expect(try client.peerAddress() == .path(path) || length > room)
            try listener.close()
        }
    }

    @Test func kernelChoosesAnAbstractName() throws {
        let listener = try StreamListener.bind(to: .unnamed)
        guard case .abstract(let name) = listener.address else { Issue.record("\(listener.address)"); return }
        #expect(name.count == 5)
        try StreamSocket.connect(to: listener.address).close()
    }

    @Test func fullBacklogIsBackPressure() async throws {
        let scratch = ScratchName()
        let path = SocketAddress.path(scratch.path())
        let listener = try StreamListener.bind(to: path, backlog: 0)
        let first = try await StreamSocket.connect(to: path)
        let full = try StreamSocket.tryConnect(to: path) == nil
        #expect(full)
        let blocking = #expect(throws: IPCError.self) {
            try StreamSocket.connect(to: path, until: .after(.milliseconds(20))).close()
        }
        #expect(blocking?.code == .timedOut)
        let suspending = await #expect(throws: IPCError.self) {
            try await StreamSocket.connect(to: path, until: .after(.milliseconds(20))).close()
        }
        #expect(suspending?.code == .timedOut)
        let waiting = Task { try await StreamSocket.connect(to: path).close() }
        let accepted = try await listener.accept()
        try await waiting.value
        #expect(first.rawValue != accepted.rawValue)
    }

    @Test func stopEndsTheLoop() async throws {
        for address in [SocketAddress.unnamed, .ipv4(.loopback, port: 0)] {
            let listener = try StreamListener.bind(to: address)
            let isEmpty = try listener.tryAccept() == nil
            #expect(isEmpty)
            try listener.stop()
            let end = try await listener.next() == nil
            #expect(end)
            let error = #expect(throws: IPCError.self) { try listener.accept().close() }
            #expect(error?.code == .removed)
        }
    }

    @Test func stopWakesWhoeverWaits() async throws {
        let held = try StreamListener.bind(to: .unnamed).release()
        let twin = try StreamListener(adopting: try held.duplicate())
        let listener = try StreamListener(adopting: held)
        let waiting = Task { try await listener.next() == nil }
        await Task.yield()
        try twin.stop()
        #expect(try await waiting.value)
    }

    @Test func aThousandConnectionsAreBounded() async throws {
        let listener = try StreamListener.bind(to: .unnamed)
        let address = listener.address
        async let served: Int = {
            var count = 0
            while count < 1000, let connection = try await listener.next() {
                let part = try await connection.receive(exactly: 2)
                try await connection.send(part)
                count += 1
            }
            return count
        }()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for task in 0..<10 {
                group.addTask {
                    for index in 0..<100 {
                        let client = try await StreamSocket.connect(to: address)
                        try await client.send([UInt8(task), UInt8(index)])
                        let answer = try await client.receive(exactly: 2)
                        #expect(answer == [UInt8(task), UInt8(index)])
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(try await served == 1000)
    }

    @Test func exhaustedDescriptorsRecover() async throws {
        await #expect(processExitsWith: .success) {
            let listener = try StreamListener.bind(to: .unnamed)
            let client = try await StreamSocket.connect(to: listener.address)
            let spare = try StreamSocket.pair()
            _ = try listener.readiness()
            try ProcessState.exhaustDescriptors()
            let error = await #expect(throws: IPCError.self) { _ = try await listener.next() }
            #expect(error?.code == .limitReached)
            #expect(error?.hint.contains("RLIMIT_NOFILE") == true)
            try spare.first.close()
            let server = try must(try await listener.next())
            try await client.send([1])
            #expect(try await server.receive(upTo: 1) == [1])
        }
    }
}
