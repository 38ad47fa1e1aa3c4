// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import InterprocessTestKit
import SystemPackage
import Testing

/// Programs that know nothing of this library at the other end of its queues.
@Suite(.bounded()) struct ForeignQueueProgramTests {
    @Test(.requires(python: "posix_ipc")) func pythonOnAPOSIXQueue() throws {
        let scratch = ScratchQueue()
        let queue = try scratch.make(4, 64)
        let peer = try Peer.python(
            """
            import posix_ipc, sys
            q = posix_ipc.MessageQueue(sys.argv[1])
            print(q.max_messages, q.max_message_size)
            text, priority = q.receive()
            print(text.decode(), priority)
            q.send(b'answer', priority=31)
            """, [scratch.name.description])
        try peer.expect("4 64")
        try queue.send(Array("question".utf8), priority: 7)
        try peer.expect("question 7")
        #expect(try queue.receive() == .init(bytes: Array("answer".utf8), priority: 31))
        #expect(try peer.finish().status == .exited(0))
    }

    @Test(.requires(python: "posix_ipc")) func aPOSIXQueueThatPythonMade() throws {
        let scratch = ScratchName()
        let name = scratch.objectName()
        let peer = try Peer.python(
            """
            import posix_ipc, sys
            q = posix_ipc.MessageQueue(sys.argv[1], posix_ipc.O_CREX, mode=0o640, max_messages=3, max_message_size=17)
            q.send(b'')
            print('made'); sys.stdin.read(); q.unlink()
            """, [name.description])
        try peer.expect("made")
        let queue = try MessageQueue(name)
        #expect(queue.limits == .init(maxMessages: 3, messageSizeBytes: 17))
        #expect(try queue.receive().bytes == [])
        _ = try peer.finish()
        #expect(try !MessageQueue.exists(name))
    }

    @Test(.requires(python: "sysv_ipc")) func pythonOnASystemVQueue() throws {
        let scratch = ScratchName()
        let key = scratch.key()
        let queue = try SystemVMessageQueue(key: .number(key), mode: .createExclusive, lifetime: .removeOnClose)
        let peer = try Peer.python(
            """
            import sysv_ipc, sys
            q = sysv_ipc.MessageQueue(int(sys.argv[1]))
            text, kind = q.receive(type=-9)
            print(text.decode(), kind)
            q.send(b'answer', type=12)
            """, ["\(key)"])
        try queue.send(Array("question".utf8), type: 6)
        try peer.expect("question 6")
        #expect(try queue.receive(.exactly(12)) == .init(type: 12, bytes: Array("answer".utf8)))
        let status = try queue.status()
        #expect(status.lastSender == peer.processID)
        #expect(status.lastReceiver != nil)
        #expect(try peer.finish().status == .exited(0))
    }

    @Test(.requires(python: "sysv_ipc")) func ftokIsTheSameAsPythons() throws {
        let scratch = ScratchName()
        let path = scratch.path("ftok")
        try Checkout.write("", to: path)
        let peer = try Peer.python("import sysv_ipc, sys; print(sysv_ipc.ftok(sys.argv[1], 42, True))", [path.string])
        let key = try SystemVKey.path(path, project: 42)
        #expect(try peer.readLine() == "\(key.rawValue)")
    }

    @Test(.requires("perl")) func perlOnASystemVQueue() async throws {
        let queue = try scratchSystemV()
        let peer = try Peer.perl(
            "my $id = shift; my $m; msgrcv($id, $m, 100, 3, 0) or die; my ($t, $b) = unpack('l! a*', $m); print qq($t $b\\n);"
                + "msgsnd($id, pack('l! a*', 5, 'pong'), 0) or die; <STDIN>", ["\(queue.id)"])
        try await queue.send(Array("ping".utf8), type: 3)
        try peer.expect("3 ping")
        #expect(try await queue.receive(.exactly(5)).bytes == Array("pong".utf8))
        // Sent to a task that waits already.
        let shared = SystemVWaitingTests.Shared(try SystemVMessageQueue(id: queue.id))
        let waiting = Task { try await shared.queue.receive(.exactly(8)) }
        let sender = try Peer.perl("msgsnd(shift, pack('l! a*', 8, 'late'), 0) or die", ["\(queue.id)"])
        #expect(try await waiting.value.bytes == Array("late".utf8))
        _ = try (sender.finish(), peer.finish())
    }

    @Test(.requires("ipcs", "ipcrm")) func ipcsSeesAndIpcrmRemoves() async throws {
        let scratch = ScratchName()
        let key = scratch.key()
        let queue = try SystemVMessageQueue(
            key: .number(key), mode: .createExclusive, permissions: [.ownerReadWrite, .groupRead])
        try await queue.send([1, 2, 3])
        let listing = try Peer(["ipcs", "-q"]).finish().text
        let line = listing.split(separator: "\n").first { $0.hasPrefix("0x" + String(key, radix: 16)) }
        let fields = line.map { $0.split(separator: " ").map(String.init) } ?? []
        #expect(
            fields.count >= 6 && fields[1] == "\(queue.id)" && fields[3] == "640" && fields[4] == "3"
                && fields[5] == "1")
        _ = try queue.tryReceive()
        let shared = SystemVWaitingTests.Shared(try SystemVMessageQueue(id: queue.id))
        let waiting = Task { try await shared.queue.receive() }
        try await Task.sleep(for: .milliseconds(10))
        #expect(try Peer(["ipcrm", "-q", "\(queue.id)"]).finish().status == .exited(0))
        let error = await #expect(throws: IPCError.self) { _ = try await waiting.value }
        #expect(error?.code == .removed)
    }

    @Test(.requires("perl")) func aReceiverThatIsKilledWhileItWaitsTakesNothingWithIt() async throws {
        let queue = try scratchSystemV()
        let peer = try Peer.perl("print qq(ready\\n); my $m; msgrcv(shift, $m, 100, 0, 0)", ["\(queue.id)"])
        try peer.expect("ready")
        TestSyscalls.sleep(nanoseconds: 20_000_000)
        peer.kill()
        _ = try peer.wait()
        try await queue.send([1])
        #expect(try queue.tryReceive()?.bytes == [1])
    }
}
