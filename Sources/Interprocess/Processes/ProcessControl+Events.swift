// SPDX-License-Identifier: Apache-2.0

extension ProcessControl {
    /// Blocks the thread until something happens.
    ///
    /// - Parameters:
    ///   - deadline: until when.
    ///   - retryOnInterrupt: whether a signal handler that runs in this thread leaves the wait as it is.
    /// - Returns: the event; nil when nothing is under control any more.
    /// - Throws: ``IPCError/Code/timedOut``, ``IPCError/Code/interrupted``.
    ///
    /// The corresponding C function is `wait4(2)`.
    public func nextEvent(
        until deadline: Deadline = .never, retryOnInterrupt: Bool = true
    ) throws(IPCError) -> TraceEvent? {
        try core.news.attemptBlocking(
            .readable, until: deadline, call: "wait4", core.subject, retryOnInterrupt: retryOnInterrupt
        ) { () throws(IPCError) in try core.tryNext() }
    }

    /// Suspends the task until something happens.
    ///
    /// - Parameter deadline: until when.
    /// - Returns: the event; nil when nothing is under control any more.
    /// - Throws: ``IPCError/Code/timedOut``; ``IPCError/Code/cancelled``: no event is lost then.
    public func nextEvent(until deadline: Deadline = .never) async throws(IPCError) -> TraceEvent? {
        try await core.nextEvent(until: deadline)
    }

    /// The next event, if there is one already.
    ///
    /// - Returns: nil if there is none yet, and also when nothing is under control any more: ``isOver`` tells.
    public func tryNextEvent() throws(IPCError) -> TraceEvent? { try core.tryNext() ?? nil }

    /// Whether nothing is under control any more and every event has been taken.
    public var isOver: Bool {
        core.isOver
    }

    /// All events, to the end.
    public var events: TraceEvents { TraceEvents(core: core) }

    /// A token for ``WaitAny``: that there is an event, or that there will be none.
    public func eventReadiness() throws(IPCError) -> Readiness { try core.news.readiness(.readable) }

    /// From now on has `decide` answer every event, at once and on the tracing thread itself: the quickest way, for tracers that
    /// see many.
    ///
    /// Its answers are carried out when it returns. ``Answer/keepStopped`` hands the event to ``events`` instead. It must not call a verb
    /// of this value, which would wait for the thread that it runs on; ``ProcessMemory`` is for everybody.
    ///
    /// - Parameter decide: the answer to an event; nil takes it off.
    public func answerEvents(_ decide: (@Sendable (TraceEvent) -> Answer)?) {
        core.setDecision(decide)
    }
}

/// The events of a ``ProcessControl``, as a sequence to await. Several may run at once; each event goes to one of them.
public struct TraceEvents: AsyncSequence, Sendable {
    let core: ProcessControlCore

    /// Begins.
    public func makeAsyncIterator() -> Iterator { Iterator(core: core) }

    /// Where one loop stands.
    public struct Iterator: AsyncIteratorProtocol {
        let core: ProcessControlCore

        /// The next event; nil when nothing is under control any more.
        public mutating func next() async throws(IPCError) -> TraceEvent? { try await core.nextEvent(until: .never) }

        /// As ``next()``.
        public mutating func next(
            isolation actor: isolated (any Actor)?
        ) async throws(IPCError) -> TraceEvent? { try await core.nextEvent(until: .never) }
    }
}

extension ProcessControlCore {
    func nextEvent(until deadline: Deadline) async throws(IPCError) -> TraceEvent? {
        try await news.attempt(.readable, until: deadline, call: "wait4", subject) { () throws(IPCError) in
            try tryNext()
        }
    }
}
