// SPDX-License-Identifier: Apache-2.0
package import Interprocess
package import InterprocessStructures
import InterprocessSyscalls
import Synchronization

/// What a publisher's owner and the attendant share: who reads, over which link, in which place of the shelf.
///
/// The attendant lets readers in and forgets them; the owner puts out and wakes.
package final class OutboxDesk: ChannelHost {
    /// One reader, from its Hello until its link ends.
    struct Reader {
        let link: PeerLink
        /// It has mapped and sealed its page.
        var isJoined = false
        /// It fences after each release, so that this process need not make it.
        let isFenced: Bool
        /// When, by CLOCK_MONOTONIC.
        let entered = sysMonotonicNanoseconds()
    }

    private struct State {
        var readers: [Reader?]
        /// The reader for whose room the owner waits: its page stays until that wait is over.
        var awaited: Int?
        /// A task of the owner that waits for that room.
        var roomWaiter: Waiter?
        /// Who waits for readers to come or go.
        var watchers: [Waiter] = []
        var isClosing = false
    }

    package let segment: LogSegment
    package let payload: PayloadDescription
    package let fields: FieldLayout
    package let isFenced: Bool
    private let roster: ReaderRoster
    let shelf: PageShelf
    private let state: Mutex<State>

    package init(
        _ segment: LogSegment, _ roster: ReaderRoster, _ shelf: PageShelf, payload: PayloadDescription,
        fields: FieldLayout, isFenced: Bool
    ) {
        self.segment = segment
        self.roster = roster
        self.shelf = shelf
        self.payload = payload
        self.fields = fields
        self.isFenced = isFenced
        state = Mutex(State(readers: Array(repeating: nil, count: shelf.count)))
    }

    // MARK: The attendant's side

    package func admit(_ hello: Hello, over link: PeerLink) -> Admission {
        if let text = hello.payload.mismatch(with: payload) { return .refusal(Refusal(.mismatch, text)) }
        if state.withLock({ $0.isClosing }) { return .refusal(Refusal(.closing, "the publisher is closing")) }
        guard let index = roster.nextIndex else {
            return .refusal(Refusal(.full, "the publisher has \(shelf.count) subscribers, as many as it may have"))
        }
        do throws(IPCError) { return try admit(hello, link, at: index) } catch {
            return .refusal(Refusal(.exhausted, error.description))
        }
    }

    private func admit(_ hello: Hello, _ link: PeerLink, at index: Int) throws(IPCError) -> Admission {
        let log = try segment.descriptor()
        let page = try shelf.makePage(index)
        let history: ReaderRoster.History =
            switch hello.history {
            case .none: .none
            case .latest(let count): .latest(count)
            case .all: .all
            }
        // Known before it is entered: from then on it may be waited for.
        state.withLock {
            $0.readers[index] = Reader(link: link, isFenced: hello.needsFences || isFenced)
        }
        guard
            let entry = roster.enter(
                shelf.page(index), isLossless: hello.isLossless, history: history, needsFences: hello.needsFences)
        else {
            state.withLock { $0.readers[index] = nil }
            shelf.clear(index)
            return .refusal(Refusal(.full, "the publisher has \(shelf.count) subscribers, as many as it may have"))
        }
        // The commit under way has no fence yet; see decision 51.
        if entry.needsProcessBarrier { _ = ProcessBarrier.reachOwnThreads() }
        let welcome = Welcome(
            regionBytes: segment.layout.regionBytes, stagger: PageShelf.layout(index).stagger,
            position: entry.position, sequence: entry.sequence, publisherIsFenced: isFenced, fields: fields.bits,
            userHeaderBytes: fields.userHeaderBytes)
        return .welcome(welcome, log: log, page: page)
    }

    package func joined(_ link: PeerLink) {
        tellWatchers { state in
            if let index = Self.index(of: link, state) { state.readers[index]?.isJoined = true }
        }
    }

    package func left(_ link: PeerLink) {
        let (index, isAwaited) = state.withLock { state -> (Int?, Bool) in
            guard let index = Self.index(of: link, state) else { return (nil, false) }
            state.readers[index] = nil
            // Nothing is held for it from here on. Its number and page stay while the owner sleeps on that page.
            let isAwaited = state.awaited == index
            if isAwaited { roster.evict(index) } else { roster.remove(index) }
            return (index, isAwaited)
        }
        guard let index else { return }
        if isAwaited { ringOwner(index) } else { shelf.clear(index) }
        tellWatchers { _ in }
    }

    /// The owner's own wait, ended from this process.
    private func ringOwner(_ index: Int) {
        let page = shelf.page(index)
        page.spaceBell.ring()
        page.wakePublisher()
        state.withLock { $0.roomWaiter }?.fire(.ready(0))
    }

    package func report() -> ChannelReport {
        let links = state.withLock { $0.readers.map { $0?.link } }
        let status = roster.status()
        return ChannelReport(
            payload: payload, capacityBytes: segment.layout.capacity, fields: fields.bits,
            userHeaderBytes: fields.userHeaderBytes, sequence: status.head.sequence,
            retainedBytes: status.head.position &- status.floor.position,
            readers: status.readers.compactMap { reader in
                guard let link = links[reader.index] else { return nil }
                return ChannelReport.Reader(
                    credentials: link.peer.credentials, isLossless: reader.isLossless,
                    isEvicted: reader.standing == .evicted,
                    isSleeping: reader.isSleeping, backlog: reader.backlogRecords ?? 0,
                    backlogBytes: reader.backlogBytes ?? 0, missed: reader.missed)
            })
    }

    private static func index(of link: PeerLink, _ state: State) -> Int? {
        state.readers.firstIndex { $0?.link === link }
    }

    // MARK: Those who wait for readers

    /// How many readers have joined.
    package var readerCount: Int { state.withLock { Self.joinedCount($0) } }

    private static func joinedCount(_ state: State) -> Int { state.readers.count { $0?.isJoined == true } }

    private func tellWatchers(_ change: (inout State) -> Void) {
        let watchers = state.withLock { state in
            change(&state)
            defer { state.watchers = [] }
            return state.watchers
        }
        for watcher in watchers { watcher.fire(.ready(0)) }
    }

    /// A waiter that is fired when readers come or go; nil if there are `count` already.
    package func watch(untilReaders count: Int) -> Waiter? {
        state.withLock { state in
            if Self.joinedCount(state) >= count { return nil }
            let waiter = Waiter()
            state.watchers.append(waiter)
            return waiter
        }
    }

    package func unwatch(_ waiter: Waiter) {
        state.withLock { $0.watchers.removeAll { $0 === waiter } }
    }

    // MARK: The owner's side

    /// Wakes the reader at `index`, whose bell has been rung.
    package func wake(_ index: Int) {
        let page = shelf.page(index)
        switch WaitMode(page.sleepMode) {
        case .futex: page.wakeReader()
        case .datagram: state.withLock { $0.readers[index]?.link }?.ring()
        }
    }

    /// Wakes a reader that was put out, however it sleeps, and hangs up on it.
    package func hangUp(_ index: Int) {
        shelf.page(index).wakeReader()
        // If it has gone meanwhile, another may have its number.
        let link = state.withLock { roster.isEvicted(index) ? $0.readers[index]?.link : nil }
        guard let link else { return }
        link.ring()
        link.close()
    }

    /// Keeps the page of the reader that holds up the owner; nil if it has gone meanwhile.
    ///
    /// - Parameter waiter: of a task that awaits.
    func beginWaiting(for index: Int, _ waiter: Waiter? = nil) -> (reader: Reader, page: PairPage)? {
        state.withLock { state in
            guard let reader = state.readers[index] else { return nil }
            state.awaited = index
            state.roomWaiter = waiter
            return (reader, shelf.page(index))
        }
    }

    func endWaiting() {
        state.withLock { state in
            defer { (state.awaited, state.roomWaiter) = (nil, nil) }
            // It has gone meanwhile.
            guard let index = state.awaited, state.readers[index] == nil else { return }
            shelf.clear(index)
            roster.remove(index)
        }
    }

    /// Puts out the reader that has held up the owner for too long; when it was entered, if that was later.
    func evict(_ index: Int, unlessEnteredAfter limit: UInt64) -> UInt64? {
        state.withLock { state in
            // The number may be another's by now.
            if let entered = state.readers[index]?.entered, entered > limit { return entered }
            roster.evict(index)
            return nil
        }
    }

    /// Nobody is let in any more, and everybody learns that this is the end.
    package func close() {
        let links = state.withLock { state in
            state.isClosing = true
            return state.readers.enumerated().compactMap { index, reader in reader.map { (index, $0.link) } }
        }
        for (index, link) in links {
            let page = shelf.page(index)
            page.doorbell.ring()
            page.wakeReader()
            link.ring()
            link.close()
        }
    }
}
