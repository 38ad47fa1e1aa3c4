// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import Synchronization
import SystemPackage

/// All that waits on one handle: a thread in `msgrcv` per selection, and one in `msgsnd`, while somebody awaits them.
final class SystemVWaiting: Sendable {
    private let id: Int32
    private let subject: String
    private let stash: SystemVStash
    private let sender: WaiterThread
    private let receivables = Mutex<[SystemVMessageQueue.Selection: SystemVReceivable]>([:])

    init(id: Int32, subject: String, _ stash: SystemVStash) {
        self.id = id
        self.subject = subject
        self.stash = stash
        sender = WaiterThread(subject: subject)
    }

    func receivable(_ selection: SystemVMessageQueue.Selection) -> SystemVReceivable {
        receivables.withLock { all in
            if let known = all[selection] { return known }
            // Selections may be made up without end (a type per client); those that nobody waits for may go.
            if all.count >= 64 { all = all.filter { $0.value.isInUse } }
            let fresh = SystemVReceivable(id: id, subject: subject, selection, stash)
            all[selection] = fresh
            return fresh
        }
    }

    /// The real `msgsnd(2)` on the thread for sending.
    func send(_ bytes: [UInt8], type: Int, until deadline: Deadline) async throws(IPCError) {
        let id = id
        try await sender.perform(call: "msgsnd", until: deadline) { () throws(Errno) in
            try sysMessageSend(id, type: type, bytes.span, retryOnInterrupt: false)
        }
    }

    /// The same while the calling thread waits: no `msgsnd(2)` has a time limit.
    func sendBlocking(_ bytes: [UInt8], type: Int, until deadline: Deadline) throws(IPCError) {
        let id = id
        try sender.performBlocking(call: "msgsnd", until: deadline) { () throws(Errno) in
            try sysMessageSend(id, type: type, bytes.span, retryOnInterrupt: false)
        }
    }

    func end() {
        sender.stop()
        for receivable in receivables.withLock({ $0.values.map(\.self) }) { receivable.readiness.stop() }
    }
}

/// That a message of one selection is there.
///
/// The thread's `msgrcv` asks for no bytes, so it ends when there is a message and leaves it. Only a message that
/// has no bytes is taken by that: it goes to the stash for whoever was woken by it, and back to the queue if in the end
/// nobody wants it.
final class SystemVReceivable: ReadinessSource {
    let readiness: BlockedReadiness

    private let id: Int32
    private let stash: SystemVStash
    private let waits: WaitCount
    private let indexes = Mutex<[ObjectIdentifier: Int]>([:])

    /// How many wait; an object of its own, because the blocking call reads it.
    private final class WaitCount: Sendable {
        let value = Atomic<Int>(0)
    }

    init(id: Int32, subject: String, _ selection: SystemVMessageQueue.Selection, _ stash: SystemVStash) {
        self.id = id
        self.stash = stash
        let waits = WaitCount()
        self.waits = waits
        let (type, flags) = (selection.type, selection.flags)
        readiness = BlockedReadiness(subject: subject, call: "msgrcv") { () throws(IPCError) in
            if stash.holds(selection) { return true }
            do throws(Errno) {
                if let taken = try sysMessageAwait(id, type: type, flags: flags.union(.noWait)) { stash.add(taken) }
                return true
            } catch  where error == .noMessage {
                return false
            } catch {
                throw IPCError(error, "msgrcv", subject)
            }
        } block: { () throws(Errno) in
            if stash.holds(selection) { return }
            guard let taken = try sysMessageAwait(id, type: type, flags: flags, retryOnInterrupt: false) else { return }
            stash.add(taken)
            if waits.value.load(ordering: .sequentiallyConsistent) == 0 { stash.giveBack(to: id) }
        }
    }

    var isInUse: Bool { waits.value.load(ordering: .sequentiallyConsistent) > 0 }

    /// Runs `body`, which waits by ``readiness``, such that a failure leaves nothing in the stash.
    func whileWaiting<Result: ~Copyable>(
        _ body: (BlockedReadiness) async throws(IPCError) -> Result
    ) async throws(IPCError) -> Result {
        begin()
        do throws(IPCError) {
            let result = try await body(readiness)
            finish(wantsNothing: false)
            return result
        } catch {
            finish(wantsNothing: true)
            throw error
        }
    }

    /// The same for a thread that blocks.
    func whileWaitingBlocking<Result: ~Copyable>(
        _ body: (BlockedReadiness) throws(IPCError) -> Result
    ) throws(IPCError) -> Result {
        begin()
        do throws(IPCError) {
            let result = try body(readiness)
            finish(wantsNothing: false)
            return result
        } catch {
            finish(wantsNothing: true)
            throw error
        }
    }

    private func begin() { waits.value.wrappingAdd(1, ordering: .sequentiallyConsistent) }

    private func finish(wantsNothing: Bool) {
        waits.value.wrappingSubtract(1, ordering: .sequentiallyConsistent)
        if wantsNothing && !stash.isEmpty { stash.giveBack(to: id) }
    }

    // MARK: ReadinessSource

    func arm(_ waiter: Waiter, index: Int) throws(IPCError) {
        begin()
        indexes.withLock { $0[ObjectIdentifier(waiter)] = index }
        try readiness.arm(waiter, index: index)
    }

    func disarm(_ waiter: Waiter) {
        readiness.disarm(waiter)
        let index = indexes.withLock { $0.removeValue(forKey: ObjectIdentifier(waiter)) }
        // Who was woken by this queue will come and take; who was woken by another may not.
        if case .ready(let ready)? = waiter.outcome, ready == index {
            finish(wantsNothing: false)
        } else {
            finish(wantsNothing: true)
        }
    }
}
