// SPDX-License-Identifier: Apache-2.0
public import Interprocess

/// A publisher, as its subscribers know it.
public struct TopicPeer: Sendable, Hashable {
    /// Who it is: the kernel vouches for it.
    public let credentials: PeerCredentials
    /// Tells it from every other publisher, past and future.
    public let id: UInt64

    init(_ identity: PeerIdentity) {
        credentials = identity.credentials
        id = identity.publisherID
    }
}

/// What has happened around a subscriber beside messages; ``Subscriber/takeNotices()``.
public enum TopicNotice: Sendable {
    /// A publisher is there.
    case joined(TopicPeer)
    /// A publisher has ended in order, and everything that it sent has been read.
    case ended(TopicPeer)
    /// A publisher has died or hung up, and everything that it had sent has been read.
    case died(TopicPeer)
    /// So many messages of this publisher were overwritten before they were read: lossy subscribers only.
    case missed(UInt64, TopicPeer)
    /// This publisher has put the subscriber out; what it has not read is lost, and so is what follows.
    case putOut(by: TopicPeer)
    /// What this publisher's log says no publisher of ours would have written; nothing more is taken from it.
    case corrupt(TopicPeer)
    /// A publisher refused, was not to be trusted, or did not answer.
    case refused(IPCError, by: TopicPeer?)
}
