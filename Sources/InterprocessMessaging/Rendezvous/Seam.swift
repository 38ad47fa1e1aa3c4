// SPDX-License-Identifier: Apache-2.0
package import Interprocess

/// What a publisher's delivery does for its door: all of it on the attendant's thread, and none of it blocks.
///
/// ```
/// door                          host
/// connection, Hello       ──►   admit: enters the reader, makes the pair's page
/// Welcome + descriptors   ◄──
/// Ready                   ──►   joined: from now on the link rings
/// hang-up, death, silence ──►   left: marks, rings its own waiter; the owner removes the reader
/// ```
package protocol ChannelHost: AnyObject, Sendable {
    /// Decides on a reader; what it answers is sent at once.
    ///
    /// - Parameter link: the way to this reader, as long as it lives; not to ring before ``joined(_:)``.
    func admit(_ hello: Hello, over link: PeerLink) -> Admission
    /// The reader has mapped and sealed its page.
    func joined(_ link: PeerLink)
    /// The reader has left, died, or did not finish the hand-shake. Exactly once for each link that was admitted.
    func left(_ link: PeerLink)
    /// What an observer is told: the bytes of a ``ChannelReport``.
    func report() -> ChannelReport
}

/// What a host answers.
package enum Admission: ~Copyable {
    /// Come in. The descriptors are closed once they have been sent.
    case welcome(Welcome, log: OwnedDescriptor, page: OwnedDescriptor)
    /// Stay out, and why.
    case refusal(Refusal)
}

/// What a subscriber's delivery does for its search: all of it on the attendant's thread, and none of it blocks.
package protocol ChannelGuest: AnyObject, Sendable {
    /// What it says to each publisher.
    var hello: Hello { get }
    /// A publisher lets it in: checks the seals, the sizes and the layout, maps, seals the page. After this returns, Ready
    /// is sent.
    ///
    /// - Throws: what does not fit; the link is closed, and ``refused(by:_:)`` tells of it.
    func accepted(
        _ welcome: Welcome, log: consuming OwnedDescriptor, page: consuming OwnedDescriptor, over link: PeerLink
    ) throws(IPCError)
    /// A publisher is there and there will be nothing from it: it refused, is not to be trusted, or did not answer in time.
    /// `publisher` is nil if not even that is known.
    func refused(by publisher: PeerIdentity?, _ error: IPCError)
    /// The publisher of an accepted link has closed it or died. Exactly once for each link.
    func left(_ link: PeerLink)
    /// All publishers that were there when the search began have been accepted or refused. Once.
    func searched()
}

/// Who is at the other end, as the kernel tells it.
package struct PeerIdentity: Sendable, Hashable {
    package let credentials: PeerCredentials
    /// The random name of the publisher's socket: never used again.
    package let publisherID: UInt64

    package init(credentials: PeerCredentials, publisherID: UInt64) {
        self.credentials = credentials
        self.publisherID = publisherID
    }
}
