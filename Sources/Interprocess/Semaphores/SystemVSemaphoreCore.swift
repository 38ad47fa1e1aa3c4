// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import Synchronization
import SystemPackage

/// What a handle and those who wait on it share.
final class SystemVSemaphoreCore: Sendable {
    typealias Operation = SystemVSemaphoreSet.Operation

    let id: Int32
    let count: Int
    let subject: String
    private let waits = Mutex<[[Operation]: WeakReadiness]>([:])

    private struct WeakReadiness {
        weak var value: BlockedReadiness?
    }

    init(id: Int32, count: Int, subject: String) {
        self.id = id
        self.count = count
        self.subject = subject
    }

    // MARK: Waiting

    /// One for each group, and so one thread, however many wait for it. It goes when nobody waits.
    func readiness(_ operations: [Operation]) -> BlockedReadiness {
        waits.withLock { all in
            if let known = all[operations]?.value { return known }
            if all.count >= 64 { all = all.filter { $0.value.value != nil } }
            let fresh = makeReadiness(operations)
            all[operations] = WeakReadiness(value: fresh)
            return fresh
        }
    }

    /// The group and then its inverse, backwards, as one: the kernel lets it through when the group could be done, and nothing
    /// has changed afterwards.
    private static func probe(_ operations: [Operation]) -> [Operation] {
        operations.map(\.withoutUndo) + operations.reversed().filter { $0.change != 0 }.map(\.inverse)
    }

    private func makeReadiness(_ operations: [Operation]) -> BlockedReadiness {
        let probe = Self.probe(operations)
        let (id, subject) = (id, subject)
        return BlockedReadiness(subject: subject, call: "semop") { () throws(IPCError) in
            do throws(Errno) { try Self.tryOperate(id, probe) } catch {
                if error == .wouldBlock { return false }
                throw IPCError(error, "semop", subject)
            }
            return true
        } block: { () throws(Errno) in
            try Self.operate(id, probe, retryOnInterrupt: false)
        }
    }

    /// The handle ends: whoever still waits by it is told.
    func end() {
        for waiting in waits.withLock({ $0.values.compactMap(\.value) }) { waiting.stop() }
    }

    // MARK: Operating

    func perform(_ operations: [Operation], retryOnInterrupt: Bool) throws(IPCError) {
        do throws(Errno) { try Self.operate(id, operations, retryOnInterrupt: retryOnInterrupt) } catch {
            throw failure(error, operations)
        }
    }

    func tryPerform(_ operations: [Operation]) throws(IPCError) -> Bool {
        do throws(Errno) { try Self.tryOperate(id, operations) } catch {
            if error == .wouldBlock { return false }
            throw failure(error, operations)
        }
        return true
    }

    func perform(_ operations: [Operation], until deadline: Deadline, retryOnInterrupt: Bool) throws(IPCError) {
        if deadline == .never { return try perform(operations, retryOnInterrupt: retryOnInterrupt) }
        do throws(Errno) {
            try Self.operate(
                id, operations, untilNanoseconds: deadline.monotonicNanoseconds, retryOnInterrupt: retryOnInterrupt)
        } catch {
            let mayFail = operations.contains { $0.failsInsteadOfWaiting }
            if error == .wouldBlock && (!mayFail || deadline.hasPassed) { throw late() }
            throw failure(error, operations)
        }
    }

    func performAwaiting(_ operations: [Operation], until deadline: Deadline) async throws(IPCError) {
        if try tryPerform(operations) { return }
        if Task.isCancelled { throw cancelled() }
        do throws(IPCError) {
            _ = try await readiness(operations).attempt(until: deadline) { () throws(IPCError) -> Bool? in
                try tryPerform(operations) ? true : nil
            }
        } catch {
            throw refined(error, operations)
        }
    }
}

/// What happens at the end of a handle, once: waits end, and the set goes if it is to.
struct SystemVSemaphoreEnding: ~Copyable, Sendable {
    private let core: SystemVSemaphoreCore
    private let lifetime: SystemVSemaphoreSet.Lifetime
    private let use: Mutex<SystemVUse?>
    private let isOver = Atomic<Bool>(false)

    init(
        _ core: SystemVSemaphoreCore, _ lifetime: SystemVSemaphoreSet.Lifetime, _ use: consuming SystemVUse?
    ) {
        self.core = core
        self.lifetime = lifetime
        self.use = Mutex(use)
    }

    deinit {
        // There is nobody to tell here; `close()` is for those who want to know.
        try? perform()
    }

    func perform() throws(IPCError) {
        if isOver.exchange(true, ordering: .relaxed) { return }
        core.end()
        guard lifetime == .removeOnClose else {
            use.withLock { $0.take() }?.leave()
            return
        }
        do throws(Errno) { try sysSemaphoreSetRemove(core.id) } catch {
            if error == .invalidArgument || error == .identifierRemoved { return }
            throw IPCError(error, "semctl", core.subject, hint: "only the set's owner and creator may remove it")
        }
    }
}
