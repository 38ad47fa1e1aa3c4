// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import InterprocessTestKit
import SystemPackage
import Testing

/// The controller is killed: what becomes of who it controlled.
@Suite(.serialized, .bounded(.seconds(120)), .requires("gcc", "nm")) struct ControllerDeathTests {
    /// A controller that attaches to `process`, sets a breakpoint at `address` if that is not 0, lets it run, and is killed.
    private func controllerDies(
        _ process: Int32, at address: UInt64, _ policy: ProcessControl.ControllerDeath, after nanoseconds: UInt64,
        stopped: Bool = false
    ) async {
        let number = policy == .leaveRunning ? 0 : policy == .kill ? 1 : 2
        await #expect(processExitsWith: .signal(9)) {
            [
                process = process as Int32, address = address as UInt64, number = number as Int,
                nanoseconds = nanoseconds as UInt64, stopped = stopped as Bool
            ] in
            let policies: [ProcessControl.ControllerDeath] = [.leaveRunning, .kill, .guardian]
            try Self.control(process, address, policies[number], nanoseconds, stopped)
        }
    }

    private static func control(
        _ process: Int32, _ address: UInt64, _ policy: ProcessControl.ControllerDeath, _ nanoseconds: UInt64,
        _ stopped: Bool
    ) throws {
        let control = try ProcessControl.attach(to: process, options: .init(ifControllerDies: policy))
        if address != 0 { try control.setBreakpoint(at: address) }
        if !stopped { control.answerEvents { _ in .goOn } }
        while let event = try control.tryNextEvent() { try control.resume(event) }
        if stopped { _ = try control.nextEvent() }
        if address == 0 {
            while let event = try? control.nextEvent(until: .after(.nanoseconds(Int64(nanoseconds)))) {
                try control.resume(event)
            }
        }
        TestSyscalls.sleep(nanoseconds: nanoseconds)
        try sysSignalProcess(try sysOpenProcess(sysProcessID()), 9)
        TestSyscalls.sleep(nanoseconds: 10_000_000_000)
    }

    private func loop() throws -> (Peer, UInt64) {
        let peer = try startPeer("loop")
        try peer.expect("ready")
        // Buried at once: a child that has ended would keep the exit test from seeing its own.
        try TestSyscalls.startThread("undertaker") { _ = try? peer.wait(.seconds(60)) }
        return (peer, try ControlledProgram.shared.address(of: "tick"))
    }

    private func counter(_ peer: Peer) throws -> UInt64 {
        try ProcessMemory(of: peer.processID).readWord(at: try ControlledProgram.shared.address(of: "counter"))
    }

    private func expectItRunsOn(_ peer: Peer) throws {
        let before = try counter(peer)
        while try counter(peer) == before { TestSyscalls.sleep(nanoseconds: 1_000_000) }
        #expect(peer.isRunning)
        #expect(TracerOf.process(peer.processID) == 0)
    }

    @Test func aGuardianTakesTheBreakpointsOut() async throws {
        let (peer, tick) = try loop()
        for round in 0..<6 {
            await controllerDies(
                peer.processID, at: tick, .guardian, after: UInt64(round) * 300_000, stopped: round % 3 == 2)
            while TracerOf.process(peer.processID) != 0 { TestSyscalls.sleep(nanoseconds: 1_000_000) }
            #expect(try ProcessMemory(of: peer.processID).read(at: tick, count: 1) != [0xcc])
            try expectItRunsOn(peer)
        }
    }

    /// The thread that executes takes the number of the process; nothing is ever heard of its own again.
    @Test func aGuardianLetsAProcessGoThatAnotherThreadHasReplaced() async throws {
        let peer = try startPeer("threadexec")
        try peer.expect("ready")
        try TestSyscalls.startThread("undertaker") { _ = try? peer.wait(.seconds(60)) }
        await controllerDies(peer.processID, at: 0, .guardian, after: 1_000_000_000)
        try peer.expect("ready")
        let deadline = Deadline.after(.seconds(20))
        while TracerOf.process(peer.processID) != 0, !deadline.hasPassed { TestSyscalls.sleep(nanoseconds: 1_000_000) }
        #expect(TracerOf.process(peer.processID) == 0)
        try sysKill(peer.processID, 9)
    }

    @Test func aGuardianDoesAllThatAControllerDoes() throws {
        let program = ControlledProgram.shared
        let tick = try program.address(of: "tick")
        for words in [["ticks", "25"], ["threads", "50"]] {
            let control = try ProcessControl.spawn(
                program.path, arguments: [program.path.string] + words, options: .init(ifControllerDies: .guardian))
            try control.setBreakpoint(at: tick)
            let run = try control.runToEnd { event in
                if case .breakpoint = event.kind {
                    let pointer = try control.registers(of: event.thread).instructionPointer
                    #expect(pointer == tick)
                }
                return .goOn
            }
            #expect(run.breakpoints.count == (words[0] == "ticks" ? 25 : 200))
            #expect(run.ending == .exited(0))
        }
        let peer = try startPeer("wait")
        try peer.expect("ready")
        let control = try ProcessControl.attach(to: peer.processID, options: .init(ifControllerDies: .guardian))
        for _ in 0..<20 {
            try control.resume(try #require(try control.nextEvent(until: .after(.seconds(20)))))
            try control.stop()
        }
        try control.detach()
        peer.closeInput()
        #expect(try peer.wait() == .exited(7))
    }
}

enum TracerOf {
    static func process(_ id: Int32) -> Int32 {
        let text = (try? Checkout.text(of: FilePath("/proc/\(id)/status"))) ?? ""
        for line in text.split(separator: "\n") where line.hasPrefix("TracerPid:") {
            return Int32(line.dropFirst(11)) ?? -1
        }
        return -1
    }
}
