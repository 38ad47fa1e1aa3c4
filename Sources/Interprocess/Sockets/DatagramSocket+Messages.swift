// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
public import SystemPackage

// Descriptors and credentials travel beside the bytes, on unix sockets; the sender's address on all.
extension DatagramSocket {
    /// Sends one message with descriptors; blocks the thread while there is no room for it.
    ///
    /// The receiver gets descriptors of its own for the same open files; close yours or keep them, as you like.
    ///
    /// - Parameters:
    ///   - bytes: the message; may be empty.
    ///   - address: where it goes; nil for the peer that this socket is connected to.
    ///   - descriptors: at most 253.
    ///   - credentials: claims to be those; only the own ones without special capabilities.
    /// - Throws: ``IPCError/Code/invalidArgument`` (EINVAL) for more than 253 descriptors;
    ///   ``IPCError/Code/badDescriptor``; ``IPCError/Code/limitReached`` (ETOOMANYREFS) if more are under way than
    ///   RLIMIT_NOFILE; ``IPCError/Code/permissionDenied`` (EPERM) for the credentials of others; else as
    ///   ``send(_:retryOnInterrupt:)-(Span<UInt8>,_)``.
    ///
    /// The corresponding C function is `sendmsg(2)` with `SCM_RIGHTS`.
    public func send(
        _ bytes: [UInt8], to address: SocketAddress? = nil, descriptors: [FileDescriptor],
        credentials: PeerCredentials? = nil
    ) throws(IPCError) {
        let route = try DatagramRoute(address, core)
        _ = try core.sendMessage(
            bytes.span, to: route.address, descriptors: descriptors, credentials: credentials, wait: true)
    }

    /// Sends one message with descriptors if there is room for it now.
    ///
    /// - Returns: whether it was sent.
    public func trySend(
        _ bytes: [UInt8], to address: SocketAddress? = nil, descriptors: [FileDescriptor],
        credentials: PeerCredentials? = nil
    ) throws(IPCError) -> Bool {
        let route = try DatagramRoute(address, core)
        return try core.sendMessage(
            bytes.span, to: route.address, descriptors: descriptors, credentials: credentials, wait: false) != nil
    }

    /// Receives one message and what came beside it; blocks the thread until there is one.
    ///
    /// - Parameters:
    ///   - count: how many bytes at most.
    ///   - maximumDescriptors: how many descriptors are welcome, at most 253.
    ///   - retryOnInterrupt: whether a signal handler that runs in this thread leaves the wait as it is.
    /// - Throws: ``IPCError/Code/limitReached`` if more descriptors came than are welcome or than this process may open:
    ///   those that came are closed and the message is lost. ``IPCError/Code/disconnected``.
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

    /// Receives one message and what came beside it; nil if none is there.
    public func tryReceiveMessage(
        upTo count: Int, maximumDescriptors: Int = 253
    ) throws(IPCError) -> SocketMessage? {
        try core.receiveMessage(upTo: count, maximumDescriptors: maximumDescriptors, wait: false)
    }

    /// Receives one message and what came beside it; blocks the thread until `deadline` at most.
    public func receiveMessage(
        upTo count: Int, maximumDescriptors: Int = 253, until deadline: Deadline
    ) throws(IPCError) -> SocketMessage {
        try core.descriptor.attemptBlocking(.readable, until: deadline, call: "recvmsg", core.subject) {
            () throws(IPCError) -> SocketMessage? in
            try core.receiveMessage(upTo: count, maximumDescriptors: maximumDescriptors, wait: false)
        }
    }

    /// Receives one message and what came beside it; suspends the task until there is one.
    public func receiveMessage(
        upTo count: Int, maximumDescriptors: Int = 253, until deadline: Deadline = .never
    ) async throws(IPCError) -> SocketMessage {
        try await core.descriptor.attempt(.readable, until: deadline, call: "recvmsg", core.subject) {
            () throws(IPCError) -> SocketMessage? in
            try core.receiveMessage(upTo: count, maximumDescriptors: maximumDescriptors, wait: false)
        }
    }
}
