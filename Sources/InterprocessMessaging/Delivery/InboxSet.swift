// SPDX-License-Identifier: Apache-2.0
package import Interprocess
public import InterprocessStructures
import InterprocessSyscalls

/// What the verbs of a subscriber touch for every message.
@frozen @usableFromInline
package struct InboxSetCore: ~Copyable {
    /// Where the next message is looked for first; nil: no publisher.
    @usableFromInline package var current: Cell<InboxCore>?
    /// Whose message is in use.
    @usableFromInline package var taken: Cell<InboxCore>?
    /// 0 in a forked child.
    @usableFromInline package let alive: SharedWord
    /// Not 0: the attendant has news.
    @usableFromInline package let news: SharedWord
    /// There are several publishers, and each gets its turn.
    @usableFromInline package var takesTurns = false
    @usableFromInline package let isLossless: Bool
    /// Who waits looks a while before anything else.
    @usableFromInline package let spins: Bool
    /// The message for which it waited last.
    @usableFromInline var lastMiss: UInt64 = 0
    /// The subscriber has gone, and the sample in use keeps the inboxes.
    @usableFromInline package var isOrphaned = false
    /// Of a message of a topic of one size.
    @usableFromInline package let payloadBytes: Int

    init(alive: SharedWord, news: SharedWord, isLossless: Bool, spins: Bool, payloadBytes: Int) {
        self.spins = spins
        current = nil
        taken = nil
        self.alive = alive
        self.news = news
        self.isLossless = isLossless
        self.payloadBytes = payloadBytes
    }
}

extension InboxSetCore {
    /// Before anything that takes longer: what comes within a microsecond is seen at once, without a reference that is counted.
    ///
    /// Returns whether the next message may be there.
    @usableFromInline @inline(never)
    package mutating func spinBriefly() -> Bool {
        // A forked child has the cursor, and not the memory that it would look at.
        guard spins, !takesTurns, alive.loadRelaxed() != 0, let current else { return false }
        // A reader that has caught up with a stream lets it get ahead a little: each look at the record that is being written takes
        // its line from the writer.
        let next = current.value.cursor.nextSequence
        if next &- lastMiss >= 8 { for _ in 0..<16 { sysSpinPause() } }
        lastMiss = next
        for _ in 0..<512 where current.value.cursor.hasNext { return true }
        return false
    }
}

/// A subscriber without a type: its publishers, and what waits.
///
/// Ownership: owns the search, the inboxes and their links.
///
/// Concurrency: one owner at a time; the attendant uses ``desk`` only.
@usableFromInline
package final class InboxSet {
    @usableFromInline package let core: Cell<InboxSetCore>
    package let desk: InboxDesk
    package let subject: String
    let strategy: WaitStrategy
    let endsWithLastPublisher: Bool
    var search: Search?
    var inboxes: [Inbox] = []
    /// Who is asked first.
    var turn = 0
    var hasSearched = false
    var hadPublisher = false
    /// What was missed in all.
    var missed: UInt64 = 0
    var notices: [TopicNotice] = []
    /// A publisher has put this subscriber out: told once by the next verb.
    var eviction: IPCError?
    /// A task waits.
    var isAwaited = false

    package init(
        _ hello: Hello, subject: String, strategy: WaitStrategy, endsWithLastPublisher: Bool = false
    ) throws(IPCError) {
        self.subject = subject
        self.endsWithLastPublisher = endsWithLastPublisher
        self.strategy = strategy
        let alive = try ForkGuard.word()
        let desk = InboxDesk(hello)
        self.desk = desk
        core = Cell(
            InboxSetCore(
                alive: alive, news: desk.news.word, isLossless: hello.isLossless,
                spins: strategy != .blocking, payloadBytes: hello.payload.fixed?.sizeBytes ?? 0))
    }

    deinit {
        search?.cancel()
        core.free()
    }

    /// Copies the next message without holding its publisher up; one that is too long stays.
    func copyNext(into target: inout MutableSpan<UInt8>) throws(IPCError) -> ReaderCursor.Copy {
        // Its publisher's inbox could go meanwhile, and with it the message in use.
        precondition(core.value.taken == nil, "one sample of a subscriber is in use at a time")
        try checkProcess()
        if desk.news.isRaised { adopt() }
        var index = 0
        var patience = 8 * inboxes.count
        while index < inboxes.count {
            let place = (turn + index) % inboxes.count
            let inbox = inboxes[place]
            let copy = inbox.core.value.cursor.copyNext(into: &target)
            if copy != .nothing {
                turn = place
                if case .copied = copy { passTurn() } else { point() }
                return copy
            }
            if isRemoved(place) { continue }
            patience -= 1
            if patience > 0, inbox.hasNext { continue }
            index += 1
        }
        if let eviction = eviction.take() { throw eviction }
        return .nothing
    }

    func checkProcess() throws(IPCError) {
        guard core.value.alive.loadRelaxed() != 0 else { throw ForkGuard.failure(subject) }
    }

    /// After ``inboxes`` or ``turn`` has changed.
    func point() {
        core.value.current = inboxes.isEmpty ? nil : inboxes[turn].core
        core.value.takesTurns = inboxes.count > 1
    }

    /// Whose message is in use.
    package var takenInbox: Inbox? {
        guard let taken = core.value.taken else { return nil }
        return inboxes.first { $0.core.isSame(as: taken) }
    }

    /// Takes the next message of `inbox`, of whatever kind the topic is.
    func take(from inbox: Inbox) -> RecordPlace? {
        let place = inbox.core.value.cursor.nextPlace(isLossless: core.value.isLossless, inbox.log.layout)
        if place != nil { core.value.taken = inbox.core }
        return place
    }

    /// Gives back the message in use and wakes a publisher that waits for its room. False: it was overwritten meanwhile.
    @inlinable @inline(__always)
    package func release() -> Bool { Self.release(core, Lent(self)) }

    /// The same for one who has the inboxes lent.
    @inlinable @inline(__always)
    static func release(_ core: Cell<InboxSetCore>, _ lent: Lent<InboxSet>) -> Bool {
        guard let taken = core.value.taken else { return true }
        core.value.taken = nil
        // A forked child has neither the log nor the page.
        guard _fastPath(core.value.alive.loadRelaxed() != 0) else { return true }
        let isIntact = taken.value.cursor.release()
        if _slowPath(taken.value.cursor.mustWakePublisher()) { lent.object.wakePublisher(taken) }
        if _slowPath(core.value.takesTurns) { lent.object.passTurn() }
        return isIntact
    }

    @usableFromInline @inline(never)
    package func wakePublisher(_ core: Cell<InboxCore>) {
        inboxes.first { $0.core.isSame(as: core) }?.wakePublisher()
    }

    @usableFromInline @inline(never)
    package func passTurn() {
        turn = inboxes.isEmpty ? 0 : (turn + 1) % inboxes.count
        point()
    }
}
