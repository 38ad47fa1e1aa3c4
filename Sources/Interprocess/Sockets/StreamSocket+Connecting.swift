// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls

extension StreamSocket {
    /// Connects to a listener; blocks the thread until it is done.
    ///
    /// On unix sockets that is until the listener has room in its backlog; on TCP until the other host answers.
    ///
    /// - Parameters:
    ///   - address: a path, an abstract name, or an internet address.
    ///   - settings: options to set before connecting.
    ///   - retryOnInterrupt: whether a signal handler that runs in this thread leaves the wait as it is.
    /// - Throws: ``IPCError/Code/notFound`` (ENOENT: no such path); ``IPCError/Code/noPeer`` (ECONNREFUSED: nobody
    ///   listens; EHOSTUNREACH, ENETUNREACH); ``IPCError/Code/permissionDenied`` (EACCES: no write permission on the
    ///   path); ``IPCError/Code/wrongKind`` (EPROTOTYPE: a datagram or seqpacket socket is there; ENOTSOCK);
    ///   ``IPCError/Code/timedOut`` (TCP, after minutes); ``IPCError/Code/interrupted``.
    ///
    /// The corresponding C functions are `socket(2)` and `connect(2)`.
    public static func connect(
        to address: SocketAddress, settings: [SocketSetting] = [], retryOnInterrupt: Bool = true
    ) throws(IPCError) -> StreamSocket {
        StreamSocket(
            try SocketCore.connect(
                .stream(address), address, settings, until: .never, retryOnInterrupt: retryOnInterrupt))
    }

    /// Connects to a listener; blocks the thread until it is done or `deadline` has come.
    ///
    /// - Throws: as ``connect(to:settings:retryOnInterrupt:)``; ``IPCError/Code/timedOut`` at the deadline.
    public static func connect(
        to address: SocketAddress, settings: [SocketSetting] = [], until deadline: Deadline,
        retryOnInterrupt: Bool = true
    ) throws(IPCError) -> StreamSocket {
        StreamSocket(
            try SocketCore.connect(
                .stream(address), address, settings, until: deadline, retryOnInterrupt: retryOnInterrupt))
    }

    /// Connects if that can be done at once.
    ///
    /// - Returns: nil if the listener's backlog is full. TCP always has to wait for an answer, so there it is
    ///   always nil, and nothing goes on behind it.
    /// - Throws: as ``connect(to:settings:retryOnInterrupt:)``.
    public static func tryConnect(
        to address: SocketAddress, settings: [SocketSetting] = []
    ) throws(IPCError) -> StreamSocket? {
        guard let core = try SocketCore.tryConnect(.stream(address), address, settings) else { return nil }
        return StreamSocket(core)
    }

    /// Connects to a listener; suspends the task until it is done.
    ///
    /// A unix listener whose backlog is full tells nobody when there is room again: it is asked at intervals of 1
    /// to 16 milliseconds.
    ///
    /// - Throws: as ``connect(to:settings:retryOnInterrupt:)``; ``IPCError/Code/timedOut`` at the deadline;
    ///   ``IPCError/Code/cancelled``.
    public static func connect(
        to address: SocketAddress, settings: [SocketSetting] = [], until deadline: Deadline = .never
    ) async throws(IPCError) -> StreamSocket {
        StreamSocket(try await SocketCore.connect(.stream(address), address, settings, until: deadline))
    }

    // MARK: By the name of a host

    /// Connects over TCP to `host:port`; tries each address that the host has, in order.
    ///
    /// - Parameters:
    ///   - host: `example.org:443`, `localhost:http`, `[::1]:80`.
    ///   - settings: options to set before connecting.
    ///   - deadline: for all attempts together; the resolver does not know of it.
    /// - Throws: as ``SocketAddress/resolve(_:)``; else the failure of the last address.
    ///
    /// Blocking: while the resolver looks the name up, and until the host answers.
    ///
    /// The corresponding C functions are `getaddrinfo(3)` and `connect(2)`.
    public static func connect(
        toHost host: String, settings: [SocketSetting] = [], until deadline: Deadline = .never
    ) throws(IPCError) -> StreamSocket {
        var last = nothing(host)
        for address in try SocketAddress.resolve(host) {
            do throws(IPCError) { return try connect(to: address, settings: settings, until: deadline) } catch {
                last = error
            }
        }
        throw last
    }

    /// Connects over TCP to `host:port`; suspends the task. Tries each address that the host has, in order.
    ///
    /// - Throws: as the blocking form; ``IPCError/Code/cancelled``.
    public static func connect(
        toHost host: String, settings: [SocketSetting] = [], until deadline: Deadline = .never
    ) async throws(IPCError) -> StreamSocket {
        var last = nothing(host)
        for address in try await SocketAddress.resolve(host, until: deadline) {
            do throws(IPCError) {
                return try await connect(to: address, settings: settings, until: deadline)
            } catch {
                if error.code == .cancelled { throw error }
                last = error
            }
        }
        throw last
    }

    private static func nothing(_ host: String) -> IPCError {
        IPCError(code: .notFound, call: "getaddrinfo", subject: "tcp:\(host)", hint: "the host has no address")
    }
}
