// SPDX-License-Identifier: Apache-2.0
public import SystemPackage

/// Where a socket is: a path, an abstract name, or an address and port of the internet protocols.
///
/// An address is a value: making one touches nothing. ``init(_:)`` reads what ``description`` prints. Names
/// of hosts are not addresses: ``resolve(_:)-(String)`` turns them into some.
///
/// The manual pages are `unix(7)`, `ip(7)` and `ipv6(7)`.
public enum SocketAddress: Sendable, Hashable {
    /// A unix socket in the file system. Paths longer than the 107 bytes that the kernel takes are reached
    /// through their directory.
    case path(FilePath)
    /// A name in the abstract namespace of unix sockets (no file; gone with its last socket): 1 to 107 bytes.
    case abstract([UInt8])
    /// A unix socket without a name: one of a pair, or a client that has bound none.
    case unnamed
    /// An IPv4 address and port.
    case ipv4(IPv4Address, port: UInt16)
    /// An IPv6 address and port; `scope` is the number of the interface of a link-local address, else 0.
    case ipv6(IPv6Address, port: UInt16, scope: UInt32 = 0)

    /// An abstract name from text.
    public static func abstract(_ name: String) -> SocketAddress { .abstract(Array(name.utf8)) }

    /// The port of an internet address.
    public var port: UInt16? {
        switch self {
        case .ipv4(_, let port), .ipv6(_, let port, _): port
        default: nil
        }
    }

    /// Whether it is one of unix sockets.
    public var isUnix: Bool {
        switch self {
        case .path, .abstract, .unnamed: true
        default: false
        }
    }

    /// The same address with another port; unix addresses have none and stay as they are.
    public func withPort(_ port: UInt16) -> SocketAddress {
        switch self {
        case .ipv4(let address, _): .ipv4(address, port: port)
        case .ipv6(let address, _, let scope): .ipv6(address, port: port, scope: scope)
        default: self
        }
    }
}

extension SocketAddress: CustomStringConvertible {
    /// `/run/log.sock`, `@name`, `127.0.0.1:80`, `[::1]:80`, `[fe80::1%2]:80`, or `(unnamed)`.
    public var description: String {
        switch self {
        case .path(let path): AddressEscapes.text(path.bytes)
        case .abstract(let name): "@" + AddressEscapes.text(name)
        case .unnamed: "(unnamed)"
        case .ipv4(let address, let port): "\(address):\(port)"
        case .ipv6(let address, let port, 0): "[\(address)]:\(port)"
        case .ipv6(let address, let port, let scope): "[\(address)%\(scope)]:\(port)"
        }
    }
}

/// An address of the internet protocol, version 4.
public struct IPv4Address: Sendable, Hashable {
    /// As a number: 127.0.0.1 is 0x7f000001.
    public var rawValue: UInt32

    /// An address by its number.
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// 127.0.0.1
    public static let loopback = IPv4Address(rawValue: 0x7f00_0001)
    /// 0.0.0.0: every interface.
    public static let any = IPv4Address(rawValue: 0)

    /// Reads `192.168.0.1`: four decimal numbers, without leading zeros.
    public init?(_ text: some StringProtocol) {
        let parts = text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var value: UInt32 = 0
        for part in parts {
            guard (1...3).contains(part.count),
                part.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
                part.count == 1 || part.first != UInt8(ascii: "0"),
                let byte = UInt8(String(decoding: part, as: UTF8.self))
            else { return nil }
            value = value << 8 | UInt32(byte)
        }
        rawValue = value
    }
}

extension IPv4Address: CustomStringConvertible {
    /// `192.168.0.1`
    public var description: String {
        "\(rawValue >> 24).\(rawValue >> 16 & 255).\(rawValue >> 8 & 255).\(rawValue & 255)"
    }
}

/// An address of the internet protocol, version 6.
public struct IPv6Address: Sendable, Hashable {
    /// The first eight bytes, as a number.
    public var high: UInt64
    /// The last eight bytes, as a number.
    public var low: UInt64

    /// An address from its two halves.
    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// ::1
    public static let loopback = IPv6Address(high: 0, low: 1)
    /// `::`: every interface.
    public static let any = IPv6Address(high: 0, low: 0)

    /// The eight groups of sixteen bits.
    public var groups: [UInt16] {
        (0..<8).map { index in
            UInt16(truncatingIfNeeded: (index < 4 ? high : low) >> UInt64((3 - index % 4) * 16))
        }
    }
}
