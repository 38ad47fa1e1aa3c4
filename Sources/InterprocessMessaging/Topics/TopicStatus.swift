// SPDX-License-Identifier: Apache-2.0
public import Interprocess

/// How a publisher's log fares at one moment.
public struct TopicStatus: Sendable {
    /// One subscriber, as its publisher sees it. What a subscriber says of itself is a claim.
    public struct Reader: Sendable {
        /// Who it is: the kernel vouches for it.
        public let credentials: PeerCredentials
        /// Whether the publisher waits for it.
        public let isLossless: Bool
        /// Put out, and not gone yet.
        public let isPutOut: Bool
        /// Whether it waits for a message.
        public let isSleeping: Bool
        /// Messages that it has not done with; 0 for a lossy one that uses none.
        public let backlog: UInt64
        /// Messages that it says it has missed.
        public let missed: UInt64
    }

    /// Of the log, in bytes, headers included.
    public let capacityBytes: Int
    /// Of these, how many hold messages that can still be read.
    public let retainedBytes: UInt64
    /// Messages sent since the publisher was made.
    public let sent: UInt64
    /// Those who have subscribed.
    public let subscribers: [Reader]

    init(_ report: ChannelReport) {
        capacityBytes = report.capacityBytes
        retainedBytes = report.retainedBytes
        sent = report.sequence
        subscribers = report.readers.map {
            Reader(
                credentials: $0.credentials, isLossless: $0.isLossless, isPutOut: $0.isEvicted,
                isSleeping: $0.isSleeping, backlog: $0.backlog, missed: $0.missed)
        }
    }
}

extension Publisher {
    /// How the log fares, and each subscriber. A topic's other publishers have logs of their own.
    public func status() -> TopicStatus { TopicStatus(outbox.desk.report()) }
}

extension BytePublisher {
    /// How the log fares, and each subscriber. A topic's other publishers have logs of their own.
    public func status() -> TopicStatus { TopicStatus(outbox.desk.report()) }
}

/// What a subscriber has had of one publisher.
public struct PublisherAccount: Sendable, Hashable {
    /// Whose messages.
    public let publisher: TopicPeer
    /// How many were received.
    public let received: UInt64
    /// How many were overwritten before they were read: lossy subscribers only.
    public let missed: UInt64
}

extension InboxSet {
    /// Of the publishers that are there, or whose messages are not all read.
    package var accounts: [PublisherAccount] {
        inboxes.map { inbox in
            let passed = inbox.core.value.cursor.nextSequence &- inbox.firstSequence
            return PublisherAccount(
                publisher: inbox.identity, received: passed &- inbox.missed, missed: inbox.missed)
        }
    }
}

extension Subscriber {
    /// What was had of each publisher that is there, or whose messages are not all read.
    public var accounts: [PublisherAccount] { inboxes.accounts }
}

extension ByteSubscriber {
    /// What was had of each publisher that is there, or whose messages are not all read.
    public var accounts: [PublisherAccount] { inboxes.accounts }
}
