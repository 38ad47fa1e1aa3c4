// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import InterprocessTestKit
import SystemPackage
import Testing

/// The rows `unix-socket` of the table of conditions.
@Suite(.bounded()) struct SocketConditionTests {
    static let table = ConditionTable("unix-socket", connecting + sending + passing)

    @Test(arguments: table.cases)
    func condition(_ row: ConditionCase) async throws { try await row.check() }

    @Test func everyRowIsTold() { #expect(Self.table.gaps == []) }

    private static let connecting: [ConditionCase] = [
        .row("connect", "path missing") {
            let scratch = ScratchName()
            let error = #expect(throws: IPCError.self) { try StreamSocket.connect(to: .path(scratch.path())).close() }
            #expect(error?.errno == .noSuchFileOrDirectory)
            #expect(error?.code == .notFound)
        },
        .row("connect", "no write permission on socket file") {
            await #expect(processExitsWith: .success) {
                let listener = try StreamListener.bind(
                    to: .path(FilePath("/tmp/swift-ipc-test-\(PeerCredentials.own.processID).sock")),
                    permissions: [.ownerReadWrite, .groupRead, .otherRead])
                if PeerCredentials.own.userID == 0 { try ProcessState.becomeNobody() } else { return }
                let error = #expect(throws: IPCError.self) { try StreamSocket.connect(to: listener.address).close() }
                #expect(error?.errno == .permissionDenied)
                #expect(error?.code == .permissionDenied)
                #expect(error?.hint.contains("write permission") == true)
            }
            _ = try Peer.shell("rm -f /tmp/swift-ipc-test-*.sock").wait()
        },
        .row("connect O_NONBLOCK", "listen backlog full") {
            let listener = try StreamListener.bind(to: .unnamed, backlog: 0)
            let first = try await StreamSocket.connect(to: listener.address)
            let second = try StreamSocket.tryConnect(to: listener.address) == nil
            #expect(second)
            #expect(first.rawValue >= 0)
            let descriptor = try sysSocket(SocketConstant.unix, SocketConstant.stream, nonBlocking: true)
            defer { try? sysClose(descriptor) }
            guard case .abstract(let name) = listener.address else { return }
            let errno = #expect(throws: Errno.self) {
                try sysConnect(descriptor, SocketAddressBytes([1, 0, 0] + name))
            }
            #expect(errno == .wouldBlock)
        },
        .row("bind", "path > 107 bytes") {
            // Made to work where the directory can be named; the last part alone may still be too long.
            let scratch = ScratchName()
            let folder = try longFolder(scratch)
            let listener = try StreamListener.bind(to: .path(folder.appending("short")))
            _ = try await StreamSocket.connect(to: listener.address)
            let error = #expect(throws: IPCError.self) {
                try StreamListener.bind(to: .path(folder.appending(String(repeating: "x", count: 200)))).close()
            }
            #expect(error?.code == .invalidName)
        },
        .row("getsockopt SO_PEERCRED", "peer is another user") {
            await #expect(processExitsWith: .success) {
                if PeerCredentials.own.userID != 0 { return }
                let listener = try StreamListener.bind(to: .unnamed)
                let before = PeerCredentials.own
                try ProcessState.becomeNobody()
                let client = try await StreamSocket.connect(to: listener.address)
                let server = try await listener.accept()
                let peer = try server.peerCredentials()
                #expect(peer == PeerCredentials.own)
                #expect(peer.userID == 65534)
                // The listener is what it was when it began to listen, whatever it is now.
                #expect(try client.peerCredentials().userID == before.userID)
                #expect(try client.peerCredentials().processID == before.processID)
            }
        },
        .row("socketpair", "unsupported type") {
            let errno = #expect(throws: Errno.self) { try sysSocketPair(SocketConstant.unix, 10) }
            #expect(errno == .socketTypeNotSupported || errno == .invalidArgument)
        },
        .row("accept", "RLIMIT_NOFILE") {
            await #expect(processExitsWith: .success) {
                let listener = try StreamListener.bind(to: .unnamed)
                let client = try StreamSocket.tryConnect(to: listener.address)
                try ProcessState.exhaustDescriptors()
                let error = #expect(throws: IPCError.self) { _ = try listener.tryAccept() }
                #expect(error?.errno == .tooManyOpenFiles)
                #expect(error?.code == .limitReached)
                _ = client
            }
        },
    ]

    private static let sending: [ConditionCase] = [
        .row("send stream", "peer closed, MSG_NOSIGNAL") {
            await #expect(processExitsWith: .success) {
                let pair = try StreamSocket.pair()
                try pair.second.close()
                #expect(ProcessState.hasDefaultDisposition())
                let first = pair.first
                let error = #expect(throws: IPCError.self) { try first.send([1]) }
                #expect(error?.errno == .brokenPipe)
                #expect(error?.code == .disconnected)
                let again = #expect(throws: IPCError.self) { try first.send([1], descriptors: [.standardInput]) }
                #expect(again?.errno == .brokenPipe)
            }
        },
        .row("recv stream", "peer closed with unread data in its queue") {
            let pair = try StreamSocket.pair()
            let first = pair.first
            try await first.send(bytes("unread"))
            try pair.second.close()
            let error = #expect(throws: IPCError.self) { try first.receive(upTo: 10) }
            #expect(error?.errno == .connectionReset)
            #expect(error?.code == .disconnected)
            #expect(try await first.receive(upTo: 10) == [])
        },
        .row("send dgram/seqpacket", "message > SO_SNDBUF") {
            let pair = try SequencedPacketSocket.pair()
            let room = try pair.first.get(.sendBufferBytes)
            let error = #expect(throws: IPCError.self) { try pair.first.send([UInt8](repeating: 0, count: room + 1)) }
            #expect(error?.errno == .messageTooLong)
            #expect(error?.code == .messageTooLarge)
            let datagrams = try DatagramSocket.pair()
            let second = #expect(throws: IPCError.self) {
                try datagrams.first.send([UInt8](repeating: 0, count: room + 1))
            }
            #expect(second?.code == .messageTooLarge)
        },
        .row("send O_NONBLOCK", "buffer full") {
            let pair = try SequencedPacketSocket.pair()
            while try pair.first.trySend([1, 2, 3]) {}
            let errno = #expect(throws: Errno.self) {
                let one: [UInt8] = [1]
                _ = try sysSend(pair.first.rawValue, one.span, flags: SocketConstant.dontWait)
            }
            #expect(errno == .wouldBlock)
            #expect(try pair.first.trySend([]) == false)
        },
    ]

    private static let passing: [ConditionCase] = [
        .row("recvmsg SCM_RIGHTS", "control buffer too small") {
            await #expect(processExitsWith: .success) {
                let pair = try StreamSocket.pair()
                let many = Array(repeating: pair.first.fileDescriptor, count: 20)
                try await pair.first.send([1], descriptors: many)
                let check = HeldDescriptors()
                let error = #expect(throws: IPCError.self) {
                    try pair.second.receiveMessage(upTo: 10, maximumDescriptors: 2).bytes
                }
                #expect(error?.code == .limitReached)
                check.expectNoMore()
            }
        },
        .row("sendmsg SCM_RIGHTS", "> 253 fds in one message") {
            let pair = try StreamSocket.pair()
            let many = Array(repeating: pair.first.fileDescriptor, count: 254)
            let error = #expect(throws: IPCError.self) { try pair.first.send([1], descriptors: many) }
            #expect(error?.errno == .invalidArgument)
            #expect(error?.hint.contains("253") == true)
        },
        .row("sendmsg SCM_RIGHTS", "in-flight fds > RLIMIT_NOFILE, unprivileged") {
            await #expect(processExitsWith: .success) {
                if PeerCredentials.own.userID != 0 { return }
                let pair = try StreamSocket.pair()
                try ProcessState.become(user: 64123)
                try ProcessState.limitDescriptors(64)
                let some = Array(repeating: pair.first.fileDescriptor, count: 60)
                try await pair.first.send([1], descriptors: some)
                try await pair.first.send([1], descriptors: some)
                let error = #expect(throws: IPCError.self) {
                    for _ in 0..<4 { try pair.first.send([1], descriptors: some) }
                }
                #expect(error?.errno == .tooManyReferences)
                #expect(error?.code == .limitReached)
            }
        },
        .row("sendmsg SCM_CREDENTIALS", "forged pid/uid, unprivileged") {
            await #expect(processExitsWith: .success) {
                let pair = try StreamSocket.pair()
                try pair.second.set(.passCredentials, to: true)
                if PeerCredentials.own.userID == 0 { try ProcessState.becomeNobody() }
                var forged = PeerCredentials.own
                forged.userID = 0
                let user = #expect(throws: IPCError.self) {
                    try pair.first.send([1], descriptors: [], credentials: forged)
                }
                #expect(user?.errno == .notPermitted)
                #expect(user?.code == .permissionDenied)
                forged = .own
                forged.processID = 1
                let process = #expect(throws: IPCError.self) {
                    try pair.first.send([1], descriptors: [], credentials: forged)
                }
                #expect(process?.errno == .notPermitted)
                try await pair.first.send([1], descriptors: [], credentials: .own)
                #expect(try await pair.second.receiveMessage(upTo: 1).credentials == .own)
            }
        },
    ]
}
