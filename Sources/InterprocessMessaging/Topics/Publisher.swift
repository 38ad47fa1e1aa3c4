// SPDX-License-Identifier: Apache-2.0
public import Interprocess
public import InterprocessStructures

/// Sends messages of one type to all subscribers of a topic.
///
/// ```swift
/// let publisher = try Topic("camera/front", of: Frame.self).publisher()
/// var loan = try publisher.loan()      // a place in the log itself
/// loan.payload.width = 640             // written where subscribers will read it
/// loan.send()                          // one store: every subscriber sees it
/// try publisher.send(copying: frame)   // or all at once
/// ```
///
/// Messages of one publisher arrive in order, each once; those of several publishers are not ordered among each other.
///
/// Ownership: owns its log. ``close()`` or the value's end is an orderly end; what was sent can still be read by those who have
/// subscribed. Descriptors: the log, the door, and per subscriber a socket and a pidfd.
///
/// Blocking: ``send(copying:)`` and ``loan()`` block the thread while a lossless subscriber is a whole log behind, for at most
/// ``PublisherOptions/stallLimit``: then it is put out. The `try` forms never block, the `async` forms suspend.
///
/// Concurrency: one owner at a time; not `Sendable`, but it may be handed over.
///
/// If a process dies: what a dead subscriber held is free at once. What a dead publisher had sent stays readable; a claim that it had
/// not sent was never visible. kill -9 leaves at most a socket file, which the next to come removes.
public struct Publisher<Payload: SharedPayload>: ~Copyable {
    @usableFromInline let outbox: Outbox
    @usableFromInline let core: Cell<OutboxCore>

    init(_ outbox: Outbox) {
        self.outbox = outbox
        core = outbox.core
    }

    deinit {
        guard core.value.isClaimed else { return }
        // A loan is open: it keeps the log from now on.
        core.value.isOrphaned = true
        Lent(outbox).handOver()
    }

    // MARK: In place

    /// A place in the log for the next message; blocks the thread until there is room.
    ///
    /// The payload holds what an earlier message left there: set every field. One loan is open at a time, which is a precondition;
    /// one that ends without ``Loan/send()`` leaves nothing behind.
    ///
    /// - Throws: `IPCError.Code.unsupported` in a forked child.
    @inlinable @inline(__always)
    public func loan() throws(IPCError) -> Loan<Payload> {
        guard let place = try claim(until: .never) else { preconditionFailure("a wait without limit has an end") }
        return open(place)
    }

    /// As ``loan()``; nil if there is no room now.
    @inlinable @inline(__always)
    public func tryLoan() throws(IPCError) -> Loan<Payload>? {
        guard let place = try claim(until: .immediately) else { return nil }
        return open(place)
    }

    /// As ``loan()``; nil if the deadline came first.
    @inlinable
    public func loan(until deadline: Deadline) throws(IPCError) -> Loan<Payload>? {
        guard let place = try claim(until: deadline) else { return nil }
        return open(place)
    }

    /// As ``loan()``, but suspends the task.
    ///
    /// - Throws: `IPCError.Code.timedOut`, `IPCError.Code.cancelled`; `IPCError.Code.busy` if another task awaits already.
    public func loan(until deadline: Deadline = .never) async throws(IPCError) -> Loan<Payload> {
        let isReady = try await outbox.makeRoom(.records(1), until: deadline)
        try outbox.checkUnclaimed()
        guard isReady, let place = try claim(until: .immediately) else {
            throw IPCError(.timedOut, "send", outbox.subject)
        }
        return open(place)
    }

    @inlinable @inline(__always)
    func open(_ place: RecordPlace) -> Loan<Payload> {
        core.value.isClaimed = true
        return Loan(outbox, core, place)
    }

    // MARK: Copying

    /// Sends a copy; blocks the thread until there is room.
    @inlinable @inline(__always)
    @_disfavoredOverload
    public func send(copying payload: Payload) throws(IPCError) {
        guard let place = try claim(until: .never) else { preconditionFailure("a wait without limit has an end") }
        fill(place, payload)
    }

    /// Sends a copy if there is room now; whether there was.
    @inlinable @inline(__always)
    public func trySend(copying payload: Payload) throws(IPCError) -> Bool {
        guard let place = try claim(until: .immediately) else { return false }
        fill(place, payload)
        return true
    }

    /// Sends a copy; false if the deadline came first.
    @inlinable
    @_disfavoredOverload
    public func send(copying payload: Payload, until deadline: Deadline) throws(IPCError) -> Bool {
        guard let place = try claim(until: deadline) else { return false }
        fill(place, payload)
        return true
    }

    /// Sends a copy; suspends the task until there is room.
    ///
    /// - Throws: `IPCError.Code.timedOut`, `IPCError.Code.cancelled`: nothing was sent then.
    public func send(copying payload: Payload, until deadline: Deadline = .never) async throws(IPCError) {
        try outbox.checkUnclaimed()
        if let place = try claim(until: .immediately) { return fill(place, payload) }
        try await loan(until: deadline).send(copying: payload)
    }

    /// Sends copies of all; blocks the thread while there is no room. Subscribers that sleep are woken once for every sixteen.
    @inlinable
    public func send(contentsOf payloads: some Sequence<Payload>) throws(IPCError) {
        var count = 0
        for payload in payloads {
            guard let place = try claim(until: .never) else { preconditionFailure("a wait without limit has an end") }
            place[as: Payload.self] = payload
            stamp(place)
            core.value.log.commit()
            count &+= 1
            if count & 0xf == 0 { wake() }
        }
        wake()
    }

    /// Sends `count` messages that `fill` writes in place, one after the other; blocks the thread until there is room for all of them.
    ///
    /// Each is visible as soon as it is filled; subscribers that sleep are woken once, at the end.
    ///
    /// - Parameters:
    ///   - count: at most a quarter of the log.
    ///   - fill: is called once for each, with what an earlier message left there.
    /// - Throws: `IPCError.Code.messageTooLarge` for more.
    @inlinable
    public func sendBatch(of count: Int, _ fill: (_ index: Int, _ payload: inout Payload) -> Void) throws(IPCError) {
        precondition(!core.value.isClaimed, "one loan of a publisher is open at a time")
        guard count > 0 else { return }
        if core.value.alive.loadRelaxed() == 0 || core.value.log.recordsWithinLimit < count {
            _ = try outbox.waitForRoom(.records(count), until: .never)
        }
        core.value.isClaimed = true
        for index in 0..<count {
            guard let place = core.value.log.claimPlace() else { preconditionFailure("there is room for all of them") }
            if _slowPath(core.value.fields.hasFields) { outbox.clearFields(place) }
            fill(index, &place[as: Payload.self])
            stamp(place)
            core.value.log.commit()
        }
        core.value.isClaimed = false
        wake()
    }

    // MARK: What both are made of

    @inlinable @inline(__always)
    func claim(until deadline: @autoclosure () -> Deadline) throws(IPCError) -> RecordPlace? {
        precondition(!core.value.isClaimed, "one loan of a publisher is open at a time")
        if _fastPath(core.value.alive.loadRelaxed() != 0), let place = core.value.log.claimPlace() {
            if _slowPath(core.value.fields.hasFields) { outbox.clearFields(place) }
            return place
        }
        guard try outbox.waitForRoom(.records(1), until: deadline()), let place = core.value.log.claimPlace() else {
            return nil
        }
        if core.value.fields.hasFields { outbox.clearFields(place) }
        return place
    }

    @inlinable @inline(__always)
    func fill(_ place: RecordPlace, _ payload: Payload) {
        place[as: Payload.self] = payload
        stamp(place)
        core.value.log.commit()
        wake()
    }

    @inlinable @inline(__always)
    func stamp(_ place: RecordPlace) {
        if _slowPath(core.value.fields.timestampOffset != 0) { outbox.stamp(place) }
    }

    @inlinable @inline(__always)
    func wake() {
        let sleeper = core.value.log.nextSleeper(from: 0)
        if _slowPath(sleeper >= 0) { outbox.wakeSleepers(from: sleeper) }
    }
}

/// A place in a publisher's log, to be written and sent.
///
/// Ownership: keeps the publisher's log. Its end without ``send()`` gives the place back.
public struct Loan<Payload: SharedPayload>: ~Copyable {
    @usableFromInline let lent: Lent<Outbox>
    @usableFromInline let core: Cell<OutboxCore>
    @usableFromInline let place: RecordPlace

    @inlinable @inline(__always)
    init(_ outbox: Outbox, _ core: Cell<OutboxCore>, _ place: RecordPlace) {
        lent = Lent(outbox)
        self.core = core
        self.place = place
    }

    var outbox: Outbox { lent.object }

    /// The message, where subscribers will read it.
    @inlinable
    public var payload: Payload {
        @inline(__always) _read {
            yield place[as: Payload.self]
        }
        @inline(__always) _modify {
            yield &place[as: Payload.self]
        }
    }

    /// Makes the message visible to every subscriber, and wakes those who sleep.
    @inlinable @inline(__always)
    public consuming func send() {
        // A forked child has neither the log nor readers.
        guard _fastPath(core.value.alive.loadRelaxed() != 0) else { return }
        if _slowPath(core.value.fields.timestampOffset != 0) { lent.object.stamp(place) }
        core.value.log.commit()
        let sleeper = core.value.log.nextSleeper(from: 0)
        if _slowPath(sleeper >= 0) { lent.object.wakeSleepers(from: sleeper) }
    }

    @inlinable
    consuming func send(copying payload: Payload) {
        place[as: Payload.self] = payload
        send()
    }

    @inlinable @inline(__always)
    deinit {
        core.value.isClaimed = false
        // Its publisher has gone before it.
        if _slowPath(core.value.isOrphaned) { lent.end() }
    }
}
