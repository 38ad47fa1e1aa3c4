// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import InterprocessTestKit
import SystemPackage
import Testing

@Suite(.bounded(.seconds(120)), .requires("gcc", "nm")) struct ControlSignalTests {
    private func signals(_ run: ControlRun) -> [TracedSignal] {
        run.events.compactMap { if case .signal(let signal) = $0.kind { signal } else { nil } }
    }

    @Test func aFaultTellsItsAddress() throws {
        let run = try startControlled("fault").runToEnd()
        let fault = try #require(signals(run).first)
        #expect(fault.signal == .segmentationFault && fault.code == 1)
        #expect(fault.faultAddress == 0 && fault.sender == nil)
        #expect(
            run.ending == .killed(.segmentationFault, dumpedCore: false)
                || run.ending == .killed(.segmentationFault, dumpedCore: true))
    }

    @Test func aHandlerOfTheProgramGetsItsFault() throws {
        #expect(try startControlled("caught").runToEnd().ending == .exited(51))
    }

    @Test func theProgramsOwnTrapIsItsOwn() throws {
        let run = try startControlled("trap").runToEnd()
        #expect(signals(run).map(\.signal.number) == [5])
        if case .killed(let signal, _)? = run.ending { #expect(signal == .trap) } else { Issue.record("\(run)") }
        let suppressed = try startControlled("trap").runToEnd { _ in .init(.run, delivering: .suppressed) }
        #expect(suppressed.ending == .exited(3))
    }

    @Test func signalsAreDeliveredSuppressedAndReplaced() throws {
        let delivered = try startControlled("raise").runToEnd()
        #expect(delivered.ending == .exited(2))
        #expect(signals(delivered).map(\.signal.number) == [10, 10])
        #expect(signals(delivered).first?.sender == delivered.events.first?.process)
        var seen = 0
        let once = try startControlled("raise").runToEnd { event in
            guard case .signal = event.kind else { return .goOn }
            seen += 1
            return .init(.run, delivering: seen == 1 ? .suppressed : .asReported)
        }
        #expect(once.ending == .exited(1))
        let replaced = try startControlled("raise").runToEnd { event in
            guard case .signal = event.kind else { return .goOn }
            return .init(.run, delivering: .replaced(by: .terminate))
        }
        #expect(replaced.ending == .killed(.terminate, dumpedCore: false))
    }

    @Test func queuedSignalsArriveInOrderWithTheirValues() throws {
        let run = try startControlled("queue", "100").runToEnd()
        #expect(run.ending == .exited(0))
        let values = signals(run).compactMap { signal -> Int32? in
            if case .process(_, _, let value) = signal.origin { value } else { nil }
        }
        #expect(values == Array(0..<100))
        #expect(signals(run).allSatisfy { $0.code == -1 && $0.signal == .realTime(0) })
    }

    @Test func aSignalBeforeDetachingIsNotLost() throws {
        let peer = try startPeer("beat")
        try peer.expect("ready")
        let control = try ProcessControl.attach(to: peer.processID)
        try control.resume(try #require(try control.nextEvent()))
        peer.kill(10)
        let event = try #require(try control.nextEvent(until: .after(.seconds(20))))
        guard case .signal(let signal) = event.kind, signal.signal == .user1 else {
            Issue.record("\(event)")
            return
        }
        // Not answered: it is delivered as if nobody had looked.
        try control.detach()
        try peer.write([1])
        try peer.expect("1 1")
    }

    // MARK: Group stops

    private func state(_ process: Int32) throws -> Character {
        let text = try Checkout.text(of: FilePath("/proc/\(process)/stat"))
        return try #require(text.split(separator: ")").last?.dropFirst().first)
    }

    private func waitFor(_ wanted: Character, _ process: Int32) throws {
        while try state(process) != wanted { TestSyscalls.sleep(nanoseconds: 1_000_000) }
    }

    @Test func aGroupStopStaysOneUntilSIGCONT() throws {
        let peer = try startPeer("beat")
        try peer.expect("ready")
        let control = try ProcessControl.attach(to: peer.processID)
        try control.resume(try #require(try control.nextEvent()))
        for round in 1...3 {
            peer.kill(19)
            let stop = try #require(try control.nextEvent(until: .after(.seconds(20))))
            #expect(stop.kind == .signal(try #require(signal(stop))) && signal(stop)?.signal.number == 19)
            try control.resume(stop)
            let group = try #require(try control.nextEvent(until: .after(.seconds(20))))
            #expect(group.kind == .groupStop(.stop))
            try control.resume(group)
            try peer.write([1])
            #expect(try control.tryNextEvent() == nil)
            peer.kill(18)
            let on = try #require(try control.nextEvent(until: .after(.seconds(20))))
            #expect(on.kind == .continued)
            try control.resume(on)
            let continuing = try #require(try control.nextEvent(until: .after(.seconds(20))))
            #expect(signal(continuing)?.signal.number == 18)
            try control.resume(continuing)
            try peer.expect("\(round) 0")
        }
        try control.detach()
    }

    private func signal(_ event: TraceEvent) -> TracedSignal? {
        if case .signal(let signal) = event.kind { signal } else { nil }
    }

    @Test func aStoppedProcessIsStoppedAfterDetaching() throws {
        let peer = try startPeer("beat")
        try peer.expect("ready")
        peer.kill(19)
        try waitFor("T", peer.processID)
        let control = try ProcessControl.attach(to: peer.processID)
        let first = try #require(try control.nextEvent(until: .after(.seconds(20))))
        #expect(first.kind == .groupStop(.stop))
        try control.resume(first)
        // A breakpoint can be set meanwhile, and taken out again by detaching.
        try control.setBreakpoint(at: try ControlledProgram.shared.address(of: "tick"))
        try control.detach()
        try waitFor("T", peer.processID)
        peer.kill(18)
        try peer.write([1])
        try peer.expect("1 0")
    }

    @Test func noStopIsLostInAStormOfSignals() throws {
        let peer = try startPeer("beat")
        try peer.expect("ready")
        let control = try ProcessControl.attach(to: peer.processID)
        control.answerEvents { event in
            if case .stopped = event.kind { .keepStopped } else { .goOn }
        }
        try control.resume(try #require(try control.nextEvent()))
        for round in 0..<200 {
            peer.kill([10, 19, 18][round % 3])
            try control.stop()
            // Perhaps something else stopped it first: then that was answered, and it is asked again.
            while true {
                if let event = try? control.nextEvent(until: .after(.milliseconds(20))) {
                    try control.resume(event)
                    break
                }
                peer.kill(18)
                try control.stop()
            }
        }
        peer.kill(18)
        try control.detach()
        peer.kill(18)
        try peer.write([1])
        let line = try #require(try peer.readLine())
        #expect(line.hasPrefix("1 "))
    }

    @Test func killedAtAnyInstant() throws {
        let tick = try ControlledProgram.shared.address(of: "tick")
        for round in 0..<40 {
            let peer = try startPeer(round % 2 == 0 ? "loop" : "churn", "100000")
            if round % 2 == 0 { try peer.expect("ready") }
            let control = try ProcessControl.attach(to: peer.processID)
            if round % 4 < 2 { _ = try? control.setBreakpoint(at: tick) }
            let killer = Killer(peer, after: UInt64(round) * 40_000)
            let run = try control.runToEnd { event in
                if event.wantsAnswer { _ = try? control.registers(of: event.thread) }
                return .goOn
            }
            withExtendedLifetime(killer) {}
            #expect(run.ending == .killed(.kill, dumpedCore: false))
        }
    }
}

/// Kills a peer from another thread, a while from now.
private final class Killer: Sendable {
    init(_ peer: Peer, after nanoseconds: UInt64) {
        try? TestSyscalls.startThread("killer") {
            TestSyscalls.sleep(nanoseconds: nanoseconds)
            peer.kill()
        }
    }
}
