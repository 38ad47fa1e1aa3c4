// SPDX-License-Identifier: Apache-2.0
package import Interprocess

extension InboxSet {
    /// Announces a sleep that a bell on the links ends, looks once more, and leaves the waiting to whoever has the token.
    ///
    /// The next wait of this side begins by ending the announced sleep, so that a token is good for one.
    package func readiness() throws(IPCError) -> Readiness {
        try checkProcess()
        guard !isAwaited else { throw alreadyAwaited }
        try checkUnused()
        var bells: [InboxReadiness.Bell] = []
        // Counted before the announcement: what rings from then on changes the count.
        for inbox in inboxes {
            let bell = try inbox.bell()
            bells.append(InboxReadiness.Bell(bell: bell, seen: try bell.descriptor.generation(.readable)))
        }
        let isReady = isAtEnd || announce(.datagram) == nil || sees
        if isReady { for inbox in inboxes { inbox.leaveSleep() } }
        return Readiness(InboxReadiness(desk: desk, bells: isReady ? nil : bells))
    }
}

/// That there is a message, or news of publishers: once.
struct InboxReadiness: ReadinessSource {
    struct Bell {
        let bell: AsyncBell
        let seen: UInt64
    }

    let desk: InboxDesk
    /// Nil: it was so when the token was made.
    let bells: [Bell]?

    func arm(_ waiter: Waiter, index: Int) throws(IPCError) {
        guard let bells, desk.await(waiter, index: index) else {
            waiter.fire(.ready(index))
            return
        }
        for place in bells { try place.bell.descriptor.arm(waiter, index: index, .readable, after: place.seen) }
    }

    func disarm(_ waiter: Waiter) {
        desk.forget(waiter)
        for place in bells ?? [] { place.bell.descriptor.disarm(waiter) }
    }
}
