// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import SystemPackage

// MARK: The end

extension ProcessHandle {
    /// Blocks the thread until the process has ended.
    ///
    /// - Parameters:
    ///   - deadline: until when.
    ///   - retryOnInterrupt: whether a signal handler that runs in this thread leaves the wait as it is.
    /// - Returns: how it ended. Asked again, and by several at once, the answer is the same.
    /// - Throws: ``IPCError/Code/timedOut``, ``IPCError/Code/interrupted``.
    ///
    /// The corresponding C function is `waitid(2)` with `P_PIDFD`.
    @discardableResult
    public func exit(until deadline: Deadline = .never, retryOnInterrupt: Bool = true) throws(IPCError) -> ProcessExit {
        try core.descriptor.attemptBlocking(
            .readable, until: deadline, call: "waitid", subject, retryOnInterrupt: retryOnInterrupt
        ) { () throws(IPCError) in try core.takeEnd() }
    }

    /// Blocks the thread until the process has ended; a child is not reaped by it.
    ///
    /// - Returns: false if the deadline came first.
    ///
    /// The corresponding C function is `poll(2)`.
    public func ended(until deadline: Deadline = .never, retryOnInterrupt: Bool = true) throws(IPCError) -> Bool {
        try core.descriptor.wait(for: .readable, until: deadline, retryOnInterrupt: retryOnInterrupt)
    }

    /// How the process ended; nil while it runs.
    ///
    /// The corresponding C function is `waitid(2)` with `WNOHANG`.
    public func tryExit() throws(IPCError) -> ProcessExit? { try core.takeEnd() }

    /// Whether it has not ended yet. A stopped process runs.
    public var isRunning: Bool { ((try? core.descriptor.isReady(.readable)) ?? true) == false }
}

// MARK: Signals

extension ProcessHandle {
    /// Sends a signal to this process, and never to another that got its number.
    ///
    /// - Parameters:
    ///   - signal: any, SIGKILL and SIGSTOP too.
    ///   - value: what travels with it; 32 bits. Without one the receiver sees kill(2).
    /// - Throws: ``IPCError/Code/notFound`` (ESRCH) if it has ended and was waited for; to one that has ended only, nothing happens.
    ///   ``IPCError/Code/permissionDenied`` (EPERM) for another user's; ``IPCError/Code/wouldBlock`` (EAGAIN) for a
    ///   real-time signal if RLIMIT_SIGPENDING signals wait for that user's processes.
    ///
    /// The corresponding C function is `pidfd_send_signal(2)`.
    public func send(_ signal: Signal, value: Int32? = nil) throws(IPCError) {
        do throws(Errno) { try sysSignalProcess(rawValue, signal.number, value: value) } catch {
            throw Signal.sendFailure(error, "pidfd_send_signal", signal, subject)
        }
    }

    /// Sends a signal to one thread of this process.
    ///
    /// - Parameter thread: its number, as `ps -L` shows it.
    /// - Throws: as ``send(_:value:)``; ``IPCError/Code/notFound`` if the process has no such thread.
    ///
    /// Limits: Linux 6.9 has handles of threads. Before it, the process is looked at first, and a process that ends, is waited for and
    /// has its number reused between that and the call would be missed.
    ///
    /// The corresponding C functions are `pidfd_send_signal(2)` and `rt_tgsigqueueinfo(2)`.
    public func send(_ signal: Signal, value: Int32? = nil, toThread thread: Int32) throws(IPCError) {
        let place = "\(subject) thread \(thread)"
        do throws(Errno) {
            if let handle = try threadHandle(thread) {
                return try sysSignalProcess(handle.rawValue, signal.number, value: value)
            }
            try sysSignalProcess(rawValue, 0)
            if let value {
                try sysQueueThreadSignal(processID, thread, signal.number, value: value)
            } else {
                try sysSignalThread(processID, thread, signal.number)
            }
        } catch {
            throw Signal.sendFailure(error, "pidfd_send_signal", signal, place)
        }
    }

    /// A handle of a thread of this very process; nil where the kernel has none.
    private func threadHandle(_ thread: Int32) throws(Errno) -> OwnedDescriptor? {
        let handle: OwnedDescriptor
        do throws(Errno) { handle = OwnedDescriptor(adopting: try sysOpenProcess(thread, flags: pidfdThread)) } catch
            where error == .invalidArgument
        {
            return nil
        }
        guard ThreadTable.holds(thread, of: processID) else { throw .noSuchProcess }
        // Only while the process is there is its number its own.
        try sysSignalProcess(rawValue, 0)
        return handle
    }

    /// Stops the process, until ``proceed()``. It cannot prevent it.
    ///
    /// The corresponding C function is `kill(2)` with SIGSTOP.
    public func stop() throws(IPCError) { try send(.stop) }

    /// Lets a stopped process go on.
    ///
    /// The corresponding C function is `kill(2)` with SIGCONT.
    public func proceed() throws(IPCError) { try send(.proceed) }

    /// Ends the process at once. It cannot prevent it.
    ///
    /// The corresponding C function is `kill(2)` with SIGKILL.
    public func kill() throws(IPCError) { try send(.kill) }

    /// Asks the process to end (SIGTERM, and SIGCONT in case it is stopped); if it has not after `grace`, ends it (SIGKILL).
    ///
    /// - Parameters:
    ///   - grace: how long it has.
    ///   - wholeGroup: whether the process group that it leads is meant, and not it alone.
    /// - Returns: how it ended.
    /// - Throws: as ``send(_:value:)``.
    @discardableResult
    public func terminate(grace: Duration, wholeGroup: Bool = false) throws(IPCError) -> ProcessExit {
        try askToEnd(wholeGroup)
        do throws(IPCError) { return try exit(until: .after(grace)) } catch  where error.code == .timedOut {
            try endNow(wholeGroup)
            return try exit()
        }
    }

    func askToEnd(_ wholeGroup: Bool) throws(IPCError) {
        for signal in [Signal.terminate, .proceed] { try sendWhileThere(signal, wholeGroup) }
    }

    func endNow(_ wholeGroup: Bool) throws(IPCError) { try sendWhileThere(.kill, wholeGroup) }

    private func sendWhileThere(_ signal: Signal, _ wholeGroup: Bool) throws(IPCError) {
        do throws(IPCError) {
            if wholeGroup { try ledGroup.send(signal) } else { try send(signal) }
        } catch  where error.code == .notFound {
            return
        }
    }
}

enum ThreadTable {
    static func holds(_ thread: Int32, of process: Int32) -> Bool {
        (try? sysStatus(.init("/proc/\(process)/task/\(thread)"))) != nil
    }
}
