// SPDX-License-Identifier: Apache-2.0
package import Interprocess
import InterprocessStructures
import InterprocessSyscalls
import Synchronization

/// What a subscriber's owner and the attendant share: which publishers have come and gone, and how the owner is woken.
package final class InboxDesk: ChannelGuest {
    private struct State: ~Copyable {
        var arrivals: [Inbox] = []
        var refusals: [(IPCError, PeerIdentity?)] = []
        /// Of those that have not left, to ring the bell that the owner sleeps on.
        var pages: [(link: PeerLink, page: RemotePage)] = []
        /// Tasks and threads of the owner that wait for anything at all: one may await a message, others publishers.
        var waiters: [(waiter: Waiter, index: Int)] = []
        var hasSearched = false
    }

    package let hello: Hello
    private let payload: PayloadDescription
    /// Not 0: there is something for the owner to look at. A bell for an owner without publishers.
    package let news: NewsWord
    private let state = Mutex(State())

    package init(_ hello: Hello) {
        self.hello = hello
        payload = hello.payload
        news = NewsWord()
    }

    // MARK: The attendant's side

    package func accepted(
        _ welcome: Welcome, log: consuming OwnedDescriptor, page: consuming OwnedDescriptor, over link: PeerLink
    ) throws(IPCError) {
        // An owner that never asks keeps so many logs, and not those of all who came and went.
        guard state.withLock({ $0.arrivals.count < 1024 }) else {
            throw IPCError(
                code: .limitReached, subject: "topic", hint: "1024 publishers have come since the subscriber last asked"
            )
        }
        let log = try RemoteLog(adopting: log, regionBytes: welcome.regionBytes)
        let page = try RemotePage(adopting: page, stagger: welcome.stagger)
        let inbox = try Inbox(
            welcome, payload, log, page, link, isLossless: hello.isLossless, isFenced: hello.needsFences)
        change { state in
            state.arrivals.append(inbox)
            state.pages.append((link, page))
        }
    }

    package func refused(by publisher: PeerIdentity?, _ error: IPCError) {
        change { state in
            // Whoever refuses again and again shall not fill our memory.
            if state.refusals.count < 64 { state.refusals.append((error, publisher)) }
        }
    }

    package func left(_ link: PeerLink) {
        _ = link.markGone()
        change { _ in }
        state.withLock { state in state.pages.removeAll { $0.link === link } }
    }

    package func searched() { change { $0.hasSearched = true } }

    /// The mark first, then every bell that the owner may sleep on.
    private func change(_ body: (inout sending State) -> Void) {
        let waiters = state.withLock { state -> [(waiter: Waiter, index: Int)] in
            body(&state)
            news.raise()
            for (_, page) in state.pages {
                page.page.doorbell.ring()
                page.page.wakeReader()
            }
            defer { state.waiters = [] }
            return state.waiters
        }
        for (waiter, index) in waiters { waiter.fire(.ready(index)) }
    }

    // MARK: The owner's side

    /// What has come since, and whether the first search is over.
    func take() -> (arrivals: [Inbox], refusals: [(IPCError, PeerIdentity?)], hasSearched: Bool) {
        state.withLock { state in
            news.lower()
            defer { (state.arrivals, state.refusals) = ([], []) }
            return (state.arrivals, state.refusals, state.hasSearched)
        }
    }

    /// Fires `waiter` with `index` when there is something to take; false: there is already.
    func await(_ waiter: Waiter, index: Int = -1) -> Bool {
        state.withLock { state in
            guard !news.isRaised else { return false }
            state.waiters.append((waiter, index))
            return true
        }
    }

    func forget(_ waiter: Waiter) {
        state.withLock { state in state.waiters.removeAll { $0.waiter === waiter } }
    }
}
