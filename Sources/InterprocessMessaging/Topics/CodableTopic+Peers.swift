// SPDX-License-Identifier: Apache-2.0
public import Interprocess

extension CodablePublisher {
    /// Ends the topic's log in order; as ``BytePublisher/close()``.
    public consuming func close() {}

    /// How many subscribers have joined and are there.
    public var subscriberCount: Int { bytes.subscriberCount }

    /// Blocks the thread until `count` subscribers are there; false if the deadline came first.
    @_disfavoredOverload
    public func waitForSubscribers(_ count: Int, until deadline: Deadline = .never) throws(IPCError) -> Bool {
        try bytes.outbox.waitForReaders(count, until: deadline)
    }

    /// Suspends the task until `count` subscribers are there; false if the deadline came first.
    public func waitForSubscribers(_ count: Int, until deadline: Deadline = .never) async throws(IPCError) -> Bool {
        try await bytes.outbox.waitForReaders(count, until: deadline)
    }
}

extension CodableSubscriber {
    /// Leaves the topic; publishers are told at once.
    public consuming func close() {}

    /// How many messages were missed in all: lossy subscribers only.
    public var missed: UInt64 { bytes.missed }

    /// What has happened since this was last asked, as ``Subscriber/takeNotices()``.
    public func takeNotices() -> [TopicNotice] { bytes.takeNotices() }

    /// The publishers that are there.
    public var publishers: [TopicPeer] { bytes.publishers }

    /// Blocks the thread until `count` publishers are there; false if the deadline came first.
    @_disfavoredOverload
    public func waitForPublishers(_ count: Int, until deadline: Deadline = .never) throws(IPCError) -> Bool {
        try bytes.inboxes.waitForPublishers(count, until: deadline)
    }

    /// Suspends the task until `count` publishers are there; false if the deadline came first.
    public func waitForPublishers(_ count: Int, until deadline: Deadline = .never) async throws(IPCError) -> Bool {
        try await bytes.inboxes.waitForPublishers(count, until: deadline)
    }
}
