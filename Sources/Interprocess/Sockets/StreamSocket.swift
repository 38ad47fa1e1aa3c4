// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls

/// A connected stream of bytes in both directions: a unix stream socket or TCP.
///
/// ```swift
/// let socket = try StreamSocket.connect(to: .path("/run/log.sock"))
/// try socket.send(Array("hello".utf8))
/// try socket.shutDown(.sending)
/// let answer = try socket.receive(upTo: 4096)
/// ```
///
/// Bytes arrive in order and without boundaries: what was sent at once may arrive in parts. For messages use
/// ``SequencedPacketSocket``, or frames on top.
///
/// Ownership: the value owns the descriptor; dropping it closes the connection.
///
/// Concurrency: one task may send while another receives. Two that send at once may interleave.
///
/// If a process dies: the kernel closes its side; the peer receives what was sent, then the end of the stream, or
/// ``IPCError/Code/disconnected`` (ECONNRESET) if the dead process had not read everything.
public struct StreamSocket: ~Copyable, SocketHandle {
    let core: SocketCore

    init(_ core: consuming SocketCore) { self.core = core }

    /// Takes over a connected stream socket, from another library or another process.
    ///
    /// - Throws: ``IPCError/Code/wrongKind`` if it is not a stream socket (the descriptor is closed then).
    public init(adopting descriptor: consuming OwnedDescriptor) throws(IPCError) {
        core = try SocketCore.adopt(descriptor, [.unix, .tcp])
    }

    /// The number of the descriptor. Do not close it.
    public var rawValue: CInt { core.rawValue }
    /// The socket as errors name it.
    public var subject: String { core.subject }

    /// The descriptor, to await more than one thing with ``WaitAny``.
    public func readiness(_ interest: Interest) throws(IPCError) -> Readiness {
        try core.descriptor.readiness(interest)
    }

    /// Two connected unix stream sockets, for threads of this process or to hand one end to a child.
    ///
    /// - Throws: ``IPCError/Code/limitReached`` (EMFILE, ENFILE).
    ///
    /// The corresponding C function is `socketpair(2)`.
    public static func pair() throws(IPCError) -> SocketPair<StreamSocket> {
        let (first, second) = try SocketCore.pair(.unix)
        return SocketPair(
            first: StreamSocket(SocketCore(OwnedDescriptor(adopting: first), .unix, .unnamed)),
            second: StreamSocket(SocketCore(OwnedDescriptor(adopting: second), .unix, .unnamed)))
    }

    /// A second handle of the same connection: one for a ``FrameReader``, one for a ``FrameWriter``. The connection ends with the
    /// last of them.
    ///
    /// - Throws: ``IPCError/Code/limitReached`` (EMFILE).
    ///
    /// The corresponding C function is `fcntl(2)` with `F_DUPFD_CLOEXEC`.
    public func duplicate() throws(IPCError) -> StreamSocket { StreamSocket(try core.duplicate()) }

    /// Ends one direction, or both; the descriptor stays open.
    ///
    /// After `.sending` the peer receives what is under way and then the end of the stream, while this side still
    /// receives: the half-closed connection of the classic client.
    ///
    /// - Throws: ``IPCError/Code/disconnected`` (ENOTCONN) if the connection is gone.
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
    /// - Throws: ``IPCError/Code/badDescriptor`` if somebody else closed it.
    ///
    /// The corresponding C function is `close(2)`.
    public consuming func close() throws(IPCError) { try core.close() }

    /// Gives the descriptor away, to another library or to a child process.
    public consuming func release() -> OwnedDescriptor { core.release() }
}

/// The two ends of a pair of connected unix sockets.
@frozen public struct SocketPair<Socket: ~Copyable & Sendable>: ~Copyable, Sendable {
    /// One end.
    public var first: Socket
    /// The other; what goes in at one comes out at the other.
    public var second: Socket

    init(first: consuming Socket, second: consuming Socket) {
        self.first = first
        self.second = second
    }
}
