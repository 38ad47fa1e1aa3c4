// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import InterprocessTestKit
import SystemPackage
import Testing

@Suite(.bounded()) struct SignalCommandTests {
    /// Starts a receiver and waits until it says that it is ready.
    private func receiver(_ words: String...) throws -> Peer {
        let peer = try Peer([Checkout.command.string, "receive"] + words)
        try eventually("ready") { peer.errorText.contains("pid:\(peer.processID)") }
        return peer
    }

    private func blockedEverywhere(_ process: Int32, _ bit: UInt64) throws -> Bool {
        for thread in try TestSyscalls.entries(of: FilePath("/proc/\(process)/task")) {
            let status = try Checkout.text(of: FilePath("/proc/\(process)/task/\(thread)/status"))
            let line = status.split(separator: "\n").first { $0.hasPrefix("SigBlk:") } ?? ""
            if (UInt64(line.dropFirst(8), radix: 16) ?? 0) & bit == 0 { return false }
        }
        return true
    }

    @Test func oneSignalWithAValue() throws {
        let peer = try receiver("signal:SIGRTMIN+3")
        #expect(try blockedEverywhere(peer.processID, 1 << 36))
        let sender = try start("signal", "pid:\(peer.processID)", "SIGRTMIN+3", "--value", "42")
        #expect(try peer.readLine() == "SIGRTMIN+3 42 from \(sender.processID)")
        #expect(try peer.wait() == .exited(0))
        #expect(try sender.wait() == .exited(0))
    }

    @Test func jsonHasWhatIsKnown() throws {
        let peer = try receiver("signal:usr1", "--json", "--count", "2")
        try ipc("signal", "pid:\(peer.processID)", "10", "--value=-7")
        let first = try peer.readLine() ?? ""
        let shell = try Peer.shell("kill -s USR1 \(peer.processID); read x")
        let second = try peer.readLine() ?? ""
        #expect(try peer.wait() == .exited(0))
        let text = first + "\n" + second
        #expect(
            try parsed(text, "[(x['schema'], x['signal'], x['name'], x['code'], x.get('value')) for x in d]")
                == "[(1, 10, 'SIGUSR1', 'SI_QUEUE', -7), (1, 10, 'SIGUSR1', 'SI_USER', None)]")
        #expect(
            try parsed(text, "d[1]['sender']")
                == "{'pid': \(shell.processID), 'uid': \(sysEffectiveUserID())}")
    }

    @Test func queuedInOrderFromOthers() throws {
        let peer = try receiver("signal:34", "--follow")
        let python = try Peer.python(
            "import ctypes, sys; libc = ctypes.CDLL(None); [libc.sigqueue(int(sys.argv[1]), 34, ctypes.c_void_p(n)) for n in range(50)]",
            ["\(peer.processID)"])
        #expect(try python.wait() == .exited(0))
        for number in 0..<50 { #expect(try peer.readLine() == "SIGRTMIN \(number) from \(python.processID)") }
        peer.kill(15)
        #expect(try peer.wait() == .signaled(15))
    }

    @Test func waitingForTheEnd() throws {
        let peer = try Peer(["sleep", "600"])
        let early = try ipc("signal", "pid:\(peer.processID)", "CONT", "--wait", "20ms", expecting: 4)
        #expect(early.errorText.contains("still runs") && early.errorText.contains("ETIMEDOUT"))
        let command = try start("signal", "pid:\(peer.processID)", "TERM", "--wait", "20s")
        #expect(try peer.wait() == .signaled(15))
        #expect(try command.wait() == .exited(0))
        #expect(command.errorText.contains("\(peer.processID) was ended by SIGTERM"))
        let gone = try ipc("signal", "pid:\(peer.processID)", "TERM", expecting: 3)
        #expect(gone.errorText.contains("ESRCH"))
    }

    @Test func whatCannotBe() throws {
        #expect(try ipc("receive", "signal:KILL", expecting: 1).errorText.contains("gives it to no program"))
        #expect(try ipc("receive", "signal:SEGV", expecting: 1).errorText.contains("fault"))
        #expect(try ipc("receive", "signal:USR1", "--timeout", "10ms", expecting: 4).errorText.contains("ETIMEDOUT"))
        try ipc("receive", "signal:USR1", "--no-wait", expecting: 4)
        try ipc("receive", "signal:USR1", "--peek", expecting: 64)
        try ipc("signal", "mq:/orders", "TERM", expecting: 64)
        try ipc("signal", "pid:1", "NOSUCH", expecting: 64)
        try ipc("signal", "pid:1", "TERM", "--value", "4294967296", expecting: 64)
        #expect(try ipc("kill", "pid:1", expecting: 64).errorText.contains("\"signal\""))
    }

    @Test(.requiresRoot) func anothersProcessIsRefused() throws {
        let victim = try Peer(["sleep", "600"])
        let nobody = try Peer([
            "python3", "-c",
            "import os, sys; os.setgroups([]); os.setgid(65534); os.setuid(65534); os.execv(sys.argv[1], ['ipc'] + sys.argv[2:])",
            Checkout.command.string, "signal", "pid:\(victim.processID)", "TERM",
        ])
        let outcome = try nobody.finish()
        if case .exited(126) = outcome.status { return }
        #expect(outcome.errorText.contains("EPERM") || outcome.errorText.contains("Permission denied"))
        #expect(victim.isRunning)
    }
}
