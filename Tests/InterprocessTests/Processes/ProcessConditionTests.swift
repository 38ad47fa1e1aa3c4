// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import InterprocessTestKit
import SystemPackage
import Testing

private func expectProcessErrno(
    _ errno: Errno, at location: SourceLocation = #_sourceLocation, _ body: () throws -> Void
) {
    let error = #expect(throws: Errno.self, sourceLocation: location) { try body() }
    #expect(error == errno, sourceLocation: location)
}

private let rows: [ConditionCase] = [
    .row("pidfd_open", "no such process") {
        let gone = try ProcessHandle.spawn(ProcessCommand("true"))
        try await gone.exit()
        expectProcessFailure(.noSuchProcess, .notFound, hint: "no process of that number") {
            _ = try ProcessHandle(processID: .max)
        }
    },
    .row("pidfd_open", "pid<=0 / bad flags") {
        expectProcessFailure(.invalidArgument, .invalidArgument) { _ = try ProcessHandle(processID: 0) }
        expectProcessFailure(.invalidArgument, .invalidArgument) { _ = try ProcessHandle(processID: -5) }
        expectProcessErrno(.invalidArgument) { _ = try sysOpenProcess(sysProcessID(), flags: 1) }
    },
    .row("pidfd_send_signal", "process already reaped") {
        let gone = try ProcessHandle.spawn(ProcessCommand("true"))
        try await gone.exit()
        expectProcessFailure(.noSuchProcess, .notFound, hint: "has ended") { try gone.send(.terminate) }
    },
    .row("pidfd_send_signal", "not permitted") {
        let victim = try Peer(["sleep", "600"])
        await #expect(processExitsWith: .success) { [victim = victim.processID as Int32] in
            try ProcessState.becomeNobody()
            expectProcessFailure(.notPermitted, .permissionDenied, hint: "another user") {
                try ProcessHandle(processID: victim).send(.terminate)
            }
        }
    },
    .row("waitid(P_PIDFD) PIDFD_NONBLOCK", "still running") {
        let child = try ProcessHandle.spawn(ProcessCommand("sleep", ["600"]))
        let handle = try sysOpenProcess(child.processID, flags: pidfdNonBlocking)
        defer { TestSyscalls.close(handle) }
        expectProcessErrno(.resourceTemporarilyUnavailable) {
            _ = try sysWaitForEnd(.descriptor(handle), blocking: true)
        }
        // The library asks without waiting, and waits for the descriptor.
        #expect(try child.tryExit() == nil)
        try await child.terminate(grace: .seconds(20))
    },
    .row("pidfd_getfd", "no ptrace permission") {
        let victim = try Peer(["sleep", "600"])
        await #expect(processExitsWith: .success) { [victim = victim.processID as Int32] in
            try ProcessState.becomeNobody()
            expectProcessFailure(.notPermitted, .permissionDenied, hint: "CAP_SYS_PTRACE") {
                _ = try ProcessHandle(processID: victim).duplicateDescriptor(0)
            }
        }
    },
]

private let table = ConditionTable("pidfd", rows)

@Suite(.bounded()) struct ProcessConditionTests {
    @Test(.requiresRoot, arguments: table.cases) func row(_ each: ConditionCase) async throws { try await each.check() }

    @Test func everyRowHasACase() { #expect(table.gaps == []) }

    @Test func descriptorsRunOut() async {
        await #expect(processExitsWith: .success) {
            let child = ProcessHandleBox(try ProcessHandle.spawn(ProcessCommand("sleep", ["600"])))
            try ProcessState.limitDescriptors(100)
            try ProcessState.exhaustDescriptors()
            expectProcessFailure(.tooManyOpenFiles, .limitReached) {
                _ = try ProcessHandle(processID: child.handle.processID)
            }
            expectProcessFailure(.tooManyOpenFiles, .limitReached) {
                _ = try ProcessHandle.spawn(ProcessCommand("/bin/true"))
            }
            expectProcessFailure(.tooManyOpenFiles, .limitReached) { _ = try child.handle.duplicateDescriptor(0) }
            expectProcessFailure(.tooManyOpenFiles, .limitReached) { _ = try SignalReceiver([.user1]) }
            // What needs no new one goes on.
            try child.handle.kill()
            #expect(try Self.end(of: child.handle)?.signal == .kill)
            #expect(throws: Errno.noChildProcess) { try sysWaitForEnd(.anyChild) }
        }
    }

    static func end(of child: borrowing ProcessHandle) throws -> ProcessExit? { try child.exit() }

    @Test(.requiresRoot) func processesRunOut() async {
        await #expect(processExitsWith: .success) {
            // Root is not limited.
            try ProcessState.become(user: 65533)
            try TestSyscalls.setLimit(.processes, 1)
            expectProcessFailure(.resourceTemporarilyUnavailable, .wouldBlock, hint: "RLIMIT_NPROC is 1") {
                _ = try ProcessHandle.spawn(ProcessCommand("/bin/true"))
            }
        }
    }

    @Test func aSignalEndsAWaitOnlyIfAsked() async {
        await #expect(processExitsWith: .success) {
            let child = ProcessHandleBox(try ProcessHandle.spawn(ProcessCommand("sleep", ["600"])))
            try SignalStorm.run {
                expectProcessFailure(.interrupted, .interrupted) { try child.handle.exit(retryOnInterrupt: false) }
                expectProcessFailure(.timedOut, .timedOut) { try child.handle.exit(until: .after(.milliseconds(20))) }
                for _ in 0..<20 {
                    let other = ProcessHandleBox(try ProcessHandle.spawn(.shell("exit 3")))
                    #expect(try other.handle.exit().code == 3)
                }
                expectProcessFailure(.noSuchFileOrDirectory, .notFound) {
                    _ = try ProcessHandle.spawn(ProcessCommand("/no/such/file"))
                }
            }
            try child.handle.kill()
        }
    }
}

@Suite(.enabled(if: FaultPlan.isAvailable, "faults exist in debug builds only")) struct ProcessFaultTests {
    @Test func everyCallOfASpawnAndAWaitMayFailOnce() async {
        await #expect(processExitsWith: .success) {
            // What is made once and kept is no leak: dropped children are reaped by way of the reactor.
            _ = try Reactor.shared()
            let report = try FaultPlan.sweep {
                var command = ProcessCommand.shell("exit 3")
                command.descriptors[0] = .null
                let box = ProcessHandleBox(try ProcessHandle.spawn(command))
                _ = try box.handle.exit(until: .after(.seconds(20)))
                let other = ProcessHandleBox(try ProcessHandle(processID: sysProcessID()))
                try other.handle.send(.child)
                _ = try other.handle.group()
                _ = try other.handle.isStopped()
                _ = try other.handle.duplicateDescriptor(0)
            }
            #expect(report.problems.isEmpty, "\(report)")
            #expect(report.thrown > 4, "\(report)")
        }
    }

    @Test func everyCallOfAReceiverMayFailOnce() async {
        await #expect(processExitsWith: .success) {
            let report = try FaultPlan.sweep(exempt: FaultPlan.exempt.union(["read"])) {
                let receiver = SignalHolder(try SignalReceiver([.realTime(8)]))
                try Signal.realTime(8).sendToThisProcess(value: 4)
                _ = try receiver.next()
            }
            #expect(report.problems.isEmpty, "\(report)")
            #expect(report.thrown > 4, "\(report)")
            // Nothing is left behind: it can be received, and is what it was afterwards.
            let after = SignalHolder(try SignalReceiver([.realTime(8)]))
            try Signal.realTime(8).sendToThisProcess(value: 5)
            while try after.next().value != 5 {}
        }
    }
}

final class SignalHolder: Sendable {
    let receiver: SignalReceiver
    init(_ receiver: consuming SignalReceiver) { self.receiver = receiver }
    func next() throws(IPCError) -> ReceivedSignal { try receiver.receive(until: .after(.seconds(5))) }
}
