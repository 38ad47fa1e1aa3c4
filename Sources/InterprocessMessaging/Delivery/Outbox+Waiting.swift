// SPDX-License-Identifier: Apache-2.0
public import Interprocess
import InterprocessStructures
import InterprocessSyscalls

extension Outbox {
    /// Blocks the thread until there is room.
    ///
    /// - Returns: false if the deadline came first. One look is made in any case.
    package func makeRoom(_ need: Need, until deadline: Deadline) throws(IPCError) -> Bool {
        var spinDeadline: UInt64?
        while true {
            guard case .held(let index) = try attempt(need) else { return true }
            if spinDeadline == nil { wakeReaders() }
            let now = sysMonotonicNanoseconds()
            if deadline.monotonicNanoseconds <= now { return false }
            let limit = spinDeadline ?? strategy.spinNanoseconds.map { now &+ $0 } ?? .max
            spinDeadline = limit
            if now < limit {
                // Each look takes the line of what is released from the reader: not too often.
                for _ in 0..<32 { sysSpinPause() }
                continue
            }
            try sleep(for: index, need, until: min(deadline, stallDeadline))
            spinDeadline = nil
        }
    }

    /// One sleep on the page of the reader that holds the room.
    private func sleep(for index: Int, _ need: Need, until deadline: Deadline) throws(IPCError) {
        // It has announced its own sleep, perhaps on the same page.
        guard !isAwaited else { throw alreadyAwaited }
        guard let (reader, page) = desk.beginWaiting(for: index) else { return }
        defer { desk.endWaiting() }
        var side = SleepingSide(
            count: page.waits, bell: page.spaceBell, mode: page.waitMode, start: .random(in: 0...(.max)))
        let preparation = side.prepare(isFenced: reader.isFenced)
        defer { side.leave() }
        if preparation.needsProcessBarrier, !ProcessBarrier.reachEverybody() { return sysNap(nanoseconds: 1_000_000) }
        guard case .held(by: index) = try attempt(need) else { return }
        page.spaceBell.sleep(expected: preparation.expected, until: deadline)
        lastAttempt = sysMonotonicNanoseconds()
    }

    private var alreadyAwaited: IPCError {
        IPCError(code: .busy, subject: subject, hint: "another task awaits room in this publisher's log")
    }

    /// Before any wait: of several messages the first may not have been rung for, and their readers make the room.
    private func wakeReaders() {
        let sleeper = core.value.log.nextSleeper(from: 0)
        if sleeper >= 0 { wakeSleepers(from: sleeper) }
    }

    /// For verbs of tasks: in between another task of the owner may have opened a claim.
    package func checkUnclaimed() throws(IPCError) {
        guard !core.value.isClaimed else {
            throw IPCError(
                code: .busy, subject: subject,
                hint: "a loan of this publisher is open; send or drop it before the next is awaited")
        }
    }

    /// For code that is inlined elsewhere.
    @usableFromInline @inline(never)
    package func waitForRoom(_ need: Need, until deadline: Deadline) throws(IPCError) -> Bool {
        try makeRoom(need, until: deadline)
    }

    /// Suspends the task until there is room.
    ///
    /// - Returns: false if the deadline came first.
    package func makeRoom(_ need: Need, until deadline: Deadline) async throws(IPCError) -> Bool {
        if case .ready = try attempt(need) { return true }
        guard !isAwaited else { throw alreadyAwaited }
        isAwaited = true
        defer { isAwaited = false }
        while true {
            guard case .held(let index) = try attempt(need) else { return true }
            wakeReaders()
            if deadline.hasPassed { return false }
            try await suspend(for: index, need, until: min(deadline, stallDeadline))
        }
    }

    private func suspend(for index: Int, _ need: Need, until deadline: Deadline) async throws(IPCError) {
        let waiter = Waiter()
        guard let (reader, page) = desk.beginWaiting(for: index, waiter) else { return }
        defer { desk.endWaiting() }
        // Bells that rang for waits that ended otherwise: a full socket would swallow the next.
        reader.link.drain()
        let seen = try reader.link.socket.awaitable.generation(.readable)
        var side = SleepingSide(
            count: page.waits, bell: page.spaceBell, mode: page.waitMode, start: .random(in: 0...(.max)))
        let preparation = side.prepare(isFenced: reader.isFenced, waking: .datagram)
        defer { side.leave() }
        if preparation.needsProcessBarrier, !ProcessBarrier.reachEverybody() { return sysNap(nanoseconds: 1_000_000) }
        guard case .held(by: index) = try attempt(need) else { return }
        defer { reader.link.socket.awaitable.disarm(waiter) }
        try reader.link.socket.awaitable.arm(waiter, index: 0, .readable, after: seen)
        let wakeup = try await TaskWait.end(of: waiter, until: deadline)
        lastAttempt = sysMonotonicNanoseconds()
        reader.link.drain()
        if case .cancelled = wakeup {
            throw IPCError(code: .cancelled, subject: subject, hint: "the waiting task was cancelled; nothing was sent")
        }
    }

    /// Blocks the thread until `count` readers have joined; false if the deadline came first.
    package func waitForReaders(_ count: Int, until deadline: Deadline) throws(IPCError) -> Bool {
        try checkProcess()
        while let waiter = desk.watch(untilReaders: count) {
            defer { desk.unwatch(waiter) }
            if case .timedOut = try TaskWait.blockingEnd(of: waiter, until: deadline) {
                return desk.readerCount >= count
            }
        }
        return true
    }

    /// Suspends the task until `count` readers have joined; false if the deadline came first.
    package func waitForReaders(_ count: Int, until deadline: Deadline) async throws(IPCError) -> Bool {
        try checkProcess()
        while let waiter = desk.watch(untilReaders: count) {
            defer { desk.unwatch(waiter) }
            switch try await TaskWait.end(of: waiter, until: deadline) {
            case .timedOut: return desk.readerCount >= count
            case .cancelled:
                throw IPCError(code: .cancelled, subject: subject, hint: "the waiting task was cancelled")
            default: continue
            }
        }
        return true
    }
}

/// Waits of tasks and threads for a ``Waiter`` with a time limit.
enum TaskWait {
    static func end(of waiter: Waiter, until deadline: Deadline) async throws(IPCError) -> Wakeup {
        let timer = try timer(waiter, deadline)
        let wakeup = await waiter.suspend()
        if let timer { timer.reactor.callOff(timer.number) }
        return wakeup
    }

    static func blockingEnd(of waiter: Waiter, until deadline: Deadline) throws(IPCError) -> Wakeup {
        let timer = try timer(waiter, deadline)
        let wakeup = waiter.block()
        if let timer { timer.reactor.callOff(timer.number) }
        return wakeup
    }

    private static func timer(
        _ waiter: Waiter, _ deadline: Deadline
    ) throws(IPCError) -> (reactor: Reactor, number: UInt64)? {
        if deadline == .never || waiter.outcome != nil { return nil }
        let reactor = try Reactor.current()
        return (reactor, reactor.schedule(at: deadline) { waiter.fire(.timedOut) })
    }
}
