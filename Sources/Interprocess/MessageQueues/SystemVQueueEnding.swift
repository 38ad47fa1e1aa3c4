// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import Synchronization
import SystemPackage

/// What happens at the end of a handle, once: waits end, what they took goes back, and the queue goes if it is to.
struct SystemVQueueEnding: ~Copyable, Sendable {
    private let core: SystemVQueueCore
    private let lifetime: SystemVMessageQueue.Lifetime
    private let use: Mutex<SystemVUse?>
    private let isOver = Atomic<Bool>(false)

    init(_ core: SystemVQueueCore, _ lifetime: SystemVMessageQueue.Lifetime, _ use: consuming SystemVUse?) {
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
        if lifetime == .removeOnClose {
            core.waiting.end()
            do throws(Errno) { try sysMessageQueueRemove(core.id) } catch {
                if error == .invalidArgument || error == .identifierRemoved { return }
                throw IPCError(error, "msgctl", core.subject, hint: "only the queue's owner and creator may remove it")
            }
            return
        }
        defer { use.withLock { $0.take() }?.leave() }
        try core.end()
    }
}
