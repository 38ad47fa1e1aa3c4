// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import Synchronization
import SystemPackage

/// Receives signals that are sent to this process as values, in order, with sender, value and code.
///
/// ```swift
/// let signals = try SignalReceiver([.terminate, .realTime(3)])
/// while true {
///     let news = try await signals.receive()
///     print(news)                       // SIGRTMIN+3 42 from 812
///     if news.signal == .terminate { break }
/// }
/// ```
///
/// No code of the program runs in a signal handler: a thread of the library takes the signals out of the kernel and puts
/// them before whoever waits. While a receiver exists, its signals have no other effect: they do not end the
/// process, and they are blocked in all threads. Threads that open their masks all the same (the main
/// thread of a program with an asynchronous `main` waits so) get a handler that passes the signal on to that thread,
/// untouched, and does nothing else.
///
/// Several receivers of one signal get one copy each.
///
/// Ownership: the end of the last receiver of a signal gives the signal back what it had: its disposition, and open masks in the
/// threads that were asked to block it. What has come until then and was not taken is dropped.
///
/// Concurrency: any number of tasks and threads may receive from one value; each signal goes to one of them.
/// Handlers that other code has for other signals go on as they were. A signal that has a handler already is refused.
///
/// If a process dies: what it has sent stays.
///
/// Limits: a receiver holds ``capacity`` signals; while it is full the rest stays in the kernel, and senders of real-time signals get
/// EAGAIN when RLIMIT_SIGPENDING signals wait for the user's processes; other receivers of the process may have to wait with it. Standard signals are flags: one that has not been taken out of
/// the kernel swallows the next. A signal sent to one particular thread (`pthread_kill`, `raise`) is that thread's:
/// ``SignalSet/wait(until:retryOnInterrupt:)``.
///
/// The manual pages are `signal(7)` and `sigwaitinfo(2)`.
public struct SignalReceiver: ~Copyable, Sendable {
    /// What it receives.
    public let signals: SignalSet
    /// How many signals it holds before the rest has to wait in the kernel.
    public let capacity: Int
    let inbox: SignalInbox

    /// Starts to receive.
    ///
    /// - Parameters:
    ///   - signals: which ones.
    ///   - capacity: how many are held for whoever is slow.
    /// - Throws: ``IPCError/Code/invalidArgument`` for a signal that cannot be received (``Signal/receivability``);
    ///   ``IPCError/Code/busy`` for one that has a handler of somebody else's, and if threads neither block it nor answer the
    ///   request to do so: the hint names them; ``IPCError/Code/limitReached``, ``IPCError/Code/outOfMemory`` if the thread cannot be
    ///   started.
    ///
    /// Blocking: for as long as the threads of the process need to change their masks; microseconds as a rule.
    ///
    /// The corresponding C functions are `sigaction(2)` and `pthread_sigmask(3)`.
    public init(_ signals: SignalSet, capacity: Int = 1024) throws(IPCError) {
        precondition(capacity > 0, "a receiver holds one signal at least")
        for signal in signals.signals { try Self.check(signal) }
        let inbox = SignalInbox(signals, capacity: capacity, bell: try Self.bell(signals))
        try SignalTaking.shared.add(inbox)
        self.signals = signals
        self.capacity = capacity
        self.inbox = inbox
    }

    deinit { SignalTaking.shared.remove(inbox) }

    /// Stops receiving.
    public consuming func close() {}

    private static func bell(_ signals: SignalSet) throws(IPCError) -> OwnedDescriptor {
        do throws(Errno) { return OwnedDescriptor(adopting: try sysEventCounter(semaphore: true)) } catch {
            throw IPCError(error, "eventfd", "signals \(signals)")
        }
    }

    private static func check(_ signal: Signal) throws(IPCError) {
        let hint: String
        switch signal.receivability {
        case .receivable: return
        case .uncatchable: hint = "the kernel gives it to no program"
        case .synchronousFault:
            hint = "it tells of a fault of the very thread that runs; it is for handlers, not for this"
        case .reservedForTheCLibrary: hint = "the C library keeps it to itself"
        }
        throw IPCError(code: .invalidArgument, subject: "signal:\(signal)", hint: hint)
    }

    /// How many real-time signals were lost on the way inside this process, in its whole life: it happens only if a signal meets a
    /// thread with an open mask at a moment when RLIMIT_SIGPENDING is reached.
    public static var lostCount: Int { sysSignalsLost() }

    /// The real-time signal by which threads are asked to change their masks: SIGRTMAX − 2 unless changed before the first receiver.
    ///
    /// - Throws: ``IPCError/Code/busy`` if it is in use already; ``IPCError/Code/invalidArgument`` for a signal that is not a
    ///   real-time one.
    public static func useMaskSignal(_ signal: Signal) throws(IPCError) {
        guard signal.isRealTime else {
            throw IPCError(
                code: .invalidArgument, subject: "signal:\(signal)", hint: "choose a real-time signal, 34 to 64")
        }
        try SignalTaking.shared.useCarrier(signal)
    }
}

/// What came for one receiver. Its bell counts the signals that lie here.
final class SignalInbox: Sendable {
    let signals: SignalSet
    let capacity: Int
    let bell: AwaitableDescriptor
    private let waiting = Mutex<[ReceivedSignal]>([])

    init(_ signals: SignalSet, capacity: Int, bell: consuming OwnedDescriptor) {
        self.signals = signals
        self.capacity = capacity
        self.bell = AwaitableDescriptor(bell)
    }

    var isFull: Bool { waiting.withLock { $0.count >= capacity } }

    func put(_ signal: ReceivedSignal) {
        waiting.withLock { $0.append(signal) }
        // It cannot overflow, and nothing else goes wrong with a descriptor that is ours; a bell that is not rung is a wait
        // that never ends.
        while (try? sysEventCounterAdd(bell.rawValue, 1)) == nil {}
    }

    /// One that is there, and whether the inbox was full until now.
    func take() -> (signal: ReceivedSignal, wasFull: Bool)? {
        guard (try? sysEventCounterTake(bell.rawValue)) != nil else { return nil }
        return waiting.withLock { waiting in
            let wasFull = waiting.count >= capacity
            return waiting.isEmpty ? nil : (waiting.removeFirst(), wasFull)
        }
    }
}
