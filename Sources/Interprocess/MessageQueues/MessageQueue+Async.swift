// SPDX-License-Identifier: Apache-2.0

extension MessageQueue {
    /// Sends a message; the task is suspended while the queue is full.
    ///
    /// - Parameters:
    ///   - bytes: the message, up to ``Limits/messageSizeBytes``.
    ///   - priority: 0 to 32767; the highest is received first.
    ///   - deadline: until when.
    /// - Throws: ``IPCError/Code/cancelled`` and ``IPCError/Code/timedOut``, and then nothing was sent;
    ///   as ``send(_:priority:retryOnInterrupt:)-(Span<UInt8>,_,_)``.
    ///
    /// Blocking: no thread.
    public func send(_ bytes: [UInt8], priority: UInt32 = 0, until deadline: Deadline = .never) async throws(IPCError) {
        // Room is usually there, and asking to be told of it costs a system call.
        if try trySend(bytes.span, priority: priority) { return }
        while true {
            let seen = try descriptor.generation(.writable)
            if try trySend(bytes.span, priority: priority) { return }
            guard try await descriptor.wait(for: .writable, after: seen, until: deadline) else {
                throw late("mq_timedsend", full: true)
            }
        }
    }

    /// Receives the oldest message of the highest priority; the task is suspended while the queue is empty.
    ///
    /// - Parameter deadline: until when; a message that is there is received even if it has passed.
    /// - Throws: ``IPCError/Code/cancelled`` and ``IPCError/Code/timedOut``, and then nothing was taken;
    ///   as ``receive(into:retryOnInterrupt:)``.
    ///
    /// Blocking: no thread.
    public func receive(until deadline: Deadline = .never) async throws(IPCError) -> Message {
        while true {
            let seen = try descriptor.generation(.readable)
            if let message = try tryReceive() { return message }
            guard try await descriptor.wait(for: .readable, after: seen, until: deadline) else {
                throw late("mq_timedreceive", full: false)
            }
        }
    }

    /// ``receive(until:)`` into memory that is there already; nothing is allocated for the message.
    public func receive(
        into buffer: inout OutputSpan<UInt8>, until deadline: Deadline = .never
    ) async throws(IPCError) -> Receipt {
        while true {
            let seen = try descriptor.generation(.readable)
            if let receipt = try tryReceive(into: &buffer) { return receipt }
            guard try await descriptor.wait(for: .readable, after: seen, until: deadline) else {
                throw late("mq_timedreceive", full: false)
            }
        }
    }

    /// That a message is there: a token for ``WaitAny``. Take it with ``tryReceive()``.
    public func receivable() throws(IPCError) -> Readiness { try descriptor.readiness(.readable) }

    /// That there is room for a message: a token for ``WaitAny``. Use it with ``trySend(_:priority:)-(Span<UInt8>,_)``.
    public func sendable() throws(IPCError) -> Readiness { try descriptor.readiness(.writable) }
}
