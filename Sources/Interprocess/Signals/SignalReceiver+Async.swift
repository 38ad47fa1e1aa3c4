// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls

extension SignalReceiver {
    /// Suspends the task until a signal comes.
    ///
    /// - Parameter deadline: until when.
    /// - Throws: ``IPCError/Code/timedOut``, ``IPCError/Code/cancelled``: no signal is taken then.
    public func receive(until deadline: Deadline = .never) async throws(IPCError) -> ReceivedSignal {
        // An asynchronous main ends in sigsuspend(2) some time after the receiver was made.
        if let news = tryReceive() { return news }
        SignalTaking.shared.noteMainThread()
        return try await inbox.bell.attempt(.readable, until: deadline, call: "sigwaitinfo", subject) {
            () throws(IPCError) in tryReceive()
        }
    }

    /// That a signal has come: a token for ``WaitAny``. Take it with ``tryReceive()``.
    public func receivable() throws(IPCError) -> Readiness { try inbox.bell.readiness(.readable) }

    /// The signals as a sequence that never ends by itself. It owns the receiver: the signals have their old effect again when the
    /// last copy of the sequence is gone.
    ///
    /// ```swift
    /// for try await news in try SignalReceiver([.hangUp, .terminate]).sequence() {
    ///     …
    /// }
    /// ```
    public consuming func sequence() -> SignalSequence { SignalSequence(self) }
}

/// The signals of a receiver, one after the other.
///
/// Cancelling the task that iterates ends the iteration with ``IPCError/Code/cancelled``.
public struct SignalSequence: AsyncSequence, Sendable {
    private let holder: Holder

    final class Holder: Sendable {
        let receiver: SignalReceiver
        init(_ receiver: consuming SignalReceiver) { self.receiver = receiver }
        func next() async throws(IPCError) -> ReceivedSignal { try await receiver.receive() }
    }

    init(_ receiver: consuming SignalReceiver) { holder = Holder(receiver) }

    /// Takes one signal after the other.
    public struct AsyncIterator: AsyncIteratorProtocol {
        let holder: Holder

        /// The next signal.
        public mutating func next() async throws(IPCError) -> ReceivedSignal? { try await holder.next() }

        /// The next signal.
        public mutating func next(
            isolation actor: isolated (any Actor)?
        ) async throws(IPCError) -> ReceivedSignal? { try await holder.next() }
    }

    /// An iterator; several share the signals between them.
    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(holder: holder) }
}
