// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import InterprocessTestKit
import SystemPackage
import Testing

/// Processes that end, are killed or are stopped while they have a permit or wait for one.
@Suite(.bounded()) struct SemaphoreDeathTests {
    /// Where a user of a set is killed.
    enum Step: String, CaseIterable, Sendable {
        case before, taken, inBody, givenBack, takenTwice, byATask, byAThreadThatEnded
    }

    @Test(arguments: Step.allCases) func whatWasDoneWithUndoIsUndone(_ step: Step) async throws {
        let set = try scratchSet([2])
        await #expect(processExitsWith: .signal(9)) { [id = set.id as Int32, step = step.rawValue as String] in
            try await Self.use(id, until: Step(rawValue: step) ?? .before)
            try signalSelf(9)
        }
        #expect(try set.value() == 2)
        try await set.wait(by: 2, until: .now)
    }

    private static func use(_ id: Int32, until step: Step) async throws {
        let set = Kept(try SystemVSemaphoreSet(id: id))
        if step == .before { return }
        if step == .byATask { return try await useByATask(set) }
        if step == .byAThreadThatEnded { return try useByAThread(set) }
        if step == .inBody { return try dieWithin(set) }
        try await set.value.wait(undo: true)
        if step == .takenTwice { try await set.value.wait(undo: true) }
        if step == .givenBack { try set.value.post(undo: true) }
    }

    private static func dieWithin(_ set: Kept<SystemVSemaphoreSet>) throws {
        try set.value.withPermit { try signalSelf(9) }
    }

    /// The undo belongs to the process: a thread's end undoes nothing.
    private static func useByAThread(_ set: Kept<SystemVSemaphoreSet>) throws {
        let thread = try BlockedThread { () throws(IPCError) in try set.value.wait(undo: true) }
        if let error = thread.outcome() { throw error }
        let value = try set.value.value()
        if value != 1 { throw Errno.ioError }
    }

    private static func dieWithin(_ id: Int32, undo: Bool) throws {
        try SystemVSemaphoreSet(id: id).withPermit(undo: undo) { try signalSelf(9) }
    }

    /// A task that has waited in a thread of the library, which has ended since.
    private static func useByATask(_ set: Kept<SystemVSemaphoreSet>) async throws {
        try await set.value.wait(by: 2)
        let waiting = Task { try await set.value.wait(by: 2, undo: true) }
        try await Expect.eventually { try set.value.status(of: 0).waitingForMoreCount > 0 }
        try set.value.post(by: 2)
        try await waiting.value
        while WaiterThreads.count > 0 { try await Task.sleep(for: .milliseconds(10)) }
        let value = try set.value.value()
        if value != 0 { throw Errno.ioError }
    }

    @Test func withoutUndoItIsLost() async throws {
        let set = try scratchSet([2])
        await #expect(processExitsWith: .signal(9)) { [id = set.id as Int32] in
            try Self.dieWithin(id, undo: false)
        }
        #expect(try set.value() == 1)
        // An orderly end undoes as well.
        await #expect(processExitsWith: .success) { [id = set.id as Int32] in
            try await SystemVSemaphoreSet(id: id).wait(undo: true)
        }
        #expect(try set.value() == 1)
    }

    @Test func whatValuesAreSetToIsNotUndone() async throws {
        let set = try scratchSet([2])
        await #expect(processExitsWith: .success) { [id = set.id as Int32] in
            let set = try SystemVSemaphoreSet(id: id)
            try await set.wait(undo: true)
            try set.setValue(7)
        }
        #expect(try set.value() == 7)
    }

    /// Killed while they wait: they take nothing with them.
    @Test(.requires("perl")) func whoIsKilledWhileHeWaitsTakesNothing() throws {
        let set = try scratchSet([0])
        let peer = try Peer.perl("semop(shift, pack('s!3', 0, -1, 0))", ["\(set.id)"])
        try Expect.eventually { try set.status(of: 0).waitingForMoreCount == 1 }
        peer.kill()
        try peer.wait()
        try set.post()
        #expect(try set.value() == 1)
        #expect(try set.status(of: 0).waitingForMoreCount == 0)
    }

    @Test(.requires(python: "posix_ipc")) func aPOSIXWaiterThatIsKilledTakesNothing() throws {
        let semaphore = try ScratchSemaphores().semaphore()
        let peer = try Peer.python(
            "import posix_ipc, sys; posix_ipc.Semaphore(sys.argv[1]).acquire()", [semaphore.name.description])
        Expect.eventually { semaphore.waitingCount == 1 }
        peer.kill()
        try peer.wait()
        try semaphore.post()
        try semaphore.wait(until: .now)
        // The C library's own count keeps the dead.
        #expect(semaphore.waitingCount == 1)
    }

    private static let stoppedHolder = """
        import os, posix_ipc, signal, sys
        semaphore = posix_ipc.Semaphore(sys.argv[1])
        semaphore.acquire()
        print('taken')
        os.kill(os.getpid(), signal.SIGSTOP)
        semaphore.release()
        """

    @Test(.requires(python: "posix_ipc")) func aStoppedHolderKeepsItsPermitUntilItGoesOn() async throws {
        let semaphore = try ScratchSemaphores().semaphore(1)
        let peer = try Peer.python(Self.stoppedHolder, [semaphore.name.description])
        try peer.expect("taken")
        let late = await #expect(throws: IPCError.self) { try await semaphore.wait(until: .after(.milliseconds(20))) }
        #expect(late?.code == .timedOut)
        Self.expectLate(semaphore)
        peer.kill(18)
        try await semaphore.wait(until: .after(.seconds(60)))
        #expect(try peer.finish().status == .exited(0))
        #expect(semaphore.value == 0)
    }

    private static func expectLate(_ semaphore: borrowing NamedSemaphore) {
        Expect.failure(.timedOut, .timedOut) { try semaphore.wait(until: .after(.milliseconds(20))) }
    }

    @Test(.requires("perl")) func aStoppedHolderOfASetKeepsIt() async throws {
        let set = try scratchSet([1])
        let peer = try Peer.perl(
            "my $id = shift; semop($id, pack('s!3', 0, -1, 010000)) or die; print qq(taken\\n); kill('STOP', $$);"
                + "semop($id, pack('s!3', 0, 1, 010000)) or die; <STDIN>", ["\(set.id)"])
        try peer.expect("taken")
        let late = await #expect(throws: IPCError.self) { try await set.wait(until: .after(.milliseconds(20))) }
        #expect(late?.code == .timedOut)
        peer.kill(18)
        try await set.wait(until: .after(.seconds(60)))
        #expect(try peer.finish().status == .exited(0))
        #expect(try set.value() == 0)
    }

    // MARK: Adding to a counter that only one at a time may touch

    @Test(.requires(python: "posix_ipc")) func processesAddUnderANamedSemaphore() async throws {
        let scratch = ScratchSemaphores()
        let semaphore = try scratch.semaphore(1)
        let counter = try FileCounter(scratch.directory)
        // It stays until it is asked to end: a child that has ended and is not waited for holds up exit tests.
        let foreign = try Peer.python(
            """
            import posix_ipc, sys
            semaphore = posix_ipc.Semaphore(sys.argv[1])
            for _ in range(100):
                with semaphore:
                    value = int(open(sys.argv[2]).read())
                    open(sys.argv[2], 'w').write(str(value + 1))
            sys.stdin.read()
            """, [semaphore.name.description, counter.path])
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<3 {
                group.addTask { [name = semaphore.name.description, path = counter.path] in
                    await #expect(processExitsWith: .success) { [name = name as String, path = path as String] in
                        try Self.add(try NamedSemaphore(ObjectName(name)), path)
                    }
                }
            }
        }
        #expect(try foreign.finish().status == .exited(0))
        #expect(try counter.value == 400)
        #expect(semaphore.value == 1)
    }

    private static func add(_ semaphore: borrowing some POSIXSemaphore & ~Copyable, _ path: String) throws {
        for _ in 0..<100 { try semaphore.withPermit { try FileCounter(path: path).add() } }
    }

    @Test func forkedProcessesAddUnderASharedSemaphore() async {
        await #expect(processExitsWith: .success) {
            let scratch = ScratchSemaphores()
            let semaphore = try scratchShared(1)
            let path = try FileCounter(scratch.directory).path
            var children: [Int32] = []
            for _ in 0..<4 {
                children.append(
                    try TestSyscalls.forkChild { (try? Self.add(semaphore, path)) == nil ? 1 : 0 })
            }
            for child in children {
                var status: InterprocessSyscalls.ExitStatus?
                while status == nil { status = try sysWait(child) }
                #expect(status == .exited(0))
            }
            #expect(try FileCounter(path: path).value == 400)
            #expect(semaphore.value == 1)
        }
    }

    @Test func threadsAndTasksAddUnderAPrivateSemaphore() async throws {
        let scratch = ScratchSemaphores()
        let semaphore = Kept(try PrivateSemaphore(initialValue: 1))
        let path = try FileCounter(scratch.directory).path
        let threads = try (0..<3).map { _ in
            try BlockedThread { () throws(IPCError) in
                do { try Self.add(semaphore.value, path) } catch { throw IPCError(code: .system, subject: "\(error)") }
            }
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<10 {
                group.addTask {
                    for _ in 0..<10 {
                        try await semaphore.value.withPermit {
                            await Task.yield()
                            try FileCounter(path: path).add()
                        }
                    }
                }
            }
            try await group.waitForAll()
        }
        for thread in threads { #expect(thread.outcome() == nil) }
        #expect(try FileCounter(path: path).value == 400)
    }

    /// Some are killed with the permit in their hands: what they did not do is missing, and nothing else; nobody hangs.
    @Test(.requires("perl")) func processesAddUnderASetThoughSomeAreKilled() async throws {
        let scratch = ScratchSemaphores()
        let set = try scratchSet([1])
        let counter = try FileCounter(scratch.directory)
        let foreign = try Peer.perl(
            """
            my ($id, $path) = @ARGV;
            for (1 .. 100) {
                semop($id, pack('s!3', 0, -1, 010000)) or die;
                open(my $in, '<', $path); my $value = <$in>; close $in;
                open(my $out, '>', $path); print $out ($value + 1); close $out;
                semop($id, pack('s!3', 0, 1, 010000)) or die;
            }
            <STDIN>;
            """, ["\(set.id)", counter.path])
        await withTaskGroup(of: Void.self) { group in
            for number in 0..<4 {
                group.addTask { [id = set.id, path = counter.path] in
                    if number % 2 == 0 {
                        await #expect(processExitsWith: .success) { [id = id as Int32, path = path as String] in
                            try Self.add(id, path, killedAfter: nil)
                        }
                    } else {
                        // Each adds fifty times, and is killed when it has the permit once more.
                        await #expect(processExitsWith: .signal(9)) { [id = id as Int32, path = path as String] in
                            try Self.add(id, path, killedAfter: 50)
                        }
                    }
                }
            }
        }
        #expect(try foreign.finish().status == .exited(0))
        #expect(try counter.value == 100 + 2 * 100 + 2 * 50)
        #expect(try set.value() == 1)
    }

    private static func add(_ id: Int32, _ path: String, killedAfter count: Int?) throws {
        let set = try SystemVSemaphoreSet(id: id)
        for number in 0..<100 {
            try set.withPermit {
                if number == count { try signalSelf(9) }
                try FileCounter(path: path).add()
            }
        }
    }
}
