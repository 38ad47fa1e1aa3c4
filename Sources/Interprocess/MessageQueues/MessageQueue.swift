// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import Synchronization
public import SystemPackage

/// A POSIX message queue: messages with a priority, kept by the kernel under a name until somebody receives
/// them, whoever lives meanwhile.
///
/// The highest priority is received first; of one priority the oldest. A queue holds a number of
/// messages and a size of each that are fixed when it is created; a full queue makes senders wait.
///
/// ```swift
/// let orders = try MessageQueue(ObjectName("/orders"), mode: .openOrCreate)
/// try orders.send(Array("two pizzas".utf8), priority: 3)
/// let message = try orders.receive()
/// ```
///
/// Ownership: the value owns the descriptor. The queue itself stays until its name is removed with
/// ``unlink(_:)`` (or by `removeOnClose`) and the last descriptor is closed.
///
/// Concurrency: any number of tasks and threads may use one handle at once. Every message is received
/// by exactly one of all who receive in all processes.
///
/// If a process dies: what it sent stays, what it had not received stays.
///
/// Limits: `fs.mqueue.queues_max` queues, `msg_max` and `msgsize_max` for the unprivileged, and the
/// bytes that RLIMIT_MSGQUEUE allows to all queues of one user. Errors name the one that is in the way.
///
/// The manual page is `mq_overview(7)`.
public struct MessageQueue: ~Copyable, Sendable {
    /// Under which name it was opened. Somebody may have removed the name since.
    public let name: ObjectName
    /// In which directions this handle may be used.
    public let access: Access
    /// How much the queue holds, as the kernel says; a buffer to receive into needs `messageSizeBytes`.
    public let limits: Limits
    /// Whether this handle made the queue, rather than find it.
    public let wasCreated: Bool

    let descriptor: AwaitableDescriptor
    private let removal: NameRemoval

    /// Opens or creates a queue.
    ///
    /// - Parameters:
    ///   - name: `/orders`.
    ///   - mode: whether to create.
    ///   - access: the directions in which it is to be used.
    ///   - permissions: of a queue that is created: exactly these, whatever the umask says. Until they are set, for
    ///     some microseconds after the creation, the umask's stricter ones hold.
    ///   - limits: of a queue that is created; nil is ``Limits/systemDefault``. One that exists keeps its own.
    ///   - removeOnClose: whether the end of this handle removes the name. Others who have the queue open can use
    ///     it on; nobody can open it any more.
    /// - Throws: ``IPCError/Code/alreadyExists`` and ``IPCError/Code/notFound`` as the mode says;
    ///   ``IPCError/Code/permissionDenied`` if the queue's mode does not allow the access;
    ///   ``IPCError/Code/invalidArgument`` (EINVAL) for limits that are not positive or above what the system allows;
    ///   ``IPCError/Code/limitReached`` (EMFILE, ENFILE, ENOSPC) with the limit and its value.
    ///
    /// If a process dies: a queue with `removeOnClose` stays if its process is killed.
    ///
    /// The corresponding C function is `mq_open(3)`.
    public init(
        _ name: ObjectName, mode: CreationMode = .openExisting, access: Access = .both,
        permissions: FilePermissions = .ownerOnly, limits: Limits? = nil, removeOnClose: Bool = false
    ) throws(IPCError) {
        let opened = try Self.open(name, mode, access, permissions, limits)
        self.name = name
        self.access = access
        self.limits = opened.limits
        wasCreated = opened.wasCreated
        descriptor = AwaitableDescriptor(opened.descriptor)
        removal = NameRemoval(name, armed: removeOnClose)
    }

    /// Closes the handle, and removes the name if `removeOnClose` was asked for.
    ///
    /// Waiting tasks get ``IPCError/Code/badDescriptor``. A ``MessageQueueNotification`` of this process on this
    /// queue ends: the kernel withdraws it when the process closes any descriptor of the queue.
    ///
    /// - Throws: ``IPCError/Code/badDescriptor``; what ``unlink(_:)`` may throw, except that the name is gone already.
    ///
    /// The corresponding C function is `mq_close(3)`.
    public consuming func close() throws(IPCError) {
        try removal.perform()
        try descriptor.close()
    }

    /// The number of the descriptor. Do not close it.
    public var rawValue: CInt { descriptor.rawValue }

    /// What errors call it: `mq:/orders`.
    var subject: String { "mq:\(name)" }
}

// MARK: Opening

extension MessageQueue {
    struct Opened: ~Copyable {
        var descriptor: OwnedDescriptor
        var limits: Limits
        var wasCreated: Bool
    }

    /// Creating and opening are separate steps, so that it is known which of them happened.
    private static func open(
        _ name: ObjectName, _ mode: CreationMode, _ access: Access, _ permissions: FilePermissions, _ limits: Limits?
    ) throws(IPCError) -> Opened {
        while true {
            do throws(Errno) {
                switch mode {
                case .createExclusive:
                    return try create(name, access, permissions, limits)
                case .openExisting:
                    return try openExisting(name, access)
                case .openOrCreate:
                    do throws(Errno) { return try openExisting(name, access) } catch
                        where error == .noSuchFileOrDirectory
                    {
                        return try create(name, access, permissions, limits)
                    }
                }
            } catch  where error == .fileExists && mode == .openOrCreate {
                continue
            } catch {
                throw openFailure(error, name, mode, limits)
            }
        }
    }

    private static func openExisting(_ name: ObjectName, _ access: Access) throws(Errno) -> Opened {
        let descriptor = OwnedDescriptor(adopting: try sysMessageQueueOpen(name.description, access.direction))
        let limits = try Limits(sysMessageQueueAttributes(descriptor.rawValue))
        return Opened(descriptor: descriptor, limits: limits, wasCreated: false)
    }

    private static func create(
        _ name: ObjectName, _ access: Access, _ permissions: FilePermissions, _ limits: Limits?
    ) throws(Errno) -> Opened {
        let attributes = limits.map {
            MessageQueueAttributes(maxMessages: $0.maxMessages, messageSizeBytes: $0.messageSizeBytes)
        }
        let mode = UInt32(permissions.rawValue)
        let descriptor = OwnedDescriptor(
            adopting: try sysMessageQueueOpen(
                name.description, access.direction, create: true, exclusive: true, mode: mode, attributes: attributes))
        do throws(Errno) {
            if try sysStatus(descriptor.rawValue).permissions != UInt16(mode & 0o7777) {
                try sysChangeMode(descriptor.rawValue, mode)
            }
            let limits = try Limits(sysMessageQueueAttributes(descriptor.rawValue))
            return Opened(descriptor: descriptor, limits: limits, wasCreated: true)
        } catch {
            try? sysMessageQueueUnlink(name.description)
            throw error
        }
    }
}

extension MessageQueue.Limits {
    init(_ attributes: MessageQueueAttributes) {
        self.init(maxMessages: attributes.maxMessages, messageSizeBytes: attributes.messageSizeBytes)
    }
}

/// Removes a name when it goes out of scope, if it was told to; once.
struct NameRemoval: ~Copyable, Sendable {
    private let name: ObjectName
    private let armed: Atomic<Bool>

    init(_ name: ObjectName, armed: Bool) {
        self.name = name
        self.armed = Atomic(armed)
    }

    deinit {
        // There is nobody to tell here; `close()` is for those who want to know.
        try? perform()
    }

    /// By now the name may be somebody else's queue: hence never twice.
    func perform() throws(IPCError) {
        guard armed.exchange(false, ordering: .relaxed) else { return }
        do throws(IPCError) { try MessageQueue.unlink(name) } catch  where error.code == .notFound {
            return
        }
    }
}
