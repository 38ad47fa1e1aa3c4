// SPDX-License-Identifier: Apache-2.0
public import Interprocess
public import InterprocessStructures

/// Sends messages of any bytes and any length to all subscribers of a topic; as ``Publisher`` otherwise.
///
/// ```swift
/// let publisher = try ByteTopic("log/lines").publisher()
/// try publisher.send("started".utf8.span)
/// try publisher.send(upTo: 4096) { output in render(into: &output) }   // written in place
/// ```
public struct BytePublisher: ~Copyable {
    @usableFromInline let outbox: Outbox
    @usableFromInline let core: Cell<OutboxCore>

    init(_ outbox: Outbox) {
        self.outbox = outbox
        core = outbox.core
    }

    /// Bytes of the largest message.
    public var largestMessageBytes: Int { core.value.log.largestPayloadBytes }

    // MARK: Copying

    /// Sends a copy of `bytes`; blocks the thread until there is room.
    ///
    /// - Throws: `IPCError.Code.messageTooLarge` beyond ``largestMessageBytes``; `IPCError.Code.unsupported` in a forked child.
    @inlinable
    @_disfavoredOverload
    public func send(_ bytes: Span<UInt8>) throws(IPCError) { _ = try send(bytes, until: .never) }

    /// Sends a copy of `bytes` if there is room now; whether there was.
    @inlinable
    public func trySend(_ bytes: Span<UInt8>) throws(IPCError) -> Bool {
        guard let place = try claim(bytes.count, until: .immediately) else { return false }
        place.copy(bytes)
        commit(place, bytes.count)
        return true
    }

    /// Sends a copy of `bytes`; false if the deadline came first.
    @inlinable
    @_disfavoredOverload
    public func send(_ bytes: Span<UInt8>, until deadline: Deadline) throws(IPCError) -> Bool {
        guard let place = try claim(bytes.count, until: deadline) else { return false }
        place.copy(bytes)
        commit(place, bytes.count)
        return true
    }

    /// Sends a copy of `bytes`; suspends the task until there is room.
    ///
    /// - Throws: `IPCError.Code.timedOut`, `IPCError.Code.cancelled`: nothing was sent then.
    public func send(_ bytes: Span<UInt8>, until deadline: Deadline = .never) async throws(IPCError) {
        let place = try await awaitClaim(bytes.count, until: deadline)
        place.copy(bytes)
        commit(place, bytes.count)
    }

    /// As with a span.
    @_disfavoredOverload
    public func send(_ bytes: [UInt8]) throws(IPCError) { _ = try send(bytes.span, until: .never) }

    /// As with a span.
    public func trySend(_ bytes: [UInt8]) throws(IPCError) -> Bool { try trySend(bytes.span) }

    /// As with a span.
    @_disfavoredOverload
    public func send(_ bytes: [UInt8], until deadline: Deadline) throws(IPCError) -> Bool {
        try send(bytes.span, until: deadline)
    }

    /// As with a span.
    public func send(_ bytes: [UInt8], until deadline: Deadline = .never) async throws(IPCError) {
        let place = try await awaitClaim(bytes.count, until: deadline)
        place.copy(bytes.span)
        commit(place, bytes.count)
    }

    // MARK: In place

    /// Sends what `fill` writes, in place: at most `count` bytes, for which room is taken; blocks the thread until there is.
    ///
    /// If `fill` throws, nothing is sent.
    @inlinable
    @_disfavoredOverload
    public func send(
        upTo count: Int, _ fill: (inout OutputSpan<UInt8>) throws(IPCError) -> Void
    ) throws(IPCError) {
        guard let place = try claim(count, until: .never) else {
            preconditionFailure("a wait without limit has an end")
        }
        try write(place, fill)
    }

    /// As ``send(upTo:_:)`` if there is room now; whether there was.
    @inlinable
    public func trySend(
        upTo count: Int, _ fill: (inout OutputSpan<UInt8>) throws(IPCError) -> Void
    ) throws(IPCError) -> Bool {
        guard let place = try claim(count, until: .immediately) else { return false }
        try write(place, fill)
        return true
    }

    /// As ``send(upTo:_:)``; suspends the task until there is room. `fill` itself does not suspend.
    public func send(
        upTo count: Int, until deadline: Deadline = .never,
        _ fill: (inout OutputSpan<UInt8>) throws(IPCError) -> Void
    ) async throws(IPCError) {
        try write(try await awaitClaim(count, until: deadline), fill)
    }

    // MARK: What all are made of

    @inlinable @inline(__always)
    func claim(_ byteCount: Int, until deadline: @autoclosure () -> Deadline) throws(IPCError) -> RecordPlace? {
        precondition(byteCount >= 0, "a message has no less than 0 bytes")
        precondition(!core.value.isClaimed, "one claim of a publisher is open at a time")
        if _fastPath(core.value.alive.loadRelaxed() != 0), let place = core.value.log.claimPlace(byteCount: byteCount) {
            return cleared(place)
        }
        guard try outbox.waitForRoom(.bytes(byteCount), until: deadline()),
            let place = core.value.log.claimPlace(byteCount: byteCount)
        else { return nil }
        return cleared(place)
    }

    func awaitClaim(_ byteCount: Int, until deadline: Deadline) async throws(IPCError) -> RecordPlace {
        try outbox.checkUnclaimed()
        if let place = try claim(byteCount, until: .immediately) { return place }
        guard try await outbox.makeRoom(.bytes(byteCount), until: deadline),
            let place = try claim(byteCount, until: .immediately)
        else { throw IPCError(.timedOut, "send", outbox.subject) }
        return place
    }

    @inlinable @inline(__always)
    func cleared(_ place: RecordPlace) -> RecordPlace {
        if _slowPath(core.value.fields.hasFields) { outbox.clearFields(place) }
        return place
    }

    @inlinable
    func write(
        _ place: RecordPlace, _ fill: (inout OutputSpan<UInt8>) throws(IPCError) -> Void
    ) throws(IPCError) {
        // Whoever sends from within `fill` would overwrite what it writes.
        core.value.isClaimed = true
        defer { core.value.isClaimed = false }
        commit(place, try place.fill(fill))
    }

    @inlinable @inline(__always)
    func commit(_ place: RecordPlace, _ byteCount: Int) {
        if _slowPath(core.value.fields.timestampOffset != 0) { outbox.stamp(place) }
        core.value.log.commit(byteCount: byteCount)
        let sleeper = core.value.log.nextSleeper(from: 0)
        if _slowPath(sleeper >= 0) { outbox.wakeSleepers(from: sleeper) }
    }
}

extension BytePublisher {
    /// Ends the topic's log in order: subscribers read what was sent and learn that this is the end.
    public consuming func close() {}

    /// How many subscribers have joined and are there.
    public var subscriberCount: Int { outbox.desk.readerCount }

    /// Blocks the thread until `count` subscribers are there; false if the deadline came first.
    @_disfavoredOverload
    public func waitForSubscribers(_ count: Int, until deadline: Deadline = .never) throws(IPCError) -> Bool {
        try outbox.waitForReaders(count, until: deadline)
    }

    /// Suspends the task until `count` subscribers are there; false if the deadline came first.
    public func waitForSubscribers(_ count: Int, until deadline: Deadline = .never) async throws(IPCError) -> Bool {
        try await outbox.waitForReaders(count, until: deadline)
    }
}
