// SPDX-License-Identifier: Apache-2.0
package import Interprocess
import InterprocessSyscalls
import Synchronization
import SystemPackage

/// The subscriber's side of a channel: finds its publishers, those that are there and those that come.
///
/// Each publisher is asked once, all at the same time: one that does not answer holds nobody up. One that did not answer in
/// time, or had no room, is asked again later; the guest is told of the first failure only.
///
/// The directory of the channel is made if it is not there, and made anew if somebody removes it.
///
/// Ownership: owns its links' watch; dropping it ends the search and closes the links, as ``cancel()`` does. The guest is not
/// kept alive.
///
/// Concurrency: any thread.
package final class Search: Sendable {
    private let core: SearchCore

    /// Searches from now on.
    ///
    /// - Throws: `IPCError.Code.permissionDenied`: the directory can be neither made nor read, or belongs to somebody who is
    ///   not trusted; `IPCError.Code.wrongKind`; what starting the attendant may throw.
    package init(
        rendezvous: Rendezvous, kind: ChannelKind, name: ChannelName, policy: AccessPolicy, guest: any ChannelGuest,
        limits: HandshakeLimits = HandshakeLimits()
    ) throws(IPCError) {
        let attendant = try Attendant.shared()
        let channel = ChannelPlace(rendezvous: rendezvous, kind: kind, name: name)
        // What cannot be made or read now is an error now.
        _ = try ChannelDirectory.open(channel, policy: policy).publishers()
        core = SearchCore(attendant, channel, policy, limits, guest)
        core.begin()
    }

    /// Ends the search and closes the links.
    package func cancel() { core.cancel() }

    deinit { core.cancel() }
}

final class SearchCore: Sendable {
    /// What became of a publisher. Its name is never used again, so nothing else can become of it.
    private enum Meeting {
        case waiting(pause: Duration)
        case asked(Task<Void, Never>)
        /// Accepted or refused for good.
        case settled(Task<Void, Never>?)
        case later(Deadline, pause: Duration)

        var task: Task<Void, Never>? {
            switch self {
            case .asked(let task): task
            case .settled(let task): task
            case .waiting, .later: nil
            }
        }
    }

    private struct State {
        var meetings: [UInt64: Meeting] = [:]
        var queue: [UInt64] = []
        var asked = 0
        var told: Set<UInt64> = []
        /// Those of the first look that have not answered; nil before it, and after all have.
        var unanswered: Set<UInt64>?
        var searching: Task<Void, Never>?
        /// The directory cannot be opened any more, and the guest knows.
        var isAstray = false
        var isCancelled = false
    }

    let attendant: Attendant
    let channel: ChannelPlace
    let policy: AccessPolicy
    let limits: HandshakeLimits
    weak let guest: (any ChannelGuest)?
    private let bell = AttendantBell()
    private let state = Mutex(State())

    init(
        _ attendant: Attendant, _ channel: ChannelPlace, _ policy: AccessPolicy, _ limits: HandshakeLimits,
        _ guest: any ChannelGuest
    ) {
        self.attendant = attendant
        self.channel = channel
        self.policy = policy
        self.limits = limits
        self.guest = guest
    }

    func begin() {
        let task = attendant.start { await self.search() }
        let isCancelled = state.withLock { state in
            state.searching = task
            return state.isCancelled
        }
        if isCancelled { task.cancel() }
    }

    func cancel() {
        // A forked child has the object, and none of what it stands for.
        guard attendant.isOurs else { return }
        let tasks = state.withLock { state in
            state.isCancelled = true
            return state.meetings.values.compactMap(\.task) + [state.searching].compactMap(\.self)
        }
        for task in tasks { task.cancel() }
    }

    // MARK: Looking

    private func search() async {
        var watch: Watch?
        var isFirst = true
        while !Task.isCancelled, guest != nil {
            let due = look(&watch, &isFirst)
            await bell.wait(on: attendant.reactor, until: due)
        }
        drop(&watch)
        channel.removeIfEmpty()
    }

    /// What is watched, until the directory goes.
    private struct Watch {
        var token: Int
        var directory: ChannelDirectory.Identity
    }

    /// Looks into the directory and asks whom it finds.
    ///
    /// - Returns: when to look again though there be no news.
    private func look(_ watch: inout Watch?, _ isFirst: inout Bool) -> Deadline {
        let soon = Deadline.after(.milliseconds(200))
        guard let directory = opened() else { return soon }
        let isWatched = watch.map { $0.directory == directory.identity && isAlive($0) } ?? false
        if !isWatched {
            drop(&watch)
            // First the watch, then the look: what comes in between is seen twice rather than not at all.
            let token = try? attendant.nameWatch().add(directory) { self.bell.ring() }
            watch = token.map { Watch(token: $0, directory: directory.identity) }
        }
        // Removed before it was watched: there will be no news of that.
        if directory.isRemoved { return .now }
        guard note(directory, isFirst: isFirst) else { return soon }
        isFirst = false
        let due = proceed()
        return watch == nil ? min(due, soon) : due
    }

    private func isAlive(_ watch: Watch) -> Bool { (try? attendant.nameWatch().isAlive(watch.token)) ?? false }

    private func drop(_ watch: inout Watch?) {
        if let old = watch.take() { try? attendant.nameWatch().remove(old.token) }
    }

    /// The directory that has the name now, made anew if it is gone.
    private func opened() -> ChannelDirectory? {
        do throws(IPCError) { return try ChannelDirectory.open(channel, policy: policy) } catch {
            // The guest hears of it once, and the search goes on.
            let isNews = state.withLock { state in
                defer { state.isAstray = true }
                return !state.isAstray
            }
            if isNews { guest?.refused(by: nil, error) }
            return nil
        }
    }

    /// False if the directory could not be read.
    private func note(_ directory: ChannelDirectory, isFirst: Bool) -> Bool {
        guard let found = try? directory.publishers() else { return false }
        let present = Set(found)
        let isDone = state.withLock { state in
            for id in found where state.meetings[id] == nil {
                state.meetings[id] = .waiting(pause: limits.secondTry)
                state.queue.append(id)
            }
            for (id, meeting) in state.meetings where !present.contains(id) {
                switch meeting {
                case .settled(nil), .later: forget(id, &state)
                case .settled, .asked, .waiting: break
                }
            }
            if isFirst, !present.isEmpty { state.unanswered = present }
            return isFirst && present.isEmpty
        }
        if isDone { guest?.searched() }
        return true
    }

    private func forget(_ id: UInt64, _ state: inout State) {
        state.meetings[id] = nil
        state.told.remove(id)
    }

    /// Asks those that wait to be asked, as many as may be asked at once; when the next is due.
    private func proceed() -> Deadline {
        state.withLock { state in
            var due = Deadline.never
            for (id, meeting) in state.meetings {
                guard case .later(let deadline, let pause) = meeting else { continue }
                if deadline.hasPassed {
                    state.meetings[id] = .waiting(pause: min(pause * 2, limits.secondTry * 32))
                    state.queue.append(id)
                } else {
                    due = min(due, deadline)
                }
            }
            while !state.isCancelled, state.asked < limits.meetings, !state.queue.isEmpty {
                let id = state.queue.removeFirst()
                guard case .waiting(let pause) = state.meetings[id] else { continue }
                state.asked += 1
                state.meetings[id] = .asked(attendant.start { await self.meet(id, pause) })
            }
            return due
        }
    }

    // MARK: Meeting

    private func meet(_ id: UInt64, _ pause: Duration) async {
        switch await encounter(id) {
        case .accepted(let link):
            answered(id) { .settled($0) }
            await link.ended()
            link.close()
            _ = link.markGone()
            guest?.left(link)
            // The kernel may close the listener after the link.
            if !Task.isCancelled { await attendant.pause(.milliseconds(50)) }
            try? ChannelDirectory.open(channel, policy: nil).removeIfDead(id)
            state.withLock { state in
                if state.meetings[id] != nil { state.meetings[id] = .settled(nil) }
            }
            bell.ring()
        case .gone:
            answered(id) { _ in .settled(nil) }
        case .refused(let identity, let error):
            tell(id, identity, error)
            answered(id) { _ in .settled(nil) }
        case .unanswered(let identity, let error):
            tell(id, identity, error)
            answered(id) { _ in .later(.after(pause), pause: pause) }
        }
    }

    private func tell(_ id: UInt64, _ identity: PeerIdentity?, _ error: IPCError) {
        if Task.isCancelled { return }
        if state.withLock({ $0.told.insert(id).inserted }) { guest?.refused(by: identity, error) }
    }

    private func answered(_ id: UInt64, _ outcome: (Task<Void, Never>?) -> Meeting) {
        let isDone = state.withLock { state in
            state.asked -= 1
            state.meetings[id] = outcome(state.meetings[id]?.task)
            guard var unanswered = state.unanswered.take() else { return false }
            unanswered.remove(id)
            if unanswered.isEmpty { return true }
            state.unanswered = unanswered
            return false
        }
        bell.ring()
        if isDone, !Task.isCancelled { guest?.searched() }
    }
}
