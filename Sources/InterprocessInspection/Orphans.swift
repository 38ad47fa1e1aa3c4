// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls

/// An object that nobody seems to use any more.
public struct Orphan: Sendable, Hashable {
    /// The object.
    public var object: InspectedObject
    /// Why it counts as left behind: `"its last sender (812) and last receiver (813) are gone"`.
    public var reason: String
    /// How long nothing happened to it, in whole seconds; nil if the kernel does not say.
    public var ageSeconds: Int64?
}

extension HostView {
    /// The objects of this view that nobody seems to use: System V queues and semaphore sets whose last users are dead and on
    /// which nobody waits, segments that nobody is attached to and whose creator is dead, socket paths to which nothing is
    /// bound, named pipes, POSIX queues, semaphores and shared memory that nobody has open or mapped.
    ///
    /// Where holders could not be seen, an object that may have some is left out. A queue that a program
    /// made for one that starts later looks the same: hence the age.
    ///
    /// - Parameter age: those to which something happened more recently are left out.
    /// - Returns: the objects, in the order of the view.
    public func orphans(olderThan age: Duration = .zero) -> [Orphan] {
        let now = Int64(sysRealtimeNanoseconds() / 1_000_000_000)
        return objects.compactMap { object in
            let waitsAreHidden = missing.contains { $0.kinds.contains(object.kind) }
            guard let reason = object.reasonToBeAnOrphan(waitsAreHidden: waitsAreHidden) else { return nil }
            let seconds = object.lastChange.map { max(0, now - $0) }
            if age > .zero {
                guard let seconds, .seconds(seconds) >= age else { return nil }
            }
            return Orphan(object: object, reason: reason, ageSeconds: seconds)
        }
    }
}

extension InspectedObject {
    func reasonToBeAnOrphan(waitsAreHidden: Bool) -> String? {
        switch details {
        case .unix(let socket):
            return socket.state == .stale ? "no socket is bound to the path" : nil
        case .pipe(let pipe):
            guard pipe.path != nil, pipe.isLinked == true, holdersAreComplete, holders.isEmpty else { return nil }
            return "nobody has it open"
        case .messageQueue(let queue):
            guard queue.isLinked, holdersAreComplete, holders.isEmpty, queue.notifiedProcess == nil else { return nil }
            let count = usedCount ?? 0
            return count == 0 ? "nobody has it open" : "nobody has it open; \(Self.messages(count)) wait in it"
        case .systemVQueue(let queue):
            return waitsAreHidden ? nil : reasonToBeAnOrphan(queue)
        case .sharedMemory(let memory):
            guard memory.isLinked == true, holdersAreComplete, holders.isEmpty else { return nil }
            return "nobody has it open or mapped"
        case .semaphore(let semaphore):
            guard semaphore.isLinked, holdersAreComplete, holders.isEmpty else { return nil }
            return "nobody has it open"
        case .systemVSegment(let segment):
            return holdersAreComplete ? reasonToBeAnOrphan(segment) : nil
        case .systemVSemaphores(let set):
            return waitsAreHidden ? nil : reasonToBeAnOrphan(set)
        case .internet, .eventCounter, .file, .process:
            return nil
        }
    }

    private static func messages(_ count: UInt64) -> String { count == 1 ? "1 message" : "\(count) messages" }

    private func reasonToBeAnOrphan(_ queue: SystemVQueueDetails) -> String? {
        if holders.contains(where: \.isAlive) { return nil }
        // Used by a process whose number we do not see: one of another namespace, of which we know nothing.
        if queue.sentAt != nil && queue.lastSender == nil || queue.receivedAt != nil && queue.lastReceiver == nil {
            return nil
        }
        switch (queue.lastSender, queue.lastReceiver) {
        case (nil, nil): return "nobody ever used it"
        case (let sender?, nil): return "its only sender (\(sender)) is gone and nobody ever received"
        case (nil, let receiver?): return "its last receiver (\(receiver)) is gone"
        case (let sender?, let receiver?) where sender == receiver: return "its last user (\(sender)) is gone"
        case (let sender?, let receiver?):
            return "its last sender (\(sender)) and last receiver (\(receiver)) are gone"
        }
    }

    private func reasonToBeAnOrphan(_ segment: SystemVSegmentDetails) -> String? {
        // The creator is known from the start: without it, it is of another namespace, of which we know nothing.
        guard segment.attachments == 0, let creator = segment.creatorProcess else { return nil }
        guard !holders.contains(where: \.isAlive) else { return nil }
        return "nobody is attached and its creator (\(creator)) is gone"
    }

    private func reasonToBeAnOrphan(_ set: SystemVSemaphoresDetails) -> String? {
        guard let processes = set.lastProcesses, let more = set.waitingForMore, let zero = set.waitingForZero,
            (more + zero).allSatisfy({ $0 == 0 }), !holders.contains(where: \.isAlive)
        else { return nil }
        let known = Set(processes.filter { $0 > 0 }).sorted()
        if known.isEmpty {
            // Operated on by processes whose numbers we do not see: of another namespace.
            return set.operatedAt == nil ? "nobody ever used it" : nil
        }
        let numbers = known.map(String.init).joined(separator: ", ")
        return known.count == 1
            ? "nobody waits and its last user (\(numbers)) is gone"
            : "nobody waits and its last users (\(numbers)) are gone"
    }
}
