// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
public import SystemPackage

/// A socket for single messages, with or without a fixed peer: unix datagram or UDP.
///
/// ```swift
/// let inbox = try DatagramSocket.bind(to: .path("/run/news.sock"))
/// let sender = try DatagramSocket.open(.unix)
/// try sender.send(Array("hello".utf8), to: .path("/run/news.sock"))
/// let message = try inbox.receive(upTo: 4096)
/// ```
///
/// Unix datagrams arrive whole, in order and without loss: the sender waits while the receiver's queue is full. UDP may lose,
/// repeat and reorder them.
///
/// Ownership: the value owns the descriptor, and the path that it is bound to, as ``StreamListener`` does.
///
/// Concurrency: any number of tasks may send and receive at once; messages stay whole.
///
/// If a process dies: sending to it fails with ``IPCError/Code/noPeer`` (ECONNREFUSED); what it had not received is gone.
///
/// Limits: a unix datagram must fit into the send buffer; UDP takes 65 507 bytes over IPv4.
public struct DatagramSocket: ~Copyable, SocketHandle {
    /// The families in which a socket can be opened without an address.
    public enum Family: Sendable, Hashable {
        /// Unix sockets, by path or abstract name.
        case unix
        /// UDP over IPv4.
        case ipv4
        /// UDP over IPv6.
        case ipv6
    }

    // In this order: the path goes before the descriptor is closed, so that its inode cannot be another's.
    var path: BoundPath?
    let core: SocketCore

    init(_ core: consuming SocketCore, _ path: consuming BoundPath? = nil) {
        self.core = core
        self.path = path
    }

    /// Takes over a datagram socket, from another library or another process. Its path is not removed.
    ///
    /// - Throws: ``IPCError/Code/wrongKind`` if it is not one (the descriptor is closed then).
    public init(adopting descriptor: consuming OwnedDescriptor) throws(IPCError) {
        self.init(try SocketCore.adopt(descriptor, [.unixDatagram, .udp]))
    }

    /// The number of the descriptor. Do not close it.
    public var rawValue: CInt { core.rawValue }
    /// The socket as errors name it.
    public var subject: String { core.subject }
    /// The peer if the socket is connected, else the own address.
    public var address: SocketAddress { core.address }

    /// A token for ``WaitAny``.
    public func readiness(_ interest: Interest) throws(IPCError) -> Readiness {
        try core.descriptor.readiness(interest)
    }

    /// A socket without address: it sends, and receives answers if the kernel gives it an address for that (UDP does).
    ///
    /// The corresponding C function is `socket(2)`.
    public static func open(_ family: Family, settings: [SocketSetting] = []) throws(IPCError) -> DatagramSocket {
        let (kind, domain): (SocketKind, CInt) =
            switch family {
            case .unix: (.unixDatagram, SocketConstant.unix)
            case .ipv4: (.udp, SocketConstant.ipv4)
            case .ipv6: (.udp, SocketConstant.ipv6)
            }
        let descriptor = try SocketCore.make(kind, domain)
        try SocketCore.apply(settings, to: descriptor)
        return DatagramSocket(SocketCore(descriptor, kind, .unnamed))
    }

    /// A socket that others can send to.
    ///
    /// - Parameters:
    ///   - address: a path, an abstract name, `.unnamed` (the kernel chooses an abstract name), or an internet address
    ///     (port 0: the kernel chooses).
    ///   - permissions: of the path; sending to it needs write permission. 0600 unless told otherwise.
    ///   - reclaimsStalePath: whether a socket that nobody is bound to any more is replaced.
    ///   - settings: options to set before binding.
    /// - Throws: as ``StreamListener/bind(to:backlog:permissions:reclaimsStalePath:settings:)``.
    ///
    /// The corresponding C function is `bind(2)`.
    public static func bind(
        to address: SocketAddress, permissions: FilePermissions = .ownerOnly, reclaimsStalePath: Bool = true,
        settings: [SocketSetting] = []
    ) throws(IPCError) -> DatagramSocket {
        let kind = SocketKind.datagram(address)
        if address != .unnamed { try SocketRoute.check(address, kind) }
        let descriptor = try SocketCore.make(kind, address.domain)
        try SocketCore.apply(settings, to: descriptor)
        let path = try SocketCore.bind(
            descriptor, kind, address, permissions: permissions, reclaimsStalePath: reclaimsStalePath)
        let bound = address.isPath ? address : try SocketCore.localAddress(descriptor, kind, address)
        return DatagramSocket(SocketCore(descriptor, kind, bound), path)
    }

    /// A socket whose every message goes to one peer, and that receives from no other.
    ///
    /// - Parameters:
    ///   - address: the peer.
    ///   - local: what to bind to before, so that the peer can answer.
    ///   - permissions: of a local path.
    ///   - settings: options to set before.
    /// - Throws: as ``StreamSocket/connect(to:settings:retryOnInterrupt:)``; connecting datagrams never waits.
    ///
    /// The corresponding C function is `connect(2)`.
    public static func connect(
        to address: SocketAddress, from local: SocketAddress? = nil, permissions: FilePermissions = .ownerOnly,
        settings: [SocketSetting] = []
    ) throws(IPCError) -> DatagramSocket {
        let kind = SocketKind.datagram(address)
        let route = try SocketRoute.existing(address, kind, "connect")
        let descriptor = try SocketCore.make(kind, address.domain)
        try SocketCore.apply(settings, to: descriptor)
        var path: BoundPath?
        if let local {
            path = try SocketCore.bind(descriptor, kind, local, permissions: permissions, reclaimsStalePath: true)
        }
        do throws(Errno) { try sysConnect(descriptor.rawValue, route.address) } catch {
            throw IPCError(
                error, "connect", SocketCore.subject(kind, address), hint: SocketCore.hint(error, "connect"))
        }
        return DatagramSocket(SocketCore(descriptor, kind, address), path)
    }

    /// Two unix datagram sockets connected to each other.
    ///
    /// The corresponding C function is `socketpair(2)`.
    public static func pair() throws(IPCError) -> SocketPair<DatagramSocket> {
        let (first, second) = try SocketCore.pair(.unixDatagram)
        return SocketPair(
            first: DatagramSocket(SocketCore(OwnedDescriptor(adopting: first), .unixDatagram, .unnamed)),
            second: DatagramSocket(SocketCore(OwnedDescriptor(adopting: second), .unixDatagram, .unnamed)))
    }

    /// Ends one direction, or both; the descriptor stays open.
    ///
    /// The corresponding C function is `shutdown(2)`.
    public func shutDown(_ direction: SocketDirection) throws(IPCError) { try core.shutDown(direction) }

    /// Gives the descriptor away and leaves the path.
    public consuming func release() -> OwnedDescriptor {
        path?.giveAway()
        return core.release()
    }

    /// Removes the path that the socket was bound to and closes the descriptor.
    ///
    /// The corresponding C function is `close(2)`.
    public consuming func close() throws(IPCError) {
        path = nil
        try core.close()
    }
}
