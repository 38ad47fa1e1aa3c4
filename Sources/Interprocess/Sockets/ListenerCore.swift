// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import SystemPackage

/// What both listeners share. The descriptor is non-blocking: between readiness and accept a connection may go away
/// again, and accept would then hang; the blocking face polls.
struct ListenerCore: ~Copyable, Sendable {
    // In this order: the path goes before the descriptor is closed, so that its inode cannot be another's.
    private var path: BoundPath?
    let core: SocketCore

    private init(path: consuming BoundPath?, core: consuming SocketCore) {
        self.path = path
        self.core = core
    }

    static func listen(
        _ kind: SocketKind, _ address: SocketAddress, backlog: Int, permissions: FilePermissions,
        reclaimsStalePath: Bool, settings: [SocketSetting]
    ) throws(IPCError) -> ListenerCore {
        if address != .unnamed { try SocketRoute.check(address, kind) }
        let descriptor = try SocketCore.make(kind, address.domain, nonBlocking: true)
        if kind == .tcp { try SocketSetting(.reuseAddress, true).apply(descriptor.rawValue) }
        try SocketCore.apply(settings, to: descriptor)
        let path = try SocketCore.bind(
            descriptor, kind, address, permissions: permissions, reclaimsStalePath: reclaimsStalePath)
        do throws(Errno) {
            try sysListen(descriptor.rawValue, backlog: CInt(clamping: backlog))
        } catch {
            throw IPCError(error, "listen", SocketCore.subject(kind, address), hint: SocketCore.hint(error, "listen"))
        }
        // Port 0 and the empty abstract name let the kernel choose.
        let bound = address.isPath ? address : try SocketCore.localAddress(descriptor, kind, address)
        return ListenerCore(path: path, core: SocketCore(descriptor, kind, bound))
    }

    /// Takes over a socket that listens already.
    static func adopt(_ descriptor: consuming OwnedDescriptor, _ kinds: [SocketKind]) throws(IPCError) -> ListenerCore {
        let core = try SocketCore.adopt(descriptor, kinds)
        guard try SocketOption<Bool>.isListening.get(on: core.rawValue, core.subject) else {
            throw IPCError(
                code: .wrongKind, call: "getsockopt", subject: core.subject, hint: "the socket does not listen")
        }
        let kind = core.kind
        let descriptor = core.release()
        do throws(Errno) { try sysSetNonBlocking(descriptor.rawValue, true) } catch {
            throw IPCError(error, "fcntl", kind.rawValue)
        }
        let address = try SocketCore.localAddress(descriptor, kind, .unnamed)
        return ListenerCore(path: nil, core: SocketCore(descriptor, kind, address))
    }

    /// nil if nobody waits to be accepted.
    func tryAccept() throws(IPCError) -> SocketCore? {
        while true {
            do throws(Errno) {
                let (number, address) = try sysAccept(core.rawValue)
                return SocketCore(OwnedDescriptor(adopting: number), core.kind, SocketAddress(address) ?? .unnamed)
            } catch {
                switch error {
                // A stopped unix listener that does not block says EAGAIN for ever; only poll knows.
                case .wouldBlock:
                    if try core.descriptor.isReady(.end) { throw stopped(.invalidArgument) } else { return nil }
                // The connection was gone before it was taken, or its network failed: the next one, please.
                case .connectionAbort, .connectionReset, .protocolError, .networkDown, .networkUnreachable,
                    .noRouteToHost,
                    .hostIsDown, .protocolNotAvailable:
                    continue
                case .invalidArgument: throw stopped(error)
                default: throw core.failure(error, "accept4")
                }
            }
        }
    }

    private func stopped(_ error: Errno) -> IPCError {
        IPCError(code: .removed, call: "accept4", errno: error, subject: core.subject, hint: "the listener was stopped")
    }

    func accept(until deadline: Deadline, retryOnInterrupt: Bool) throws(IPCError) -> SocketCore {
        try core.descriptor.attemptBlocking(
            .readable, until: deadline, call: "accept4", core.subject, retryOnInterrupt: retryOnInterrupt
        ) { () throws(IPCError) -> SocketCore? in try tryAccept() }
    }

    func accept(until deadline: Deadline) async throws(IPCError) -> SocketCore {
        try await core.descriptor.attempt(.readable, until: deadline, call: "accept4", core.subject) {
            () throws(IPCError) -> SocketCore? in try tryAccept()
        }
    }

    /// nil once the listener was stopped.
    func next() async throws(IPCError) -> SocketCore? {
        do throws(IPCError) { return try await accept(until: .never) } catch {
            if error.code == .removed { return nil }
            throw error
        }
    }

    consuming func release() -> OwnedDescriptor {
        path?.giveAway()
        return core.release()
    }

    /// The path goes first, then the descriptor.
    consuming func close() throws(IPCError) {
        path = nil
        try core.close()
    }
}

extension SocketAddress {
    var isPath: Bool {
        if case .path = self { true } else { false }
    }
}

extension SocketCore {
    static func localAddress(
        _ descriptor: borrowing OwnedDescriptor, _ kind: SocketKind, _ address: SocketAddress
    ) throws(IPCError) -> SocketAddress {
        do throws(Errno) { return SocketAddress(try sysLocalAddress(descriptor.rawValue)) ?? address } catch {
            throw IPCError(error, "getsockname", subject(kind, address))
        }
    }

    /// Binds; what is bound to a path removes it at the end.
    static func bind(
        _ descriptor: borrowing OwnedDescriptor, _ kind: SocketKind, _ address: SocketAddress,
        permissions: FilePermissions, reclaimsStalePath: Bool
    ) throws(IPCError) -> BoundPath? {
        if case .path(let path) = address {
            return try BoundPath.claim(
                path, descriptor, kind, permissions: permissions, reclaimsStalePath: reclaimsStalePath)
        }
        do throws(Errno) {
            try sysBind(descriptor.rawValue, address.encoded)
            return nil
        } catch {
            throw IPCError(error, "bind", subject(kind, address), hint: hint(error, "bind"))
        }
    }
}
