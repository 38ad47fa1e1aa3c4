// SPDX-License-Identifier: Apache-2.0
package import Interprocess

extension InboxSet {
    /// The next notice. Looked for before a message is taken, so that what was missed is told before what follows it.
    package func takeNotice() throws(IPCError) -> TopicNotice? {
        precondition(core.value.taken == nil, "one sample of a subscriber is in use at a time")
        try checkProcess()
        if desk.news.isRaised { adopt() }
        var place = 0
        while place < inboxes.count {
            if inboxes[place].hasNext || !isRemoved(place) { place += 1 }
        }
        guard !notices.isEmpty else { return nil }
        let notice = notices.removeFirst()
        // Told once: as a notice or as an error.
        if case .putOut = notice { eviction = nil }
        return notice
    }
}
