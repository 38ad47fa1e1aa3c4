// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import InterprocessTestKit
import SystemPackage
import Testing

@Suite(.bounded(.seconds(120)), .requires("gcc", "nm")) struct ControlBreakpointTests {
    private let program = ControlledProgram.shared

    /// Starts the program, sets breakpoints before its first instruction, and counts what happens.
    private func run(
        _ words: String..., at names: [String], options: ProcessControl.Options = .init(),
        _ each: (borrowing ProcessControl, TraceEvent) throws -> ProcessControl.Answer = { _, _ in .goOn }
    ) throws -> ControlRun {
        let control = try ProcessControl.spawn(
            program.path, arguments: [program.path.string] + words, options: options)
        var run = ControlRun()
        while let event = try control.nextEvent(until: .after(.seconds(60))) {
            run.events.append(event)
            if case .executed = event.kind, run.events.count == 1 {
                for name in names { try control.setBreakpoint(at: try program.address(of: name)) }
            }
            let answer = try each(control, event)
            guard event.wantsAnswer, let how = answer.resumption else { continue }
            try control.resume(event, how, delivering: answer.delivery)
        }
        return run
    }

    @Test func everyPassageIsHit() throws {
        let run = try run("ticks", "25", at: ["tick", "done"])
        let (tick, done) = (try program.address(of: "tick"), try program.address(of: "done"))
        #expect(run.breakpoints == Array(repeating: tick, count: 25) + [done])
        #expect(run.ending == .exited(0))
    }

    @Test func memoryIsReadWithoutBreakpoints() throws {
        let tick = try program.address(of: "tick")
        _ = try run("ticks", "1", at: ["tick"]) { control, event in
            guard case .breakpoint = event.kind else { return .goOn }
            let raw = try ProcessMemory(of: event.process).read(at: tick, count: 16)
            let clean = try control.read(at: tick, count: 16)
            #expect(raw[0] == 0xcc && clean[0] != 0xcc && raw[1...] == clean[1...])
            #expect(try !control.setBreakpoint(at: tick))
            #expect(try control.removeBreakpoint(at: tick))
            #expect(try !control.removeBreakpoint(at: tick))
            #expect(try ProcessMemory(of: event.process).read(at: tick, count: 16) == clean)
            return .goOn
        }
    }

    @Test func textIsWrittenAroundAndUnderABreakpoint() throws {
        let (tick, constant) = (try program.address(of: "tick"), try program.address(of: "constant"))
        let run = try run("ticks", "5", at: ["tick"]) { control, event in
            guard case .breakpoint = event.kind else { return .goOn }
            // tick returns at once: the sum is wrong, and the program says so.
            let before = try control.read(at: tick - 3, count: 24)
            try control.write([0xc3], at: tick)
            let after = try control.read(at: tick - 3, count: 24)
            #expect(after[3] == 0xc3 && after[4...] == before[4...] && after[..<3] == before[..<3])
            try control.write(Array("A CONST".utf8), at: constant)
            #expect(try ProcessMemory(of: event.process).readString(at: constant) == Array("A CONSTant".utf8))
            #expect(throws: IPCError.self) { try ProcessMemory(of: event.process).write([1], at: constant) }
            return .goOn
        }
        #expect(run.breakpoints.count == 5)
        #expect(run.ending == .exited(1))
    }

    @Test func breakpointsOfFourThreadsLoseNoPassage() throws {
        let run = try run("threads", "100", at: ["tick", "done"])
        #expect(run.breakpoints.count == 401)
        #expect(run.ending == .exited(0))
        #expect(run.count { if case .threadEnded(.exited(0)) = $0 { true } else { false } } == 4)
    }

    @Test func aBlockingSystemCallUnderABreakpointIsSteppedOver() throws {
        let peer = try startPeer("beat")
        try peer.expect("ready")
        let address = try addressOfRead(peer)
        let control = try ProcessControl.attach(to: peer.processID)
        let first = try #require(try control.nextEvent())
        #expect(try control.setBreakpoint(at: address))
        try control.resume(first)
        for round in 1...3 {
            // The call is made again from its beginning after the stop, so the first hit is there already.
            let hit = try #require(try control.nextEvent(until: .after(.seconds(20))))
            #expect(hit.kind == .breakpoint(address: address))
            try control.resume(hit)
            #expect(try control.tryNextEvent() == nil)
            try peer.write([1])
            try peer.expect("\(round) 0")
        }
        try control.detach()
        peer.closeInput()
        #expect(try peer.wait() == .exited(0))
    }

    /// Where the instruction stands with which the program reads.
    private func addressOfRead(_ peer: Peer) throws -> UInt64 {
        let control = try ProcessControl.attach(to: peer.processID, options: .init(systemCalls: true))
        try control.resume(try #require(try control.nextEvent()))
        while let event = try control.nextEvent(until: .after(.seconds(20))) {
            if case .systemCallEntry(let call) = event.kind, call.number == 0 {
                try control.detach()
                return call.instructionPointer - 2
            }
            try control.resume(event)
        }
        throw IPCError(code: .notFound, subject: "read")
    }

    @Test func aForkedChildHasThemToo() throws {
        let run = try run("fork", at: ["tick"])
        #expect(run.breakpoints.count == 2)
        #expect(Set(run.events.compactMap { if case .breakpoint = $0.kind { $0.process } else { nil } }).count == 2)
        #expect(run.ending == .exited(5))
    }

    @Test func aChildThatIsNotFollowedIsRidOfThem() throws {
        let run = try run("fork", at: ["tick"], options: .init(followsChildren: false))
        #expect(run.breakpoints.count == 1)
        #expect(Set(run.events.map(\.process)).count == 1)
        #expect(run.ending == .exited(5))
    }

    @Test func aVforkedChildBorrowsThem() throws {
        let followed = try run("vfork", at: ["tick"])
        #expect(followed.breakpoints.count == 2)
        #expect(followed.ending == .exited(6))
        #expect(followed.count { $0 == .childReleased } == 1)
        #expect(followed.count { if case .executed = $0 { true } else { false } } == 2)
    }

    @Test func anExecTakesThemAway() throws {
        let run = try run("exec", at: ["tick"])
        #expect(run.breakpoints.isEmpty)
        #expect(run.ending == .exited(0))
        #expect(run.count { if case .executed = $0 { true } else { false } } == 2)
    }

    @Test func detachingTakesThemOutOfARunningLoop() throws {
        let peer = try startPeer("beat")
        try peer.expect("ready")
        let tick = try program.address(of: "tick")
        for round in 1...5 {
            let control = try ProcessControl.attach(to: peer.processID)
            let first = try #require(try control.nextEvent())
            try control.setBreakpoint(at: tick)
            try control.resume(first)
            try peer.write([1])
            let hit = try #require(try control.nextEvent(until: .after(.seconds(20))))
            #expect(hit.kind == .breakpoint(address: tick))
            // Stopped at the breakpoint: it goes on with the instruction that stands there.
            try control.detach()
            try peer.expect("\(round) 0")
            #expect(try ProcessMemory(of: peer.processID).read(at: tick, count: 1) != [0xcc])
        }
        peer.closeInput()
        #expect(try peer.wait() == .exited(0))
    }

    @Test func detachingFromAHotLoopAtAnyInstant() throws {
        let peer = try startPeer("loop")
        try peer.expect("ready")
        let tick = try program.address(of: "tick")
        for round in 0..<30 {
            let control = try ProcessControl.attach(to: peer.processID)
            control.answerEvents { _ in .goOn }
            try control.setBreakpoint(at: tick)
            TestSyscalls.sleep(nanoseconds: UInt64(round) * 20_000)
            try control.detach()
        }
        #expect(peer.isRunning)
    }

    @Test func unmappedAddressesAreRefused() throws {
        let control = try startControlled("exit", "0")
        expectControlFailure(.ioError, .system, hint: "nothing is mapped at 0x10") {
            try control.setBreakpoint(at: 0x10)
        }
        #expect(try control.breakpoints() == [])
        #expect(try control.runToEnd().ending == .exited(0))
    }

    @Test func aSignalAtABreakpointComesOnce() throws {
        let peer = try startPeer("beat")
        try peer.expect("ready")
        let control = try ProcessControl.attach(to: peer.processID)
        try control.setBreakpoint(at: try program.address(of: "tick"))
        var (hits, signals) = (0, 0)
        try control.resume(try #require(try control.nextEvent()))
        try peer.write([1])
        while hits < 2 {
            let event = try #require(try control.nextEvent(until: .after(.seconds(20))))
            switch event.kind {
            case .breakpoint:
                hits += 1
                // Pending when the thread steps over the breakpoint.
                if hits == 1 { peer.kill(10) }
            case .signal(let signal):
                signals += 1
                #expect(signal.signal == .user1 && signal.sender == sysProcessID())
                #expect(hits == 1)
                try peer.write([1])
            default: Issue.record("\(event)")
            }
            try control.resume(event)
        }
        #expect(signals == 1)
        try control.detach()
        try peer.expect("2 1")
    }
}
