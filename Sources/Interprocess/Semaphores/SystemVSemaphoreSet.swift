// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
public import SystemPackage

/// A System V semaphore set: one or several semaphores that change together, kept by the kernel under a key or an id until
/// somebody removes the set.
///
/// What no other semaphore does: a group of operations on several of them happens as a whole or not at all; one can
/// wait for zero; and what a process took with *undo* the kernel gives back when the process ends, killed or not.
///
/// ```swift
/// let forks = try SystemVSemaphoreSet(key: .path("/srv/table", project: 1), mode: .openOrCreate, values: [1, 1, 1, 1, 1])
/// try await forks.perform([.wait(2, undo: true), .wait(3, undo: true)])
/// defer { try? forks.perform([.post(2, undo: true), .post(3, undo: true)]) }
/// ```
///
/// The race between creating and initialising is closed: see ``Initialization``.
///
/// Ownership: the kernel's set belongs to nobody; ``Lifetime`` says when it goes. The handle owns one thread for each
/// group of operations that tasks wait to perform, while they wait.
///
/// Concurrency: any number of tasks, threads and processes may use one set at once.
///
/// If a process dies: what it did with undo is undone, for all its threads and tasks together, when its last thread has ended;
/// the rest stays.
///
/// Limits: ``SystemVSemaphoreLimits``, and values to ``maximumValue``. Errors name the one that is in the way.
///
/// The manual page is `sysvipc(7)`.
public struct SystemVSemaphoreSet: ~Copyable, Sendable {
    /// The key it was opened by; nil if it was opened by its id.
    public let key: SystemVKey?
    /// The kernel's number for the set: what `ipcs -s` shows, and what other processes can open it by.
    public let id: Int32
    /// How many semaphores it has.
    public let count: Int
    /// Whether this handle made the set, rather than find it.
    public let wasCreated: Bool
    /// When the set goes.
    public let lifetime: Lifetime

    let core: SystemVSemaphoreCore
    private let ending: SystemVSemaphoreEnding

    /// Opens or creates a set by its key.
    ///
    /// - Parameters:
    ///   - key: a number, ``SystemVKey/path(_:project:)``, or `.private` for a new set that others open by its ``id``.
    ///   - mode: whether to create. A private set is always created.
    ///   - values: one for each semaphore of a set that is created, 0 to ``maximumValue``. One that exists keeps its own; it
    ///     must have as many semaphores at least. None, to open a set of any size.
    ///   - permissions: of a set that is created: reading is to look at it and to wait for zero, writing is the rest.
    ///   - initialization: what to do about a set that another process is just making, or began to.
    ///   - lifetime: when the set goes.
    /// - Throws: ``IPCError/Code/alreadyExists``, ``IPCError/Code/notFound`` as the mode says; ``IPCError/Code/limitReached``
    ///   (ENOSPC) with the limit; ``IPCError/Code/invalidArgument`` (EINVAL) for no values or too many, or for more than the
    ///   set has; ``IPCError/Code/invalidArgument`` (ERANGE) for a value out of range; ``IPCError/Code/permissionDenied`` if
    ///   not even the readable state may be seen; ``IPCError/Code/timedOut`` for a set that was never made ready.
    ///
    /// Blocking: the thread, up to the patience of ``Initialization/awaited(patience:)``, for a set that is not ready.
    ///
    /// If a process dies: while it makes a set, the set stays without values; see ``Initialization``.
    ///
    /// The corresponding C function is `semget(2)`.
    public init(
        key: SystemVKey, mode: CreationMode = .openExisting, values: [Int] = [],
        permissions: FilePermissions = .ownerOnly, initialization: Initialization = .awaited(),
        lifetime: Lifetime = .untilRemoved
    ) throws(IPCError) {
        let opened = try SystemVSemaphoreOpening(
            key: key, mode: mode, values: values, permissions: UInt32(permissions.rawValue),
            initialization: initialization,
            lifetime: lifetime
        ).open()
        self.key = key
        id = opened.id
        count = opened.count
        wasCreated = opened.wasCreated
        self.lifetime = lifetime
        core = SystemVSemaphoreCore(
            id: opened.id, count: opened.count,
            subject: key.rawValue == 0 ? "sysv-sem:id=\(opened.id)" : "sysv-sem:\(key)")
        ending = SystemVSemaphoreEnding(core, lifetime, opened.use)
    }

    /// Opens a set that exists by its id, as it is.
    ///
    /// - Parameters:
    ///   - id: what another process's ``id`` or `ipcs -s` says.
    ///   - lifetime: when the set goes.
    /// - Throws: ``IPCError/Code/notFound`` (EINVAL, EIDRM); ``IPCError/Code/permissionDenied`` without read permission.
    ///
    /// The corresponding C function is `semctl(2)` with `IPC_STAT`.
    public init(id: Int32, lifetime: Lifetime = .untilRemoved) throws(IPCError) {
        let subject = "sysv-sem:id=\(id)"
        let count = try Self.count(id, subject)
        var use: SystemVUse?
        if case .whileUsed(let directory) = lifetime {
            use = try SystemVUse.join(id, kind: .semaphoreSet, in: directory, isCreator: false, subject)
            if use == nil { throw Self.gone(.invalidArgument, subject) }
        }
        self.count = count
        key = nil
        self.id = id
        wasCreated = false
        self.lifetime = lifetime
        core = SystemVSemaphoreCore(id: id, count: count, subject: subject)
        ending = SystemVSemaphoreEnding(core, lifetime, use)
    }

    /// Ends the handle, and does with the set what its ``Lifetime`` says.
    ///
    /// - Throws: what ``remove()`` may throw, if the set was to go; that it is gone already is no error.
    public consuming func close() throws(IPCError) {
        try ending.perform()
    }

    var subject: String { core.subject }

    private static func count(_ id: Int32, _ subject: String) throws(IPCError) -> Int {
        do throws(Errno) { return try sysSemaphoreSetState(id).count } catch {
            if error == .invalidArgument || error == .identifierRemoved { throw gone(error, subject) }
            throw IPCError(
                error, "semctl", subject,
                hint: "its owner and mode do not allow user \(sysEffectiveUserID()) to look at it")
        }
    }

    private static func gone(_ error: Errno, _ subject: String) -> IPCError {
        IPCError(code: .notFound, call: "semctl", errno: error, subject: subject, hint: "no set has that id")
    }
}
