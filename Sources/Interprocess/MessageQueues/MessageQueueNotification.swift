// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import SystemPackage

/// A registration to be told once that a message came into an empty queue.
///
/// The kernel knows one registration per queue, in all processes together, and forgets it with the
/// first message that arrives while the queue is empty and nobody waits in a receive. That makes it a poor way to
/// wait: ``MessageQueue/receive(until:)`` and ``MessageQueue/receivable()`` wait for the descriptor itself,
/// any number of tasks and processes can, and no message falls into the gap between two registrations. This is
/// for programs that must hold the one registration, or that leave the receiving to somebody else.
///
/// No signal is sent and no thread started: the kernel delivers to a socket of this value.
///
/// ```swift
/// let arrival = try orders.notification()
/// try await arrival.wait()
/// ```
///
/// Ownership: the end of the value ends the registration, if it is still there.
///
/// Concurrency: closing any handle of the same queue in this process ends the registration too; POSIX wants it so.
///
/// If a process dies: its registration ends.
///
/// The corresponding C function is `mq_notify(3)`.
public struct MessageQueueNotification: ~Copyable, Sendable {
    private let socket: AwaitableDescriptor
    /// Closing it is what makes the kernel forget the registration.
    private let queue: OwnedDescriptor
    private let subject: String

    init(_ queue: borrowing MessageQueue) throws(IPCError) {
        let (subject, number) = (queue.subject, queue.rawValue)
        var call = "socket"
        do throws(Errno) {
            let socket = OwnedDescriptor(adopting: try sysNetlinkSocket())
            call = "mq_notify"
            try sysMessageQueueNotify(number, socket: socket.rawValue)
            // Not before: closing a duplicate after a failure would end the registration that is in the way.
            call = "fcntl"
            let duplicate = OwnedDescriptor(adopting: try sysDuplicate(number))
            self.socket = AwaitableDescriptor(socket)
            self.queue = duplicate
            self.subject = subject
        } catch {
            if call == "fcntl" { try? sysMessageQueueNotifyEnd(number) }
            let hint = error == .resourceBusy ? "another registration holds the queue; there can be one" : ""
            throw IPCError(error, call, subject, hint: hint)
        }
    }

    /// Blocks the thread until a message came.
    ///
    /// - Throws: ``IPCError/Code/disconnected`` if the registration ended without one; ``IPCError/Code/timedOut``.
    public func wait(until deadline: Deadline = .never) throws(IPCError) {
        while try !hasFired() {
            guard try socket.wait(for: .readable, until: deadline) else { throw late }
        }
    }

    /// Suspends the task until a message came.
    ///
    /// - Throws: ``IPCError/Code/disconnected`` if the registration ended without one; ``IPCError/Code/timedOut``,
    ///   ``IPCError/Code/cancelled``.
    public func wait(until deadline: Deadline = .never) async throws(IPCError) {
        while true {
            let seen = try socket.generation(.readable)
            if try hasFired() { return }
            guard try await socket.wait(for: .readable, after: seen, until: deadline) else { throw late }
        }
    }

    /// Whether the notification has come; says so once.
    ///
    /// - Throws: ``IPCError/Code/disconnected`` if the registration ended without one.
    public func hasFired() throws(IPCError) -> Bool {
        let notice: MessageQueueNotice?
        do throws(Errno) { notice = try sysMessageQueueNotice(socket.rawValue) } catch {
            throw IPCError(error, "recv", subject)
        }
        switch notice {
        case .arrived: return true
        case .none: return false
        case .withdrawn:
            throw IPCError(
                code: .disconnected, call: "mq_notify", subject: subject,
                hint: "the registration ended: this process closed a descriptor of the queue")
        }
    }

    /// A token for ``WaitAny``.
    public func readiness() throws(IPCError) -> Readiness { try socket.readiness(.readable) }

    /// Ends the registration.
    public consuming func close() throws(IPCError) {
        try queue.close()
        try socket.close()
    }

    private var late: IPCError {
        IPCError(.timedOut, "mq_notify", subject, hint: "no message came into the empty queue")
    }
}

extension MessageQueue {
    /// Registers this process to be told once of a message that comes into the empty queue.
    ///
    /// - Throws: ``IPCError/Code/busy`` (EBUSY) if some process is registered, this one included.
    ///
    /// The corresponding C function is `mq_notify(3)`.
    public func notification() throws(IPCError) -> MessageQueueNotification {
        try MessageQueueNotification(self)
    }
}
