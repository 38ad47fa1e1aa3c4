// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import SystemPackage

/// Where a datagram goes: nowhere in particular for a connected socket.
struct DatagramRoute: ~Copyable {
    let address: SocketAddressBytes?
    /// Keeps the handle of a long path open.
    private let route: SocketRoute?

    init(_ address: SocketAddress?, _ core: borrowing SocketCore) throws(IPCError) {
        if let address {
            let route = try SocketRoute.existing(address, core.kind, "sendto")
            self.address = route.address
            self.route = consume route
        } else {
            self.address = nil
            route = nil
        }
    }
}

extension DatagramSocket {
    /// Sends one datagram to `address`; blocks the thread while the send buffer or, on unix sockets, the receiver's queue is
    /// full.
    ///
    /// - Throws: ``IPCError/Code/notFound`` (ENOENT); ``IPCError/Code/noPeer`` (ECONNREFUSED: the path is stale, or UDP
    ///   tells that an earlier datagram found nobody); ``IPCError/Code/permissionDenied``;
    ///   ``IPCError/Code/messageTooLarge``; ``IPCError/Code/wrongKind``.
    ///
    /// The corresponding C function is `sendto(2)`.
    public func send(
        _ bytes: Span<UInt8>, to address: SocketAddress, retryOnInterrupt: Bool = true
    ) throws(IPCError) {
        let route = try SocketRoute.existing(address, core.kind, "sendto")
        do throws(Errno) {
            _ = try sysSend(rawValue, bytes, to: route.address, retryOnInterrupt: retryOnInterrupt)
        } catch {
            throw refused(error, address)
        }
    }

    /// Sends one datagram to `address` if there is room for it now; whether it was sent.
    public func trySend(_ bytes: Span<UInt8>, to address: SocketAddress) throws(IPCError) -> Bool {
        let route = try SocketRoute.existing(address, core.kind, "sendto")
        do throws(Errno) {
            _ = try sysSend(rawValue, bytes, to: route.address, flags: SocketConstant.dontWait)
            return true
        } catch {
            if error == .wouldBlock { return false }
            throw refused(error, address)
        }
    }

    /// Sends one datagram to `address`; blocks the thread until `deadline` at most.
    ///
    /// - Throws: ``IPCError/Code/timedOut``, when nothing was sent.
    public func send(_ bytes: Span<UInt8>, to address: SocketAddress, until deadline: Deadline) throws(IPCError) {
        if try trySend(bytes, to: address) { return }
        if let scout = try scout(address) {
            let _: Bool = try scout.descriptor.attemptBlocking(
                .writable, until: deadline, call: "sendto", scout.subject
            ) {
                () throws(IPCError) -> Bool? in try trySend(bytes, to: address) ? true : nil
            }
        } else {
            let _: Bool = try core.descriptor.attemptBlocking(.writable, until: deadline, call: "sendto", core.subject)
            {
                () throws(IPCError) -> Bool? in try trySend(bytes, to: address) ? true : nil
            }
        }
    }

    /// Sends one datagram to `address`; suspends the task while there is no room for it.
    ///
    /// - Throws: ``IPCError/Code/timedOut`` and ``IPCError/Code/cancelled``, when nothing was sent.
    public func send(
        _ bytes: Span<UInt8>, to address: SocketAddress, until deadline: Deadline = .never
    ) async throws(IPCError) {
        if try trySend(bytes, to: address) { return }
        if let scout = try scout(address) {
            let _: Bool = try await scout.descriptor.attempt(.writable, until: deadline, call: "sendto", scout.subject)
            {
                () throws(IPCError) -> Bool? in try trySend(bytes, to: address) ? true : nil
            }
        } else {
            let _: Bool = try await core.descriptor.attempt(.writable, until: deadline, call: "sendto", core.subject) {
                () throws(IPCError) -> Bool? in try trySend(bytes, to: address) ? true : nil
            }
        }
    }

    /// Sends one datagram; as the form that takes a span.
    public func send(_ bytes: [UInt8], to address: SocketAddress, retryOnInterrupt: Bool = true) throws(IPCError) {
        try send(bytes.span, to: address, retryOnInterrupt: retryOnInterrupt)
    }

    /// Sends one datagram; as the form that takes a span.
    public func trySend(_ bytes: [UInt8], to address: SocketAddress) throws(IPCError) -> Bool {
        try trySend(bytes.span, to: address)
    }

    /// Sends one datagram; as the form that takes a span.
    public func send(_ bytes: [UInt8], to address: SocketAddress, until deadline: Deadline) throws(IPCError) {
        try send(bytes.span, to: address, until: deadline)
    }

    /// Sends one datagram; as the form that takes a span.
    public func send(
        _ bytes: [UInt8], to address: SocketAddress, until deadline: Deadline = .never
    ) async throws(IPCError) {
        try await send(bytes.span, to: address, until: deadline)
    }

    private func refused(_ error: Errno, _ address: SocketAddress) -> IPCError {
        IPCError(error, "sendto", SocketCore.subject(core.kind, address), hint: SocketCore.hint(error, "sendto"))
    }

    /// A unix socket that is not connected is always writable: only one that is connected to the receiver tells when the
    /// receiver's queue has room. This is such a one; nil where there is no need.
    private func scout(_ address: SocketAddress) throws(IPCError) -> SocketCore? {
        guard core.kind == .unixDatagram else { return nil }
        return try SocketCore.connect(.unixDatagram, address, [], until: .never, retryOnInterrupt: true)
    }
}
