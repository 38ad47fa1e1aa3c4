// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import InterprocessTestKit
import SystemPackage
import Testing

@Suite(.bounded()) struct SupervisorTests {
    private static func options(_ count: Int) -> Supervisor.Options {
        var options = Supervisor.Options(count: count)
        options.firstDelay = .milliseconds(1)
        options.longestDelay = .milliseconds(4)
        return options
    }

    @Test func whoDiesIsReplacedAndAllAreDrained() async throws {
        let pool = Supervisor(Self.options(3)) { _ in ProcessCommand("sleep", ["600"]) }
        var events = pool.events.makeAsyncIterator()
        var processes: [Int: Int32] = [:]
        while processes.count < 3 {
            if case .started(let worker, let process) = await events.next() { processes[worker] = process }
        }
        #expect(pool.processIDs == processes)
        let victim = try #require(processes[1])
        try ProcessHandle(processID: victim).kill()
        guard case .ended(let worker, let end) = await events.next() else { throw Unexpected() }
        #expect(worker == 1 && end.processID == victim && end.signal == .kill)
        #expect(await events.next() == .restarting(worker: 1, after: .milliseconds(1)))
        guard case .started(worker: 1, let successor) = await events.next() else { throw Unexpected() }
        #expect(successor != victim)
        await pool.drain()
        var ended = 0
        while case .ended(_, let end)? = await events.next() {
            #expect(end.signal == .terminate)
            ended += 1
        }
        #expect(ended == 3)
        #expect(await events.next() == nil)
        #expect(pool.processIDs.isEmpty)
    }

    @Test func whoCrashesAgainAndAgainIsGivenUp() async {
        var options = Self.options(1)
        options.crashLimit = 3
        let pool = Supervisor(options) { _ in .shell("exit 1") }
        var seen: [String] = []
        for await event in pool.events {
            switch event {
            case .restarting(_, let delay): seen.append("\(delay)")
            case .gaveUp(_, let endings): seen.append("gave up after \(endings)")
            case .drained: seen.append("drained")
            default: break
            }
        }
        #expect(seen == ["0.001 seconds", "0.002 seconds", "0.004 seconds", "gave up after 4", "drained"])
        await pool.settled()
    }

    @Test func whatCannotBeStartedIsGivenUpToo() async {
        var options = Self.options(2)
        options.crashLimit = 1
        let pool = Supervisor(options) { _ in ProcessCommand("/no/such/program") }
        var (failures, gaveUp) = (0, 0)
        for await event in pool.events {
            if case .notStarted(_, let error) = event, error.code == .notFound { failures += 1 }
            if case .gaveUp = event { gaveUp += 1 }
        }
        #expect(failures == 4 && gaveUp == 2)
    }

    @Test func someRunOnce() async {
        var options = Self.options(2)
        options.restart = .afterFailure
        options.crashLimit = 2
        let pool = Supervisor(options) { worker in .shell("exit \(worker)") }
        var (finished, gaveUp): ([Int], [Int]) = ([], [])
        for await event in pool.events {
            if case .finished(let worker) = event { finished.append(worker) }
            if case .gaveUp(let worker, _) = event { gaveUp.append(worker) }
        }
        #expect(finished == [0] && gaveUp == [1])
    }

    @Test func aDeafWorkerAndItsChildrenAreEnded() async throws {
        var options = Self.options(1)
        options.grace = .milliseconds(20)
        let pipe = try PipePair()
        let reader = pipe.reader
        let writer = pipe.writer
        let pool = Supervisor(options) { [number = writer.rawValue] _ in
            var command = ProcessCommand.shell("trap '' TERM; sleep 600 & echo $!; while :; do sleep 0.01; done")
            command.descriptors[1] = .number(number)
            return command
        }
        let line = String(decoding: try await reader.read(until: .after(.seconds(60))) ?? [], as: UTF8.self)
        try writer.close()
        let grandchild = try ProcessHandle(processID: try #require(Int32(line.dropLast())))
        await pool.drain()
        let ended = try await grandchild.ended(until: .after(.seconds(20)))
        #expect(ended)
        var last: Supervisor.Event?
        for await event in pool.events {
            if case .ended(_, let end) = event { #expect(end.signal == .kill) }
            last = event
        }
        #expect(last == .drained)
    }

    @Test func theEndOfTheValueEndsTheWorkers() async throws {
        var pool: Supervisor? = Supervisor(Self.options(2)) { _ in ProcessCommand("sleep", ["600"]) }
        let events = try #require(pool).events
        var processes: [ProcessHandleBox] = []
        for await event in events {
            if case .started(_, let process) = event {
                processes.append(ProcessHandleBox(try .init(processID: process)))
            }
            if processes.count == 2 { break }
        }
        pool = nil
        for each in processes {
            let ended = try await each.handle.ended(until: .after(.seconds(20)))
            #expect(ended)
        }
    }

    struct Unexpected: Error {}
}

@Suite(.bounded()) struct SubreaperTests {
    @Test func orphansComeAndAreReaped() async {
        await #expect(processExitsWith: .success) {
            let reaper = try Subreaper()
            #expect(Subreaper.isThisProcess)
            let second = #expect(throws: IPCError.self) { _ = try Subreaper() }
            #expect(second?.code == .busy)
            // A shell that leaves children behind; one of its own is no orphan, and neither is one that is spared.
            let pipe = try TestSyscalls.pipe()
            var command = ProcessCommand.shell(
                "for n in 3 4 5; do sh -c \"read x < /dev/null; sleep 0.0$n; exit $n\" & done; echo done")
            command.descriptors[1] = .number(pipe.writing)
            let shell = try ProcessHandle.spawn(command)
            let spared = try sysSpawn("/bin/true", arguments: ["true"], descriptors: [:])
            reaper.spare(spared)
            #expect(try await shell.exit().isSuccess)
            var codes: Set<Int32> = []
            while codes.count < 3 {
                let orphan = try await reaper.nextOrphan(until: .after(.seconds(20)))
                #expect(orphan.processID != shell.processID && orphan.processID != spared)
                codes.insert(try #require(orphan.code))
            }
            #expect(codes == [3, 4, 5])
            #expect(try reaper.tryNextOrphan() == nil)
            #expect(try sysWait(spared) == .exited(0))
            #expect(throws: Errno.noChildProcess) { try sysWaitForEnd(.anyChild) }
            let late = await #expect(throws: IPCError.self) { _ = try await reaper.nextOrphan(until: .now) }
            #expect(late?.code == .timedOut)
            reaper.close()
            #expect(!Subreaper.isThisProcess)
            _ = try Subreaper()
        }
    }
}
