// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import InterprocessTestKit
import Synchronization
import SystemPackage
import Testing

/// Runs a blocking call on a thread of its own, removes the queue when it is blocked, and returns what it failed with.
private func failureAfterRemoval(
    _ body: @escaping @Sendable (borrowing SystemVMessageQueue) throws(IPCError) -> Void
) throws -> IPCError? {
    final class Outcome: Sendable {
        let thread = Atomic<Int32>(0)
        let error = Mutex<IPCError?>(nil)
        let isDone = Flag()
    }
    let queue = try scratchSystemV()
    try queue.setCapacity(4)
    let (outcome, id) = (Outcome(), queue.id)
    try TestSyscalls.startThread("blocked") {
        outcome.thread.store(sysThreadID(), ordering: .releasing)
        do throws(IPCError) { try body(try SystemVMessageQueue(id: id)) } catch {
            outcome.error.withLock { $0 = error }
        }
        outcome.isDone.set()
    }
    while outcome.thread.load(ordering: .acquiring) == 0 { TestSyscalls.sleep(nanoseconds: 100_000) }
    waitUntilBlocked(outcome.thread.load(ordering: .acquiring))
    try queue.remove()
    while !outcome.isDone.isSet { TestSyscalls.sleep(nanoseconds: 100_000) }
    return outcome.error.withLock { $0 }
}

private let sending: [ConditionCase] = [
    .row("msgget IPC_CREAT|IPC_EXCL", "key exists") {
        let scratch = ScratchName()
        let key = SystemVKey.number(scratch.key())
        let queue = try SystemVMessageQueue(key: key, mode: .createExclusive)
        expectFailure(.fileExists, .alreadyExists) { _ = try SystemVMessageQueue(key: key, mode: .createExclusive) }
        try queue.remove()
    },
    .row("msgget", "no queue for key, no IPC_CREAT") {
        let scratch = ScratchName()
        let key = SystemVKey.number(scratch.key())
        expectFailure(.noSuchFileOrDirectory, .notFound) { _ = try SystemVMessageQueue(key: key) }
    },
    .row("msgget", "kernel.msgmni reached") {
        await #expect(processExitsWith: .success) {
            try TestSyscalls.leaveIPCNamespace()
            try Checkout.write("2\n", to: "/proc/sys/kernel/msgmni")
            _ = try SystemVMessageQueue(key: .private, mode: .createExclusive)
            _ = try SystemVMessageQueue(key: .private, mode: .createExclusive)
            expectFailure(.noSpace, .limitReached, hint: "kernel.msgmni is 2") { _ = try scratchSystemV() }
        }
    },
    .row("msgsnd", "no write permission") {
        let queue = try scratchSystemV([.ownerReadWrite, .groupRead, .otherRead])
        await #expect(processExitsWith: .success) { [id = queue.id as Int32] in
            try ProcessState.becomeNobody()
            let queue = try SystemVMessageQueue(id: id)
            expectFailure(.permissionDenied, .permissionDenied, hint: "user 65534") { try queue.send([1]) }
        }
    },
    .row("msgsnd", "mtype <= 0") {
        let queue = try scratchSystemV()
        for type in [0, -1, .min] {
            expectFailure(.invalidArgument, .invalidArgument, hint: "the type is \(type)") {
                try queue.send([1], type: type)
            }
        }
    },
    .row("msgsnd", "size > kernel.msgmax") {
        let queue = try scratchSystemV()
        let limit = try #require(KernelLimit.value("kernel/msgmax"))
        let long = [UInt8](repeating: 7, count: limit + 1)
        expectFailure(.invalidArgument, .messageTooLarge, hint: "kernel.msgmax is \(limit)") { try queue.send(long) }
        #expect(try queue.trySend(Array(long.dropLast())))
        #expect(try queue.tryReceive()?.bytes.count == limit)
    },
    .row("msgsnd", "full, blocked, signal") {
        await #expect(processExitsWith: .success) {
            let queue = try scratchSystemV()
            try queue.setCapacity(1)
            try queue.send([1])
            try SignalStorm.run {
                expectFailure(.interrupted, .interrupted) { try queue.send([2], retryOnInterrupt: false) }
                expectFailure(.timedOut, .timedOut) { try queue.send([2], until: .after(.milliseconds(20))) }
            }
        }
    },
    .row("msgsnd", "full, blocked, queue removed") {
        let error = try failureAfterRemoval { (queue) throws(IPCError) in
            try queue.send([1, 2, 3, 4])
            try queue.send([5])
        }
        #expect(error?.errno == .identifierRemoved)
        #expect(error?.code == .removed)
    },
    .unreachable("msgsnd", "bad address", because: "bytes come as a Span, which is memory that is there"),
]

private let receiving: [ConditionCase] = [
    .row("msgrcv", "text longer than buffer, no MSG_NOERROR") {
        let queue = try scratchSystemV()
        try await queue.send([1, 2, 3])
        expectFailure(.argListTooLong, .messageTooLarge, hint: "stays in the queue") {
            _ = try [UInt8](capacity: 2) { (free: inout OutputSpan<UInt8>) throws(IPCError) in
                _ = try queue.receive(into: &free)
            }
        }
        #expect(try queue.tryReceive()?.bytes == [1, 2, 3])
    },
    .row("msgrcv IPC_NOWAIT", "no message of that type") {
        let queue = try scratchSystemV()
        try await queue.send([1], type: 3)
        #expect(try queue.tryReceive(.exactly(4)) == nil)
        expectErrno(.noMessage) { _ = try sysMessageReceiveArray(queue.id, room: 8, type: 4, flags: .noWait) }
    },
    .row("msgrcv", "type>0") {
        let queue = try scratchSystemV()
        for (index, type) in [2, 5, 5].enumerated() { try await queue.send([UInt8(index)], type: type) }
        #expect(try queue.tryReceive(.exactly(5)) == .init(type: 5, bytes: [1]))
    },
    .row("msgrcv MSG_EXCEPT", "type 1 excluded") {
        let queue = try scratchSystemV()
        for (index, type) in [1, 9, 4].enumerated() { try await queue.send([UInt8(index)], type: type) }
        #expect(try queue.tryReceive(.allBut(1)) == .init(type: 9, bytes: [1]))
    },
    .row("msgrcv MSG_COPY", "without IPC_NOWAIT") {
        let queue = try scratchSystemV()
        // Peeking always says IPC_NOWAIT.
        expectErrno(.invalidArgument) { _ = try sysMessageReceiveArray(queue.id, room: 8, type: 0, flags: .copy) }
        #expect(try queue.peek() == nil)
    },
    .row("msgrcv", "blocked, signal") {
        await #expect(processExitsWith: .success) {
            let queue = try scratchSystemV()
            try SignalStorm.run {
                expectFailure(.interrupted, .interrupted) { _ = try queue.receive(retryOnInterrupt: false) }
                expectFailure(.timedOut, .timedOut) { _ = try queue.receive(until: .after(.milliseconds(20))) }
            }
        }
    },
    .row("msgrcv", "blocked, queue removed") {
        let error = try failureAfterRemoval { (queue) throws(IPCError) in _ = try queue.receive(.exactly(3)) }
        #expect(error?.errno == .identifierRemoved)
        #expect(error?.code == .removed)
    },
    .row("msgrcv", "id invalid") {
        let queue = try scratchSystemV()
        let id = queue.id
        try queue.remove()
        expectFailure(.invalidArgument, .removed) { _ = try queue.tryReceive() }
        expectFailure(.invalidArgument, .removed) { try queue.send([1]) }
        expectFailure(.invalidArgument, .removed) { _ = try queue.status() }
        expectFailure(.invalidArgument, .notFound) { _ = try SystemVMessageQueue(id: id) }
        let error = await #expect(throws: IPCError.self) { _ = try await queue.receive() }
        #expect(error?.code == .removed)
    },
    .row("msgctl IPC_RMID", "not owner") {
        let queue = try scratchSystemV([.ownerReadWrite, .groupReadWrite, .otherReadWrite])
        await #expect(processExitsWith: .success) { [id = queue.id as Int32] in
            try ProcessState.becomeNobody()
            let queue = try SystemVMessageQueue(id: id)
            expectFailure(.notPermitted, .permissionDenied, hint: "owner") { try queue.remove() }
            expectFailure(.notPermitted, .permissionDenied) { try queue.setPermissions(.ownerRead) }
            expectFailure(.notPermitted, .permissionDenied) { try queue.setOwner(user: 65534) }
            #expect(try queue.status().messageCount == 0)
        }
    },
    .row("msgctl", "invalid command") {
        let queue = try scratchSystemV()
        expectErrno(.invalidArgument) { _ = try sysMessageQueueControl(queue.id, command: 9999) }
    },
    .row("msgctl IPC_SET", "raise msg_qbytes above kernel.msgmnb, unprivileged") {
        await #expect(processExitsWith: .success) {
            try ProcessState.becomeNobody()
            let queue = try scratchSystemV()
            let limit = try #require(KernelLimit.value("kernel/msgmnb"))
            expectFailure(.notPermitted, .permissionDenied, hint: "kernel.msgmnb, which is \(limit)") {
                try queue.setCapacity(limit + 1)
            }
        }
    },
]

private let table = ConditionTable("sysv-msg", sending + receiving)

@Suite(.bounded()) struct SystemVConditionTests {
    @Test(.requiresRoot, arguments: table.cases) func row(_ each: ConditionCase) async throws { try await each.check() }

    @Test func everyRowHasACase() { #expect(table.gaps == []) }

    @Test func anUnreadableQueueSaysSo() async throws {
        let queue = try scratchSystemV([.ownerReadWrite, .otherWrite])
        await #expect(processExitsWith: .success) { [id = queue.id as Int32] in
            try ProcessState.becomeNobody()
            let queue = try SystemVMessageQueue(id: id)
            try queue.send([1])
            expectFailure(.permissionDenied, .permissionDenied) { _ = try queue.tryReceive() }
            expectFailure(.permissionDenied, .permissionDenied) { _ = try queue.status() }
            expectFailure(.permissionDenied, .permissionDenied) { _ = try queue.receive(until: .after(.seconds(5))) }
        }
    }

    @Test func peekingThatTheKernelLacksIsSaid() async {
        await #expect(processExitsWith: .success) {
            let queue = try scratchSystemV()
            Faults.fail("msgrcv", with: .noFunction)
            expectFailure(.noFunction, .unsupported, hint: "CONFIG_CHECKPOINT_RESTORE") { _ = try queue.peek() }
        }
    }
}
