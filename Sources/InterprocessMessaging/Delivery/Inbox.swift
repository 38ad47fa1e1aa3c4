// SPDX-License-Identifier: Apache-2.0
import Interprocess
public import InterprocessStructures

/// What the verbs of a subscriber touch for every message of one publisher.
@frozen @usableFromInline
package struct InboxCore: ~Copyable {
    @usableFromInline package var cursor: ReaderCursor
    var sleeping: SleepingSide
}

/// One publisher, seen by one subscriber: its log, the page that both share, the link.
///
/// Ownership: owns mappings and link.
///
/// Concurrency: made by the attendant, then the owner's alone.
package final class Inbox: @unchecked Sendable {
    package let core: Cell<InboxCore>
    package let log: RemoteLog
    package let page: RemotePage
    package let link: PeerLink
    package let fields: FieldLayout
    /// The publisher fences after each commit, so that this process need not make it.
    let isFenced: Bool
    let identity: TopicPeer
    /// Of the record that it began with.
    let firstSequence: UInt64
    /// What was overwritten before it was read.
    var missed: UInt64 = 0
    /// Where a task of the owner hears the publisher ring.
    private var heard: AsyncBell?
    /// Sleeps that asked for a datagram since the datagrams were last taken: there is at most one for each.
    private var unheard = 0

    init(
        _ welcome: Welcome, _ payload: PayloadDescription, _ log: RemoteLog, _ page: RemotePage, _ link: PeerLink,
        isLossless: Bool, isFenced: Bool
    ) throws(IPCError) {
        // As this side asked for, which it does if the barriers of others do not reach it.
        let isFenced = welcome.publisherIsFenced || isFenced
        guard
            let fields = FieldLayout(
                bits: welcome.fields, userHeaderBytes: welcome.userHeaderBytes,
                payloadAlignment: max(16, payload.fixed?.alignmentBytes ?? 16)),
            fields.payloadOffset == log.layout.payloadOffset
        else { throw Self.unfit("its fields do not fit its records") }
        if let fixed = payload.fixed {
            guard log.layout.isFixed, log.layout.payloadBytes == fixed.sizeBytes else {
                throw Self.unfit("its records have \(log.layout.payloadBytes) bytes, not \(fixed.sizeBytes)")
            }
        } else if log.layout.isFixed {
            throw Self.unfit("its records have one size")
        }
        guard
            let cursor = log.makeCursor(
                page.page, isLossless: isLossless, position: welcome.position, sequence: welcome.sequence,
                isFenced: isFenced)
        else { throw Self.unfit("position \(welcome.position) is within a record") }
        self.log = log
        self.page = page
        self.link = link
        self.fields = fields
        self.isFenced = isFenced
        identity = TopicPeer(link.peer)
        firstSequence = welcome.sequence
        let words = page.page
        core = Cell(
            InboxCore(
                cursor: cursor,
                sleeping: SleepingSide(
                    count: words.sleeps, bell: words.doorbell, mode: words.sleepMode, start: .random(in: 0...(.max)))))
    }

    deinit {
        core.free()
        link.close()
    }

    private static func unfit(_ hint: String) -> IPCError { IPCError(code: .malformed, subject: "log", hint: hint) }

    // MARK: What the owner asks

    /// Whether something may stand where the next record is expected.
    var hasNext: Bool {
        core.value.cursor.hasNext
    }

    func look() -> ReaderCursor.Sighting {
        let isGone = link.isGone
        return core.value.cursor.look(publisherIsGone: isGone)
    }

    /// Before a task sleeps. The bells that have rung stay in the socket until there could be many.
    func bell() throws(IPCError) -> AsyncBell {
        unheard += 1
        if unheard >= 64 {
            link.drain()
            unheard = 0
        }
        if let heard { return heard }
        let fresh = try AsyncBell(link)
        heard = fresh
        return fresh
    }

    func prepare(_ mode: WaitMode) -> SleepingSide.Preparation {
        core.value.sleeping.prepare(isFenced: isFenced, waking: mode)
    }

    func leaveSleep() {
        core.value.sleeping.leave()
    }

    /// Before this reader sleeps: whoever waits for its room is told.
    func wakePublisherIfItWaits() {
        if core.value.cursor.mustWakePublisher() { wakePublisher() }
    }

    /// The publisher sleeps until there is room, and its bell has been rung.
    func wakePublisher() {
        switch WaitMode(page.page.waitMode) {
        case .futex: page.page.wakePublisher()
        case .datagram: link.ring()
        }
    }
}
