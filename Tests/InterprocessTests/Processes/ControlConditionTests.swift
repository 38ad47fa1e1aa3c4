// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import InterprocessTestKit
import SystemPackage
import Testing

private func waiting() throws -> Peer {
    let peer = try startPeer("wait")
    try peer.expect("ready")
    return peer
}

private func expectCallFailure(_ errno: Errno, location: SourceLocation = #_sourceLocation, _ body: () throws -> Void) {
    #expect(throws: errno, sourceLocation: location) { try body() }
}

/// Through the call itself, where the library leaves no way to ask for it.
private func readOnce(_ process: Int32, at address: UInt64, parts: UInt = 1, flags: UInt = 0) throws {
    _ = try [UInt8](capacity: 8) { (buffer: inout OutputSpan<UInt8>) throws(Errno) in
        _ = try sysProcessRead(process, at: address, into: &buffer, parts: parts, flags: flags)
    }
}

private let memory: [ConditionCase] = [
    .row("process_vm_readv", "no such process") {
        expectControlFailure(.noSuchProcess, .notFound) {
            _ = try ProcessMemory(of: 0x3fff_fff0).read(at: 4096, count: 8)
        }
        expectControlFailure(.noSuchProcess, .notFound) {
            _ = try ProcessMemory(of: 0x3fff_fff0).write([1], at: 4096)
        }
    },
    .row("process_vm_readv", "remote address unmapped") {
        let peer = try waiting()
        let memory = ProcessMemory(of: peer.processID)
        expectControlFailure(.badAddress, .invalidArgument, hint: "nothing accessible at 0x10") {
            _ = try memory.read(at: 0x10, count: 8)
        }
        expectControlFailure(.badAddress, .invalidArgument) { try memory.write([1], at: 0x10) }
        // Up to the end of what is mapped: a part is told as what it is.
        let variable = try ControlledProgram.shared.address(of: "variable")
        let part = try memory.read(at: variable, count: 1 << 20)
        #expect(part.count >= 8192 && part.count < 1 << 20 && part.starts(with: Array("a variable".utf8)))
        #expect(UInt64(part.count) % 4096 == (0 &- variable) % 4096)
        expectControlFailure(.badAddress, .invalidArgument, hint: "only \(part.count) of 1048576") {
            _ = try memory.readAll(at: variable, count: 1 << 20)
        }
        let bytes = [UInt8](repeating: 7, count: 1 << 20)
        #expect(try memory.write(bytes, at: variable) == part.count)
    },
    .row("process_vm_readv", "flags != 0") {
        // The library passes none.
        let peer = try waiting()
        expectCallFailure(.invalidArgument) { try readOnce(peer.processID, at: 0x40_0000, flags: 1) }
    },
    .row("process_vm_readv", "iovcnt > IOV_MAX") {
        // The library passes one.
        let peer = try waiting()
        expectCallFailure(.invalidArgument) { try readOnce(peer.processID, at: 0x40_0000, parts: 1025) }
    },
]

/// The bodies of rows, outside of closures: the compiler does not take values that cannot be copied there.
private enum Rows {
    static func refused(_ process: Int32) throws {
        try ProcessState.becomeNobody()
        expectCallFailure(.notPermitted) { try sysTraceAttach(process) }
        expectControlFailure(.notPermitted, .permissionDenied, hint: "CAP_SYS_PTRACE") {
            _ = try ProcessControl.attach(to: process)
        }
        expectControlFailure(.notPermitted, .permissionDenied, hint: "CAP_SYS_PTRACE") {
            _ = try ProcessMemory(of: process).read(at: 0x40_0000, count: 8)
        }
    }

    static func running() throws {
        let peer = try waiting()
        expectCallFailure(.noSuchProcess) { _ = try TraceCalls().peek(peer.processID, 0x40_0000) }
        let control = try ProcessControl.attach(to: peer.processID)
        try control.resume(try #require(try control.nextEvent()))
        expectControlFailure(nil, .busy, hint: "runs") { _ = try control.registers(of: peer.processID) }
        // The library's own way reads it all the same.
        let start = try control.read(at: 0x40_0000, count: 4)
        #expect(start == [0x7f, 0x45, 0x4c, 0x46])
    }

    static func unmapped() throws {
        let control = try startControlled("exit", "0")
        expectControlFailure(.ioError, .system, hint: "nothing is mapped") { try control.setBreakpoint(at: 0x10) }
        expectControlFailure(.ioError, .system, hint: "0 of 3 bytes were written; nothing is mapped at 0x10") {
            try control.write([1, 2, 3], at: 0x10)
        }
        expectControlFailure(.badAddress, .invalidArgument) { _ = try control.read(at: 0x10, count: 8) }
        // To its end: a child that nobody buries would keep the exit tests from seeing theirs.
        let run = try control.runToEnd()
        #expect(run.ending == .exited(0))
    }

    static func killedTracer(_ process: Int32) throws {
        let control = try ProcessControl.attach(to: process)
        _ = try control.nextEvent()
        try sysSignalProcess(try sysOpenProcess(sysProcessID()), 9)
        TestSyscalls.sleep(nanoseconds: 10_000_000_000)
    }

    static func tracerDies(_ peer: Peer) throws {
        while TracerOf.process(peer.processID) != 0 { TestSyscalls.sleep(nanoseconds: 1_000_000) }
        let counter = try ControlledProgram.shared.address(of: "counter")
        let memory = ProcessMemory(of: peer.processID)
        let before = try memory.readWord(at: counter)
        while try memory.readWord(at: counter) == before { TestSyscalls.sleep(nanoseconds: 1_000_000) }
        #expect(peer.isRunning)
    }

    static func refusedTraceMe() throws {
        // The program asks for it; under control it is refused, alone it is not.
        let controlled = try startControlled("traceme").runToEnd()
        #expect(controlled.ending == .exited(1))
        let alone = try startPeer("traceme").wait()
        #expect(alone == .exited(0))
    }
}

private let tracing: [ConditionCase] = [
    .row("PTRACE_ATTACH", "not permitted (other user)") {
        let peer = try waiting()
        await #expect(processExitsWith: .success) { [process = peer.processID as Int32] in try Rows.refused(process) }
    },
    .row("PTRACE_TRACEME", "already traced") { try Rows.refusedTraceMe() },
    .row("PTRACE_PEEKDATA", "tracee not stopped") { try Rows.running() },
    .row("PTRACE_PEEKDATA", "address unmapped") { try Rows.unmapped() },
    .row("tracer dies", "no EXITKILL") {
        let peer = try startPeer("loop")
        try peer.expect("ready")
        await #expect(processExitsWith: .signal(9)) { [process = peer.processID as Int32] in
            try Rows.killedTracer(process)
        }
        try Rows.tracerDies(peer)
    },
]

private let memoryTable = ConditionTable("process-vm", memory)
private let tracingTable = ConditionTable("ptrace", tracing)

@Suite(.bounded(.seconds(120)), .requires("gcc", "nm")) struct ControlConditionTests {
    @Test(.requiresRoot, arguments: memoryTable.cases + tracingTable.cases) func row(_ each: ConditionCase) async throws
    {
        try await each.check()
    }

    @Test func everyRowHasACase() { #expect(memoryTable.gaps + tracingTable.gaps == []) }

    @Test func stringsEndAtZeroOrAtTheLimit() throws {
        let peer = try waiting()
        let memory = ProcessMemory(of: peer.processID)
        let constant = try ControlledProgram.shared.address(of: "constant")
        #expect(try memory.readString(at: constant) == Array("a constant".utf8))
        #expect(try memory.readString(at: constant, limit: 3) == Array("a c".utf8))
    }
}
