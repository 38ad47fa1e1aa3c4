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

    /// The queue of the user is full, and so nothing can be queued to tell the thread that there is room.
    @Test func aReceiverThatHasRoomAgainNeedsNoRoomInTheKernel() async {
        await #expect(processExitsWith: .success) { try Self.takeWithAFullQueue() }
    }

    private static func takeWithAFullQueue() throws {
        try TestSyscalls.occupyMainThread()
        waitUntil { !SignalReceiverLifeTests.isSuspended(sysProcessID()) }
        let signals = try SignalReceiver([.user1], capacity: 1)
        try Signal.user1.sendToThisProcess()
        // Until the thread has taken the first and looks no more for another.
        TestSyscalls.sleep(nanoseconds: 200_000_000)
        try Signal.user1.sendToThisProcess()
        try TestSyscalls.setLimit(.pendingSignals, 0)
        for _ in 0..<2 { #expect(try signals.receive(until: .after(.seconds(5))).signal == .user1) }
    }
}

@Suite(.bounded()) struct SignalReceiverLifeTests {
    static func isSuspended(_ thread: Int32) -> Bool {
        let call = (try? Checkout.text(of: FilePath("/proc/self/task/\(thread)/syscall"))) ?? ""
        return call.hasPrefix("\(sysSuspendNumber) ")
    }

    /// The threads that do not block a signal, but for those that open their masks in sigsuspend(2).
    static func openThreads(_ bit: UInt64) throws -> [String] {
        try TestSyscalls.entries(of: "/proc/self/task").filter { thread in
            let folder = FilePath("/proc/self/task").appending(thread)
            guard let status = try? Checkout.text(of: folder.appending("status")) else { return false }
            let line = status.split(separator: "\n").first { $0.hasPrefix("SigBlk:") } ?? ""
            let call = (try? Checkout.text(of: folder.appending("syscall"))) ?? ""
            return (UInt64(line.dropFirst(8), radix: 16) ?? 0) & bit == 0 && !call.hasPrefix("\(sysSuspendNumber) ")
        }
    }

    @Test func everyThreadBlocksAndIsGivenBackWhatItHad() async {
        await #expect(processExitsWith: .success) {
            // Threads with open masks, one of them in a system call that does not end by itself.
            let done = Flag()
            let ids = SharedNumber()
            try TestSyscalls.startThread("open") {
                sysSetSignalMask(0)
                ids.set(sysThreadID())
                while !done.isSet { TestSyscalls.sleep(nanoseconds: 500_000) }
            }
            try TestSyscalls.startThread("own-mask") {
                sysSetSignalMask(sysSignalBit(10))
                while !done.isSet { TestSyscalls.sleep(nanoseconds: 500_000) }
            }
            waitUntil { ids.value != 0 && (try? Self.openThreads(sysSignalBit(12)).count) ?? 0 >= 2 }
            let before = try Self.openThreads(sysSignalBit(12)).count
            #expect(ProcessState.hasDefaultDisposition(12))
            let signals = try SignalReceiver([.user1, .user2])
            #expect(try Self.openThreads(sysSignalBit(10) | sysSignalBit(12)) == [])
            #expect(!ProcessState.hasDefaultDisposition(12))
            try Signal.user2.sendToThisProcess(value: 5)
            #expect(try await signals.receive().value == 5)
            // What nobody takes is dropped at the end, and ends nothing.
            try Signal.user2.sendToThisProcess()
            signals.close()
            waitUntil { (try? Self.openThreads(sysSignalBit(12)).count) == before }
            #expect(ProcessState.hasDefaultDisposition(12) && ProcessState.hasDefaultDisposition(10))
            // The thread that blocked SIGUSR1 by itself still does; the other is open again.
            #expect(try Self.openThreads(sysSignalBit(10)).count == before - 1)
            done.set()
        }
    }

    @Test func othersHandlersGoOn() async {
        await #expect(processExitsWith: .success) {
            try TestSyscalls.installInterruptingHandler(10)
            let refused = #expect(throws: IPCError.self) { _ = try SignalReceiver([.user2, .user1]) }
            #expect(refused?.code == .busy && refused?.subject == "signal:SIGUSR1")
            #expect(refused?.hint.contains("has a handler") == true)
            // The one before it in the set is as it was.
            #expect(ProcessState.hasDefaultDisposition(12))
            #expect(TestSyscalls.disposition(of: 10) == .handled)
            let signals = try SignalReceiver([.user2])
            #expect(TestSyscalls.disposition(of: 10) == .handled)
            try Self.receiveUnderSignals(signals)
        }
    }

    static func receiveUnderSignals(_ signals: borrowing SignalReceiver) throws {
        let storm = try StormOfOthers()
        defer { storm.end() }
        for number in 0..<200 {
            try Signal.user2.sendToThisProcess(value: Int32(number))
            #expect(try next(signals).value == Int32(number))
        }
        do {
            _ = try next(signals, retry: false)
            Issue.record("nothing came")
        } catch {
            #expect(error.code == .interrupted)
        }
    }

    static func next(_ signals: borrowing SignalReceiver, retry: Bool = true) throws(IPCError) -> ReceivedSignal {
        try signals.receive(until: .after(.seconds(60)), retryOnInterrupt: retry)
    }

    @Test func aThreadThatWillNotBlockIsNamed() async {
        await #expect(processExitsWith: .success) {
            let ready = Flag()
            try TestSyscalls.startThread("stubborn") {
                // Everything but SIGUSR1: the request to block that is blocked, too.
                sysSetSignalMask(~sysSignalBit(10))
                ready.set()
                while true { TestSyscalls.sleep(nanoseconds: 1_000_000_000) }
            }
            waitUntil { ready.isSet }
            let error = #expect(throws: IPCError.self) { _ = try SignalReceiver([.user1]) }
            #expect(
                error?.code == .busy && error?.hint.contains("(stubborn) does not block SIGUSR1") == true, "\(error!)")
            #expect(ProcessState.hasDefaultDisposition(10))
            let other = try SignalReceiver([.user2])
            try Signal.user2.sendToThisProcess()
            #expect(try await other.receive().signal == .user2)
        }
    }

    @Test func whatCannotBeReceived() throws {
        for (signal, word) in [
            (Signal.kill, "no program"), (.stop, "no program"), (.segmentationFault, "fault"), (.trap, "fault"),
        ] {
            let error = #expect(throws: IPCError.self) { _ = try SignalReceiver([signal]) }
            #expect(error?.code == .invalidArgument && error?.hint.contains(word) == true)
        }
        #expect(Signal(number: 33)?.receivability == .reservedForTheCLibrary)
        #expect(Signal(number: 0) == nil && Signal(number: 65) == nil)
        #expect(try Signal("sigrtmin+3") == .realTime(3) && Signal("USR1") == .user1 && Signal("15") == .terminate)
        #expect(throws: IPCError.self) { try Signal("NOSUCH") }
        #expect(Signal.terminate.defaultAction == .terminate && Signal.child.defaultAction == .ignore)
        #expect(
            Signal.realTime(30).number == 64 && !Signal.terminate.isRealTime && "\(Signal.realTime(0))" == "SIGRTMIN")
        var set: SignalSet = [.user1, .terminate]
        set.remove(.user1)
        set.insert(.realTime(1))
        #expect("\(set)" == "SIGTERM, SIGRTMIN+1" && set.contains(.terminate) && !set.contains(.user1))
        #expect(SignalSet.receivable.signals.count == 54 && SignalSet.realTime.signals.count == 31)
    }

    @Test func severalReceiversGetACopyEach() async {
        await #expect(processExitsWith: .success) {
            let one = try SignalReceiver([.user1, .realTime(2)])
            let two = try SignalReceiver([.user1])
            try Signal.user1.sendToThisProcess(value: 1)
            #expect(try await one.receive().value == 1)
            #expect(try await two.receive().value == 1)
            two.close()
            // The first still receives.
            try Signal.user1.sendToThisProcess(value: 2)
            #expect(try await one.receive().value == 2)
        }
    }

    @Test func whoIsSlowMakesTheRestWaitInTheKernel() async {
        await #expect(processExitsWith: .success) {
            let slow = try SignalReceiver([.realTime(5), .user1], capacity: 4)
            for number in 0..<20 { try Signal.realTime(5).sendToThisProcess(value: Int32(number)) }
            // At least sixteen of them, but for the one that the handler has in its hands.
            waitUntil {
                let line = (try? Checkout.text(of: "/proc/self/status"))?.split(separator: "\n").first {
                    $0.hasPrefix("SigQ:")
                }
                return Int(line?.dropFirst(6).prefix { $0 != "/" } ?? "") ?? 0 >= 15
            }
            for number in 0..<20 { #expect(try await slow.receive(until: .after(.seconds(20))).value == Int32(number)) }
            #expect(SignalReceiver.lostCount == 0)
        }
    }

    @Test func waitsAreLateCancelledAndCombined() async {
        await #expect(processExitsWith: .success) {
            let signals = try SignalReceiver([.user1])
            let late = await Self.failure(signals)
            #expect(late?.code == .timedOut && late?.subject == "signal:SIGUSR1")
            #expect(Self.failureBlocking(signals)?.code == .timedOut)
            let child = try ProcessHandle.spawn(ProcessCommand("sleep", ["600"]))
            let any = WaitAny([try child.exitReadiness(), try signals.receivable()])
            try Signal.user1.sendToThisProcess()
            #expect(try await any.first() == 1)
            #expect(signals.tryReceive()?.signal == .user1)
            try child.kill()
            #expect(try await any.first() == 0)
            let sequence = signals.sequence()
            let task = Task { for try await _ in sequence {} }
            task.cancel()
            let cancelled = await #expect(throws: IPCError.self) { try await task.value }
            #expect(cancelled?.code == .cancelled)
            var seen: [Int32] = []
            for number in 0..<3 {
                try Signal.user1.sendToThisProcess(value: Int32(number))
                seen.append(try await Self.first(sequence)?.value ?? -1)
            }
            #expect(seen == [0, 1, 2])
        }
    }

    static func failure(_ signals: borrowing SignalReceiver) async -> IPCError? {
        do throws(IPCError) { _ = try await signals.receive(until: .after(.milliseconds(2))) } catch { return error }
        return nil
    }

    static func failureBlocking(_ signals: borrowing SignalReceiver) -> IPCError? {
        do throws(IPCError) { _ = try signals.receive(until: .now) } catch { return error }
        return nil
    }

    static func first(_ sequence: SignalSequence) async throws -> ReceivedSignal? {
        for try await each in sequence { return each }
        return nil
    }

    @Test func aChildDoesNotInheritWhatIsBlockedHere() async {
        await #expect(processExitsWith: .success) {
            let signals = try SignalReceiver([.terminate, .child])
            let child = try ProcessHandle.spawn(ProcessCommand("sleep", ["600"]))
            try child.send(.terminate)
            #expect(try await child.exit().signal == .terminate)
            // And its end is told to its parent as a signal as well.
            let news = try await signals.receive(until: .after(.seconds(20)))
            #expect(news.signal == .child && news.codeName == "CLD_KILLED" && news.childStatus == 15)
            #expect(news.senderProcessID == child.processID)
        }
    }

    @Test func aStormLosesNothing() async {
        await #expect(processExitsWith: .success) {
            let signals = try SignalReceiver([.realTime(1), .realTime(2)], capacity: 64)
            let script = """
                import ctypes, sys
                libc = ctypes.CDLL(None, use_errno=True)
                for n in range(3000):
                    while libc.sigqueue(int(sys.argv[1]), int(sys.argv[2]), ctypes.c_void_p(n)) != 0: pass
                """
            let peers = [
                try Peer.python(script, ["\(sysProcessID())", "35"]),
                try Peer.python(script, ["\(sysProcessID())", "36"]),
            ]
            var next: [Int32: Int32] = [35: 0, 36: 0]
            for _ in 0..<6000 {
                let news = try await signals.receive(until: .after(.seconds(60)))
                #expect(news.value == next[news.signal.number])
                next[news.signal.number, default: 0] += 1
            }
            for peer in peers { #expect(try peer.wait() == .exited(0)) }
            #expect(signals.tryReceive() == nil && SignalReceiver.lostCount == 0)
        }
    }

    @Test func stoppedAndContinuedItHearsWhatCame() async throws {
        // A stopped receiver; what is sent meanwhile waits for it in the kernel.
        let receiver = try Peer.ipc("receive", "signal:RTMIN+1", "--count", "3")
        waitUntil { receiver.errorText.contains("ready") }
        let process = try ProcessHandle(processID: receiver.processID)
        try process.stop()
        try waitUntil { try process.isStopped() }
        for value: Int32 in [7, 8, 9] { try process.send(.realTime(1), value: value) }
        try process.proceed()
        for value in [7, 8, 9] { #expect(try receiver.readLine() == "SIGRTMIN+1 \(value) from \(sysProcessID())") }
        #expect(try receiver.wait() == .exited(0))
    }
}

/// SIGUSR1, which has a handler of the program's, to the calling thread again and again.
final class StormOfOthers: Sendable {
    private let (stop, stopped) = (Flag(), Flag())

    init() throws {
        TestSyscalls.admitSignal(10)
        let (thread, stop, stopped) = (sysThreadID(), stop, stopped)
        try TestSyscalls.startThread("storm") {
            while !stop.isSet {
                try? TestSyscalls.signalThread(thread, 10)
                TestSyscalls.sleep(nanoseconds: 50_000)
            }
            stopped.set()
        }
    }

    func end() {
        stop.set()
        while !stopped.isSet { TestSyscalls.sleep(nanoseconds: 50_000) }
    }
}
