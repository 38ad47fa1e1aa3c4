// SPDX-License-Identifier: Apache-2.0
public import Interprocess

extension Publisher {
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
