// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import Synchronization
import SystemPackage

/// Makes this process the parent of all its descendants whose own parents end, and tells how they end.
///
/// Without it they become children of process 1, out of sight. A supervisor of programs that fork into the background,
/// or the first process of a container, wants it.
///
/// ```swift
/// let reaper = try Subreaper()
/// while true {
///     print(try await reaper.nextOrphan())     // 901 exited with 0
/// }
/// ```
///
/// An orphan is a child that ended and was not made by ``ProcessHandle/spawn(_:)``. Children that other code of this program makes
/// (`posix_spawn`, Foundation's `Process`) look the same: name them with ``spare(_:)`` before they can end, or do not use both
/// in one process.
///
/// Ownership: the end of the value ends the role; orphans that have come so far stay children of this process.
///
/// Concurrency: there is one such value in a process.
///
/// If a process dies: when this one does, its orphans go to the next subreaper above, or to process 1.
///
/// The corresponding C function is `prctl(2)` with `PR_SET_CHILD_SUBREAPER`.
public struct Subreaper: ~Copyable, Sendable {
    private static let exists = Mutex(false)

    private let signals: SignalReceiver
    private let found = Mutex<[ProcessExit]>([])
    private let spared = Mutex<Set<Int32>>([])

    /// Takes the role. SIGCHLD is received for as long as the value lives.
    ///
    /// - Throws: ``IPCError/Code/busy`` if this process has the role by this type already, or a handler for SIGCHLD; what
    ///   ``SignalReceiver/init(_:capacity:)`` throws.
    public init() throws(IPCError) {
        let isFirst = Self.exists.withLock { exists in
            defer { exists = true }
            return !exists
        }
        guard isFirst else {
            throw IPCError(code: .busy, subject: "subreaper", hint: "there is one in this process already")
        }
        do throws(IPCError) { signals = try Self.begin() } catch {
            Self.exists.withLock { $0 = false }
            throw error
        }
    }

    private static func begin() throws(IPCError) -> SignalReceiver {
        let signals = try SignalReceiver([.child])
        do throws(Errno) { try sysSetSubreaper(true) } catch { throw IPCError(error, "prctl", "subreaper") }
        return signals
    }

    deinit {
        try? sysSetSubreaper(false)
        Self.exists.withLock { $0 = false }
    }

    /// Gives the role up.
    public consuming func close() {}

    /// Whether this process has the role, by whatever means.
    public static var isThisProcess: Bool { (try? sysIsSubreaper()) ?? false }

    /// Leaves a child alone: other code waits for it.
    public func spare(_ processID: Int32) { spared.withLock { _ = $0.insert(processID) } }

    /// Suspends the task until an orphan ends, and reaps it.
    ///
    /// - Throws: ``IPCError/Code/timedOut``, ``IPCError/Code/cancelled``.
    public func nextOrphan(until deadline: Deadline = .never) async throws(IPCError) -> ProcessExit {
        while true {
            if let orphan = try tryNextOrphan() { return orphan }
            _ = try await signals.receive(until: deadline)
        }
    }

    /// Blocks the thread until an orphan ends, and reaps it.
    public func nextOrphan(until deadline: Deadline = .never) throws(IPCError) -> ProcessExit {
        while true {
            if let orphan = try tryNextOrphan() { return orphan }
            _ = try signals.receive(until: deadline)
        }
    }

    /// An orphan that has ended already; nil if none has.
    public func tryNextOrphan() throws(IPCError) -> ProcessExit? {
        if let next = found.withLock({ $0.isEmpty ? nil : $0.removeFirst() }) { return next }
        // The signals first: whoever ends after the look is told of by another.
        while signals.tryReceive() != nil {}
        var ended: [ProcessExit] = []
        do throws(Errno) {
            for child in try Self.children() where !ProcessRegistry.shared.contains(child) {
                if spared.withLock({ $0.contains(child) }) { continue }
                do throws(Errno) {
                    if let end = try sysWaitForEnd(.process(child)) { ended.append(ProcessExit(end)) }
                } catch  where error == .noChildProcess {
                    continue
                }
            }
        } catch {
            found.withLock { $0 += ended }
            throw IPCError(error, "waitid", "subreaper")
        }
        return found.withLock { found in
            found += ended
            return found.isEmpty ? nil : found.removeFirst()
        }
    }

    /// That a child has changed: a token for ``WaitAny``. Follow it up with ``tryNextOrphan()``.
    public func readiness() throws(IPCError) -> Readiness { try signals.receivable() }

    /// Orphans that live, and children of any other making.
    public func orphans() throws(IPCError) -> [Int32] {
        do throws(Errno) {
            return try Self.children().filter { child in
                !ProcessRegistry.shared.contains(child) && !spared.withLock { $0.contains(child) }
            }
        } catch {
            throw IPCError(error, "openat", "/proc/self/task")
        }
    }

    private static func children() throws(Errno) -> [Int32] {
        var all: [Int32] = []
        for thread in try sysThreads(of: "self") {
            // A thread may end meanwhile; its children go to another of the process.
            let line = (try? sysProcFile(FilePath("/proc/self/task/\(thread)/children"))) ?? ""
            all += line.split(separator: " ").compactMap { Int32($0.prefix { $0.isNumber }) }
        }
        return all.sorted()
    }
}
