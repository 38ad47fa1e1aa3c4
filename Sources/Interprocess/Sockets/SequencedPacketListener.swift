// SPDX-License-Identifier: Apache-2.0
public import SystemPackage

/// A socket that accepts connections with message boundaries (unix, SOCK_SEQPACKET).
///
/// ```swift
/// let listener = try SequencedPacketListener.bind(to: .path("/run/orders.sock"))
/// while let connection = try await listener.next() {
///     // a SequencedPacketSocket of its own
/// }
/// ```
///
/// A connection cannot be copied, so the listener is no `AsyncSequence`; `while let … next()` is the same loop.
///
/// Ownership: the value owns the descriptor, and the path that it made: dropping it removes the path, if that is still the
/// same file. The path that somebody else has put there since stays.
///
/// Concurrency: any number of tasks may accept at once; each connection goes to one of them.
///
/// If a process dies: the kernel closes the descriptor; the path stays. The next ``bind(to:backlog:permissions:reclaimsStalePath:settings:)``
/// of the same user recognises and reclaims it.
public struct SequencedPacketListener: ~Copyable, SocketHandle {
    let listener: ListenerCore

    /// Binds and listens.
    ///
    /// The path has exactly the mode asked for, whatever the umask says, and is never open to more. If the path is what a
    /// dead process of the same user has left, it is replaced; two that start at once do not take each other's socket (the
    /// directory is locked meanwhile). Whatever else is there stays and is an error.
    ///
    /// - Parameters:
    ///   - address: a path, an abstract name, or `.unnamed`: the kernel chooses an abstract name, ``address`` tells it.
    ///   - backlog: how many connections wait to be accepted before others have to; the kernel cuts it to `net.core.somaxconn`.
    ///   - permissions: of the path; connecting needs write permission. 0600 unless told otherwise.
    ///   - reclaimsStalePath: whether a socket that nobody is bound to any more is replaced.
    ///   - settings: options to set before binding.
    /// - Throws: ``IPCError/Code/alreadyExists`` (EADDRINUSE): a living socket, another user's, or no socket at all;
    ///   ``IPCError/Code/invalidName``; ``IPCError/Code/permissionDenied``; ``IPCError/Code/notFound``: no such directory.
    ///
    /// Blocking: up to half a second if somebody holds a lock on the directory.
    ///
    /// The corresponding C functions are `socket(2)`, `bind(2)` and `listen(2)`.
    public static func bind(
        to address: SocketAddress, backlog: Int = 4096, permissions: FilePermissions = .ownerOnly,
        reclaimsStalePath: Bool = true, settings: [SocketSetting] = []
    ) throws(IPCError) -> SequencedPacketListener {
        SequencedPacketListener(
            listener: try ListenerCore.listen(
                .unixSequencedPacket, address, backlog: backlog, permissions: permissions,
                reclaimsStalePath: reclaimsStalePath, settings: settings))
    }

    init(listener: consuming ListenerCore) { self.listener = listener }

    /// Takes over a socket that listens already, from the process that started this one, say. Its path is not removed.
    ///
    /// - Throws: ``IPCError/Code/wrongKind`` if it is no seqpacket socket or does not listen.
    public init(adopting descriptor: consuming OwnedDescriptor) throws(IPCError) {
        listener = try ListenerCore.adopt(descriptor, [.unixSequencedPacket])
    }

    /// The number of the descriptor. Do not close it.
    public var rawValue: CInt { listener.core.rawValue }
    /// The socket as errors name it.
    public var subject: String { listener.core.subject }
    /// The address that clients connect to: the path as it was given, or the abstract name.
    public var address: SocketAddress { listener.core.address }

    /// A token for ``WaitAny``: readable when a connection waits.
    public func readiness() throws(IPCError) -> Readiness { try listener.core.descriptor.readiness(.readable) }

    /// Takes the next connection; blocks the thread until there is one.
    ///
    /// - Throws: ``IPCError/Code/limitReached`` (EMFILE, ENFILE): the connection keeps waiting, so close something and
    ///   accept again; ``IPCError/Code/removed`` once ``stop()`` was called; ``IPCError/Code/interrupted``.
    ///
    /// The corresponding C function is `accept4(2)`.
    public func accept(retryOnInterrupt: Bool = true) throws(IPCError) -> SequencedPacketSocket {
        SequencedPacketSocket(try listener.accept(until: .never, retryOnInterrupt: retryOnInterrupt))
    }

    /// Takes the next connection if one waits; nil if not.
    public func tryAccept() throws(IPCError) -> SequencedPacketSocket? {
        guard let core = try listener.tryAccept() else { return nil }
        return SequencedPacketSocket(core)
    }

    /// Takes the next connection; blocks the thread until `deadline` at most.
    ///
    /// - Throws: ``IPCError/Code/timedOut``; else as ``accept(retryOnInterrupt:)``.
    public func accept(until deadline: Deadline, retryOnInterrupt: Bool = true) throws(IPCError)
        -> SequencedPacketSocket
    {
        SequencedPacketSocket(try listener.accept(until: deadline, retryOnInterrupt: retryOnInterrupt))
    }

    /// Takes the next connection; suspends the task until there is one.
    ///
    /// - Throws: ``IPCError/Code/timedOut``; ``IPCError/Code/cancelled``; else as ``accept(retryOnInterrupt:)``.
    public func accept(until deadline: Deadline = .never) async throws(IPCError) -> SequencedPacketSocket {
        SequencedPacketSocket(try await listener.accept(until: deadline))
    }

    /// The next connection, or nil once ``stop()`` was called: for `while let`.
    ///
    /// - Throws: ``IPCError/Code/cancelled``; ``IPCError/Code/limitReached`` as ``accept(retryOnInterrupt:)``: call again.
    public func next() async throws(IPCError) -> SequencedPacketSocket? {
        guard let core = try await listener.next() else { return nil }
        return SequencedPacketSocket(core)
    }

    /// Stops listening: whoever accepts is told, ``next()`` gives nil, clients are refused. The path goes with the value.
    ///
    /// The corresponding C function is `shutdown(2)`.
    public func stop() throws(IPCError) { try listener.core.shutDown(.both) }

    /// Gives the descriptor away and leaves the path: whoever has the descriptor listens on.
    public consuming func release() -> OwnedDescriptor { listener.release() }

    /// Removes the path and closes the descriptor.
    ///
    /// The corresponding C function is `close(2)`.
    public consuming func close() throws(IPCError) { try listener.close() }
}
