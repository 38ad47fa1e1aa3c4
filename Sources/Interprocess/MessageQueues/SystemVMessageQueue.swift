// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
public import SystemPackage

/// A System V message queue: messages with a type by which receivers choose, kept by the kernel under a key
/// or an id until somebody removes the queue.
///
/// ```swift
/// let jobs = try SystemVMessageQueue(key: .path("/srv/jobs", project: 1), mode: .openOrCreate)
/// try jobs.send(Array("print".utf8), type: 2)
/// let message = try jobs.receive(.lowestUpTo(5))
/// ```
///
/// Ownership: the kernel's queue belongs to nobody; ``Lifetime`` says when it goes. The handle owns at most two
/// threads per kind of selection, started by the first `async` wait and ended with it.
///
/// Concurrency: any number of tasks and threads may use one handle at once. Every message is received
/// by exactly one of all who receive in all processes.
///
/// If a process dies: what it sent stays, what it had not received stays; for one exception see ``receivable(_:)``.
///
/// Limits: `kernel.msgmni` queues, `kernel.msgmax` bytes a message, `kernel.msgmnb` bytes a queue. Errors name the one
/// that is in the way.
///
/// The manual page is `sysvipc(7)`.
public struct SystemVMessageQueue: ~Copyable, Sendable {
    /// The key it was opened by; nil if it was opened by its id.
    public let key: SystemVKey?
    /// The kernel's number for the queue: what `ipcs -q` shows, and what other processes can open it by.
    public let id: Int32
    /// Whether this handle made the queue, rather than find it.
    public let wasCreated: Bool
    /// When the queue goes.
    public let lifetime: Lifetime

    let core: SystemVQueueCore
    private let ending: SystemVQueueEnding

    /// Opens or creates a queue by its key.
    ///
    /// - Parameters:
    ///   - key: a number, ``SystemVKey/path(_:project:)``, or `.private` for a new queue that others open by its ``id``.
    ///   - mode: whether to create. A private queue is always created.
    ///   - permissions: of a queue that is created; only reading and writing count.
    ///   - lifetime: when the queue goes.
    /// - Throws: ``IPCError/Code/alreadyExists``, ``IPCError/Code/notFound`` as the mode says;
    ///   ``IPCError/Code/limitReached`` (ENOSPC) if `kernel.msgmni` queues exist; ``IPCError/Code/invalidArgument`` for a
    ///   private queue that is to exist already. A queue that exists can be opened by everybody: whether it
    ///   may be used is checked by each use.
    ///
    /// The corresponding C function is `msgget(2)`.
    public init(
        key: SystemVKey, mode: CreationMode = .openExisting, permissions: FilePermissions = .ownerOnly,
        lifetime: Lifetime = .untilRemoved
    ) throws(IPCError) {
        let opened = try Self.open(key, mode, permissions, lifetime)
        self.key = key
        id = opened.id
        wasCreated = opened.wasCreated
        self.lifetime = lifetime
        let subject = key.rawValue == 0 ? "sysv-msg:id=\(opened.id)" : "sysv-msg:\(key)"
        core = SystemVQueueCore(id: opened.id, subject: subject)
        ending = SystemVQueueEnding(core, lifetime, opened.use)
    }

    /// Opens a queue that exists by its id.
    ///
    /// - Parameters:
    ///   - id: what another process's ``id`` or `ipcs -q` says.
    ///   - lifetime: when the queue goes.
    /// - Throws: ``IPCError/Code/notFound`` (EINVAL, EIDRM).
    ///
    /// The corresponding C function is `msgctl(2)` with `IPC_STAT`.
    public init(id: Int32, lifetime: Lifetime = .untilRemoved) throws(IPCError) {
        let subject = "sysv-msg:id=\(id)"
        let gone = IPCError(
            code: .notFound, call: "msgctl", errno: .invalidArgument, subject: subject, hint: "no queue has that id")
        guard try Self.isThere(id, subject) else { throw gone }
        var use: SystemVUse?
        if case .whileUsed(let directory) = lifetime {
            use = try SystemVUse.join(id, in: directory, isCreator: false, subject)
            if use == nil { throw gone }
        }
        key = nil
        self.id = id
        wasCreated = false
        self.lifetime = lifetime
        core = SystemVQueueCore(id: id, subject: subject)
        ending = SystemVQueueEnding(core, lifetime, use)
    }

    /// Ends the handle, and does with the queue what its ``Lifetime`` says.
    ///
    /// Tasks that wait on this handle get ``IPCError/Code/badDescriptor``.
    ///
    /// - Throws: what ``remove()`` may throw, if the queue was to go; that it is gone already is no error.
    public consuming func close() throws(IPCError) {
        try ending.perform()
    }

    var subject: String { core.subject }
}

// MARK: Opening

extension SystemVMessageQueue {
    struct Opened: ~Copyable {
        var id: Int32
        var wasCreated: Bool
        var use: SystemVUse?
    }

    private static func open(
        _ key: SystemVKey, _ mode: CreationMode, _ permissions: FilePermissions, _ lifetime: Lifetime
    ) throws(IPCError) -> Opened {
        let isPrivate = key.rawValue == 0
        if isPrivate && (mode == .openExisting || key != .private) {
            throw IPCError(
                code: .invalidArgument, call: "msgget", subject: "sysv-msg:\(key)",
                hint: "key 0 is IPC_PRIVATE, by which nothing is found: create with .private, open by id")
        }
        if case .whileUsed(let directory) = lifetime { try removeUnused(in: directory) }
        while true {
            let (id, wasCreated) = try get(key, mode, UInt32(permissions.rawValue))
            guard case .whileUsed(let directory) = lifetime else {
                return Opened(id: id, wasCreated: wasCreated, use: nil)
            }
            // The last user may be leaving at this moment, and the queue with it: then look again.
            switch try SystemVUse.join(id, in: directory, isCreator: wasCreated, "sysv-msg:\(key)") {
            case .some(let use): return Opened(id: id, wasCreated: wasCreated, use: use)
            case .none: continue
            }
        }
    }

    /// Creating and opening are separate steps, so that it is known which of them happened and the mode
    /// of a queue that exists is not held against who opens it.
    private static func get(
        _ key: SystemVKey, _ mode: CreationMode, _ permissions: UInt32
    ) throws(IPCError) -> (id: Int32, wasCreated: Bool) {
        while true {
            do throws(Errno) {
                if mode == .openExisting || (mode == .openOrCreate && key.rawValue != 0) {
                    do throws(Errno) { return (try sysMessageQueueGet(key.rawValue), false) } catch
                        where
                        error == .noSuchFileOrDirectory && mode == .openOrCreate
                    {}
                }
                return (try sysMessageQueueGet(key.rawValue, create: true, exclusive: true, mode: permissions), true)
            } catch  where error == .fileExists && mode == .openOrCreate {
                continue
            } catch {
                throw openFailure(error, key)
            }
        }
    }

    /// Whether the id names a queue; not being allowed to look at it is an answer too.
    static func isThere(_ id: Int32, _ subject: String) throws(IPCError) -> Bool {
        do throws(Errno) { _ = try sysMessageQueueState(id) } catch {
            switch error {
            case .invalidArgument, .identifierRemoved: return false
            case .permissionDenied: return true
            default: throw IPCError(error, "msgctl", subject)
            }
        }
        return true
    }
}
