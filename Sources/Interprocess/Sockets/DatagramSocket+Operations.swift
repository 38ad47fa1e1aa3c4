// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls

extension DatagramSocket {
    // MARK: Sending

    /// Sends one datagram to the peer that this socket is connected to; blocks the thread while the send buffer or, on
    /// unix sockets, the peer's queue is full.
    ///
    /// - Parameters:
    ///   - bytes: the message; may be empty.
    ///   - retryOnInterrupt: whether a signal handler that runs in this thread leaves the wait as it is.
    /// - Throws: ``IPCError/Code/messageTooLarge`` (EMSGSIZE) if it does not fit into the send buffer;
    ///   ``IPCError/Code/invalidArgument`` (EDESTADDRREQ) or ``IPCError/Code/disconnected`` (ENOTCONN) if it is not
    ///   connected; ``IPCError/Code/noPeer`` (ECONNREFUSED): nobody is bound there, which UDP tells after an earlier send;
    ///   ``IPCError/Code/interrupted``.
    ///
    /// The corresponding C function is `send(2)`.
    public func send(_ bytes: Span<UInt8>, retryOnInterrupt: Bool = true) throws(IPCError) {
        _ = try core.send(bytes, retryOnInterrupt: retryOnInterrupt)
    }

    /// Sends one message if there is room for it now.
    ///
    /// - Returns: whether it was sent.
    /// - Throws: ``IPCError/Code/messageTooLarge``; ``IPCError/Code/disconnected``.
    public func trySend(_ bytes: Span<UInt8>) throws(IPCError) -> Bool { try core.trySend(bytes) != nil }

    /// Sends one message; blocks the thread until `deadline` at most.
    ///
    /// - Throws: ``IPCError/Code/timedOut``, when nothing was sent; else as ``send(_:retryOnInterrupt:)-(Span<UInt8>,_)``.
    public func send(_ bytes: Span<UInt8>, until deadline: Deadline) throws(IPCError) {
        try core.sendPacket(bytes, until: deadline)
    }

    /// Sends one message; suspends the task while there is no room for it.
    ///
    /// - Throws: ``IPCError/Code/timedOut`` and ``IPCError/Code/cancelled``, when nothing was sent; else as
    ///   ``send(_:retryOnInterrupt:)-(Span<UInt8>,_)``.
    public func send(_ bytes: Span<UInt8>, until deadline: Deadline = .never) async throws(IPCError) {
        try await core.sendPacket(bytes, until: deadline)
    }

    // MARK: Receiving

    /// Receives one message into the free space of `buffer`; blocks the thread until there is one.
    ///
    /// Descriptors that come with it are closed by the kernel: whoever wants them calls
    /// ``receiveMessage(upTo:maximumDescriptors:retryOnInterrupt:)``.
    ///
    /// - Parameters:
    ///   - buffer: the message is appended; what does not fit is lost.
    ///   - retryOnInterrupt: whether a signal handler that runs in this thread leaves the wait as it is.
    /// - Returns: a whole message, or a truncated one with its real length. There is no end, unless this side has shut
    ///   down receiving.
    /// - Throws: ``IPCError/Code/noPeer`` (ECONNREFUSED): UDP tells that an earlier send found nobody.
    ///
    /// The corresponding C function is `recv(2)`.
    public func receive(
        into buffer: inout OutputSpan<UInt8>, retryOnInterrupt: Bool = true
    ) throws(IPCError) -> SocketReceipt {
        try core.receivePacket(into: &buffer, retryOnInterrupt: retryOnInterrupt)
    }

    /// Receives one message if one is there; nil if not.
    public func tryReceive(into buffer: inout OutputSpan<UInt8>) throws(IPCError) -> SocketReceipt? {
        try core.tryReceivePacket(into: &buffer)
    }

    /// Receives one message; blocks the thread until `deadline` at most.
    ///
    /// - Throws: ``IPCError/Code/timedOut``; ``IPCError/Code/disconnected``.
    public func receive(
        into buffer: inout OutputSpan<UInt8>, until deadline: Deadline, retryOnInterrupt: Bool = true
    ) throws(IPCError) -> SocketReceipt {
        try core.descriptor.attemptBlocking(
            .readable, until: deadline, call: "recv", core.subject, retryOnInterrupt: retryOnInterrupt
        ) { () throws(IPCError) -> SocketReceipt? in try core.tryReceivePacket(into: &buffer) }
    }

    /// Receives one message; suspends the task until there is one.
    ///
    /// - Throws: ``IPCError/Code/timedOut``; ``IPCError/Code/cancelled``; ``IPCError/Code/disconnected``.
    public func receive(
        into buffer: inout OutputSpan<UInt8>, until deadline: Deadline = .never
    ) async throws(IPCError) -> SocketReceipt {
        try await core.descriptor.attempt(.readable, until: deadline, call: "recv", core.subject) {
            () throws(IPCError) -> SocketReceipt? in try core.tryReceivePacket(into: &buffer)
        }
    }
}

// The same verbs with arrays, for those who do not count allocations.
extension DatagramSocket {
    /// Sends one message; as the form that takes a span.
    public func send(_ bytes: [UInt8], retryOnInterrupt: Bool = true) throws(IPCError) {
        try send(bytes.span, retryOnInterrupt: retryOnInterrupt)
    }

    /// Sends one message if there is room for it now; whether it was sent.
    public func trySend(_ bytes: [UInt8]) throws(IPCError) -> Bool { try trySend(bytes.span) }

    /// Sends one message; blocks the thread until `deadline` at most.
    public func send(_ bytes: [UInt8], until deadline: Deadline) throws(IPCError) {
        try send(bytes.span, until: deadline)
    }

    /// Sends one message; suspends the task while there is no room for it.
    public func send(_ bytes: [UInt8], until deadline: Deadline = .never) async throws(IPCError) {
        try await send(bytes.span, until: deadline)
    }

    /// Receives one message of up to `count` bytes; blocks the thread until there is one.
    public func receive(upTo count: Int, retryOnInterrupt: Bool = true) throws(IPCError) -> SocketMessage {
        let message = try core.collectPacket(upTo: count) { (buffer) throws(IPCError) in
            try receive(into: &buffer, retryOnInterrupt: retryOnInterrupt)
        }
        guard let message else { throw core.failure(.wouldBlock, "recv") }
        return message
    }

    /// Receives one message of up to `count` bytes if one is there; nil if not.
    public func tryReceive(upTo count: Int) throws(IPCError) -> SocketMessage? {
        try core.collectPacket(upTo: count) { (buffer) throws(IPCError) in try tryReceive(into: &buffer) }
    }

    /// Receives one message of up to `count` bytes; blocks the thread until `deadline` at most.
    public func receive(upTo count: Int, until deadline: Deadline) throws(IPCError) -> SocketMessage {
        try core.descriptor.attemptBlocking(.readable, until: deadline, call: "recv", core.subject) {
            () throws(IPCError) -> SocketMessage? in try tryReceive(upTo: count)
        }
    }

    /// Receives one message of up to `count` bytes; suspends the task until there is one.
    public func receive(upTo count: Int, until deadline: Deadline = .never) async throws(IPCError) -> SocketMessage {
        try await core.descriptor.attempt(.readable, until: deadline, call: "recv", core.subject) {
            () throws(IPCError) -> SocketMessage? in try tryReceive(upTo: count)
        }
    }
}
