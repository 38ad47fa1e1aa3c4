// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import SystemPackage

extension SystemVMessageQueue {
    /// Sends a message; the task is suspended while the queue is full.
    ///
    /// - Parameters:
    ///   - bytes: the message, up to `kernel.msgmax`.
    ///   - type: 1 or more; receivers choose by it.
    ///   - deadline: until when.
    /// - Throws: ``IPCError/Code/cancelled`` and ``IPCError/Code/timedOut``, and then nothing was sent;
    ///   ``IPCError/Code/tooManyWaiters``; as ``send(_:type:retryOnInterrupt:)-(Span<UInt8>,_,_)``.
    ///
    /// Blocking: no thread of the cooperative pool. While the queue is full one thread of the handle is in
    /// `msgsnd(2)`, for one message after the other.
    public func send(_ bytes: [UInt8], type: Int = 1, until deadline: Deadline = .never) async throws(IPCError) {
        if try core.trySend(bytes.span, type: type) { return }
        if Task.isCancelled { throw core.cancelled("msgsnd") }
        if deadline.hasPassed { throw core.late("msgsnd") }
        try core.refuseWhatNeverFits(size: bytes.count)
        do throws(IPCError) { try await core.waiting.send(bytes, type: type, until: deadline) } catch {
            throw core.refined(error, "msgsnd")
        }
    }

    /// Receives a message; the task is suspended until there is one of the selection.
    ///
    /// - Parameters:
    ///   - selection: which message.
    ///   - deadline: until when; a message that is there is received even if it has passed.
    /// - Throws: ``IPCError/Code/cancelled`` and ``IPCError/Code/timedOut``, and then nothing was taken;
    ///   ``IPCError/Code/tooManyWaiters``; as ``receive(into:_:overlong:retryOnInterrupt:)``.
    ///
    /// Blocking: no thread of the cooperative pool. One thread of the handle for each selection that is awaited
    /// is in `msgrcv(2)`, however many tasks wait.
    public func receive(
        _ selection: Selection = .any, until deadline: Deadline = .never
    ) async throws(IPCError) -> Message {
        if let message = try core.receive(selection, noWait: true) { return message }
        do throws(IPCError) {
            return try await core.waiting.receivable(selection).whileWaiting { (readiness) throws(IPCError) in
                try await readiness.attempt(until: deadline) { () throws(IPCError) in
                    try core.receive(selection, noWait: true)
                }
            }
        } catch {
            throw core.refined(error, "msgrcv")
        }
    }

    /// ``receive(_:until:)-3uzig`` into memory that is there already.
    public func receive(
        into buffer: inout OutputSpan<UInt8>, _ selection: Selection = .any, overlong: Overlong = .refuse,
        until deadline: Deadline = .never
    ) async throws(IPCError) -> Receipt {
        while true {
            if let receipt = try core.receive(into: &buffer, selection, overlong, noWait: true) { return receipt }
            try await core.awaitMessage(selection, until: deadline)
        }
    }

    /// Sends a message; waits until `deadline` while the queue is full.
    ///
    /// `msgsnd(2)` knows no deadline: beyond the first attempt a thread of the handle makes the call, and the calling
    /// thread waits for it.
    ///
    /// - Throws: ``IPCError/Code/timedOut``, and then nothing was sent; ``IPCError/Code/tooManyWaiters``; as
    ///   ``send(_:type:retryOnInterrupt:)-(Span<UInt8>,_,_)``.
    public func send(_ bytes: [UInt8], type: Int = 1, until deadline: Deadline) throws(IPCError) {
        if try core.trySend(bytes.span, type: type) { return }
        if deadline.hasPassed { throw core.late("msgsnd") }
        try core.refuseWhatNeverFits(size: bytes.count)
        do throws(IPCError) { try core.waiting.sendBlocking(bytes, type: type, until: deadline) } catch {
            throw core.refined(error, "msgsnd")
        }
    }

    /// Receives a message; waits until `deadline` for one of the selection.
    ///
    /// `msgrcv(2)` knows no deadline: beyond the first attempt a thread of the handle waits for a message, and the
    /// calling thread for it.
    ///
    /// - Throws: ``IPCError/Code/timedOut``; ``IPCError/Code/tooManyWaiters``; as
    ///   ``receive(into:_:overlong:retryOnInterrupt:)``.
    public func receive(_ selection: Selection = .any, until deadline: Deadline) throws(IPCError) -> Message {
        if let message = try core.receive(selection, noWait: true) { return message }
        do throws(IPCError) {
            return try core.waiting.receivable(selection).whileWaitingBlocking { (readiness) throws(IPCError) in
                try readiness.attemptBlocking(until: deadline) { () throws(IPCError) in
                    try core.receive(selection, noWait: true)
                }
            }
        } catch {
            throw core.refined(error, "msgrcv")
        }
    }

    /// ``receive(_:until:)-97fhp`` into memory that is there already.
    public func receive(
        into buffer: inout OutputSpan<UInt8>, _ selection: Selection = .any, overlong: Overlong = .refuse,
        until deadline: Deadline
    ) throws(IPCError) -> Receipt {
        while true {
            if let receipt = try core.receive(into: &buffer, selection, overlong, noWait: true) { return receipt }
            try core.awaitMessageBlocking(selection, until: deadline)
        }
    }

    /// That a message of the selection is there: a token for ``WaitAny``. Take it with ``tryReceive(_:)``.
    ///
    /// Waiting takes nothing, but for one case that the kernel leaves no way around: a message without bytes is taken by
    /// waiting for it. The handle keeps it for the next receive, and gives it back to the queue (as its newest) when it
    /// closes or the wait is called off. If the process is killed meanwhile, that message is lost.
    public func receivable(_ selection: Selection = .any) throws(IPCError) -> Readiness {
        try core.check(selection)
        return Readiness(core.waiting.receivable(selection))
    }
}

extension SystemVQueueCore {
    /// Until there may be a message.
    func awaitMessage(_ selection: SystemVMessageQueue.Selection, until deadline: Deadline) async throws(IPCError) {
        if deadline.hasPassed { throw late("msgrcv") }
        do throws(IPCError) {
            let any = WaitAny([Readiness(waiting.receivable(selection))])
            if try await any.first(until: deadline) == nil { throw late("msgrcv") }
        } catch {
            throw refined(error, "msgrcv")
        }
    }

    /// The same for a thread that blocks.
    func awaitMessageBlocking(_ selection: SystemVMessageQueue.Selection, until deadline: Deadline) throws(IPCError) {
        if deadline.hasPassed { throw late("msgrcv") }
        do throws(IPCError) {
            let any = WaitAny([Readiness(waiting.receivable(selection))])
            if try any.first(until: deadline) == nil { throw late("msgrcv") }
        } catch {
            throw refined(error, "msgrcv")
        }
    }

    func cancelled(_ call: String) -> IPCError {
        IPCError(code: .cancelled, call: call, subject: subject, hint: "the waiting task was cancelled")
    }

    /// What a waiter thread failed with, in this object's own words.
    func refined(_ error: IPCError, _ call: String) -> IPCError {
        switch error.code {
        case .timedOut: late(call)
        case .cancelled: cancelled(call)
        case .invalidArgument, .removed: error.errno.map { failure($0, call) } ?? error
        default: error
        }
    }
}
