// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import SystemPackage

// MARK: Sending

extension SystemVMessageQueue {
    /// Sends a message; waits while the queue is full.
    ///
    /// - Parameters:
    ///   - bytes: the message, up to `kernel.msgmax` (usually 8192); none is a message too.
    ///   - type: 1 or more; receivers choose by it.
    ///   - retryOnInterrupt: whether a signal handler that runs in this thread leaves the wait as it is.
    /// - Throws: ``IPCError/Code/messageTooLarge`` for more than `kernel.msgmax` (EINVAL), or than the whole queue holds;
    ///   ``IPCError/Code/invalidArgument`` for a type below 1; ``IPCError/Code/removed`` (EIDRM, or EINVAL if it was
    ///   removed before the call); ``IPCError/Code/permissionDenied``; ``IPCError/Code/interrupted``.
    ///
    /// Blocking: the thread, while the queue is full.
    ///
    /// The corresponding C function is `msgsnd(2)`.
    public func send(_ bytes: Span<UInt8>, type: Int = 1, retryOnInterrupt: Bool = true) throws(IPCError) {
        if try trySend(bytes, type: type) { return }
        try core.refuseWhatNeverFits(size: bytes.count)
        do throws(Errno) {
            try sysMessageSend(id, type: type, bytes, retryOnInterrupt: retryOnInterrupt)
        } catch {
            throw core.sendFailure(error, type: type, size: bytes.count)
        }
    }

    /// Sends a message if there is room.
    ///
    /// - Returns: false if the queue is full.
    /// - Throws: as ``send(_:type:retryOnInterrupt:)-(Span<UInt8>,_,_)``.
    ///
    /// Blocking: never.
    ///
    /// The corresponding C function is `msgsnd(2)` with `IPC_NOWAIT`.
    public func trySend(_ bytes: Span<UInt8>, type: Int = 1) throws(IPCError) -> Bool {
        try core.trySend(bytes, type: type)
    }

    /// ``send(_:type:retryOnInterrupt:)-(Span<UInt8>,_,_)`` of an array.
    public func send(_ bytes: [UInt8], type: Int = 1, retryOnInterrupt: Bool = true) throws(IPCError) {
        try send(bytes.span, type: type, retryOnInterrupt: retryOnInterrupt)
    }

    /// ``trySend(_:type:)`` of an array.
    public func trySend(_ bytes: [UInt8], type: Int = 1) throws(IPCError) -> Bool {
        try core.trySend(bytes.span, type: type)
    }
}

// MARK: Receiving

extension SystemVMessageQueue {
    /// Receives a message; waits until there is one of the selection.
    ///
    /// - Parameters:
    ///   - buffer: the message is appended.
    ///   - selection: which message.
    ///   - overlong: what happens to a message that is longer than the buffer's free room.
    ///   - retryOnInterrupt: whether a signal handler that runs in this thread leaves the wait as it is.
    /// - Returns: the type, how many bytes came, and how many were lost.
    /// - Throws: ``IPCError/Code/messageTooLarge`` (E2BIG), and the message stays; ``IPCError/Code/removed`` (EIDRM, or
    ///   EINVAL if it was removed before the call); ``IPCError/Code/permissionDenied``; ``IPCError/Code/interrupted``;
    ///   ``IPCError/Code/invalidArgument`` for a selection by a type below 1.
    ///
    /// Blocking: the thread, until there is a message.
    ///
    /// The corresponding C function is `msgrcv(2)`.
    public func receive(
        into buffer: inout OutputSpan<UInt8>, _ selection: Selection = .any, overlong: Overlong = .refuse,
        retryOnInterrupt: Bool = true
    ) throws(IPCError) -> Receipt {
        if let receipt = try core.receive(
            into: &buffer, selection, overlong, noWait: false, retryOnInterrupt: retryOnInterrupt)
        {
            return receipt
        }
        throw core.failure(.noMessage, "msgrcv")
    }

    /// Receives a message if there is one of the selection.
    ///
    /// - Returns: nil if there is none.
    /// - Throws: as ``receive(into:_:overlong:retryOnInterrupt:)``.
    ///
    /// Blocking: never.
    ///
    /// The corresponding C function is `msgrcv(2)` with `IPC_NOWAIT`.
    public func tryReceive(
        into buffer: inout OutputSpan<UInt8>, _ selection: Selection = .any, overlong: Overlong = .refuse
    ) throws(IPCError) -> Receipt? {
        try core.receive(into: &buffer, selection, overlong, noWait: true)
    }

    /// ``receive(into:_:overlong:retryOnInterrupt:)`` into a new array, as long as the message.
    public func receive(_ selection: Selection = .any, retryOnInterrupt: Bool = true) throws(IPCError) -> Message {
        if let message = try core.receive(selection, noWait: false, retryOnInterrupt: retryOnInterrupt) {
            return message
        }
        throw core.failure(.noMessage, "msgrcv")
    }

    /// ``tryReceive(into:_:overlong:)`` into a new array, as long as the message.
    public func tryReceive(_ selection: Selection = .any) throws(IPCError) -> Message? {
        try core.receive(selection, noWait: true)
    }

    /// A copy of the message at a place in the queue, which stays there.
    ///
    /// - Parameter index: 0 is the oldest.
    /// - Returns: nil if there are not so many messages.
    /// - Throws: ``IPCError/Code/unsupported`` (ENOSYS) if the kernel was built without CONFIG_CHECKPOINT_RESTORE.
    ///
    /// Blocking: never.
    ///
    /// The corresponding C function is `msgrcv(2)` with `MSG_COPY`.
    public func peek(at index: Int = 0) throws(IPCError) -> Message? {
        precondition(index >= 0, "a place in the queue is not negative")
        do throws(Errno) {
            var room = core.room
            while true {
                do throws(Errno) {
                    let (received, bytes) = try sysMessageReceiveArray(
                        id, room: room, type: index, flags: [.copy, .noWait])
                    return Message(type: received.type, bytes: bytes)
                } catch  where error == .argListTooLong {
                    room = core.enlarge(room)
                }
            }
        } catch  where error == .noMessage {
            return nil
        } catch  where error == .noFunction {
            throw IPCError(error, "msgrcv", subject, hint: "peeking needs a kernel with CONFIG_CHECKPOINT_RESTORE")
        } catch {
            throw core.failure(error, "msgrcv")
        }
    }
}
