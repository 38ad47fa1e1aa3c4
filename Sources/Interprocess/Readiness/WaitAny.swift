// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import Synchronization

/// Something that can be waited for beside others.
package protocol ReadinessSource: Sendable {
    /// Fires `waiter` with `index` as soon as the source is ready, at once if it is. Takes nothing.
    func arm(_ waiter: Waiter, index: Int) throws(IPCError)
    /// Forgets `waiter`.
    func disarm(_ waiter: Waiter)
}

/// That something can be received, sent or accepted: a token which every mechanism hands out and ``WaitAny``
/// waits for.
///
/// Readiness takes nothing. Between the news and the taking another process may be quicker, so take
/// with a `try` verb and wait again if it finds nothing.
public struct Readiness: Sendable {
    let source: any ReadinessSource

    package init(_ source: any ReadinessSource) { self.source = source }

    /// Suspends until this one is ready; false if the deadline came first.
    public func wait(until deadline: Deadline = .never) async throws(IPCError) -> Bool {
        try await WaitAny([self]).first(until: deadline) != nil
    }
}

/// The first of any mix of objects: System V queues, pipes, sockets, whatever hands out a ``Readiness``.
///
/// UNIX has one call to wait for descriptors and others, each for one object, for what has no descriptor. This
/// waits for all of them at once, without busy waiting, and loses nothing from those that were not first.
///
/// ```swift
/// let any = WaitAny([try orders.receivable(), try control.receivable(), try pipe.readable()])
/// switch try await any.first() {
/// case 0: …
/// ```
public struct WaitAny: Sendable {
    private let sources: [Readiness]
    private let turn = Turn()

    /// Where the next wait begins to look: behind the source that was ready last, so that none starves the others.
    private final class Turn: Sendable {
        let number = Atomic<Int>(0)
    }

    /// Waits for any of `sources`; what the waits return is an index in this order.
    public init(_ sources: [Readiness]) { self.sources = sources }

    /// Suspends the task until one of them is ready.
    ///
    /// - Parameter deadline: until when.
    /// - Returns: the index of one that is ready, nil if the deadline came first. Of several that are
    ///   ready each gets its turn.
    /// - Throws: ``IPCError/Code/cancelled``; what a source fails with (closed, removed); ``IPCError/Code/tooManyWaiters``.
    public func first(until deadline: Deadline = .never) async throws(IPCError) -> Int? {
        let waiter = Waiter()
        let armed = arm(waiter)
        let timer = try timer(waiter, deadline)
        let wakeup = await waiter.suspend()
        return try conclude(wakeup, waiter, armed, timer)
    }

    /// Blocks the thread until one of them is ready.
    public func first(until deadline: Deadline = .never) throws(IPCError) -> Int? {
        let waiter = Waiter()
        let armed = arm(waiter)
        let timer = try timer(waiter, deadline)
        return try conclude(waiter.block(), waiter, armed, timer)
    }

    /// How many sources know of the waiter, from `start` on.
    private func arm(_ waiter: Waiter) -> (start: Int, count: Int) {
        guard !sources.isEmpty else { return (0, 0) }
        let start = turn.number.load(ordering: .relaxed)
        for offset in sources.indices {
            let index = place(start, offset)
            do throws(IPCError) { try sources[index].source.arm(waiter, index: index) } catch {
                waiter.fire(.failed(error))
            }
            if waiter.outcome != nil { return (start, offset + 1) }
        }
        return (start, sources.count)
    }

    private func place(_ start: Int, _ offset: Int) -> Int {
        Int(UInt(bitPattern: start &+ offset) % UInt(sources.count))
    }

    private func timer(_ waiter: Waiter, _ deadline: Deadline) throws(IPCError) -> (Reactor, UInt64)? {
        if deadline == .never || waiter.outcome != nil { return nil }
        let reactor = try Reactor.current()
        return (reactor, reactor.schedule(at: deadline) { waiter.fire(.timedOut) })
    }

    private func conclude(
        _ wakeup: Wakeup, _ waiter: Waiter, _ armed: (start: Int, count: Int), _ timer: (Reactor, UInt64)?
    ) throws(IPCError) -> Int? {
        if let (reactor, id) = timer { reactor.callOff(id) }
        for offset in 0..<armed.count { sources[place(armed.start, offset)].source.disarm(waiter) }
        switch wakeup {
        case .ready(let index):
            turn.number.store(index + 1, ordering: .relaxed)
            return index
        case .timedOut: return nil
        case .cancelled: throw IPCError(code: .cancelled, subject: "WaitAny", hint: "the waiting task was cancelled")
        case .failed(let error): throw error
        }
    }
}
