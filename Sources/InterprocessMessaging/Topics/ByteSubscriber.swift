// SPDX-License-Identifier: Apache-2.0
public import Interprocess

/// Receives the messages of all publishers of a topic of bytes; as ``Subscriber`` otherwise.
///
/// ```swift
/// let subscriber = try ByteTopic("log/lines").subscriber()
/// while let sample = try await subscriber.next() { parse(sample.bytes) }
/// ```
public struct ByteSubscriber: ~Copyable {
    @usableFromInline let inboxes: InboxSet

    init(_ inboxes: InboxSet) { self.inboxes = inboxes }

    // MARK: In place

    /// The next message, if there is one now. One sample is in use at a time, which is a precondition.
    ///
    /// - Throws: as ``Subscriber/tryReceive()``.
    @inlinable
    public func tryReceive() throws(IPCError) -> ByteSample? {
        guard let place = try inboxes.takeBytes() else { return nil }
        return ByteSample(inboxes, place)
    }

    /// The next message; blocks the thread until there is one.
    ///
    /// - Throws: as ``tryReceive()``; `IPCError.Code.disconnected` with ``SubscriberOptions/endsWithLastPublisher``.
    @inlinable
    public func receive() throws(IPCError) -> ByteSample {
        guard let place = try inboxes.takeBytes(until: .never) else {
            preconditionFailure("a wait without limit has an end")
        }
        return ByteSample(inboxes, place)
    }

    /// The next message; nil if the deadline came first.
    @inlinable
    public func receive(until deadline: Deadline) throws(IPCError) -> ByteSample? {
        guard let place = try inboxes.takeBytes(until: deadline) else { return nil }
        return ByteSample(inboxes, place)
    }

    /// The next message; suspends the task until there is one.
    ///
    /// - Returns: nil with ``SubscriberOptions/endsWithLastPublisher`` once there was a publisher and all are gone.
    public func next(until deadline: Deadline = .never) async throws(IPCError) -> ByteSample? {
        while true {
            try inboxes.checkUnused()
            if let sample = try tryReceive() { return sample }
            guard try await inboxes.awaitMore(until: deadline) else { return nil }
        }
    }

    /// Calls `body` with the next message, in place; blocks the thread until there is one. The shortest way.
    ///
    /// - Throws: as ``receive()``, what `body` throws, and `IPCError.Code.evicted` if the message was overwritten while `body` used it.
    @inlinable @inline(__always)
    public func withSample<Result>(_ body: (Span<UInt8>) throws(IPCError) -> Result) throws(IPCError) -> Result {
        guard let place = try inboxes.takeBytes(until: .never) else {
            preconditionFailure("a wait without limit has an end")
        }
        let result: Result
        do throws(IPCError) { result = try place.withBytes(body) } catch {
            _ = inboxes.release()
            throw error
        }
        if _slowPath(!inboxes.release()) { throw inboxes.overwritten }
        return result
    }

    // MARK: Copying

    /// A copy of the next message, if there is one now. Lossy subscribers hold no publisher up meanwhile.
    public func tryReceiveBytes() throws(IPCError) -> [UInt8]? { try inboxes.copyNextBytes() }

    /// A copy of the next message; blocks the thread until there is one.
    @_disfavoredOverload
    public func receiveBytes() throws(IPCError) -> [UInt8] {
        while true {
            if let bytes = try tryReceiveBytes() { return bytes }
            _ = try inboxes.waitOrEnd(until: .never)
        }
    }

    /// A copy of the next message; suspends the task until there is one. Nil as in ``next(until:)``.
    public func nextBytes(until deadline: Deadline = .never) async throws(IPCError) -> [UInt8]? {
        while true {
            try inboxes.checkUnused()
            if let bytes = try tryReceiveBytes() { return bytes }
            guard try await inboxes.awaitMore(until: deadline) else { return nil }
        }
    }
}

extension ByteSubscriber {
    /// Leaves the topic; publishers are told at once.
    public consuming func close() {}

    /// How many messages were missed in all: lossy subscribers only.
    public var missed: UInt64 { inboxes.missed }

    /// What has happened since this was last asked, as ``Subscriber/takeNotices()``.
    public func takeNotices() -> [TopicNotice] { inboxes.takeNotices() }

    /// The publishers that are there.
    public var publishers: [TopicPeer] { inboxes.peers }

    /// Blocks the thread until `count` publishers are there; false if the deadline came first.
    @_disfavoredOverload
    public func waitForPublishers(_ count: Int, until deadline: Deadline = .never) throws(IPCError) -> Bool {
        try inboxes.waitForPublishers(count, until: deadline)
    }

    /// Suspends the task until `count` publishers are there; false if the deadline came first.
    public func waitForPublishers(_ count: Int, until deadline: Deadline = .never) async throws(IPCError) -> Bool {
        try await inboxes.waitForPublishers(count, until: deadline)
    }
}

/// A message of bytes in the log of its publisher; as ``Sample``.
public struct ByteSample: ~Copyable {
    @usableFromInline let inboxes: InboxSet
    @usableFromInline let place: RecordPlace

    @inlinable
    init(_ inboxes: InboxSet, _ place: RecordPlace) {
        self.inboxes = inboxes
        self.place = place
    }

    /// The message, in place. A publisher that misbehaves may change it while it is read: copy what must not change between two looks.
    @inlinable
    public var bytes: Span<UInt8> {
        @_lifetime(borrow self)
        get { place.bytes }
    }

    /// How many bytes it has.
    public var count: Int { place.byteCount }

    /// What stands in front of the payload, and who sent it.
    public var header: MessageHeader { inboxes.header(of: place) }

    /// Ends the use of the message; as ``Sample/end()``.
    @inlinable
    public consuming func end() throws(IPCError) {
        if !inboxes.release() { throw inboxes.overwritten }
    }

    @inlinable
    deinit { _ = inboxes.release() }
}
