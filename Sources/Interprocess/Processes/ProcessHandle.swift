// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import Synchronization
import SystemPackage

/// A process, held by the kernel's own handle on it (pidfd): whatever becomes of its number, this is that process and no
/// other.
///
/// ```swift
/// let sleeper = try ProcessHandle.spawn(ProcessCommand("sleep", ["60"]))
/// try sleeper.send(.terminate)
/// print(try await sleeper.exit())       // 812 was ended by SIGTERM
/// ```
///
/// Ownership: the value owns the handle, not the process: the end of the value ends nothing. A child that this process has
/// spawned and never waited for is reaped by the library when it ends: no zombie stays. For that, some code must
/// not wait for all children (`waitpid(-1, …)`) or ignore SIGCHLD; if it does, ends are seen all the same, but not how.
///
/// Concurrency: any number of tasks and threads may wait for one process at once; all are told.
///
/// If a process dies: that is what one waits for here. A parent's children live on, unless ``ProcessCommand/signalAtParentDeath`` was set.
///
/// The manual page is `pidfd_open(2)`.
public struct ProcessHandle: ~Copyable, Sendable {
    /// The number. When the process has ended and was waited for, another may get it.
    public let processID: Int32
    let core: ProcessCore

    /// The process that has this number now.
    ///
    /// A number that was noted earlier may be another process's by now; ask ``startTime`` or its parent.
    ///
    /// - Parameter processID: as `ps` shows it.
    /// - Throws: ``IPCError/Code/notFound`` (ESRCH); ``IPCError/Code/invalidArgument`` for what is not a process: 0, a negative number, a
    ///   thread other than the first; ``IPCError/Code/limitReached`` (EMFILE).
    ///
    /// The corresponding C function is `pidfd_open(2)`.
    public init(processID: Int32) throws(IPCError) {
        do throws(Errno) {
            core = ProcessCore(processID, OwnedDescriptor(adopting: try sysOpenProcess(processID)), isSpawned: false)
            self.processID = processID
        } catch {
            let hint: String =
                switch error {
                case .noSuchProcess: "there is no process of that number"
                // Linux says EINVAL, and ENOENT since 6.15.
                case .invalidArgument, .noSuchFileOrDirectory:
                    processID > 0 ? "it is a thread, not a process" : "process numbers are positive"
                default: ""
                }
            throw IPCError(error, "pidfd_open", "pid:\(processID)", hint: hint)
        }
    }

    /// This process.
    public static func current() throws(IPCError) -> ProcessHandle { try ProcessHandle(processID: sysProcessID()) }

    /// The process that started this one, or took it over: a supervised program waits for its end by ``ended(until:)``.
    ///
    /// - Throws: ``IPCError/Code/notFound`` if the parent is outside this process's namespace.
    public static func parent() throws(IPCError) -> ProcessHandle {
        while true {
            let number = sysParentProcessID()
            guard number > 0 else {
                throw IPCError(
                    code: .notFound, subject: "the parent", hint: "it is outside this namespace of processes")
            }
            do throws(IPCError) {
                let handle = try ProcessHandle(processID: number)
                // While it still is the parent, the number cannot have been anybody else's in between.
                if sysParentProcessID() == number { return handle }
            } catch  where error.code == .notFound && sysParentProcessID() != number {
                continue
            }
        }
    }

    init(spawned process: SpawnedProcess) {
        processID = process.process
        core = ProcessCore(process.process, OwnedDescriptor(adopting: process.descriptor), isSpawned: true)
    }

    /// A second value for the same handle.
    init(_ core: ProcessCore) {
        processID = core.processID
        self.core = core
    }

    /// Lets the process go; as the end of the value.
    public consuming func close() {}

    /// The number of the descriptor: readable when the process has ended. Do not close it.
    public var rawValue: CInt { core.descriptor.rawValue }

    /// What errors call it: `pid:812`.
    var subject: String { "pid:\(processID)" }
}

/// What handle, waits and the library's own reaping share.
final class ProcessCore: Sendable {
    let processID: Int32
    let descriptor: AwaitableDescriptor
    /// Whether this library has made it: then nobody else has a claim to its end.
    let isSpawned: Bool
    /// How it ended, once that is known. Under the lock one thread asks the kernel, for whoever asks second gets nothing.
    private let end = Mutex<ProcessExit?>(nil)

    init(_ processID: Int32, _ descriptor: consuming OwnedDescriptor, isSpawned: Bool) {
        self.processID = processID
        self.descriptor = AwaitableDescriptor(descriptor)
        self.isSpawned = isSpawned
        if isSpawned { ProcessRegistry.shared.add(processID) }
    }

    deinit {
        guard isSpawned else { return }
        if (try? takeEnd()) ?? nil == nil { ProcessRegistry.shared.reapLater(processID, descriptor.rawValue) }
    }

    /// How it ended; nil while it runs. Reaps a child.
    func takeEnd() throws(IPCError) -> ProcessExit? {
        try end.withLock { (end) throws(IPCError) in
            if let end { return end }
            // Asked only once there is an end: to wait for a child that another thread of this process has under control would
            // take its stops from that thread, whatever the options say.
            guard try descriptor.isReady(.readable) else { return nil }
            do throws(Errno) {
                guard let found = try sysWaitForEnd(.descriptor(descriptor.rawValue)) else { return nil }
                if isSpawned { ProcessRegistry.shared.remove(processID) }
                end = ProcessExit(found)
                return end
            } catch  where error == .noChildProcess {
                // Not a child of ours, or waited for by somebody else.
                end = try endSeenFromOutside()
                if end != nil, isSpawned { ProcessRegistry.shared.remove(processID) }
                return end
            } catch {
                throw IPCError(error, "waitid", "pid:\(processID)")
            }
        }
    }

    private func endSeenFromOutside() throws(IPCError) -> ProcessExit? {
        if let found = sysEndOfReaped(descriptor.rawValue, process: processID) { return ProcessExit(found) }
        if let reason = ZombieStatus.reason(of: processID, descriptor.rawValue) {
            return ProcessExit(processID: processID, reason: reason)
        }
        // It may have been reaped between the two questions.
        return sysEndOfReaped(descriptor.rawValue, process: processID).map { ProcessExit($0) }
            ?? ProcessExit(processID: processID)
    }
}

/// How an ended process ended that its parent has not asked for yet: /proc tells whoever could trace it.
enum ZombieStatus {
    static func reason(of processID: Int32, _ descriptor: CInt) -> ProcessExit.Reason? {
        guard let text = try? sysProcFile(FilePath("/proc/\(processID)/stat")),
            let paren = text.lastIndex(of: ")")
        else { return nil }
        // The third field of the line comes next; the 52nd is the exit code.
        let fields = text[text.index(after: paren)...].split(separator: " ")
        guard fields.count >= 50, fields[0] == "Z" || fields[0] == "X",
            let status = Int32(fields[49].prefix { $0 != "\n" })
        else { return nil }
        // Only if it was not reaped meanwhile was this its line and not that of another with its number.
        guard (try? sysSignalProcess(descriptor, 0)) != nil else { return nil }
        // The kernel shows 0 to whoever may not know.
        if status == 0 && !mayKnow(processID) { return nil }
        return ProcessExit(ChildEnd(process: processID, waitStatus: status)).reason
    }

    private static func mayKnow(_ processID: Int32) -> Bool {
        let user = sysEffectiveUserID()
        if user == 0 { return true }
        return (try? sysStatus(FilePath("/proc/\(processID)")))?.user == user
    }
}
