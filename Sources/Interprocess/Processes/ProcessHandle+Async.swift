// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls

extension ProcessHandle {
    /// Suspends the task until the process has ended.
    ///
    /// - Parameter deadline: until when.
    /// - Returns: how it ended; ``ProcessExit/reason`` is nil if the kernel does not tell, which can be so where this process is not
    ///   the parent. Asked again, and by several at once, the answer is the same.
    /// - Throws: ``IPCError/Code/timedOut``, ``IPCError/Code/cancelled``.
    @discardableResult
    public func exit(until deadline: Deadline = .never) async throws(IPCError) -> ProcessExit {
        try await core.descriptor.attempt(.readable, until: deadline, call: "waitid", subject) {
            () throws(IPCError) in try core.takeEnd()
        }
    }

    /// Suspends the task until the process has ended; a child is not reaped by it.
    ///
    /// - Returns: false if the deadline came first.
    public func ended(until deadline: Deadline = .never) async throws(IPCError) -> Bool {
        try await core.descriptor.wait(for: .readable, until: deadline)
    }

    /// That the process has ended: a token for ``WaitAny``.
    public func exitReadiness() throws(IPCError) -> Readiness { try core.descriptor.readiness(.readable) }

    /// Asks the process to end (SIGTERM, and SIGCONT in case it is stopped); if it has not after `grace`, ends it (SIGKILL).
    ///
    /// If the task is cancelled meanwhile, the process is ended at once: that it ends is what was asked for.
    ///
    /// - Parameters:
    ///   - grace: how long it has.
    ///   - wholeGroup: whether the process group that it leads is meant, and not it alone.
    /// - Returns: how it ended.
    @discardableResult
    public func terminate(grace: Duration, wholeGroup: Bool = false) async throws(IPCError) -> ProcessExit {
        try askToEnd(wholeGroup)
        do throws(IPCError) { return try await exit(until: .after(grace)) } catch
            where error.code == .timedOut || error.code == .cancelled
        {
            try endNow(wholeGroup)
            return try await Self.afterKill(core, subject)
        }
    }

    /// A killed process ends soon, and a cancelled task shall learn how.
    private static func afterKill(_ core: ProcessCore, _ subject: String) async throws(IPCError) -> ProcessExit {
        while true {
            if let end = try core.takeEnd() { return end }
            if Task.isCancelled {
                _ = try endBlocking(core, .after(.milliseconds(5)))
                await Task.yield()
            } else {
                do throws(IPCError) { _ = try await core.descriptor.wait(for: .readable) } catch
                    where error.code == .cancelled
                {
                    continue
                }
            }
        }
    }

    private static func endBlocking(_ core: ProcessCore, _ deadline: Deadline) throws(IPCError) -> Bool {
        try core.descriptor.wait(for: .readable, until: deadline)
    }
}
