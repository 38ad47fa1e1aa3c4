// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import InterprocessTestKit
import SystemPackage
import Testing

/// Waits for a condition that another process brings about.
func waitUntil(_ what: String = "", _ condition: () throws -> Bool) rethrows {
    while try !condition() { TestSyscalls.sleep(nanoseconds: 200_000) }
}

private let queueFromPython = """
    import ctypes, os, sys
    libc = ctypes.CDLL(None, use_errno=True)
    pid, number = int(sys.argv[1]), int(sys.argv[2])
    for value in sys.argv[3:]:
        if libc.sigqueue(pid, number, ctypes.c_void_p(int(value) & 0xffffffff)) != 0:
            sys.exit(os.strerror(ctypes.get_errno()))
    print(os.getpid())
    """

@Suite(.bounded()) struct SignalReceiverTests {
    @Test func aSignalComesWithSenderValueAndCode() async {
        await #expect(processExitsWith: .success) {
            let signals = try SignalReceiver([.user1, .realTime(3)])
            let peer = try Peer.python(queueFromPython, ["\(sysProcessID())", "37", "42"])
            let news = try await signals.receive(until: .after(.seconds(20)))
            #expect(news.signal == .realTime(3) && news.value == 42 && news.code == .queue)
            #expect(news.senderProcessID == peer.processID && news.senderUserID == sysEffectiveUserID())
            #expect("\(news)" == "SIGRTMIN+3 42 from \(peer.processID)")
            let other = try Peer.shell("kill -USR1 \(sysProcessID()); read x")
            let plain = try await signals.receive(until: .after(.seconds(20)))
            #expect(plain.signal == .user1 && plain.value == nil && plain.code == .user)
            #expect(plain.senderProcessID == other.processID && plain.codeName == "SI_USER")
            #expect("\(plain)" == "SIGUSR1 from \(other.processID)")
            #expect(signals.tryReceive() == nil)
        }
    }

    @Test func realTimeSignalsComeInOrder() async {
        await #expect(processExitsWith: .success) {
            let signals = try SignalReceiver([.realTime(1), .realTime(2)], capacity: 16)
            let values = (0..<500).map { "\($0 - 250)" }
            let peer = try Peer.python(queueFromPython, ["\(sysProcessID())", "35"] + values)
            var got: [Int32] = []
            while got.count < 500 {
                let next = try await signals.receive(until: .after(.seconds(20)))
                got.append(next.value ?? .max)
            }
            #expect(got == (0..<500).map { $0 - 250 })
            #expect(try peer.wait() == .exited(0))
            #expect(SignalReceiver.lostCount == 0)
        }
    }
}
