// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import InterprocessTestKit
import SystemPackage
import Testing

private func receive(_ queue: borrowing MessageQueue, room: Int) throws(IPCError) {
    _ = try [UInt8](capacity: room) { (free: inout OutputSpan<UInt8>) throws(IPCError) in
        _ = try queue.receive(into: &free)
    }
}

/// Through the call itself, where the library's types leave no way to ask for it.
private func open(_ name: String, create: Bool = false) throws {
    try sysClose(try sysMessageQueueOpen(name, .both, create: create, mode: 0o600))
}

private let opening: [ConditionCase] = [
    .row("mq_open O_CREAT|O_EXCL", "exists") {
        let scratch = ScratchQueue()
        let queue = try scratch.make()
        expectFailure(.fileExists, .alreadyExists) { _ = try scratch.make() }
        #expect(try queue.status().messageCount == 0)
    },
    .row("mq_open", "other user's 0600 queue") {
        let scratch = ScratchQueue()
        _ = try scratch.make()
        await #expect(processExitsWith: .success) { [name = scratch.name.description as String] in
            try ProcessState.becomeNobody()
            expectFailure(.permissionDenied, .permissionDenied, hint: "user 65534") {
                _ = try MessageQueue(ObjectName(name), access: .receiveOnly)
            }
            expectFailure(.permissionDenied, .permissionDenied) {
                _ = try MessageQueue(ObjectName(name), mode: .openOrCreate)
            }
            #expect(try MessageQueue.exists(ObjectName(name)))
        }
    },
    .row("mq_open", "name > NAME_MAX") {
        let long = "/" + String(repeating: "n", count: 256)
        expectErrno(.fileNameTooLong) { try open(long) }
        let error = #expect(throws: IPCError.self) { _ = try ObjectName(long) }
        #expect(error?.code == .invalidName)
    },
    .row("mq_open", "name contains second slash") {
        expectErrno(.permissionDenied) { try open("/swift-ipc-test/second", create: true) }
        let error = #expect(throws: IPCError.self) { _ = try ObjectName("/swift-ipc-test/second") }
        #expect(error?.code == .invalidName)
    },
    .row("mq_open", "name is just '/'") {
        expectErrno(.noSuchFileOrDirectory) { try open("/") }
        let error = #expect(throws: IPCError.self) { _ = try ObjectName("/") }
        #expect(error?.code == .invalidName)
    },
    .row("mq_open", "mq_msgsize<=0") {
        let scratch = ScratchQueue()
        expectFailure(.invalidArgument, .invalidArgument, hint: "messageSizeBytes is 0") { _ = try scratch.make(4, 0) }
        expectFailure(.invalidArgument, .invalidArgument, hint: "maxMessages is -1") { _ = try scratch.make(-1, 8) }
        let exists = try MessageQueue.exists(scratch.name)
        #expect(!exists)
    },
    .row("mq_open", "mq_maxmsg > fs.mqueue.msg_max, unprivileged") {
        await #expect(processExitsWith: .success) {
            try ProcessState.becomeNobody()
            let scratch = ScratchQueue()
            let allowed = try #require(KernelLimit.value("fs/mqueue/msg_max"))
            expectFailure(.invalidArgument, .invalidArgument, hint: "fs.mqueue.msg_max is \(allowed)") {
                _ = try scratch.make(allowed + 1, 8)
            }
            let size = try #require(KernelLimit.value("fs/mqueue/msgsize_max"))
            expectFailure(.invalidArgument, .invalidArgument, hint: "fs.mqueue.msgsize_max is \(size)") {
                _ = try scratch.make(1, size + 1)
            }
        }
    },
    .row("mq_open", "RLIMIT_NOFILE reached") {
        await #expect(processExitsWith: .success) {
            let scratch = ScratchQueue()
            try ProcessState.limitDescriptors(40)
            try ProcessState.exhaustDescriptors()
            expectFailure(.tooManyOpenFiles, .limitReached, hint: "RLIMIT_NOFILE is 40") { _ = try scratch.make() }
        }
    },
    .row("mq_open", "RLIMIT_MSGQUEUE exceeded") {
        await #expect(processExitsWith: .success) {
            let scratch = ScratchQueue()
            try ProcessState.limitQueueBytes(1000)
            let needed = 8 * (48 + 48 + 64)
            expectFailure(
                .tooManyOpenFiles, .limitReached, hint: "the queue needs \(needed) bytes; RLIMIT_MSGQUEUE is 1000 bytes"
            ) { _ = try scratch.make(8, 64) }
        }
    },
    .row("mq_unlink", "does not exist") {
        expectFailure(.noSuchFileOrDirectory, .notFound) { try MessageQueue.unlink(ScratchQueue().name) }
    },
    .row("mq_unlink", "not owner") {
        let scratch = ScratchQueue()
        _ = try scratch.make(permissions: [.ownerReadWrite, .groupReadWrite, .otherReadWrite])
        await #expect(processExitsWith: .success) { [name = scratch.name.description as String] in
            try ProcessState.becomeNobody()
            expectFailure(.permissionDenied, .permissionDenied) { try MessageQueue.unlink(ObjectName(name)) }
            let queue = try MessageQueue(ObjectName(name))
            expectFailure(.notPermitted, .permissionDenied) { try queue.setPermissions(.ownerRead) }
            expectFailure(.notPermitted, .permissionDenied) { try queue.setOwner(user: 65534) }
        }
    },
]

private let passing: [ConditionCase] = [
    .row("mq_send", "message longer than mq_msgsize") {
        let queue = try ScratchQueue().make(1, 4)
        expectFailure(.messageTooLong, .messageTooLarge, hint: "5 bytes; this queue takes 4") {
            try queue.send([1, 2, 3, 4, 5])
        }
    },
    .row("mq_send", "queue full, O_NONBLOCK") {
        let queue = try ScratchQueue().make(1, 4)
        #expect(try queue.trySend([1]))
        #expect(try !queue.trySend([2]))
        try sysSetNonBlocking(queue.rawValue, true)
        expectErrno(.wouldBlock) { try sysMessageQueueSend(queue.rawValue, [UInt8(2)].span, priority: 0) }
    },
    .row("mq_timedsend", "queue full, deadline passes") {
        let queue = try ScratchQueue().make(1, 4)
        try await queue.send([1])
        let error = await #expect(throws: IPCError.self) { try await queue.send([2], until: .after(.milliseconds(2))) }
        #expect(error?.errno == .timedOut && error?.code == .timedOut)
    },
    .row("mq_timedsend", "tv_nsec<0 or >=1e9 and would block") {
        let queue = try ScratchQueue().make(1, 4)
        #expect(try queue.trySend([1]))
        for wrong in [-1, 1_000_000_000] {
            // A deadline of the library is a number of nanoseconds and cannot be so.
            expectErrno(.invalidArgument) {
                try sysMessageQueueSend(
                    queue.rawValue, [UInt8(2)].span, priority: 0, until: .init(seconds: 1, nanoseconds: wrong))
            }
        }
    },
    .row("mq_send", "descriptor invalid") {
        // A handle cannot be used after it is closed.
        expectErrno(.badFileDescriptor) { try sysMessageQueueSend(-1, [UInt8(1)].span, priority: 0) }
    },
    .row("mq_send", "descriptor opened O_RDONLY") {
        let queue = try ScratchQueue().make(access: .receiveOnly)
        expectFailure(.badFileDescriptor, .badDescriptor, hint: "opened for receiving only") { try queue.send([1]) }
        expectFailure(.badFileDescriptor, .badDescriptor) { _ = try queue.trySend([1]) }
    },
    .row("mq_receive", "buffer smaller than mq_msgsize") {
        let queue = try ScratchQueue().make(4, 64)
        #expect(try queue.trySend([1]))
        expectFailure(.messageTooLong, .messageTooLarge, hint: "room for 63 bytes and needs 64") {
            try receive(queue, room: 63)
        }
        #expect(try queue.status().messageCount == 1)
        try receive(queue, room: 64)
    },
    .row("mq_receive", "descriptor opened O_WRONLY") {
        let queue = try ScratchQueue().make(access: .sendOnly)
        expectFailure(.badFileDescriptor, .badDescriptor, hint: "opened for sending only") {
            try receive(queue, room: 64)
        }
        expectFailure(.badFileDescriptor, .badDescriptor) { _ = try queue.tryReceive() }
    },
    .row("mq_timedreceive", "empty, deadline passes") {
        let queue = try ScratchQueue().make()
        let error = await #expect(throws: IPCError.self) {
            _ = try await queue.receive(until: .after(.milliseconds(2)))
        }
        #expect(error?.errno == .timedOut && error?.code == .timedOut)
    },
    .row("mq_timedreceive", "message already there, deadline in the past") {
        let queue = try ScratchQueue().make()
        #expect(try queue.trySend([5]))
        #expect(try await queue.receive(until: .now).bytes == [5])
    },
    .row("mq_send", "zero-length message") {
        let queue = try ScratchQueue().make()
        #expect(try queue.trySend([]))
        #expect(try queue.tryReceive() == .init(bytes: []))
    },
    .row("mq_notify", "another process already registered") {
        let scratch = ScratchQueue()
        let queue = try scratch.make()
        let peer = try Peer.python(
            "import ctypes, os, sys; lib = ctypes.CDLL(None, use_errno=True); q = lib.mq_open(sys.argv[1].encode(), 0); "
                + "e = (ctypes.c_char * 64)(); e[12:13] = b'\\x01'; print(lib.mq_notify(q, e)); sys.stdin.read()",
            [scratch.name.description])
        try peer.expect("0")
        expectFailure(.resourceBusy, .busy, hint: "another registration") { _ = try queue.notification() }
        #expect(try queue.status().notifiedProcess == peer.processID)
        _ = try peer.finish()
        _ = try queue.notification()
    },
    .row("mq_notify", "descriptor invalid") {
        expectErrno(.badFileDescriptor) { try sysMessageQueueNotify(-1, signal: 0) }
    },
    .row("mq_notify", "registration after one delivery") {
        let queue = try ScratchQueue().make()
        let arrival = try queue.notification()
        #expect(try queue.trySend([1]))
        #expect(try arrival.hasFired())
        #expect(try queue.status().notifiedProcess == nil)
        _ = try queue.tryReceive()
        #expect(try queue.trySend([2]))
        #expect(try !arrival.hasFired())
    },
]

private let table = ConditionTable("posix-mq", opening + passing)

@Suite(.bounded()) struct MessageQueueConditionTests {
    @Test(.requiresRoot, arguments: table.cases) func row(_ each: ConditionCase) async throws { try await each.check() }

    @Test func everyRowHasACase() { #expect(table.gaps == []) }

    @Test func aPriorityOutOfRangeIsRefused() throws {
        let queue = try ScratchQueue().make()
        expectFailure(.invalidArgument, .invalidArgument, hint: "must be 0 to 32767") {
            try queue.send([1], priority: 32768)
        }
    }

    @Test(.requiresRoot) func tooManyQueuesAreNamed() async {
        await #expect(processExitsWith: .success) {
            try TestSyscalls.leaveIPCNamespace()
            try Checkout.write("1\n", to: "/proc/sys/fs/mqueue/queues_max")
            try ProcessState.becomeNobody()
            let scratch = (ScratchQueue(), ScratchQueue())
            let first = try scratch.0.make()
            expectFailure(.noSpace, .limitReached, hint: "fs.mqueue.queues_max is 1") { _ = try scratch.1.make() }
            #expect(try !MessageQueue.exists(scratch.1.name))
            try first.close()
        }
    }

    @Test func aSignalEndsAWaitOnlyIfAsked() async {
        await #expect(processExitsWith: .success) {
            let queue = try ScratchQueue().make(1, 4)
            try SignalStorm.run {
                expectFailure(.interrupted, .interrupted) { _ = try queue.receive(retryOnInterrupt: false) }
                expectFailure(.interrupted, .interrupted) {
                    _ = try queue.receive(until: .after(.seconds(30)), retryOnInterrupt: false)
                }
                expectFailure(.timedOut, .timedOut) { _ = try queue.receive(until: .after(.milliseconds(20))) }
                try queue.send([1])
                expectFailure(.interrupted, .interrupted) { try queue.send([2], retryOnInterrupt: false) }
                expectFailure(.timedOut, .timedOut) { try queue.send([2], until: .after(.milliseconds(20))) }
            }
        }
    }
}
