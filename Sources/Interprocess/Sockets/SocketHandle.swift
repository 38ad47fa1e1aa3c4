// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
public import SystemPackage

/// What every socket can tell of itself and of its peer.
public protocol SocketHandle: ~Copyable, Sendable {
    /// The number of the descriptor. Do not close it.
    var rawValue: CInt { get }
    /// The socket as errors name it: `"unix:/run/log.sock"`.
    var subject: String { get }
}

extension SocketHandle where Self: ~Copyable {
    /// Reads an option.
    ///
    /// - Throws: ``IPCError/Code/unsupported`` (ENOPROTOOPT, EOPNOTSUPP) if this kind of socket has no such option.
    ///
    /// The corresponding C function is `getsockopt(2)`.
    public func get<Value: Sendable>(_ option: SocketOption<Value>) throws(IPCError) -> Value {
        try option.get(on: rawValue, subject)
    }

    /// Sets an option.
    ///
    /// - Throws: ``IPCError/Code/unsupported`` if this kind of socket has no such option;
    ///   ``IPCError/Code/invalidArgument``; ``IPCError/Code/permissionDenied``.
    ///
    /// The corresponding C function is `setsockopt(2)`.
    public func set<Value: Sendable>(_ option: SocketOption<Value>, to value: Value) throws(IPCError) {
        try option.set(value, on: rawValue, subject)
    }

    /// The address that this socket is bound to. A path of more than 107 bytes is told as it was reached, through
    /// a directory of `/proc/self/fd`.
    ///
    /// The corresponding C function is `getsockname(2)`.
    public func localAddress() throws(IPCError) -> SocketAddress {
        do throws(Errno) {
            return SocketAddress(try sysLocalAddress(rawValue)) ?? .unnamed
        } catch {
            throw IPCError(error, "getsockname", subject)
        }
    }

    /// The address of the peer.
    ///
    /// - Throws: ``IPCError/Code/disconnected`` (ENOTCONN).
    ///
    /// The corresponding C function is `getpeername(2)`.
    public func peerAddress() throws(IPCError) -> SocketAddress {
        do throws(Errno) {
            return SocketAddress(try sysPeerAddress(rawValue)) ?? .unnamed
        } catch {
            throw IPCError(error, "getpeername", subject, hint: SocketCore.hint(error, "getpeername"))
        }
    }

    /// Who connected, or who listened, at that moment: the kernel vouches for it. Unix stream and seqpacket only.
    ///
    /// The process may have ended since and its number may be another's: ``peerProcess()`` has no such doubt.
    ///
    /// - Throws: ``IPCError/Code/unsupported`` for other kinds of socket.
    ///
    /// The corresponding C function is `getsockopt(2)` with `SO_PEERCRED`.
    public func peerCredentials() throws(IPCError) -> PeerCredentials {
        let raw: RawCredentials
        do throws(Errno) { raw = try sysPeerCredentials(rawValue) } catch {
            throw IPCError(error, "getsockopt", subject)
        }
        // The kernel answers for TCP as well, with a process of 0 and ids of -1.
        guard raw.process != 0 || raw.user != .max else {
            throw IPCError(
                code: .unsupported, call: "getsockopt", subject: subject,
                hint: "only connected unix sockets know who is at the other end")
        }
        return PeerCredentials(raw)
    }

    /// The supplementary groups of the peer.
    ///
    /// - Throws: ``IPCError/Code/unsupported`` for what is not a connected unix socket.
    ///
    /// The corresponding C function is `getsockopt(2)` with `SO_PEERGROUPS`.
    public func peerGroups() throws(IPCError) -> [UInt32] {
        do throws(Errno) {
            let bytes = try sysGetOption(
                rawValue, level: SocketOptionNumber.socketLevel, name: SocketOptionNumber.peerGroups,
                capacity: 4 * 65536)
            return stride(from: 0, to: bytes.count - 3, by: 4).map { start in
                bytes[start..<(start + 4)].reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
            }
        } catch  where error == .noData {
            throw IPCError(code: .unsupported, call: "getsockopt", errno: error, subject: subject)
        } catch {
            throw IPCError(error, "getsockopt", subject)
        }
    }

    /// The process at the other end as a descriptor (a pidfd), which can be awaited and signalled without the
    /// danger of meeting another process with the same number. Linux 6.5 or newer.
    ///
    /// - Throws: ``IPCError/Code/unsupported`` (ENOPROTOOPT) on older kernels and other kinds of socket;
    ///   ``IPCError/Code/notFound`` (ESRCH) if the process is gone and nobody has kept its entry.
    ///
    /// The corresponding C function is `getsockopt(2)` with `SO_PEERPIDFD`.
    public func peerProcess() throws(IPCError) -> OwnedDescriptor {
        do throws(Errno) {
            let bytes = try sysGetOption(
                rawValue, level: SocketOptionNumber.socketLevel, name: SocketOptionNumber.peerProcess, capacity: 4)
            guard bytes.count == 4 else { throw Errno.invalidArgument }
            let number = bytes.reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
            return OwnedDescriptor(adopting: CInt(bitPattern: number))
        } catch  where error == .noData {
            throw IPCError(code: .unsupported, call: "getsockopt", errno: error, subject: subject)
        } catch {
            throw IPCError(error, "getsockopt", subject, hint: "the kernel gives the peer as a pidfd from Linux 6.5 on")
        }
    }

    /// How many bytes wait to be received: of datagrams and on seqpacket sockets see `unix(7)` and `udp(7)`.
    ///
    /// The corresponding C function is `ioctl(2)` with `FIONREAD`.
    public func pendingBytes() throws(IPCError) -> Int {
        do throws(Errno) { return try sysPendingBytes(rawValue) } catch { throw IPCError(error, "ioctl", subject) }
    }

    /// The number in the vocabulary of swift-system; borrowed, never to be closed.
    public var fileDescriptor: FileDescriptor { FileDescriptor(rawValue: rawValue) }
}
