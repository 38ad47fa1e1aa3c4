// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessStructures

extension Outbox {
    /// Makes the log and opens its door.
    static func open(
        _ layout: LogLayout, fields: FieldLayout, payload: PayloadDescription, _ name: ChannelName,
        _ rendezvous: Rendezvous, _ access: AccessPolicy, _ options: PublisherOptions
    ) throws(IPCError) -> Outbox {
        let outbox = try Outbox(
            layout, fields: fields, payload: payload, subject: "topic:\(name)",
            maximumReaders: options.maximumSubscribers, strategy: options.waiting, stallLimit: options.stallLimit)
        outbox.open(try DoorKeeper(rendezvous: rendezvous, kind: .topic, name: name, policy: access, host: outbox.desk))
        return outbox
    }
}

extension InboxSet {
    /// Begins the search and waits until those who are there have answered.
    static func open(
        _ payload: PayloadDescription, _ name: ChannelName, _ rendezvous: Rendezvous, _ access: AccessPolicy,
        _ options: SubscriberOptions
    ) throws(IPCError) -> InboxSet {
        let set = try begin(payload, name, rendezvous, access, options)
        let limit = Deadline.after(.seconds(3))
        while !set.hasSearched, !limit.hasPassed { try set.waitForNews(until: limit) }
        return try set.opened()
    }

    static func open(
        _ payload: PayloadDescription, _ name: ChannelName, _ rendezvous: Rendezvous, _ access: AccessPolicy,
        _ options: SubscriberOptions
    ) async throws(IPCError) -> InboxSet {
        let set = try begin(payload, name, rendezvous, access, options)
        let limit = Deadline.after(.seconds(3))
        while !set.hasSearched, !limit.hasPassed { try await set.waitForNews(until: limit) }
        return try set.opened()
    }

    private static func begin(
        _ payload: PayloadDescription, _ name: ChannelName, _ rendezvous: Rendezvous, _ access: AccessPolicy,
        _ options: SubscriberOptions
    ) throws(IPCError) -> InboxSet {
        let set = try InboxSet(
            options.hello(payload), subject: "topic:\(name)", strategy: options.waiting,
            endsWithLastPublisher: options.endsWithLastPublisher)
        set.search = try Search(rendezvous: rendezvous, kind: .topic, name: name, policy: access, guest: set.desk)
        return set
    }

    /// What all publishers refuse, the user is told at once.
    private func opened() throws(IPCError) -> InboxSet {
        guard inboxes.isEmpty else { return self }
        for case .refused(let error, _) in notices where error.code == .wrongKind || error.code == .permissionDenied {
            throw error
        }
        return self
    }

    // MARK: Waiting for publishers rather than messages

    /// Blocks until the attendant has something, and takes it over.
    func waitForNews(until deadline: Deadline) throws(IPCError) {
        let waiter = Waiter()
        if desk.await(waiter) {
            _ = try TaskWait.blockingEnd(of: waiter, until: deadline)
            desk.forget(waiter)
        }
        adopt()
    }

    func waitForNews(until deadline: Deadline) async throws(IPCError) {
        let waiter = Waiter()
        if desk.await(waiter) {
            let wakeup = try await TaskWait.end(of: waiter, until: deadline)
            desk.forget(waiter)
            if case .cancelled = wakeup {
                throw IPCError(code: .cancelled, subject: subject, hint: "the waiting task was cancelled")
            }
        }
        adopt()
    }

    func waitForPublishers(_ count: Int, until deadline: Deadline) throws(IPCError) -> Bool {
        try checkProcess()
        while peers.count < count {
            if deadline.hasPassed { return false }
            try waitForNews(until: deadline)
        }
        return true
    }

    func waitForPublishers(_ count: Int, until deadline: Deadline) async throws(IPCError) -> Bool {
        try checkProcess()
        while peers.count < count {
            if deadline.hasPassed { return false }
            try await waitForNews(until: deadline)
        }
        return true
    }

    /// The publishers that are there.
    var peers: [TopicPeer] {
        if desk.news.isRaised { adopt() }
        return inboxes.filter { !$0.link.isGone }.map(\.identity)
    }
}
