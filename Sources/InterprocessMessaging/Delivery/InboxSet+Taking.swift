// SPDX-License-Identifier: Apache-2.0
public import Interprocess
import InterprocessStructures

extension InboxSet {
    /// The next message of any publisher, with all that the short way leaves out: those who have come and gone, turns, ends.
    ///
    /// - Throws: `IPCError.Code.evicted`, once for each publisher that has put this subscriber out.
    @usableFromInline @inline(never)
    package func takeSlowly() throws(IPCError) -> RecordPlace? {
        try checkProcess()
        if desk.news.isRaised { adopt() }
        var index = 0
        // A publisher that lies could promise a next record for ever.
        var patience = 8 * inboxes.count
        while index < inboxes.count {
            let place = (turn + index) % inboxes.count
            if let found = take(from: inboxes[place]) {
                turn = place
                point()
                return found
            }
            if isRemoved(place) { continue }
            patience -= 1
            if patience > 0, inboxes[place].hasNext { continue }
            index += 1
        }
        if let eviction = eviction.take() { throw eviction }
        return nil
    }

    /// Whether the inbox at `place` had nothing more and never will: it is gone from the array then.
    func isRemoved(_ place: Int) -> Bool {
        let inbox = inboxes[place]
        let sighting = inbox.look()
        switch sighting {
        case .record, .nothing: return false
        case .lapped(let count):
            noteMissed(count, by: inbox)
            return false
        case .evicted:
            note(.putOut(by: inbox.identity))
            eviction = IPCError(
                code: .evicted, subject: subject,
                hint:
                    "process \(inbox.identity.credentials.processID) put this subscriber out: it held up the publisher for too "
                    + "long, or reported what cannot be; subscribe anew, or lossy")
        case .ended: note(.ended(inbox.identity))
        case .abandoned: note(.died(inbox.identity))
        case .corrupt: note(.corrupt(inbox.identity))
        }
        inbox.link.close()
        inboxes.remove(at: place)
        if turn > place { turn -= 1 }
        if turn >= inboxes.count { turn = 0 }
        point()
        return true
    }

    /// What a look has found, once: the cursor goes on behind it.
    func noteMissed(_ count: UInt64, by inbox: Inbox) {
        missed &+= count
        inbox.missed &+= count
        note(.missed(count, inbox.identity))
        // A pin that did not hold has been taken back; its publisher may sleep for it.
        inbox.wakePublisherIfItWaits()
    }

    /// Takes over what the attendant has prepared.
    func adopt() {
        let news = desk.take()
        for inbox in news.arrivals {
            inboxes.append(inbox)
            hadPublisher = true
            note(.joined(inbox.identity))
        }
        for (error, identity) in news.refusals { note(.refused(error, by: identity.map(TopicPeer.init))) }
        hasSearched = news.hasSearched
        point()
    }

    /// Of those who never ask only the latest are kept.
    private func note(_ notice: TopicNotice) {
        if notices.count >= 1024 { notices.removeFirst(512) }
        notices.append(notice)
    }

    /// All publishers that there ever were are gone, and nobody waits for others.
    package var isAtEnd: Bool { endsWithLastPublisher && hadPublisher && inboxes.isEmpty && !desk.news.isRaised }

    /// For verbs of tasks: in between another task of the owner may have taken a message.
    package func checkUnused() throws(IPCError) {
        guard core.value.taken == nil else {
            throw IPCError(
                code: .busy, subject: subject,
                hint: "a sample of this subscriber is in use; end it before the next is awaited")
        }
    }

    /// The message in use was overwritten, because the publisher has put this subscriber out.
    @usableFromInline
    package var overwritten: IPCError {
        IPCError(
            code: .evicted, subject: subject,
            hint: "the message was overwritten while it was in use: it was held for longer than the publisher waits")
    }

    package func takeNotices() -> [TopicNotice] {
        if desk.news.isRaised { adopt() }
        defer { notices = [] }
        return notices
    }
}
