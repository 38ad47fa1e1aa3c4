// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import Synchronization
import SystemPackage

/// The one thread that takes signals out of the kernel, and what belongs to it: dispositions and masks.
///
/// A signal that is sent to the process goes to any thread that does not block it. So every thread is made to block it
/// (``SignalBlocking``), and for threads that open their masks again there is the forwarding handler.
/// This thread alone reads, from a signalfd, what is pending for the process, and for what the
/// handler has passed on to it.
final class SignalTaking: Sendable {
    static let shared = SignalTaking()

    private struct State {
        var inboxes: [SignalInbox] = []
        /// The thread, once it runs.
        var thread: Int32?
        /// What it reads, and the signals that this was last told to take.
        var descriptor: CInt = -1
        var asked: UInt64 = 0
        var carrier = Signal(unchecked: Signal.realTimeNumbers.upperBound - 2)
        var isCarrierClaimed = false
        /// The main thread gets all signals and passes them on.
        var isPassedOn = false
        /// What each signal was before it was received, and which threads blocked it by themselves.
        var before: [Signal: (handling: SignalHandling, blockedIn: Set<Int32>)] = [:]
    }

    private let state = Mutex(State())
    /// Receivers come and go one at a time: masks are the process's.
    private let changing = Mutex(())
    /// Opened when a receiver has room again.
    private let room = ThreadGate()

    func useCarrier(_ signal: Signal) throws(IPCError) {
        let isClaimed = state.withLock { state in
            if !state.isCarrierClaimed { state.carrier = signal }
            return state.isCarrierClaimed
        }
        if isClaimed {
            throw IPCError(
                code: .busy, subject: "signal:\(signal)",
                hint: "a signal is in use already; choose before the first receiver")
        }
    }

    // MARK: Receivers

    func add(_ inbox: SignalInbox) throws(IPCError) {
        try changing.withLock { (_) throws(IPCError) in
            let carrier = try claimCarrier()
            guard !inbox.signals.contains(carrier) else {
                throw IPCError(
                    code: .busy, subject: "signal:\(carrier)",
                    hint:
                        "this library asks threads by it to change their masks; SignalReceiver.useMaskSignal chooses another"
                )
            }
            try startThread()
            let fresh = inbox.signals.subtracting(taken)
            var done = SignalSet()
            do throws(IPCError) {
                for signal in fresh.signals {
                    try begin(signal)
                    done.insert(signal)
                }
                if !fresh.isEmpty {
                    let already = try SignalBlocking.block(fresh, carrier: carrier)
                    state.withLock { state in
                        for (signal, threads) in already { state.before[signal]?.blockedIn = threads }
                    }
                }
            } catch {
                give(back: done)
                throw error
            }
            noteMainThread()
            state.withLock { $0.inboxes.append(inbox) }
            wake()
        }
    }

    func remove(_ inbox: SignalInbox) {
        changing.withLock { _ in
            state.withLock { $0.inboxes.removeAll { $0 === inbox } }
            let unused = inbox.signals.subtracting(taken).intersection(begun)
            wake()
            give(back: unused)
        }
    }

    /// What somebody receives.
    private var taken: SignalSet {
        state.withLock { $0.inboxes.reduce(into: SignalSet()) { $0.formUnion($1.signals) } }
    }

    private var begun: SignalSet { state.withLock { SignalSet($0.before.keys) } }

    private func begin(_ signal: Signal) throws(IPCError) {
        do throws(Errno) {
            var before = try sysSignalHandling(signal.number)
            // Ours from an earlier time, when giving it back failed.
            if before == .forwarding { before = .standard }
            guard before == .standard || before == .ignored else { throw Errno.resourceBusy }
            state.withLock { $0.before[signal] = (before, []) }
            try sysSetSignalHandling(signal.number, .forwarding)
        } catch {
            if error != .resourceBusy { state.withLock { $0.before[signal] = nil } }
            let hint = "the program has a handler for it, which would not run any more"
            throw IPCError(error, "sigaction", "signal:\(signal)", hint: error == .resourceBusy ? hint : "")
        }
    }

    /// Drops what is pending, opens the masks that were closed for it, and gives the signal its disposition back.
    private func give(back signals: SignalSet) {
        let (carrier, before) = state.withLock { state in
            defer { for signal in signals.signals { state.before[signal] = nil } }
            return (state.carrier, state.before)
        }
        for signal in signals.signals where (try? sysSignalHandling(signal.number)) == .forwarding {
            // To ignore a signal is what makes the kernel drop all of it that is pending.
            try? sysSetSignalHandling(signal.number, .ignored)
        }
        SignalBlocking.unblock(
            signals, except: before.mapValues(\.blockedIn), carrier: carrier)
        for signal in signals.signals where before[signal]?.handling == .standard {
            if (try? sysSignalHandling(signal.number)) == .ignored {
                try? sysSetSignalHandling(signal.number, .standard)
            }
        }
    }

    private func claimCarrier() throws(IPCError) -> Signal {
        let (carrier, isClaimed) = state.withLock { ($0.carrier, $0.isCarrierClaimed) }
        if isClaimed { return carrier }
        do throws(Errno) {
            guard try sysSignalHandling(carrier.number) == .standard else { throw Errno.resourceBusy }
            try sysSetSignalHandling(carrier.number, .masking)
        } catch {
            let hint = "the program uses this signal itself; choose another with SignalReceiver.useMaskSignal"
            throw IPCError(error, "sigaction", "signal:\(carrier)", hint: error == .resourceBusy ? hint : "")
        }
        state.withLock { $0.isCarrierClaimed = true }
        return carrier
    }

    // MARK: The thread

    private func startThread() throws(IPCError) {
        if state.withLock({ $0.thread != nil }) { return }
        let carrier = state.withLock { $0.carrier }
        let descriptor: OwnedDescriptor
        do throws(Errno) { descriptor = OwnedDescriptor(adopting: try sysSignalDescriptor(carrier.bit)) } catch {
            throw IPCError(error, "signalfd", "signals")
        }
        let gate = ThreadGate()
        // It is read for the rest of the process's life.
        let number = descriptor.release()
        do throws(Errno) {
            try sysStartThread(named: "ipc-signals") {
                sysForwardSignals(
                    toThread: sysThreadID(), secret: Int32.random(in: 1...Int32.max),
                    carrier: carrier.number)
                self.state.withLock { state in
                    state.thread = sysThreadID()
                    state.descriptor = number
                }
                gate.open()
                self.run(number)
            }
        } catch {
            _ = OwnedDescriptor(adopting: number)
            throw IPCError(error, "pthread_create", "signals")
        }
        _ = gate.pass()
    }

    /// Makes the thread look again at what it waits for. It blocks the carrier and takes it like any other signal.
    func wake() {
        let (thread, carrier) = state.withLock { ($0.thread, $0.carrier) }
        room.open()
        guard let thread else { return }
        while true {
            do throws(Errno) {
                try sysSignalThread(sysProcessID(), thread, carrier.number)
                return
            } catch  where error == .resourceTemporarilyUnavailable {
                // The user's queue is full (RLIMIT_SIGPENDING), perhaps of the very signals that the thread has left in the kernel.
                // A signalfd that is told of other signals wakes its readers without one.
                state.withLock { _ = Self.tellWanted(&$0) }
                return
            } catch  where error == .noSuchProcess {
                return
            } catch {
                continue
            }
        }
    }

    private func run(_ descriptor: CInt) {
        while true {
            guard state.withLock({ Self.tellWanted(&$0) }) else {
                _ = room.pass()
                continue
            }
            guard let (raw, wasPassedOn) = try? sysTakeSignal(descriptor) else { continue }
            if wasPassedOn { noteMainThread() }
            state.withLock { state in
                if raw.signal == state.carrier.number { return }
                let news = ReceivedSignal(raw)
                for inbox in state.inboxes where inbox.signals.contains(news.signal) { inbox.put(news) }
            }
        }
    }

    /// Tells the descriptor what to take now; false to wait until there is room. Under the lock, so that the last to tell knew best.
    private static func tellWanted(_ state: inout State) -> Bool {
        guard let wanted = wantedNow(state) else { return false }
        // It fails for a descriptor that is none only: there is nobody to tell, and nothing to wait for without it.
        if wanted != state.asked, (try? sysSignalDescriptor(wanted, replacing: state.descriptor)) != nil {
            state.asked = wanted
        }
        return true
    }

    /// What to read now; nil to wait until there is room.
    private static func wantedNow(_ state: State) -> UInt64? {
        let isFull = state.inboxes.contains { $0.isFull }
        // All comes by the main thread then, in one queue.
        if state.isPassedOn { return isFull ? nil : state.carrier.bit }
        var wanted: UInt64 = 0
        for inbox in state.inboxes { wanted |= inbox.signals.bits }
        // What any receiver has no room for waits in the kernel, for all of them.
        for inbox in state.inboxes where inbox.isFull { wanted &= ~inbox.signals.bits }
        return wanted | state.carrier.bit
    }

    /// Looks whether the main thread waits in sigsuspend(2), where Dispatch leaves it for good: then signals come by its handler only.
    /// To read them directly as well would let one overtake another that the handler has in its hands.
    func noteMainThread() {
        if state.withLock({ $0.isPassedOn }) { return }
        guard SignalBlocking.isSuspended(sysProcessID()) else { return }
        state.withLock { $0.isPassedOn = true }
    }
}
