// SPDX-License-Identifier: Apache-2.0
public import Interprocess

/// What comes next to a subscriber: a message, or news about its publishers.
///
/// ```swift
/// while let event = try await subscriber.nextEvent() {
///     switch consume event {
///     case .message(let sample): show(sample.payload)
///     case .notice(.died(let publisher)): print(publisher.credentials.processID, "has died")
///     case .notice: break
///     }
/// }
/// ```
public enum TopicEvent<Message: ~Copyable>: ~Copyable {
    /// The next message.
    case message(Message)
    /// What else has happened. That a publisher has gone comes after the last of its messages, what was missed where it is missing.
    case notice(TopicNotice)
}

extension TopicEvent: Copyable where Message: Copyable {}

extension Subscriber {
    /// The next message or notice, if there is one now.
    ///
    /// Who takes events learns at once what ``takeNotices()`` would tell later. To be put out by a publisher is a notice here, not an error.
    public func tryReceiveEvent() throws(IPCError) -> TopicEvent<Sample<Payload>>? {
        if let notice = try inboxes.takeNotice() { return .notice(notice) }
        guard let sample = try tryReceive() else { return nil }
        return .message(sample)
    }

    /// The next message or notice; blocks the thread until there is one, nil if the deadline came first.
    ///
    /// - Throws: `IPCError.Code.disconnected` with ``SubscriberOptions/endsWithLastPublisher``.
    @_disfavoredOverload
    public func receiveEvent(until deadline: Deadline = .never) throws(IPCError) -> TopicEvent<Sample<Payload>>? {
        while true {
            if let event = try tryReceiveEvent() { return event }
            guard try inboxes.waitOrEnd(until: deadline) else { return nil }
        }
    }

    /// The next message or notice; suspends the task until there is one. Nil as in ``next(until:)``.
    public func nextEvent(until deadline: Deadline = .never) async throws(IPCError) -> TopicEvent<Sample<Payload>>? {
        while true {
            try inboxes.checkUnused()
            if let event = try tryReceiveEvent() { return event }
            guard try await inboxes.awaitMore(until: deadline) else { return nil }
        }
    }
}

extension ByteSubscriber {
    /// The next message or notice, if there is one now; as ``Subscriber/tryReceiveEvent()``.
    public func tryReceiveEvent() throws(IPCError) -> TopicEvent<ByteSample>? {
        if let notice = try inboxes.takeNotice() { return .notice(notice) }
        guard let sample = try tryReceive() else { return nil }
        return .message(sample)
    }

    /// The next message or notice; blocks the thread until there is one, nil if the deadline came first.
    @_disfavoredOverload
    public func receiveEvent(until deadline: Deadline = .never) throws(IPCError) -> TopicEvent<ByteSample>? {
        while true {
            if let event = try tryReceiveEvent() { return event }
            guard try inboxes.waitOrEnd(until: deadline) else { return nil }
        }
    }

    /// The next message or notice; suspends the task until there is one. Nil as in ``next(until:)``.
    public func nextEvent(until deadline: Deadline = .never) async throws(IPCError) -> TopicEvent<ByteSample>? {
        while true {
            try inboxes.checkUnused()
            if let event = try tryReceiveEvent() { return event }
            guard try await inboxes.awaitMore(until: deadline) else { return nil }
        }
    }
}

extension CodableSubscriber {
    /// The next value or notice, if there is one now; as ``Subscriber/tryReceiveEvent()``.
    public func tryReceiveEvent() throws(IPCError) -> TopicEvent<Value>? {
        if let notice = try bytes.inboxes.takeNotice() { return .notice(notice) }
        return try tryReceive().map { .message($0) }
    }

    /// The next value or notice; blocks the thread until there is one, nil if the deadline came first.
    @_disfavoredOverload
    public func receiveEvent(until deadline: Deadline = .never) throws(IPCError) -> TopicEvent<Value>? {
        while true {
            if let event = try tryReceiveEvent() { return event }
            guard try bytes.inboxes.waitOrEnd(until: deadline) else { return nil }
        }
    }

    /// The next value or notice; suspends the task until there is one. Nil as in ``next(until:)``.
    public func nextEvent(until deadline: Deadline = .never) async throws(IPCError) -> TopicEvent<Value>? {
        while true {
            try bytes.inboxes.checkUnused()
            if let event = try tryReceiveEvent() { return event }
            guard try await bytes.inboxes.awaitMore(until: deadline) else { return nil }
        }
    }
}
