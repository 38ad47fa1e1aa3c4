// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import InterprocessTestKit
import SystemPackage
import Testing

/// Every system call fails once, and a wait is cancelled at any moment: nothing is lost.
@Suite(.bounded(), .enabled(if: FaultPlan.isAvailable)) struct SocketFaultTests {
    @Test func everyCallOfAConnection() async throws {
        await #expect(processExitsWith: .success) {
            let scratch = ScratchName()
            let report = try FaultPlan.sweep {
                // A new one each time: when its removal is made to fail, the path stays.
                let path = SocketAddress.path(scratch.path())
                let listener = try StreamListener.bind(to: path, permissions: [.ownerReadWrite, .groupWrite])
                let client = try StreamSocket.connect(to: path, until: .after(.seconds(5)))
                let server = try listener.accept(until: .after(.seconds(5)))
                try client.send(bytes("hello"), until: .after(.seconds(5)))
                _ = try server.receive(exactly: 5)
                try server.send([1], descriptors: [listener.fileDescriptor])
                var message = try client.receiveMessage(upTo: 10, until: .after(.seconds(5)))
                _ = message.descriptors.takeFirst()
                _ = try server.peerCredentials()
                _ = try server.localAddress()
                try server.close()
                try client.close()
                try listener.close()
            }
            #expect(report.problems.isEmpty, "\(report)")
            #expect(report.thrown > 10, "\(report)")
        }
    }

    @Test func everyCallOfPacketsAndDatagrams() async throws {
        await #expect(processExitsWith: .success) {
            let scratch = ScratchName()
            let folder = try longFolder(scratch)
            let report = try FaultPlan.sweep {
                // New ones each time: when their removal is made to fail, the paths stay.
                let (first, second) = (scratch.path("s"), scratch.path("d"))
                let names = [first, second].compactMap(\.lastComponent)
                let listener = try SequencedPacketListener.bind(to: .path(folder.appending(names[0])))
                let client = try SequencedPacketSocket.connect(to: listener.address)
                let server = try listener.accept(until: .after(.seconds(5)))
                try client.send([1, 2, 3])
                _ = try server.receive(upTo: 2, until: .after(.seconds(5))).receipt
                let inbox = try DatagramSocket.bind(to: .path(folder.appending(names[1])))
                let sender = try DatagramSocket.open(.unix)
                try sender.send([1], to: inbox.address, until: .after(.seconds(5)))
                _ = try inbox.receiveMessage(upTo: 2, until: .after(.seconds(5))).sender
            }
            #expect(report.problems.isEmpty, "\(report)")
        }
    }

    @Test func everyCallOfAnAsyncConnection() async throws {
        await #expect(processExitsWith: .success) {
            func scenario() async throws {
                let listener = try StreamListener.bind(to: .ipv4(.loopback, port: 0))
                let limit = Deadline.after(.seconds(3))
                let client = try await StreamSocket.connect(to: listener.address, until: limit)
                let server = try await listener.accept(until: limit)
                try await client.send([1, 2, 3], until: limit)
                _ = try await server.receive(upTo: 3, until: limit)
                try await server.send([4], until: limit)
                _ = try await client.receive(upTo: 3, until: limit)
            }
            try await scenario()
            let check = HeldDescriptors()
            // By name, not by number: the reactor's thread makes calls of its own in between.
            let calls = [
                "socket", "setsockopt", "bind", "listen", "getsockname", "connect", "fcntl", "epoll_ctl", "accept4",
                "send", "recv",
            ]
            for call in calls {
                for number in 0..<3 {
                    for error in [FaultPlan.plausible(call), .interrupted] {
                        Faults.fail(call, number: number, with: error)
                        do { try await scenario() } catch { #expect(error is IPCError, "\(call) \(number) \(error)") }
                        Faults.clear()
                    }
                }
            }
            check.expectNoMore()
        }
    }

    @Test func cancellationAtRandomMomentsLosesNoMessage() async throws {
        let pair = try SequencedPacketSocket.pair()
        let first = Shared(pair.first)
        let second = Shared(pair.second)
        let total = 2000
        let sender = Task {
            for index in 0..<total { try await first.socket.send([UInt8(index & 255), UInt8(index >> 8)]) }
        }
        var received: [Int] = []
        while received.count < total {
            let waiting = Task { try await second.socket.receive(upTo: 2).bytes }
            if Int.random(in: 0..<3) == 0 {
                waiting.cancel()
            } else if Bool.random() {
                await Task.yield(); waiting.cancel()
            }
            do {
                let message = try await waiting.value
                received.append(Int(message[0]) | Int(message[1]) << 8)
            } catch let error as IPCError {
                #expect(error.code == .cancelled)
            }
        }
        try await sender.value
        #expect(received == Array(0..<total))
    }
}

/// Several tasks at one socket.
private final class Shared: Sendable {
    let socket: SequencedPacketSocket
    init(_ socket: consuming SequencedPacketSocket) { self.socket = socket }
}
