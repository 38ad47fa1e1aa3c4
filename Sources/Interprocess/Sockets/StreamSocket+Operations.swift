// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls

extension StreamSocket {
    // MARK: Sending

    /// Sends all of `bytes`; blocks the thread while the send buffer is full.
    ///
    /// - Parameters:
    ///   - bytes: what to send; nothing is allocated or copied but by the kernel.
    ///   - retryOnInterrupt: whether a signal handler that runs in this thread leaves the wait as it is.
    /// - Throws: ``IPCError/Code/disconnected`` (EPIPE, ECONNRESET) if the peer has closed; SIGPIPE is not raised.
    ///   ``IPCError/Code/interrupted`` may come after a part was sent.
    ///
    /// The corresponding C function is `send(2)`.
    public func send(_ bytes: Span<UInt8>, retryOnInterrupt: Bool = true) throws(IPCError) {
        var sent = try core.send(bytes, retryOnInterrupt: retryOnInterrupt)
        while sent < bytes.count {
            sent += try core.send(bytes.extracting(sent...), retryOnInterrupt: retryOnInterrupt)
        }
    }

    /// Sends what the send buffer has room for at this moment.
    ///
    /// - Returns: how many of the bytes were taken, from the start; 0 if there is no room.
    /// - Throws: ``IPCError/Code/disconnected``.
    public func trySend(_ bytes: Span<UInt8>) throws(IPCError) -> Int {
        try core.trySend(bytes) ?? 0
    }

    /// Sends all of `bytes`; blocks the thread until `deadline` at most.
    ///
    /// - Throws: ``IPCError/Code/timedOut``, when a part may have been sent: the hint says how much, and the stream
    ///   is then cut in the middle of what you meant. ``IPCError/Code/disconnected``.
    public func send(_ bytes: Span<UInt8>, until deadline: Deadline) throws(IPCError) {
        var sent = 0
        repeat {
            do throws(IPCError) {
                sent += try core.descriptor.attemptBlocking(.writable, until: deadline, call: "send", core.subject) {
                    () throws(IPCError) -> Int? in try core.trySend(bytes.extracting(sent...))
                }
            } catch { throw error.after(sent, of: bytes.count) }
        } while sent < bytes.count
    }

    /// Sends all of `bytes`; suspends the task while the send buffer is full.
    ///
    /// - Throws: ``IPCError/Code/timedOut`` and ``IPCError/Code/cancelled``, when a part may have been sent (the hint
    ///   says how much); ``IPCError/Code/disconnected``.
    public func send(_ bytes: Span<UInt8>, until deadline: Deadline = .never) async throws(IPCError) {
        var sent = 0
        repeat {
            do throws(IPCError) {
                sent += try await core.descriptor.attempt(.writable, until: deadline, call: "send", core.subject) {
                    () throws(IPCError) -> Int? in try core.trySend(bytes.extracting(sent...))
                }
            } catch { throw error.after(sent, of: bytes.count) }
        } while sent < bytes.count
    }

    // MARK: Receiving

    /// Receives into the free space of `buffer`; blocks the thread until there is at least one byte.
    ///
    /// Descriptors that come with the bytes are closed by the kernel: whoever wants them calls
    /// ``receiveMessage(upTo:maximumDescriptors:retryOnInterrupt:)``.
    ///
    /// - Parameters:
    ///   - buffer: what arrives is appended; it must have free capacity.
    ///   - retryOnInterrupt: whether a signal handler that runs in this thread leaves the wait as it is.
    /// - Returns: how many bytes were appended; 0 is the end of the stream.
    /// - Throws: ``IPCError/Code/disconnected`` (ECONNRESET) if the peer closed without having read everything.
    ///
    /// The corresponding C function is `recv(2)`.
    public func receive(into buffer: inout OutputSpan<UInt8>, retryOnInterrupt: Bool = true) throws(IPCError) -> Int {
        precondition(!buffer.isFull, "a buffer without room cannot tell the end of the stream")
        return try core.receive(into: &buffer, retryOnInterrupt: retryOnInterrupt)
    }

    /// Receives what is there.
    ///
    /// - Returns: how many bytes were appended, 0 at the end of the stream, nil if nothing has arrived.
    /// - Throws: ``IPCError/Code/disconnected``.
    public func tryReceive(into buffer: inout OutputSpan<UInt8>) throws(IPCError) -> Int? {
        precondition(!buffer.isFull, "a buffer without room cannot tell the end of the stream")
        return try core.tryReceive(into: &buffer)
    }

    /// Receives into the free space of `buffer`; blocks the thread until `deadline` at most.
    ///
    /// - Returns: how many bytes were appended; 0 is the end of the stream.
    /// - Throws: ``IPCError/Code/timedOut``; ``IPCError/Code/disconnected``.
    public func receive(
        into buffer: inout OutputSpan<UInt8>, until deadline: Deadline, retryOnInterrupt: Bool = true
    ) throws(IPCError) -> Int {
        precondition(!buffer.isFull, "a buffer without room cannot tell the end of the stream")
        return try core.descriptor.attemptBlocking(
            .readable, until: deadline, call: "recv", core.subject, retryOnInterrupt: retryOnInterrupt
        ) { () throws(IPCError) -> Int? in try core.tryReceive(into: &buffer) }
    }

    /// Receives into the free space of `buffer`; suspends the task until there is at least one byte.
    ///
    /// - Returns: how many bytes were appended; 0 is the end of the stream.
    /// - Throws: ``IPCError/Code/timedOut``; ``IPCError/Code/cancelled``; ``IPCError/Code/disconnected``.
    public func receive(
        into buffer: inout OutputSpan<UInt8>, until deadline: Deadline = .never
    ) async throws(IPCError) -> Int {
        precondition(!buffer.isFull, "a buffer without room cannot tell the end of the stream")
        return try await core.descriptor.attempt(.readable, until: deadline, call: "recv", core.subject) {
            () throws(IPCError) -> Int? in try core.tryReceive(into: &buffer)
        }
    }
}

extension IPCError {
    /// The same error, saying how far a call got before it.
    func after(_ sent: Int, of count: Int) -> IPCError {
        if sent == 0 { return self }
        var copy = self
        copy.hint = "\(sent) of \(count) bytes had been sent" + (hint.isEmpty ? "" : "; \(hint)")
        return copy
    }
}
