// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import InterprocessTestKit
import SystemPackage
import Testing

/// Starts a child of its own, says its number, and waits for it when told to.
private let parentInPython = """
    import os, sys, signal
    child = os.fork()
    if child == 0:
        signal.pause()
    print(child)
    for line in sys.stdin:
        os.waitpid(child, 0)
        print('waited')
    """

@Suite(.bounded()) struct ProcessHandleTests {
    @Test func aStrangersEndIsSeen() async throws {
        let peer = try Peer.python(parentInPython)
        let number = try #require(Int32(try peer.readLine() ?? ""))
        let child = try ProcessHandle(processID: number)
        let early = try ProcessHandle(processID: number)
        let late = try ProcessHandle(processID: number)
        #expect(try child.parentID() == peer.processID)
        #expect(child.isRunning == true)
        try child.send(.user1)
        // It is a zombie: its parent does not wait yet. /proc tells how it ended to whoever may look into it.
        let end = try await early.exit(until: .after(.seconds(20)))
        #expect(end.reason == .killed(.user1, dumpedCore: false) && end.usage == nil)
        try peer.send("wait")
        try peer.expect("waited")
        // Reaped: the kernel keeps how it ended for those who had it open.
        #expect(try await late.exit().reason == .killed(.user1, dumpedCore: false))
        expectProcessFailure(.noSuchProcess, .notFound, hint: "ended") { try child.send(.user1) }
        expectProcessFailure(.noSuchProcess, .notFound) { _ = try ProcessHandle(processID: number) }
    }

    @Test(.requiresRoot) func aStrangersExitMayBeHidden() async throws {
        let peer = try Peer.python(parentInPython)
        let number = try #require(Int32(try peer.readLine() ?? ""))
        await #expect(processExitsWith: .success) { [number = number as Int32, parent = peer.processID as Int32] in
            let child = try ProcessHandle(processID: number)
            try child.send(.user1)
            _ = try await child.ended(until: .after(.seconds(20)))
            try ProcessState.becomeNobody()
            // Another user's zombie: that it ended is all that is told.
            let end = try await child.exit()
            #expect(end.reason == nil && "\(end)" == "\(number) has ended")
            expectProcessFailure(.notPermitted, .permissionDenied, hint: "another user") {
                try ProcessHandle(processID: parent).send(.user1)
            }
        }
    }

    @Test func everyoneWhoWaitsIsTold() async throws {
        let child = try ProcessHandle.spawn(ProcessCommand("sleep", ["600"]))
        let core = ProcessHandleBox(child)
        let ends = await withTaskGroup(of: ProcessExit?.self) { group in
            for _ in 0..<20 { group.addTask { try? await core.handle.exit() } }
            try? core.handle.kill()
            var all: [ProcessExit?] = []
            for await each in group { all.append(each) }
            return all
        }
        #expect(ends.count == 20 && Set(ends).count == 1 && ends[0]?.signal != nil)
    }

    @Test func cancelledAndLateWaits() async throws {
        let child = ProcessHandleBox(try ProcessHandle.spawn(ProcessCommand("sleep", ["600"])))
        let late = await #expect(throws: IPCError.self) {
            try await child.handle.exit(until: .after(.milliseconds(2)))
        }
        #expect(late?.code == .timedOut)
        let blocking = #expect(throws: IPCError.self) { try Self.exit(child, .after(.milliseconds(2))) }
        #expect(blocking?.code == .timedOut && blocking?.subject == "pid:\(child.handle.processID)")
        let task = Task { try await child.handle.exit() }
        task.cancel()
        let cancelled = await #expect(throws: IPCError.self) { _ = try await task.value }
        #expect(cancelled?.code == .cancelled)
        // It is still there to be waited for.
        try child.handle.kill()
        #expect(try await child.handle.exit().signal == .kill)
    }

    static func exit(_ box: ProcessHandleBox, _ deadline: Deadline) throws(IPCError) {
        try box.handle.exit(until: deadline)
    }

    @Test func theFirstOfManyEnds() async throws {
        let slow = try ProcessHandle.spawn(ProcessCommand("sleep", ["600"]))
        let quick = try ProcessHandle.spawn(.shell("exit 4"))
        let any = WaitAny([try slow.exitReadiness(), try quick.exitReadiness()])
        #expect(try await any.first() == 1)
        #expect(try quick.tryExit()?.code == 4)
        #expect(try slow.tryExit() == nil)
        try await slow.terminate(grace: .seconds(20))
    }

    @Test func stopAndProceed() async throws {
        let child = try ProcessHandle.spawn(ProcessCommand("sleep", ["600"]))
        try child.stop()
        try waitUntil { try child.isStopped() }
        #expect(child.isRunning == true)
        try child.proceed()
        try waitUntil { try !child.isStopped() }
        // Asked to end while it is stopped, it is let go on for it.
        try child.stop()
        try waitUntil { try child.isStopped() }
        #expect(try await child.terminate(grace: .seconds(60)).signal == .terminate)
    }

    @Test func whoDoesNotListenIsKilled() async throws {
        let deaf = ProcessCommand.shell("trap '' TERM; echo ready; while :; do sleep 0.01; done")
        let pipe = try TestSyscalls.pipe()
        defer { for number in [pipe.reading, pipe.writing] { TestSyscalls.close(number) } }
        var command = deaf
        command.descriptors[1] = .number(pipe.writing)
        let first = try ProcessHandle.spawn(command)
        #expect(try TestSyscalls.read(pipe.reading).count == 6)
        #expect(try await first.terminate(grace: .milliseconds(20)).signal == .kill)
        let second = try ProcessHandle.spawn(command)
        #expect(try TestSyscalls.read(pipe.reading).count == 6)
        #expect(try Self.terminate(second) == .kill)
        // A cancelled task does not leave it alive.
        let third = ProcessHandleBox(try ProcessHandle.spawn(command))
        #expect(try TestSyscalls.read(pipe.reading).count == 6)
        let task = Task { try await third.handle.terminate(grace: .seconds(600)) }
        task.cancel()
        #expect(try await task.value.signal == .kill)
        // A polite one says how it ended itself.
        command = .shell("trap 'exit 9' TERM; echo ready; while :; do sleep 0.01; done")
        command.descriptors[1] = .number(pipe.writing)
        let polite = try ProcessHandle.spawn(command)
        #expect(try TestSyscalls.read(pipe.reading).count == 6)
        #expect(try await polite.terminate(grace: .seconds(60)).code == 9)
        // And one that has ended already says how.
        #expect(try await polite.terminate(grace: .zero).code == 9)
    }

    static func terminate(_ child: borrowing ProcessHandle) throws -> Signal? {
        try child.terminate(grace: .milliseconds(20)).signal
    }

    @Test func aGroupIsReachedWhenItsLeaderIsGone() async throws {
        let pipe = try TestSyscalls.pipe()
        defer { for number in [pipe.reading, pipe.writing] { TestSyscalls.close(number) } }
        var command = ProcessCommand.shell("sleep 600 & echo $!; exit 0")
        command.descriptors[1] = .number(pipe.writing)
        command.group = .own
        let leader = try ProcessHandle.spawn(command)
        let line = String(decoding: try TestSyscalls.read(pipe.reading), as: UTF8.self)
        let member = try ProcessHandle(processID: try #require(Int32(line.dropLast())))
        #expect(try await leader.exit().isSuccess)
        #expect(throws: IPCError.self) { try leader.send(.terminate) }
        try leader.ledGroup.send(.terminate)
        let ended = try await member.ended(until: .after(.seconds(20)))
        #expect(ended)
        let none = #expect(throws: IPCError.self) { try ProcessGroup(id: 0).send(.terminate) }
        #expect(none?.code == .invalidArgument)
    }

    @Test func aNumberThatIsReusedIsNotReached() async throws {
        let gone = try ProcessHandle.spawn(ProcessCommand("true"))
        try await gone.exit()
        // Others start processes as well, so it may take some attempts until somebody gets the number.
        var reused: ProcessHandleBox?
        for _ in 0..<2000 where reused == nil {
            try Checkout.write("\(gone.processID - 1)", to: "/proc/sys/kernel/ns_last_pid")
            let next = try ProcessHandle.spawn(ProcessCommand("sleep", ["600"]))
            if next.processID == gone.processID {
                reused = ProcessHandleBox(next)
            } else {
                try next.kill()
                try await next.exit()
            }
        }
        let other = try #require(reused)
        #expect(other.handle.processID == gone.processID)
        expectProcessFailure(.noSuchProcess, .notFound) { try gone.kill() }
        expectProcessFailure(.noSuchProcess, .notFound) { try gone.ledGroup.send(.kill) }
        expectProcessFailure(.noSuchProcess, .notFound) { _ = try gone.parentID() }
        expectProcessFailure(.noSuchProcess, .notFound) {
            try gone.send(.kill, toThread: gone.processID)
        }
        #expect(other.handle.isRunning == true)
        try other.handle.kill()
        #expect(try await other.handle.exit().signal == .kill)
    }

    @Test func aHandleThatIsDroppedLeavesNoZombie() async {
        await #expect(processExitsWith: .success) {
            for _ in 0..<20 { _ = try ProcessHandle.spawn(.shell("sleep 0.01")) }
            _ = try ProcessHandle.spawn(ProcessCommand("true"))
            // Without a child of any kind there is nothing to wait for.
            waitUntil { (try? sysWaitForEnd(.anyChild, reaping: false)) == nil && Self.hasNoChild }
        }
    }

    static var hasNoChild: Bool {
        do { _ = try sysWaitForEnd(.anyChild, reaping: false) } catch { return error == .noChildProcess }
        return false
    }

    @Test func whenOthersReapTheEndIsKnownAllTheSame() async {
        await #expect(processExitsWith: .success) {
            let child = try ProcessHandle.spawn(.shell("exit 5"))
            #expect(try sysWait(child.processID) == .exited(5))
            #expect(try await child.exit().code == 5)
            // With SIGCHLD ignored the kernel reaps.
            ProcessState.setIgnored(17)
            let second = try ProcessHandle.spawn(.shell("exit 6"))
            #expect(try await second.exit().code == 6)
            #expect(throws: IPCError.self) { _ = try ProcessHandle.spawn(ProcessCommand("/no/such/file")) }
        }
    }

    @Test func manyAtOnce() async throws {
        var children: [ProcessHandleBox] = []
        for number in 0..<400 { children.append(ProcessHandleBox(try .spawn(.shell("exit \(number % 200)")))) }
        let codes = await withTaskGroup(of: (Int, Int32?).self) { group in
            for (index, child) in children.enumerated() {
                group.addTask { (index, try? await child.handle.exit().code) }
            }
            var all = [Int32?](repeating: nil, count: 400)
            for await (index, code) in group { all[index] = code }
            return all
        }
        #expect(codes == (0..<400).map { Int32($0 % 200) })
    }

    @Test func whoIsWho() throws {
        let own = try ProcessHandle.current()
        let parent = try ProcessHandle.parent()
        let again = try ProcessHandle.current()
        #expect(own.processID == sysProcessID())
        #expect(own.isRunning == true)
        #expect(try own.parentID() == parent.processID)
        #expect(try own.startTime() == again.startTime())
        #expect(try own.niceness() == 0)
        for wrong: Int32 in [0, -1] {
            expectProcessFailure(.invalidArgument, .invalidArgument, hint: "positive") {
                _ = try ProcessHandle(processID: wrong)
            }
        }
        let error = #expect(throws: IPCError.self) {
            let thread = LeakCheck.threads().keys.first { $0 != sysProcessID() }
            _ = try ProcessHandle(processID: try #require(thread))
        }
        #expect(error?.hint == "it is a thread, not a process")
    }

    @Test func aDescriptorOfAnotherProcess() async throws {
        let peer = try Peer.python(
            "import os, sys; f = os.memfd_create('x'); os.write(f, b'hello'); os.lseek(f, 1, 0); print(f); sys.stdin.readline(); "
                + "print(os.lseek(f, 0, 1))")
        let number = try #require(Int32(try peer.readLine() ?? ""))
        let process = try ProcessHandle(processID: peer.processID)
        let file = try process.duplicateDescriptor(number)
        #expect(try file.fileDescriptor.seek(offset: 0, from: .current) == 1)
        #expect(try TestSyscalls.read(file.rawValue) == Array("ello".utf8))
        try peer.send("")
        #expect(try peer.readLine() == "5")
        expectProcessFailure(.badFileDescriptor, .badDescriptor, hint: "no descriptor 999") {
            _ = try process.duplicateDescriptor(999)
        }
        _ = try peer.finish()
        expectProcessFailure(.noSuchProcess, .notFound) { _ = try process.duplicateDescriptor(number) }
    }
}

/// A handle that several tasks use.
final class ProcessHandleBox: Sendable {
    let handle: ProcessHandle
    init(_ handle: consuming ProcessHandle) { self.handle = handle }
}
