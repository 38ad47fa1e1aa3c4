// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls

/// A connected unix socket that keeps message boundaries, in order and without loss (SOCK_SEQPACKET).
///
/// ```swift
/// let socket = try SequencedPacketSocket.connect(to: .path("/run/orders.sock"))
/// try socket.send(Array("first".utf8))
/// let answer = try socket.receive(upTo: 4096)
/// ```
///
/// Each send is one message, taken whole or not at all; each receive gives one. A message longer than the buffer
/// loses its end, which ``SocketReceipt/truncated(_:of:)`` says.
///
/// Ownership: the value owns the descriptor; dropping it closes the connection.
///
/// Concurrency: any number of tasks may send and receive at once; messages stay whole.
///
/// If a process dies: the kernel closes its side; the peer receives what was sent, then
/// ``SocketReceipt/endOfStream``, or ``IPCError/Code/disconnected`` (ECONNRESET) if the dead process had not received
/// everything. A message is never half sent.
///
/// Limits: one message must fit into the send buffer (``SocketOption/sendBufferBytes``), less some bookkeeping. An
/// empty message that is the last before the end cannot be told from the end, unless
/// ``SocketOption/passCredentials`` is on and ``receiveMessage(upTo:maximumDescriptors:retryOnInterrupt:)`` is used.
public struct SequencedPacketSocket: ~Copyable, SocketHandle {
    let core: SocketCore

    init(_ core: consuming SocketCore) { self.core = core }

    /// Takes over a connected seqpacket socket, from another library or another process.
    ///
    /// - Throws: ``IPCError/Code/wrongKind`` if it is not one (the descriptor is closed then).
    public init(adopting descriptor: consuming OwnedDescriptor) throws(IPCError) {
        core = try SocketCore.adopt(descriptor, [.unixSequencedPacket])
    }

    /// The number of the descriptor. Do not close it.
    public var rawValue: CInt { core.rawValue }
    /// The socket as errors name it.
    public var subject: String { core.subject }

    /// A token for ``WaitAny``.
    public func readiness(_ interest: Interest) throws(IPCError) -> Readiness {
        try core.descriptor.readiness(interest)
    }

    /// Two connected sockets, for threads of this process or to hand one end to a child.
    ///
    /// - Throws: ``IPCError/Code/limitReached`` (EMFILE, ENFILE).
    ///
    /// The corresponding C function is `socketpair(2)`.
    public static func pair() throws(IPCError) -> SocketPair<SequencedPacketSocket> {
        let (first, second) = try SocketCore.pair(.unixSequencedPacket)
        return SocketPair(
            first: SequencedPacketSocket(SocketCore(OwnedDescriptor(adopting: first), .unixSequencedPacket, .unnamed)),
            second: SequencedPacketSocket(SocketCore(OwnedDescriptor(adopting: second), .unixSequencedPacket, .unnamed))
        )
    }

    /// Connects to a ``SequencedPacketListener``; blocks the thread until its backlog has room.
    ///
    /// - Parameters:
    ///   - address: a path or an abstract name.
    ///   - settings: options to set before connecting.
    ///   - retryOnInterrupt: whether a signal handler that runs in this thread leaves the wait as it is.
    /// - Throws: as ``StreamSocket/connect(to:settings:retryOnInterrupt:)``.
    ///
    /// The corresponding C functions are `socket(2)` and `connect(2)`.
    public static func connect(
        to address: SocketAddress, settings: [SocketSetting] = [], retryOnInterrupt: Bool = true
    ) throws(IPCError) -> SequencedPacketSocket {
        SequencedPacketSocket(
            try SocketCore.connect(
                .unixSequencedPacket, address, settings, until: .never, retryOnInterrupt: retryOnInterrupt))
    }

    /// Connects; blocks the thread until `deadline` at most.
    public static func connect(
        to address: SocketAddress, settings: [SocketSetting] = [], until deadline: Deadline,
        retryOnInterrupt: Bool = true
    ) throws(IPCError) -> SequencedPacketSocket {
        SequencedPacketSocket(
            try SocketCore.connect(
                .unixSequencedPacket, address, settings, until: deadline, retryOnInterrupt: retryOnInterrupt))
    }

    /// Connects if that can be done at once; nil if the listener's backlog is full.
    public static func tryConnect(
        to address: SocketAddress, settings: [SocketSetting] = []
    ) throws(IPCError) -> SequencedPacketSocket? {
        guard let core = try SocketCore.tryConnect(.unixSequencedPacket, address, settings) else { return nil }
        return SequencedPacketSocket(core)
    }

    /// Connects; suspends the task until the listener's backlog has room, which is asked for at intervals of 1 to 16
    /// milliseconds.
    public static func connect(
        to address: SocketAddress, settings: [SocketSetting] = [], until deadline: Deadline = .never
    ) async throws(IPCError) -> SequencedPacketSocket {
        SequencedPacketSocket(
            try await SocketCore.connect(.unixSequencedPacket, address, settings, until: deadline))
    }

    /// What tasks wait with.
    package var awaitable: AwaitableDescriptor {
        @inline(__always) _read { yield core.descriptor }
    }

    /// Ends one direction, or both; the descriptor stays open.
    ///
    /// The corresponding C function is `shutdown(2)`.
    public func shutDown(_ direction: SocketDirection) throws(IPCError) { try core.shutDown(direction) }

    /// Blocks until the peer has closed or finished sending; false if the deadline came first.
    public func waitForEnd(until deadline: Deadline = .never) throws(IPCError) -> Bool {
        try core.descriptor.wait(for: .end, until: deadline)
    }

    /// Suspends until the peer has closed or finished sending; false if the deadline came first.
    public func waitForEnd(until deadline: Deadline = .never) async throws(IPCError) -> Bool {
        try await core.descriptor.wait(for: .end, until: deadline)
    }

    /// Closes the socket and says how that went.
    ///
    /// The corresponding C function is `close(2)`.
    public consuming func close() throws(IPCError) { try core.close() }

    /// Gives the descriptor away, to another library or to a child process.
    public consuming func release() -> OwnedDescriptor { core.release() }
}
