// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls

extension SignalReceiver {
    /// Blocks the thread until a signal comes.
    ///
    /// - Parameters:
    ///   - deadline: until when.
    ///   - retryOnInterrupt: whether a signal handler that runs in this thread leaves the wait as it is.
    /// - Throws: ``IPCError/Code/timedOut``, ``IPCError/Code/interrupted``.
    ///
    /// The corresponding C function is `sigwaitinfo(2)`.
    public func receive(
        until deadline: Deadline = .never, retryOnInterrupt: Bool = true
    ) throws(IPCError) -> ReceivedSignal {
        try inbox.bell.attemptBlocking(
            .readable, until: deadline, call: "sigwaitinfo", subject, retryOnInterrupt: retryOnInterrupt
        ) { () throws(IPCError) in tryReceive() }
    }

    /// A signal that has come already; nil if none has.
    ///
    /// The corresponding C function is `sigtimedwait(2)` with no time.
    public func tryReceive() -> ReceivedSignal? { inbox.receive() }

    var subject: String { inbox.subject }
}

extension SignalInbox {
    var subject: String {
        let all = signals.signals
        return all.count == 1 ? "signal:\(all[0])" : "signals \(signals)"
    }

    func receive() -> ReceivedSignal? {
        guard let (signal, wasFull) = take() else { return nil }
        if wasFull { SignalTaking.shared.wake() }
        return signal
    }
}
