// SPDX-License-Identifier: Apache-2.0
public import Interprocess
public import InterprocessStructures

/// Receives the messages of all publishers of a topic.
///
/// ```swift
/// let subscriber = try Topic("camera/front", of: Frame.self).subscriber()
/// while let sample = try await subscriber.next() {
///     show(sample.payload)             // read in place, from the publisher's own log
/// }                                    // the end of the sample gives its room back
/// ```
///
/// Ownership: owns its mappings of the publishers' logs. Descriptors per publisher: a socket and a pidfd.
///
/// Blocking: ``receive()`` blocks the thread, ``tryReceive()`` never does, ``next(until:)`` suspends the task.
///
/// Concurrency: one owner at a time; not `Sendable`, but it may be handed over.
///
/// If a process dies: what a publisher had sent is still received, then ``takeNotices()`` tells of its death. The subscriber's own death frees
/// at once what it held.
public struct Subscriber<Payload: SharedPayload>: ~Copyable {
    @usableFromInline let inboxes: InboxSet
    @usableFromInline let core: Cell<InboxSetCore>

    init(_ inboxes: InboxSet) {
        self.inboxes = inboxes
        core = inboxes.core
    }

    deinit {
        guard core.value.taken != nil else { return }
        // A sample is in use: it keeps the inboxes from now on.
        core.value.isOrphaned = true
        Lent(inboxes).handOver()
    }

    // MARK: In place

    /// The next message, if there is one now. One sample is in use at a time, which is a precondition.
    ///
    /// - Throws: `IPCError.Code.evicted` once if a publisher has put this subscriber out; `IPCError.Code.unsupported` in a
    ///   forked child.
    @inlinable @inline(__always)
    public func tryReceive() throws(IPCError) -> Sample<Payload>? {
        guard let place = try take() else { return nil }
        return Sample(inboxes, core, place)
    }

    /// The next message; blocks the thread until there is one.
    ///
    /// - Throws: as ``tryReceive()``; `IPCError.Code.disconnected` with ``SubscriberOptions/endsWithLastPublisher``.
    @inlinable @inline(__always)
    public func receive() throws(IPCError) -> Sample<Payload> {
        guard let place = try take(until: .never) else { preconditionFailure("a wait without limit has an end") }
        return Sample(inboxes, core, place)
    }

    /// The next message; nil if the deadline came first.
    @inlinable
    public func receive(until deadline: Deadline) throws(IPCError) -> Sample<Payload>? {
        guard let place = try take(until: deadline) else { return nil }
        return Sample(inboxes, core, place)
    }

    /// Calls `body` with the next message, in place; blocks the thread until there is one. The shortest way.
    ///
    /// - Throws: as ``receive()``, what `body` throws, and `IPCError.Code.evicted` if the message was overwritten while `body` used it.
    @inlinable @inline(__always)
    public func withSample<Result>(_ body: (borrowing Payload) throws(IPCError) -> Result) throws(IPCError) -> Result {
        guard let place = try take(until: .never) else { preconditionFailure("a wait without limit has an end") }
        return try use(place, body)
    }

    /// As ``withSample(_:)``; nil if there is no message now.
    @inlinable @inline(__always)
    public func tryWithSample<Result>(
        _ body: (borrowing Payload) throws(IPCError) -> Result
    ) throws(IPCError) -> Result? {
        guard let place = try take() else { return nil }
        return try use(place, body)
    }

    @inlinable @inline(__always)
    func use<Result>(
        _ place: RecordPlace, _ body: (borrowing Payload) throws(IPCError) -> Result
    ) throws(IPCError) -> Result {
        let result: Result
        do throws(IPCError) {
            result = try body(place[as: Payload.self])
        } catch {
            _ = inboxes.release()
            throw error
        }
        if _slowPath(!inboxes.release()) { throw inboxes.overwritten }
        return result
    }

    // MARK: Copying

    /// A copy of the next message, if there is one now. Lossy subscribers hold no publisher up meanwhile.
    @inlinable @inline(__always)
    public func tryReceiveValue() throws(IPCError) -> Payload? {
        if _slowPath(!core.value.isLossless) { return try copy() }
        guard let place = try take() else { return nil }
        return try use(place) { (payload) throws(IPCError) in copy payload }
    }

    /// A copy of the next message; blocks the thread until there is one.
    @inlinable @inline(__always)
    public func receiveValue() throws(IPCError) -> Payload {
        while true {
            if core.value.isLossless {
                return try withSample { (payload) throws(IPCError) in copy payload }
            }
            if let payload = try copy() { return payload }
            _ = try inboxes.waitOrEnd(until: .never)
        }
    }

    @usableFromInline @inline(never)
    func copy() throws(IPCError) -> Payload? { try inboxes.copyNext(as: Payload.self) }

    // MARK: Many

    /// Calls `body` with the messages that are there, at most `limit`, in place; returns how many there were. Never blocks.
    ///
    /// Room is given back to the publisher for many at a time, so this is the fastest way to read a stream.
    ///
    /// - Throws: what `body` throws: the message that it was called with is taken; `IPCError.Code.evicted` if some of the messages were
    ///   overwritten while they were used.
    @inlinable
    public func receiveAvailable(
        upTo limit: Int = .max, _ body: (borrowing Payload) throws(IPCError) -> Void
    ) throws(IPCError) -> Int {
        var count = 0
        while count < limit {
            guard let first = try take() else { break }
            // Those that follow from the same publisher are given back with it at once.
            do throws(IPCError) {
                try body(first[as: Payload.self])
                count &+= 1
                while count < limit, let place = takeFollowing() {
                    try body(place[as: Payload.self])
                    count &+= 1
                }
            } catch {
                _ = inboxes.release()
                throw error
            }
            if _slowPath(!inboxes.release()) { throw inboxes.overwritten }
        }
        return count
    }

    // MARK: What all are made of

    /// The next message of the publisher whose message is in use, at most so far that the publisher is not held up for long.
    @inlinable @inline(__always)
    func takeFollowing() -> RecordPlace? {
        guard core.value.isLossless, let taken = core.value.taken, taken.value.cursor.holdsLittle else {
            return nil
        }
        return taken.value.cursor.nextPlace(byteCount: core.value.payloadBytes)
    }

    @inlinable @inline(__always)
    func takeFast() -> RecordPlace? {
        precondition(core.value.taken == nil, "one sample of a subscriber is in use at a time")
        guard _fastPath(core.value.news.loadRelaxed() == 0), _fastPath(core.value.alive.loadRelaxed() != 0),
            core.value.isLossless, let current = core.value.current,
            let place = current.value.cursor.nextPlace(byteCount: core.value.payloadBytes)
        else { return nil }
        core.value.taken = current
        return place
    }

    @inlinable @inline(__always)
    func take() throws(IPCError) -> RecordPlace? {
        if let place = takeFast() { return place }
        return try inboxes.takeSlowly()
    }

    @inlinable @inline(__always)
    func take(until deadline: @autoclosure () -> Deadline) throws(IPCError) -> RecordPlace? {
        if let place = takeFast() { return place }
        if core.value.spinBriefly(), let place = takeFast() { return place }
        return try waitAndTake(until: deadline())
    }

    @usableFromInline @inline(never)
    func waitAndTake(until deadline: Deadline) throws(IPCError) -> RecordPlace? {
        while true {
            if let place = try inboxes.takeSlowly() { return place }
            guard try inboxes.waitOrEnd(until: deadline) else { return nil }
        }
    }
}

/// A message in the log of its publisher.
///
/// Ownership: keeps the log. Its end gives the room back to the publisher; until then a lossless subscriber holds that up, and so does
/// a lossy one by a pin.
public struct Sample<Payload: SharedPayload>: ~Copyable {
    @usableFromInline let lent: Lent<InboxSet>
    @usableFromInline let core: Cell<InboxSetCore>
    @usableFromInline let place: RecordPlace

    @inlinable @inline(__always)
    init(_ inboxes: InboxSet, _ core: Cell<InboxSetCore>, _ place: RecordPlace) {
        lent = Lent(inboxes)
        self.core = core
        self.place = place
    }

    var inboxes: InboxSet { lent.object }

    /// The message, in place. A publisher that misbehaves may change it while it is read: copy what must not change between two looks.
    @inlinable
    public var payload: Payload {
        @inline(__always) _read {
            yield place[as: Payload.self]
        }
    }

    /// Its bytes, in place: for a large payload, which the compiler may copy as a whole before one of its elements is read.
    @inlinable
    public var bytes: Span<UInt8> {
        @_lifetime(borrow self)
        get { place.bytes }
    }

    /// What stands in front of the payload, and who sent it.
    public var header: MessageHeader { inboxes.header(of: place) }

    /// Ends the use of the message.
    ///
    /// - Throws: `IPCError.Code.evicted` if the publisher has put this subscriber out and overwritten the message meanwhile: what was
    ///   read of it may be torn.
    @inlinable
    public consuming func end() throws(IPCError) {
        if !InboxSet.release(core, lent) { throw lent.object.overwritten }
    }

    @inlinable @inline(__always)
    deinit {
        _ = InboxSet.release(core, lent)
        // Its subscriber has gone before it.
        if _slowPath(core.value.isOrphaned) { lent.end() }
    }
}
