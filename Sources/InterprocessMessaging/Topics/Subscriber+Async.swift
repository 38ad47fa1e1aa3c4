// SPDX-License-Identifier: Apache-2.0
public import Interprocess

extension Subscriber {
    /// Leaves the topic; publishers are told at once.
    public consuming func close() {}

    /// The next message; suspends the task until there is one.
    ///
    /// - Returns: nil with ``SubscriberOptions/endsWithLastPublisher`` once there was a publisher and all are gone.
    /// - Throws: `IPCError.Code.cancelled`, `IPCError.Code.timedOut`; `IPCError.Code.busy` if another task awaits already; as
    ///   ``tryReceive()``.
    public func next(until deadline: Deadline = .never) async throws(IPCError) -> Sample<Payload>? {
        while true {
            try inboxes.checkUnused()
            if let sample = try tryReceive() { return sample }
            guard try await inboxes.awaitMore(until: deadline) else { return nil }
        }
    }

    /// A copy of the next message; suspends the task until there is one.
    public func nextValue(until deadline: Deadline = .never) async throws(IPCError) -> Payload? {
        while true {
            try inboxes.checkUnused()
            if let value = try tryReceiveValue() { return value }
            guard try await inboxes.awaitMore(until: deadline) else { return nil }
        }
    }

    /// How many messages were missed in all: lossy subscribers only.
    public var missed: UInt64 { inboxes.missed }

    /// What has happened since this was last asked: who came, who went and how, what was missed. The latest 1024 are kept.
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
