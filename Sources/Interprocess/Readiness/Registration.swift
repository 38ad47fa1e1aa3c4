// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import Synchronization
import SystemPackage

/// What one can wait for.
public enum Interest: Sendable, Hashable, CaseIterable {
    /// There is something to read or to accept, or the end of the stream.
    case readable
    /// There is room to write, or nobody left to write to.
    case writable
    /// The other side is gone: the last writer or reader of a pipe, the peer of a socket.
    case end

    /// What epoll is asked for.
    var asked: EpollEvents {
        switch self {
        case .readable: Self.readableAsked
        case .writable: .writable
        case .end: .peerClosed
        }
    }

    /// What is an answer to it; errors and hang-ups are an answer to all.
    var answered: EpollEvents {
        switch self {
        case .readable: Self.readableAnswered
        case .writable: Self.writableAnswered
        case .end: Self.endAnswered
        }
    }

    // Made once: a literal on the way of every wait would be an array each time.
    private static let readableAsked: EpollEvents = [.readable, .peerClosed]
    private static let readableAnswered: EpollEvents = [.readable, .peerClosed, .hangUp, .error]
    private static let writableAnswered: EpollEvents = [.writable, .hangUp, .error]
    private static let endAnswered: EpollEvents = [.peerClosed, .hangUp, .error]
}

/// A descriptor's place in the reactor: three event counts and those who wait for them to grow.
///
/// epoll tells an edge once. The count keeps it: a verb reads the count, tries, and waits only while the
/// count is what it read, so an edge between the try and the wait is never lost. An edge wakes all who
/// wait in its direction, and each tries for itself.
final class Registration: Sendable {
    private struct Side {
        var generation: UInt64 = 0
        var waiters: [(waiter: Waiter, index: Int)] = []
    }

    private struct State {
        var readable = Side()
        var writable = Side()
        var end = Side()
        var armed: EpollEvents = []
        var slot: Int?
        /// epoll refuses ordinary files (EPERM): they are always ready.
        var isAlwaysReady = false
        var failure: IPCError?

        subscript(interest: Interest) -> Side {
            get {
                switch interest {
                case .readable: readable
                case .writable: writable
                case .end: end
                }
            }
            _modify {
                switch interest {
                case .readable: yield &readable
                case .writable: yield &writable
                case .end: yield &end
                }
            }
        }
    }

    let descriptor: CInt
    let reactor: Reactor
    private let tag: UInt32
    private let state = Mutex(State())
    private static let nextTag = Atomic<UInt32>(0)

    init(_ descriptor: CInt, on reactor: Reactor) {
        self.descriptor = descriptor
        self.reactor = reactor
        tag = Self.nextTag.wrappingAdd(1, ordering: .relaxed).newValue
    }

    func token(slot: Int) -> UInt64 { UInt64(tag) << 32 | UInt64(UInt32(slot)) }

    /// The present count; from now on an edge in this direction is counted.
    func generation(_ interest: Interest) throws(IPCError) -> UInt64 {
        try state.withLock { (state) throws(IPCError) in
            try arm(interest, &state)
            return state[interest].generation
        }
    }

    private func arm(_ interest: Interest, _ state: inout State) throws(IPCError) {
        if let failure = state.failure { throw failure }
        if state.isAlwaysReady || state.armed.isSuperset(of: interest.asked) { return }
        let wanted = state.armed.union(interest.asked)
        do throws(Errno) {
            if let slot = state.slot {
                try reactor.modify(self, slot: slot, wanted.union(.edgeTriggered))
            } else {
                state.slot = try reactor.add(self, wanted.union(.edgeTriggered))
            }
        } catch  where error == .notPermitted {
            state.isAlwaysReady = true
            return
        } catch {
            throw IPCError(error, "epoll_ctl", "descriptor \(descriptor)", hint: "it cannot be awaited")
        }
        state.armed = wanted
    }

    /// Fires `waiter` with `index` once the count is no longer `seen`; at once if that is so already.
    func arm(_ waiter: Waiter, index: Int, _ interest: Interest, after seen: UInt64) {
        let wakeup = state.withLock { state -> Wakeup? in
            if let failure = state.failure { return .failed(failure) }
            if state.isAlwaysReady || state[interest].generation != seen { return .ready(index) }
            // Since `seen` was read the reactor may have stopped watching this direction, because nobody waited. Watching
            // it again reports what is so already.
            do throws(IPCError) { try arm(interest, &state) } catch { return .failed(error) }
            if state.isAlwaysReady { return .ready(index) }
            state[interest].waiters.append((waiter, index))
            return nil
        }
        if let wakeup { waiter.fire(wakeup) }
    }

    func disarm(_ waiter: Waiter) {
        state.withLock { state in
            for interest in Interest.allCases {
                if let place = state[interest].waiters.firstIndex(where: { $0.waiter === waiter }) {
                    state[interest].waiters.remove(at: place)
                }
            }
        }
    }

    /// On the reactor's thread: an edge.
    func deliver(_ events: EpollEvents) {
        let woken = state.withLock { state -> [(waiter: Waiter, index: Int)] in
            var woken: [(waiter: Waiter, index: Int)] = []
            for interest in Interest.allCases where !events.isDisjoint(with: interest.answered) {
                state[interest].generation &+= 1
                if state[interest].waiters.isEmpty { continue }
                woken += state[interest].waiters
                state[interest].waiters.removeAll(keepingCapacity: true)
            }
            // Room to write becomes news with every message that the other side takes: while nobody
            // waits for it, do not be told.
            if state.armed.contains(.writable), state.writable.waiters.isEmpty, woken.isEmpty, let slot = state.slot {
                let rest = state.armed.subtracting(.writable)
                if (try? reactor.modify(self, slot: slot, rest.union(.edgeTriggered))) != nil { state.armed = rest }
            }
            return woken
        }
        for (waiter, index) in woken { waiter.fire(.ready(index)) }
    }

    /// The descriptor is about to be closed: everybody who waits is told, and epoll forgets it.
    func end(failing failure: IPCError? = nil) {
        let (slot, waiters) = state.withLock { state -> (Int?, [(waiter: Waiter, index: Int)]) in
            let waiters = Interest.allCases.flatMap { state[$0].waiters }
            state.readable.waiters = []
            state.writable.waiters = []
            state.end.waiters = []
            state.failure =
                failure
                ?? IPCError(code: .badDescriptor, subject: "descriptor \(descriptor)", hint: "it was closed here")
            defer { state.slot = nil }
            return (state.slot, waiters)
        }
        if let slot { reactor.remove(self, slot: slot) }
        let error =
            failure ?? IPCError(code: .badDescriptor, subject: "descriptor \(descriptor)", hint: "it was closed here")
        for (waiter, _) in waiters { waiter.fire(.failed(error)) }
    }
}
