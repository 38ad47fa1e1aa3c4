// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import SystemPackage

/// An option of a socket, with the type of its value.
///
/// ```swift
/// try socket.set(.sendBufferBytes, to: 1 << 20)
/// let room = try socket.get(.sendBufferBytes)
/// ```
///
/// The corresponding C functions are `getsockopt(2)` and `setsockopt(2)`.
public struct SocketOption<Value: Sendable>: Sendable {
    let level: CInt
    let number: CInt
    let name: String
    let encode: @Sendable (Value) -> [UInt8]
    let decode: @Sendable ([UInt8]) -> Value?
}

/// An option together with the value to set, for sockets that need it before they are bound or connected.
public struct SocketSetting: Sendable {
    let name: String
    let apply: @Sendable (CInt) throws(IPCError) -> Void

    /// `option` set to `value`.
    public init<Value: Sendable>(_ option: SocketOption<Value>, _ value: Value) {
        name = option.name
        apply = { (descriptor) throws(IPCError) in try option.set(value, on: descriptor, "descriptor \(descriptor)") }
    }
}

extension SocketOption {
    func set(_ value: Value, on descriptor: CInt, _ subject: @autoclosure () -> String) throws(IPCError) {
        do throws(Errno) {
            try sysSetOption(descriptor, level: level, name: number, encode(value))
        } catch {
            throw IPCError(error, "setsockopt", subject(), hint: "\(name) cannot be set so on this socket")
        }
    }

    func get(on descriptor: CInt, _ subject: @autoclosure () -> String) throws(IPCError) -> Value {
        let bytes: [UInt8]
        do throws(Errno) {
            bytes = try sysGetOption(descriptor, level: level, name: number, capacity: 64)
        } catch {
            throw IPCError(error, "getsockopt", subject(), hint: "\(name) cannot be read from this socket")
        }
        guard let value = decode(bytes) else {
            throw IPCError(
                code: .malformed, call: "getsockopt", subject: subject(), hint: "\(name) came with \(bytes.count) bytes"
            )
        }
        return value
    }
}

private func integerBytes(_ number: CInt) -> [UInt8] {
    let number = UInt32(bitPattern: number.littleEndian)
    return (0..<4).map { UInt8(truncatingIfNeeded: number >> UInt32($0 * 8)) }
}

private func integer(_ bytes: some Collection<UInt8>) -> CInt? {
    guard bytes.count >= 4 else { return nil }
    return CInt(bitPattern: bytes.prefix(4).reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }).littleEndian
}

extension SocketOption where Value == Bool {
    private init(_ level: CInt, _ number: CInt, _ name: String) {
        self.init(
            level: level, number: number, name: name, encode: { integerBytes($0 ? 1 : 0) },
            decode: { integer($0).map { $0 != 0 } })
    }

    /// Bind to an address that connections of a former owner still linger on (SO_REUSEADDR). TCP listeners of
    /// this package have it on.
    public static var reuseAddress: Self {
        Self(SocketOptionNumber.socketLevel, SocketOptionNumber.reuseAddress, "SO_REUSEADDR")
    }
    /// Several sockets bind to the same address and share what arrives (SO_REUSEPORT).
    public static var reusePort: Self {
        Self(SocketOptionNumber.socketLevel, SocketOptionNumber.reusePort, "SO_REUSEPORT")
    }
    /// Ask an idle peer now and then whether it is there (SO_KEEPALIVE).
    public static var keepAlive: Self {
        Self(SocketOptionNumber.socketLevel, SocketOptionNumber.keepAlive, "SO_KEEPALIVE")
    }
    /// Datagrams may go to a broadcast address (SO_BROADCAST).
    public static var broadcast: Self {
        Self(SocketOptionNumber.socketLevel, SocketOptionNumber.broadcast, "SO_BROADCAST")
    }
    /// Small TCP segments leave at once (TCP_NODELAY).
    public static var noDelay: Self { Self(SocketOptionNumber.tcpLevel, SocketOptionNumber.noDelay, "TCP_NODELAY") }
    /// An IPv6 socket takes no IPv4 (IPV6_V6ONLY); set before binding.
    public static var ipv6Only: Self { Self(SocketOptionNumber.ipv6Level, SocketOptionNumber.ipv6Only, "IPV6_V6ONLY") }
    /// Each message that ``StreamSocket/receiveMessage(upTo:maximumDescriptors:retryOnInterrupt:)-(Int,_,_)`` and its like
    /// return names its sender (SO_PASSCRED). Set on a listener, connections that it accepts have it.
    public static var passCredentials: Self {
        Self(SocketOptionNumber.socketLevel, SocketOptionNumber.passCredentials, "SO_PASSCRED")
    }
    /// Whether the socket listens (SO_ACCEPTCONN); cannot be set.
    public static var isListening: Self {
        Self(SocketOptionNumber.socketLevel, SocketOptionNumber.isListening, "SO_ACCEPTCONN")
    }
}

extension SocketOption where Value == Int {
    private init(_ level: CInt, _ number: CInt, _ name: String) {
        self.init(
            level: level, number: number, name: name, encode: { integerBytes(CInt(clamping: $0)) },
            decode: { integer($0).map(Int.init) })
    }

    /// Room for what is sent and not yet taken (SO_SNDBUF), in bytes. The kernel doubles what is set, for its
    /// own bookkeeping, and cuts it to `net.core.wmem_max`; reading gives the doubled value.
    public static var sendBufferBytes: Self {
        Self(SocketOptionNumber.socketLevel, SocketOptionNumber.sendBuffer, "SO_SNDBUF")
    }
    /// Room for what has arrived and is not yet received (SO_RCVBUF), in bytes; as ``sendBufferBytes``, with
    /// `net.core.rmem_max`. Unix sockets do not look at it.
    public static var receiveBufferBytes: Self {
        Self(SocketOptionNumber.socketLevel, SocketOptionNumber.receiveBuffer, "SO_RCVBUF")
    }
    /// The error that waits to be reported (SO_ERROR), as an errno, 0 for none; reading clears it.
    public static var error: Self { Self(SocketOptionNumber.socketLevel, SocketOptionNumber.error, "SO_ERROR") }
    /// SOCK_STREAM (1), SOCK_DGRAM (2) or SOCK_SEQPACKET (5) (SO_TYPE); cannot be set.
    public static var type: Self { Self(SocketOptionNumber.socketLevel, SocketOptionNumber.type, "SO_TYPE") }
    /// AF_UNIX (1), AF_INET (2) or AF_INET6 (10) (SO_DOMAIN); cannot be set.
    public static var domain: Self { Self(SocketOptionNumber.socketLevel, SocketOptionNumber.domain, "SO_DOMAIN") }
    /// Seconds of silence before ``keepAlive`` asks (TCP_KEEPIDLE).
    public static var keepAliveIdleSeconds: Self {
        Self(SocketOptionNumber.tcpLevel, SocketOptionNumber.keepAliveIdle, "TCP_KEEPIDLE")
    }
    /// Seconds between two such questions (TCP_KEEPINTVL).
    public static var keepAliveIntervalSeconds: Self {
        Self(SocketOptionNumber.tcpLevel, SocketOptionNumber.keepAliveInterval, "TCP_KEEPINTVL")
    }
    /// How many go unanswered before the connection is given up (TCP_KEEPCNT).
    public static var keepAliveCount: Self {
        Self(SocketOptionNumber.tcpLevel, SocketOptionNumber.keepAliveCount, "TCP_KEEPCNT")
    }
    /// Milliseconds that sent data may stay unacknowledged before the connection is given up (TCP_USER_TIMEOUT).
    public static var userTimeoutMilliseconds: Self {
        Self(SocketOptionNumber.tcpLevel, SocketOptionNumber.userTimeout, "TCP_USER_TIMEOUT")
    }
}

extension SocketOption where Value == Int? {
    /// Seconds that closing waits for sent data to arrive (SO_LINGER); nil lets the kernel do so in the
    /// background, 0 throws the data away and resets the connection.
    public static var lingerSeconds: Self {
        Self(
            level: SocketOptionNumber.socketLevel, number: SocketOptionNumber.linger, name: "SO_LINGER",
            encode: { integerBytes($0 == nil ? 0 : 1) + integerBytes(CInt(clamping: $0 ?? 0)) },
            decode: { value in
                guard value.count >= 8, let isOn = integer(value[0..<4]), let seconds = integer(value[4..<8]) else {
                    return nil
                }
                return .some(isOn == 0 ? nil : Int(seconds))
            })
    }
}
