// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import InterprocessTestKit
import SystemPackage
import Testing

private func expectSignalErrno(
    _ errno: Errno, at location: SourceLocation = #_sourceLocation, _ body: () throws -> Void
) {
    let error = #expect(throws: Errno.self, sourceLocation: location) { try body() }
    #expect(error == errno, sourceLocation: location)
}

private func signalFailure(_ body: () throws -> Void) -> IPCError? {
    do { try body() } catch { return error as? IPCError }
    return nil
}

private let sending: [ConditionCase] = [
    .row("kill", "invalid signal number") {
        // A signal of the library has a number from 1 to 64.
        #expect(Signal(number: 65) == nil)
        expectSignalErrno(.invalidArgument) { try sysKill(sysProcessID(), 65) }
    },
    .row("kill", "other user's process") {
        let victim = try Peer(["sleep", "600"])
        await #expect(processExitsWith: .success) { [victim = victim.processID as Int32] in
            try refuse(victim)
        }
        #expect(victim.isRunning)
    },
    .row("sigqueue", "no such process") {
        let gone = try ProcessHandle.spawn(ProcessCommand("true"))
        try await gone.exit()
        let error = signalFailure { try gone.send(.user1, value: 1) }
        #expect(error?.errno == .noSuchProcess && error?.code == .notFound)
    },
    .row("sigqueue", "invalid signal") {
        expectSignalErrno(.invalidArgument) { try sysQueueSignal(sysProcessID(), 65, value: 1) }
    },
    .row("sigqueue", "RLIMIT_SIGPENDING exhausted") {
        var command = ProcessCommand("sleep", ["600"])
        command.limits = [.pendingSignals: .both(0)]
        command.blockedSignals = [.realTime(0), .user1]
        let child = try ProcessHandle.spawn(command)
        let error = signalFailure { try child.send(.realTime(0), value: 1) }
        #expect(error?.errno == .resourceTemporarilyUnavailable && error?.code == .wouldBlock)
        #expect(error?.hint.contains("so many signals wait") == true, "\(String(describing: error))")
        // A standard signal is a flag: it has room, its value may not.
        try child.send(.user1, value: 1)
        try child.kill()
        try await child.exit()
    },
]

private let taking: [ConditionCase] = [
    .row("standard signal x5 while blocked", "coalescing") {
        await #expect(processExitsWith: .success) { try coalesce() }
    },
    .row("sigtimedwait", "nothing pending, timeout") {
        let set: SignalSet = [.realTime(9)]
        let nothing = try set.blockedInThisThread { () throws(IPCError) in
            try set.wait(until: .after(.milliseconds(1)))
        }
        #expect(nothing == nil)
        expectSignalErrno(.resourceTemporarilyUnavailable) {
            _ = try sysWaitSignal(sysSignalBit(43), nanoseconds: 1000)
        }
    },
    .row("sigwaitinfo", "interrupted by other caught signal") {
        await #expect(processExitsWith: .success) { try interruptTheWait() }
    },
    .row("signalfd", "invalid flags") {
        expectSignalErrno(.invalidArgument) { _ = try sysSignalDescriptor(1, flags: 1) }
    },
    .row("signalfd", "invalid fd") {
        expectSignalErrno(.badFileDescriptor) { _ = try sysSignalDescriptor(1, replacing: 9999) }
        // And one that is no signalfd.
        expectSignalErrno(.invalidArgument) { _ = try sysSignalDescriptor(1, replacing: 0) }
    },
]

private func refuse(_ victim: Int32) throws {
    let handle = try ProcessHandle(processID: victim)
    try ProcessState.becomeNobody()
    #expect(throws: Errno.notPermitted) { try sysKill(victim, 15) }
    let error = signalFailure { try handle.send(.terminate) }
    #expect(error?.errno == .notPermitted && error?.code == .permissionDenied)
    #expect(error?.hint.contains("user 65534 may not send SIGTERM") == true)
}

private func coalesce() throws {
    let set: SignalSet = [.user1, .realTime(4)]
    try set.blockedInThisThread {
        for number: Int32 in 0..<5 {
            try Signal.user1.sendToThisThread(value: number)
            try Signal.realTime(4).sendToThisThread(value: number)
        }
        #expect(SignalSet.pending.contains(.user1))
        // Of the flag the first value is left, of the queue all; the lowest number comes first.
        let first = try set.wait(until: .now)
        #expect(first?.signal == .user1 && first?.value == 0)
        for number: Int32 in 0..<5 { #expect(try set.wait(until: .now)?.value == number) }
        #expect(try set.wait(until: .now) == nil)
    }
}

private func interruptTheWait() throws {
    let set: SignalSet = [.user2]
    let unblocked = signalFailure { _ = try set.wait(until: .now) }
    #expect(unblocked == nil || unblocked?.hint.contains("blockedInThisThread") == true)
    try set.blockedInThisThread {
        let storm = try StormOfOthers.withHandler()
        defer { storm.end() }
        let error = signalFailure { _ = try set.wait(retryOnInterrupt: false) }
        #expect(error?.errno == .interrupted && error?.code == .interrupted)
        #expect(try set.wait(until: .after(.milliseconds(20))) == nil)
    }
}

extension StormOfOthers {
    static func withHandler() throws -> StormOfOthers {
        try TestSyscalls.installInterruptingHandler(10)
        return try StormOfOthers()
    }
}

private let table = ConditionTable("signal", sending + taking)

@Suite(.bounded()) struct SignalConditionTests {
    @Test(.requiresRoot, arguments: table.cases) func row(_ each: ConditionCase) async throws { try await each.check() }

    @Test func everyRowHasACase() { #expect(table.gaps == []) }
}

// MARK: Foreign programs

@Suite(.bounded()) struct SignalPeerTests {
    /// Says what siginfo_t had of every signal that it takes.
    private static let receiverInC = """
        #define _GNU_SOURCE
        #include <signal.h>
        #include <stdio.h>
        #include <unistd.h>
        #include <sys/syscall.h>
        int main(void) {
            sigset_t set; siginfo_t info;
            sigfillset(&set); sigprocmask(SIG_BLOCK, &set, 0);
            sigemptyset(&set); sigaddset(&set, SIGUSR1);
            for (int n = SIGRTMIN; n <= SIGRTMAX; n++) sigaddset(&set, n);
            printf("ready %ld\\n", syscall(SYS_gettid)); fflush(stdout);
            while (sigwaitinfo(&set, &info) > 0) {
                printf("%d %d %d %d\\n", info.si_signo, info.si_code, info.si_value.sival_int, info.si_pid); fflush(stdout);
            }
        }
        """

    @Test(.requires("gcc")) func aProgramInCReceivesWhatIsSent() async throws {
        let scratch = ScratchName()
        defer { withExtendedLifetime(scratch) {} }
        let (source, program) = (scratch.path("receiver.c"), scratch.path("receiver"))
        try Checkout.write(Self.receiverInC, to: source)
        #expect(try Peer(["gcc", "-x", "c", "-o", program.string, source.string]).wait() == .exited(0))
        let peer = try Peer([program.string])
        try peer.expect("ready \(peer.processID)")
        let process = try ProcessHandle(processID: peer.processID)
        let own = sysProcessID()
        for value: Int32 in [1, -1, .max, .min] {
            try process.send(.realTime(6), value: value)
            #expect(try peer.readLine() == "40 -1 \(value) \(own)")
        }
        try process.send(.user1)
        #expect(try peer.readLine()?.hasPrefix("10 0 ") == true)
        try process.send(.realTime(0), value: 8, toThread: peer.processID)
        #expect(try peer.readLine() == "34 -1 8 \(own)")
        let stranger = #expect(throws: IPCError.self) { try process.send(.user1, value: 1, toThread: own) }
        #expect(stranger?.code == .notFound)
        _ = try Peer(["kill", "-s", "USR1", "\(peer.processID)"]).wait()
        #expect(try peer.readLine()?.hasPrefix("10 0 ") == true)
    }

    @Test func aGroupGetsTheValue() async throws {
        let peer = try Peer([
            "python3", "-uc",
            """
            import os, signal, sys
            os.setpgid(0, 0)
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
            children = [os.fork() for _ in range(1)]
            os.write(1, b'ready\\n')
            info = signal.sigwaitinfo([signal.SIGUSR1])
            os.write(1, b'%d %d %d\\n' % (info.si_signo, info.si_code, info.si_pid))
            """,
        ])
        try peer.expect("ready")
        try peer.expect("ready")
        let process = try ProcessHandle(processID: peer.processID)
        try process.ledGroup.send(.user1, value: 3)
        for _ in 0..<2 { #expect(try peer.readLine() == "10 -1 \(sysProcessID())") }
    }

    @Test(.requires("perl", "bash")) func othersSend() async {
        await #expect(processExitsWith: .success) {
            let signals = try SignalReceiver([.user1, .user2, .hangUp])
            let pid = sysProcessID()
            let perl = try Peer.perl("kill 'USR1', \(pid); <STDIN>")
            let first = try await signals.receive(until: .after(.seconds(20)))
            #expect(first.signal == .user1 && first.senderProcessID == perl.processID)
            let bash = try Peer(["bash", "-c", "kill -HUP \(pid); read x"])
            let second = try await signals.receive(until: .after(.seconds(20)))
            #expect(second.signal == .hangUp && second.senderProcessID == bash.processID)
            // The one of procps has -q for a value.
            let kill = try Peer(["/bin/kill", "-q", "77", "-USR2", "\(pid)"])
            if try kill.wait() == .exited(0) {
                let third = try await signals.receive(until: .after(.seconds(20)))
                #expect(third.value == 77 && third.code == .queue)
            }
            try Signal.user2.sendToThisProcess(value: 1)
            try ProcessHandle.current().send(.user2, value: 2)
            var values: Set<Int32?> = []
            // Two of a flag may be one.
            values.insert(try await signals.receive(until: .after(.seconds(20))).value)
            #expect(values.isSubset(of: [1, 2]))
        }
    }

    @Test func aSignalToAThreadIsThatThreads() async {
        await #expect(processExitsWith: .success) {
            let told = SharedNumber()
            let ready = SharedNumber()
            try TestSyscalls.startThread("listener") {
                let set: SignalSet = [.user1]
                set.blockedInThisThread {
                    ready.set(sysThreadID())
                    if let news = try? set.wait() { told.set(news.value ?? -1) }
                }
            }
            waitUntil { ready.value != 0 }
            try ProcessHandle.current().send(.user1, value: 11, toThread: ready.value)
            waitUntil { told.value != 0 }
            #expect(told.value == 11)
        }
    }
}
