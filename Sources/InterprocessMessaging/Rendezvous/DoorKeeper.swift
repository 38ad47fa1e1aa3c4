// SPDX-License-Identifier: Apache-2.0
package import Interprocess
import InterprocessSyscalls
import Synchronization
import SystemPackage

/// The publisher's side of a channel: a socket in its directory, and whoever comes to it.
///
/// Readers are let in on the attendant's thread. A reader says Hello, the host answers, and once the reader has said Ready its
/// link is watched: when it closes or its process dies, the host is told.
///
/// Ownership: owns the socket and its file; dropping it leaves, as ``close()`` does, and closes the links.
/// The host is not kept alive.
///
/// Concurrency: any thread.
///
/// If a process dies: the file of the socket stays; whoever meets it removes it.
///
/// Limits: so many readers half-way in as ``HandshakeLimits/halfOpen`` says; each takes two descriptors.
package final class DoorKeeper: Sendable {
    private let core: DoorCore

    /// Listens when it returns.
    ///
    /// - Throws: `IPCError.Code.permissionDenied`, `IPCError.Code.wrongKind`, `IPCError.Code.limitReached`, and what
    ///   starting the attendant may throw.
    package init(
        rendezvous: Rendezvous, kind: ChannelKind, name: ChannelName, policy: AccessPolicy, host: any ChannelHost,
        limits: HandshakeLimits = HandshakeLimits()
    ) throws(IPCError) {
        let attendant = try Attendant.shared()
        let place = try DoorPlace.open(ChannelPlace(rendezvous: rendezvous, kind: kind, name: name), policy)
        core = DoorCore(place, attendant, policy, limits, host)
        core.begin()
    }

    /// The random name of the socket: never used again.
    package var publisherID: UInt64 { core.id }

    /// Stops listening and removes the socket, and the directory if that is empty. Links that are in stay watched until they
    /// end: it is the host that closes them.
    package func close() { core.close() }

    deinit {
        core.close()
        core.closeLinks()
    }
}

final class DoorCore: Sendable {
    /// One who came to the door.
    private struct Guest {
        var link: PeerLink
        var task: Task<Void, Never>
        var hasSaidHello = false
    }

    private struct State {
        var isClosed = false
        var next = 0
        /// Half-way in, by their number: the lowest came first.
        var halfOpen: [Int: Guest] = [:]
        var joined: [Int: Guest] = [:]
        var accepting: Task<Void, Never>?
    }

    let id: UInt64
    let attendant: Attendant
    let policy: AccessPolicy
    let limits: HandshakeLimits
    private weak let host: (any ChannelHost)?
    private let listener: SequencedPacketListener
    private let channel: ChannelPlace
    private let state = Mutex(State())

    init(
        _ place: consuming DoorPlace, _ attendant: Attendant, _ policy: AccessPolicy, _ limits: HandshakeLimits,
        _ host: any ChannelHost
    ) {
        id = place.id
        channel = place.channel
        listener = place.listener
        self.attendant = attendant
        self.policy = policy
        self.limits = limits
        self.host = host
        try? sysMarkForFork(listener.rawValue)
    }

    deinit { sysUnmarkForFork(listener.rawValue) }

    func begin() {
        let task = attendant.start { await self.accept() }
        state.withLock { $0.accepting = task }
    }

    func close() {
        // A forked child has the object, and none of what it stands for.
        guard attendant.isOurs else { return }
        let (first, tasks) = state.withLock { state in
            defer { state.isClosed = true }
            return (!state.isClosed, state.halfOpen.values.map(\.task) + [state.accepting].compactMap(\.self))
        }
        guard first else { return }
        channel.remove(id)
        try? listener.stop()
        for task in tasks { task.cancel() }
        channel.removeIfEmpty()
    }

    func closeLinks() {
        guard attendant.isOurs else { return }
        for guest in state.withLock({ Array($0.joined.values) }) {
            guest.link.close()
            guest.task.cancel()
        }
    }

    // MARK: Accepting

    private func accept() async {
        while !Task.isCancelled {
            do throws(IPCError) {
                enter(try await listener.accept(until: .never))
                // Who has just come is served first, if he has something to say: a crowd that says nothing is not to push him out.
                await Task.yield()
            } catch {
                if error.code == .removed || error.code == .cancelled || error.code == .badDescriptor { return }
                // No descriptor or no memory left. Who waits goes on waiting; one who says nothing gives up his.
                makeRoom(0)
                await attendant.pause(.milliseconds(20))
            }
        }
    }

    private func enter(_ socket: consuming SequencedPacketSocket) {
        guard let link = judge(socket) else { return }
        makeRoom(limits.halfOpen - 1)
        state.withLock { state in
            if state.isClosed { return }
            state.next += 1
            let number = state.next
            let task = attendant.start { await self.receive(link, number) }
            state.halfOpen[number] = Guest(link: link, task: task)
        }
    }

    /// Who it is, if that is somebody who may come.
    private func judge(_ socket: consuming SequencedPacketSocket) -> PeerLink? {
        guard let credentials = try? socket.peerCredentials() else { return nil }
        let groups = policy.group == nil ? [] : (try? socket.peerGroups()) ?? []
        if let objection = policy.objection(to: credentials, groups: groups) {
            let refusal = Refusal(.notPermitted, "you are not let in: \(objection)")
            // Closed with something unread in it, a socket gives the other side an error before what it was told.
            _ = try? socket.tryReceiveMessage(upTo: 1, maximumDescriptors: 0)
            _ = try? socket.trySend(HandshakeMessage.refusal(refusal).encode())
            return nil
        }
        let identity = PeerIdentity(credentials: credentials, publisherID: id)
        do throws(IPCError) {
            let process = try PeerIdentity.process(of: socket, credentials)
            return PeerLink(socket, peer: identity, process: process)
        } catch {
            return nil
        }
    }

    /// Turns those away that came first and have not said Hello, else those that have not said Ready, until so many are left.
    private func makeRoom(_ count: Int) {
        let turnedAway = state.withLock { state -> [Guest] in
            var turnedAway: [Guest] = []
            while state.halfOpen.count > max(0, count) {
                let silent = state.halfOpen.filter { !$0.value.hasSaidHello }.keys.min()
                guard let number = silent ?? (count == 0 ? nil : state.halfOpen.keys.min()),
                    let guest = state.halfOpen.removeValue(forKey: number)
                else { break }
                turnedAway.append(guest)
            }
            return turnedAway
        }
        for guest in turnedAway { guest.task.cancel() }
    }

    // MARK: The hand-shake

    private func receive(_ link: PeerLink, _ number: Int) async {
        defer {
            state.withLock { state in
                state.halfOpen[number] = nil
                state.joined[number] = nil
            }
        }
        let deadline = Deadline.after(limits.patience)
        guard let hello = await hello(link, deadline) else { return }
        state.withLock { $0.halfOpen[number]?.hasSaidHello = true }
        switch hello.purpose {
        case .observe:
            if let report = host?.report() { _ = link.say(.report(report)) }
        case .subscribe:
            guard admit(hello, link) else { return }
            let isReady = await ready(link, deadline)
            if isReady { join(link, number) }
            if isReady { await link.ended() }
            leave(link, host)
        }
    }

    /// The link is of no use any more, whoever still has it.
    private func leave(_ link: PeerLink, _ host: (any ChannelHost)?) {
        _ = link.markGone()
        link.close()
        host?.left(link)
    }

    private func hello(_ link: PeerLink, _ deadline: Deadline) async -> Hello? {
        do throws(IPCError) {
            let reply = try await link.hear(
                upTo: HandshakeMessage.longestHelloBytes, descriptors: 0, until: deadline)
            if case .hello(let hello) = reply.message { return hello }
            refuse(link, Refusal(.notUnderstood, "a publisher expects Hello first"))
        } catch {
            switch error.code {
            case .malformed: refuse(link, Refusal(.notUnderstood, error.hint))
            case .limitReached: refuse(link, Refusal(.notUnderstood, "Hello comes without descriptors"))
            default: break
            }
        }
        return nil
    }

    private func refuse(_ link: PeerLink, _ refusal: Refusal) { _ = link.say(.refusal(refusal)) }

    /// Whether the host has entered it. If so, it is to hear of its end.
    private func admit(_ hello: Hello, _ link: PeerLink) -> Bool {
        guard let host, !state.withLock({ $0.isClosed }) else {
            refuse(link, Refusal(.closing, "the publisher is leaving"))
            return false
        }
        switch host.admit(hello, over: link) {
        case .refusal(let refusal):
            refuse(link, refusal)
            return false
        case .welcome(let welcome, let log, let page):
            let bytes = HandshakeMessage.welcome(welcome).encode()
            let isSent = try? link.socket.trySend(bytes, descriptors: [log.fileDescriptor, page.fileDescriptor])
            if isSent == true { return true }
            leave(link, host)
            return false
        }
    }

    private func ready(_ link: PeerLink, _ deadline: Deadline) async -> Bool {
        do throws(IPCError) {
            let reply = try await link.hear(upTo: HandshakeMessage.headerBytes, descriptors: 0, until: deadline)
            return reply.message == .ready
        } catch {
            return false
        }
    }

    private func join(_ link: PeerLink, _ number: Int) {
        state.withLock { state in
            if let guest = state.halfOpen.removeValue(forKey: number) { state.joined[number] = guest }
        }
        host?.joined(link)
    }
}
