// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
public import SystemPackage

// Unix sockets only: descriptors and credentials travel beside the bytes.
extension StreamSocket {
    /// Sends `bytes` with descriptors; blocks the thread while the send buffer is full.
    ///
    /// The receiver gets descriptors of its own for the same open files; close yours or keep them, as you like. They
    /// arrive with the first of the bytes.
    ///
    /// - Parameters:
    ///   - bytes: at least one.
    ///   - descriptors: at most 253.
    ///   - credentials: claims to be those; only the own ones without special capabilities.
    /// - Throws: ``IPCError/Code/invalidArgument`` (EINVAL) for more than 253 descriptors;
    ///   ``IPCError/Code/badDescriptor``; ``IPCError/Code/limitReached`` (ETOOMANYREFS) if more are under way than
    ///   RLIMIT_NOFILE; ``IPCError/Code/permissionDenied`` (EPERM) for the credentials of others;
    ///   ``IPCError/Code/disconnected``.
    ///
    /// The corresponding C function is `sendmsg(2)` with `SCM_RIGHTS`.
    public func send(
        _ bytes: Span<UInt8>, descriptors: [FileDescriptor], credentials: PeerCredentials? = nil
    ) throws(IPCError) {
        precondition(!bytes.isEmpty, "descriptors travel with at least one byte of a stream")
        let sent = try core.sendMessage(bytes, descriptors: descriptors, credentials: credentials, wait: true) ?? 0
        if sent < bytes.count { try send(bytes.extracting(sent...)) }
    }

    /// Sends `bytes` with descriptors, as far as there is room.
    ///
    /// - Returns: how many bytes were taken; the descriptors went if it is more than 0.
    public func trySend(
        _ bytes: Span<UInt8>, descriptors: [FileDescriptor], credentials: PeerCredentials? = nil
    ) throws(IPCError) -> Int {
        precondition(!bytes.isEmpty, "descriptors travel with at least one byte of a stream")
        return try core.sendMessage(bytes, descriptors: descriptors, credentials: credentials, wait: false) ?? 0
    }

    /// Sends `bytes` with descriptors; suspends the task while the send buffer is full.
    public func send(
        _ bytes: Span<UInt8>, descriptors: [FileDescriptor], credentials: PeerCredentials? = nil,
        until deadline: Deadline = .never
    ) async throws(IPCError) {
        precondition(!bytes.isEmpty, "descriptors travel with at least one byte of a stream")
        let sent = try await core.descriptor.attempt(.writable, until: deadline, call: "sendmsg", core.subject) {
            () throws(IPCError) -> Int? in
            try core.sendMessage(bytes, descriptors: descriptors, credentials: credentials, wait: false)
        }
        if sent < bytes.count { try await send(bytes.extracting(sent...), until: deadline) }
    }

    /// Sends `bytes` with descriptors; as the form that takes a span.
    public func send(
        _ bytes: [UInt8], descriptors: [FileDescriptor], credentials: PeerCredentials? = nil
    ) throws(IPCError) {
        try send(bytes.span, descriptors: descriptors, credentials: credentials)
    }

    /// Sends `bytes` with descriptors; as the form that takes a span.
    public func send(
        _ bytes: [UInt8], descriptors: [FileDescriptor], credentials: PeerCredentials? = nil,
        until deadline: Deadline = .never
    ) async throws(IPCError) {
        try await send(bytes.span, descriptors: descriptors, credentials: credentials, until: deadline)
    }

    /// Receives up to `count` bytes and what came beside them; blocks the thread until there is at least one.
    ///
    /// Bytes that were sent before those that carry descriptors may come in the same message, bytes sent after them never
    /// do; descriptors of two sends are never mixed.
    ///
    /// - Parameters:
    ///   - count: how many bytes at most.
    ///   - maximumDescriptors: how many descriptors are welcome, at most 253.
    ///   - retryOnInterrupt: whether a signal handler that runs in this thread leaves the wait as it is.
    /// - Throws: ``IPCError/Code/limitReached`` if more descriptors came than are welcome or than this process may open:
    ///   those that came are closed and the bytes are lost. ``IPCError/Code/disconnected``.
    ///
    /// The corresponding C function is `recvmsg(2)` with `MSG_CMSG_CLOEXEC`.
    public func receiveMessage(
        upTo count: Int, maximumDescriptors: Int = 253, retryOnInterrupt: Bool = true
    ) throws(IPCError) -> SocketMessage {
        guard
            let message = try core.receiveMessage(
                upTo: count, maximumDescriptors: maximumDescriptors, wait: true, retryOnInterrupt: retryOnInterrupt)
        else { throw core.failure(.wouldBlock, "recvmsg") }
        return message
    }

    /// Receives up to `count` bytes and what came beside them; nil if nothing has arrived.
    public func tryReceiveMessage(
        upTo count: Int, maximumDescriptors: Int = 253
    ) throws(IPCError) -> SocketMessage? {
        try core.receiveMessage(upTo: count, maximumDescriptors: maximumDescriptors, wait: false)
    }

    /// Receives up to `count` bytes and what came beside them; blocks the thread until `deadline` at most.
    public func receiveMessage(
        upTo count: Int, maximumDescriptors: Int = 253, until deadline: Deadline
    ) throws(IPCError) -> SocketMessage {
        try core.descriptor.attemptBlocking(.readable, until: deadline, call: "recvmsg", core.subject) {
            () throws(IPCError) -> SocketMessage? in
            try core.receiveMessage(upTo: count, maximumDescriptors: maximumDescriptors, wait: false)
        }
    }

    /// Receives up to `count` bytes and what came beside them; suspends the task until there is at least one.
    public func receiveMessage(
        upTo count: Int, maximumDescriptors: Int = 253, until deadline: Deadline = .never
    ) async throws(IPCError) -> SocketMessage {
        try await core.descriptor.attempt(.readable, until: deadline, call: "recvmsg", core.subject) {
            () throws(IPCError) -> SocketMessage? in
            try core.receiveMessage(upTo: count, maximumDescriptors: maximumDescriptors, wait: false)
        }
    }
}

extension SocketCore {
    /// The array face of ``receiveMessage(into:maximumDescriptors:wait:retryOnInterrupt:)``.
    func receiveMessage(
        upTo count: Int, maximumDescriptors: Int, wait: Bool, retryOnInterrupt: Bool = true
    ) throws(IPCError) -> SocketMessage? {
        var found: ReceivedAncillary?
        let bytes = try SocketCore.collect(count) { (buffer) throws(IPCError) in
            found = try receiveMessage(
                into: &buffer, maximumDescriptors: maximumDescriptors, wait: wait, retryOnInterrupt: retryOnInterrupt)
        }
        guard let found else { return nil }
        let receipt: SocketReceipt =
            if kind.type == SocketConstant.stream {
                found.count == 0 && count > 0 ? .endOfStream : .message(found.count)
            } else {
                receipt(found.count, capacity: count, isProof: found.credentials != nil || !found.descriptors.isEmpty)
            }
        return SocketMessage(bytes, receipt, found)
    }
}
