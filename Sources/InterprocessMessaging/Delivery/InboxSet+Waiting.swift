// SPDX-License-Identifier: Apache-2.0
public import Interprocess
import InterprocessStructures
import InterprocessSyscalls
import SystemPackage

extension InboxSet {
    /// Blocks the thread until there may be something to take; false if the deadline came first.
    ///
    /// Whoever calls has looked, and takes and waits again if this returns true. The deadline comes first: a publisher that lies could
    /// promise a next record for ever.
    package func wait(until deadline: Deadline) throws(IPCError) -> Bool {
        if deadline.hasPassed { return false }
        if spin(until: deadline) { return true }
        if deadline.hasPassed { return false }
        try sleep(until: deadline)
        return true
    }

    /// As ``wait(until:)``; fails when there is nobody left to wait for.
    @usableFromInline
    package func waitOrEnd(until deadline: Deadline) throws(IPCError) -> Bool {
        if isAtEnd {
            throw IPCError(code: .disconnected, subject: subject, hint: "its last publisher has gone, and all was read")
        }
        return try wait(until: deadline)
    }

    // MARK: Spinning

    /// Looks for as long as the strategy says; true: there may be something.
    private func spin(until deadline: Deadline) -> Bool {
        let nanoseconds = strategy.spinNanoseconds
        if nanoseconds == 0 { return false }
        let now = sysMonotonicNanoseconds()
        let limit = min(nanoseconds.map { now &+ $0 } ?? .max, deadline.monotonicNanoseconds)
        var round = 0
        while true {
            if desk.news.isRaised { return true }
            for inbox in inboxes where inbox.hasNext { return true }
            round &+= 1
            if round & 0x3f == 0 {
                // Ends and the floor move rarely, the clock costs more than a look.
                if round & 0xfff == 0, isAnythingNew { return true }
                if limit != .max, sysMonotonicNanoseconds() >= limit { return false }
            }
            if round > 512 { sysSpinPause() }
        }
    }

    /// A close look at every inbox, without taking.
    private var isAnythingNew: Bool {
        if desk.news.isRaised { return true }
        for inbox in inboxes {
            switch inbox.look() {
            case .nothing: continue
            case .lapped(let count): noteMissed(count, by: inbox)
            case .record, .evicted, .ended, .abandoned, .corrupt: break
            }
            return true
        }
        return false
    }

    // MARK: Sleeping

    private func sleep(until deadline: Deadline) throws(IPCError) {
        try checkProcess()
        // It has announced its own sleep on the same pages.
        guard !isAwaited else { throw alreadyAwaited }
        let local = desk.news.bell.read()
        if inboxes.isEmpty {
            if !desk.news.isRaised { desk.news.bell.sleep(expected: local, until: deadline, isShared: false) }
            return
        }
        defer { for inbox in inboxes { inbox.leaveSleep() } }
        let expected = announce(.futex)
        guard let expected, !sees else { return }
        if inboxes.count == 1 {
            inboxes[0].page.page.doorbell.sleep(expected: expected[0], until: deadline)
        } else {
            sleepOnAll(expected, local, until: deadline)
        }
    }

    /// Says on every page that this side sleeps; nil if it may not, since others cannot be made to see it.
    func announce(_ mode: WaitMode) -> [UInt32]? {
        var needsBarrier = false
        var expected: [UInt32] = []
        expected.reserveCapacity(inboxes.count)
        for inbox in inboxes {
            inbox.wakePublisherIfItWaits()
            let preparation = inbox.prepare(mode)
            needsBarrier = needsBarrier || preparation.needsProcessBarrier
            expected.append(preparation.expected)
        }
        if needsBarrier, !ProcessBarrier.reachEverybody() {
            sysNap(nanoseconds: 1_000_000)
            return nil
        }
        return expected
    }

    /// After the announcement: what came before it is seen here, what comes after it rings.
    var sees: Bool { inboxes.contains { $0.hasNext } || isAnythingNew }

    private func sleepOnAll(_ expected: [UInt32], _ local: UInt32, until deadline: Deadline) {
        var words = [desk.news.bell.futexWord(expected: local, isShared: false)]
        for (inbox, expected) in zip(inboxes, expected).prefix(futexWordsAtMost - 1) {
            words.append(inbox.page.page.doorbell.futexWord(expected: expected, isShared: true))
        }
        // Those beyond what one call takes are looked at now and then.
        let isComplete = words.count == inboxes.count + 1
        let limit = isComplete ? deadline : min(deadline, .after(.milliseconds(1)))
        do throws(Errno) {
            try sysFutexWaitAny(
                words, deadlineNanoseconds: limit == .never ? nil : limit.monotonicNanoseconds,
                retryOnInterrupt: false)
        } catch {
            // A kernel before 5.16, or one that is not allowed to: by turns, a short while each.
            guard error == .noFunction || error == .notPermitted else { return }
            inboxes[0].page.page.doorbell.sleep(
                expected: expected[0], until: min(deadline, .after(.milliseconds(1))))
        }
    }

    // MARK: Suspending

    /// Suspends the task until there may be something to take; false if the deadline came first.
    package func wait(until deadline: Deadline) async throws(IPCError) -> Bool {
        try checkProcess()
        guard !isAwaited else { throw alreadyAwaited }
        isAwaited = true
        defer { isAwaited = false }
        let waiter = Waiter()
        guard desk.await(waiter) else { return true }
        defer { desk.forget(waiter) }
        if deadline.hasPassed { return false }
        var seen: [(bell: AsyncBell, generation: UInt64)] = []
        for inbox in inboxes {
            let bell = try inbox.bell()
            seen.append((bell, try bell.descriptor.generation(.readable)))
        }
        defer { for inbox in inboxes { inbox.leaveSleep() } }
        guard announce(.datagram) != nil, !sees else {
            // As in the other wait: whoever is always about to take one can still be cancelled.
            if Task.isCancelled { throw cancelled }
            return true
        }
        defer { for (bell, _) in seen { bell.descriptor.disarm(waiter) } }
        for (index, (bell, generation)) in seen.enumerated() {
            try bell.descriptor.arm(waiter, index: index, .readable, after: generation)
        }
        return try conclude(try await TaskWait.end(of: waiter, until: deadline))
    }

    /// Suspends the task until there may be something; false if nobody is left to wait for.
    ///
    /// - Throws: `IPCError.Code.timedOut` after the deadline.
    func awaitMore(until deadline: Deadline) async throws(IPCError) -> Bool {
        if isAtEnd { return false }
        guard try await wait(until: deadline) else { throw IPCError(.timedOut, "receive", subject) }
        return true
    }

    var alreadyAwaited: IPCError {
        IPCError(code: .busy, subject: subject, hint: "another task awaits this subscriber's next message")
    }

    private func conclude(_ wakeup: Wakeup) throws(IPCError) -> Bool {
        switch wakeup {
        case .ready: return true
        case .timedOut: return false
        case .cancelled: throw cancelled
        // The link's end is told by the attendant as well, and looked at by who takes.
        case .failed: return true
        }
    }

    private var cancelled: IPCError {
        IPCError(code: .cancelled, subject: subject, hint: "the waiting task was cancelled; nothing was taken")
    }
}
