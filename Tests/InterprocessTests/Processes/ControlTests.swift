// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import InterprocessTestKit
import SystemPackage
import Testing

@Suite(.bounded(.seconds(120)), .requires("gcc", "nm")) struct ControlTests {
    private let program = ControlledProgram.shared

    @Test func theFirstInstructionIsControlled() throws {
        let control = try startControlled("exit", "3")
        let first = try #require(try control.nextEvent())
        #expect(first.kind == .executed(formerThread: control.process))
        #expect(first.process == control.process && first.thread == control.process)
        let registers = try control.registers(of: first.thread)
        #expect(registers.instructionPointer != 0 && registers.stackPointer != 0)
        try control.resume(first)
        let run = try control.runToEnd()
        #expect(run.kinds == [.ended(.exited(3))])
        let isOver = control.isOver
        #expect(isOver)
        expectControlFailure(.noSuchProcess, .notFound) { _ = try control.registers(of: first.thread) }
    }

    @Test func whatCannotBeStartedThrows() throws {
        expectControlFailure(.noSuchFileOrDirectory, .notFound) {
            _ = try ProcessControl.spawn("/nowhere/at/all", arguments: ["x"])
        }
        expectControlFailure(.permissionDenied, .permissionDenied) {
            let scratch = ScratchName()
            let file = scratch.path()
            try Checkout.write("no program", to: file)
            _ = try ProcessControl.spawn(file, arguments: ["x"])
        }
        expectControlFailure(.noSuchFileOrDirectory, .notFound) {
            _ = try ProcessControl.spawn("/bin/true", arguments: ["true"], directory: "/nowhere/at/all")
        }
    }

    @Test func aProgramGetsWhatItIsGiven() throws {
        let pipe = try TestSyscalls.pipe()
        defer { TestSyscalls.close(pipe.reading) }
        let control = try ProcessControl.spawn(
            "/bin/sh", arguments: ["sh", "-c", "echo $WORD $(pwd) >&5; ls /proc/self/fd | tr '\\n' ' ' >&5"],
            environment: ["WORD=word", "PATH=/bin:/usr/bin"], directory: "/usr", descriptors: [5: pipe.writing])
        TestSyscalls.close(pipe.writing)
        let run = try control.runToEnd()
        #expect(run.ending == .exited(0))
        var text = ""
        while case let part = try TestSyscalls.read(pipe.reading), !part.isEmpty {
            text += String(decoding: part, as: UTF8.self)
        }
        #expect(text.hasPrefix("word /usr\n"))
        // 3 is ls's own look at the folder.
        #expect(text.hasSuffix("\n0 1 2 3 5 ") || text.hasSuffix("\n0 1 2 3 4 5 "), "\(text)")
    }

    @Test func attachingStopsEveryThreadAndDetachingLeavesThemRunning() throws {
        let peer = try startPeer("sleepers", "5")
        try peer.expect("ready")
        let control = try ProcessControl.attach(to: peer.processID)
        var stopped: Set<Int32> = []
        for _ in 0..<6 {
            let event = try #require(try control.nextEvent(until: .after(.seconds(20))))
            #expect(event.kind == .stopped)
            stopped.insert(event.thread)
        }
        #expect(stopped.count == 6)
        #expect(try control.threads().map(\.thread) == stopped.sorted())
        #expect(try control.threads().allSatisfy(\.isStopped))
        #expect(try control.tryNextEvent() == nil)
        try control.detach()
        peer.closeInput()
        #expect(try peer.wait() == .exited(8))
    }

    @Test func droppingTheValueDetaches() throws {
        let peer = try startPeer("wait")
        try peer.expect("ready")
        do { _ = try ProcessControl.attach(to: peer.processID) }
        peer.closeInput()
        #expect(try peer.wait() == .exited(7))
    }

    @Test func anotherTracerIsNamed() throws {
        let peer = try startPeer("wait")
        try peer.expect("ready")
        let control = try ProcessControl.attach(to: peer.processID)
        expectControlFailure(.notPermitted, .permissionDenied, hint: "traces it already") {
            _ = try ProcessControl.attach(to: peer.processID)
        }
        let strace = try Peer(["strace", "-p", "\(peer.processID)"]).finish()
        #expect(strace.status == .exited(1) && strace.errorText.contains("Operation not permitted"))
        try control.detach()
        let second = try ProcessControl.attach(to: peer.processID)
        try second.detach()
        peer.closeInput()
        #expect(try peer.wait() == .exited(7))
    }

    @Test func oneselfAndNobodyCannotBeAttachedTo() {
        expectControlFailure(.notPermitted, .permissionDenied, hint: "cannot trace itself") {
            _ = try ProcessControl.attach(to: sysProcessID())
        }
        expectControlFailure(.noSuchProcess, .notFound) { _ = try ProcessControl.attach(to: 0x3fff_fff0) }
    }

    @Test func singleStepsAreCounted() throws {
        let control = try startControlled("exit", "0")
        let first = try #require(try control.nextEvent())
        try control.resume(first, .step)
        for _ in 0..<200 {
            let event = try #require(try control.nextEvent(until: .after(.seconds(20))))
            #expect(event.kind == .stepped)
            #expect(try control.registers(of: event.thread).instructionPointer != 0)
            try control.resume(event, .step)
        }
        let event = try #require(try control.nextEvent(until: .after(.seconds(20))))
        try control.resume(event)
        #expect(try control.runToEnd().ending == .exited(0))
    }

    @Test func stopIsToldOncePerThread() throws {
        let peer = try startPeer("loop")
        try peer.expect("ready")
        let control = try ProcessControl.attach(to: peer.processID)
        for _ in 0..<50 {
            let event = try #require(try control.nextEvent(until: .after(.seconds(20))))
            #expect(event.kind == .stopped)
            expectNothingMore(control)
            try control.resume(event)
            expectControlFailure(nil, .busy, hint: "runs") { _ = try control.registers(of: event.thread) }
            try control.stop()
        }
        try control.kill()
        let run = try control.runToEnd()
        #expect(run.ending == .killed(.kill, dumpedCore: false))
    }

    private func expectNothingMore(_ control: borrowing ProcessControl) {
        let more = try? control.tryNextEvent()
        #expect(more == nil)
    }

    @Test func awaitingEverything() async throws { try await Self.awaited(program) }

    private static func awaited(_ program: ControlledProgram) async throws {
        let control = try await ProcessControl.spawn(program.path, arguments: [program.path.string, "ticks", "4"])
        let tick = try program.address(of: "tick")
        var hits = 0
        for try await event in control.events {
            switch event.kind {
            case .executed:
                #expect(try await control.setBreakpoint(at: tick))
                #expect(try await control.breakpoints() == [tick])
            case .breakpoint:
                hits += 1
                var registers = try await control.registers(of: event.thread)
                #expect(registers.instructionPointer == tick && registers.functionArguments[0] == 1)
                registers.stackPointer += 0
                try await control.setRegisters(registers, of: event.thread)
                if hits == 3 { #expect(try await control.removeBreakpoint(at: tick)) }
            case .ended(let ending): #expect(ending == .exited(0))
            default: break
            }
            if event.wantsAnswer { try await control.resume(event) }
        }
        #expect(hits == 3)
        #expect(try await control.nextEvent() == nil)
    }

    @Test func aCancelledWaitLosesNoEvent() async throws { try await Self.cancelled() }

    private static func cancelled() async throws {
        let peer = try startPeerSync()
        let control = try await ProcessControl.attach(to: peer.processID)
        let first = try #require(try await control.nextEvent())
        try await control.resume(first)
        let events = control.events
        let task = Task { () -> IPCError.Code? in
            do {
                for try await _ in events { return nil }
                return nil
            } catch { return (error as? IPCError)?.code }
        }
        task.cancel()
        #expect(await task.value == .cancelled)
        let late = await #expect(throws: IPCError.self) {
            _ = try await control.nextEvent(until: .after(.milliseconds(1)))
        }
        #expect(late?.code == .timedOut)
        try await control.stop()
        #expect(try await control.nextEvent()?.kind == .stopped)
        try await control.detach()
    }

    private static func startPeerSync() throws -> Peer {
        let peer = try startPeer("wait")
        try peer.expect("ready")
        return peer
    }
}
