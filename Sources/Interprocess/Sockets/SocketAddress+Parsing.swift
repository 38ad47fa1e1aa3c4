// SPDX-License-Identifier: Apache-2.0
import SystemPackage

extension SocketAddress {
    /// Reads an address.
    ///
    /// What starts with `@` is an abstract name; what contains a slash is a path; the rest is a numeric
    /// address with a port, IPv6 in brackets.
    ///
    /// - Parameter text: `/run/log.sock`, `@name`, `127.0.0.1:80` or `[::1]:80`.
    /// - Throws: ``IPCError/Code/invalidName`` with the part that is wrong. Names of hosts are for
    ///   ``resolve(_:)-(String)``.
    public init(_ text: String) throws(IPCError) {
        func refuse(_ hint: String) -> IPCError { IPCError(code: .invalidName, subject: "\"\(text)\"", hint: hint) }
        if text.hasPrefix("@") {
            let name = AddressEscapes.bytes(text.dropFirst())
            guard (1...107).contains(name.count) else {
                throw refuse("an abstract name has 1 to 107 bytes after the @")
            }
            self = .abstract(name)
            return
        }
        if text.contains("/") {
            let bytes = AddressEscapes.bytes(text)
            guard !bytes.contains(0) else { throw refuse("a path holds no NUL byte") }
            self = .path(FilePath(bytes: bytes))
            return
        }
        guard let (host, port) = SocketAddress.split(text) else {
            throw refuse("right forms are /run/log.sock, @name, 127.0.0.1:80 and [::1]:80")
        }
        guard let number = UInt16(port) else { throw refuse("the port is a number from 0 to 65535") }
        guard let address = SocketAddress.numeric(host, port: number) else {
            throw refuse("not a numeric address; resolve(_:) looks up the names of hosts")
        }
        self = address
    }

    /// Host and port of `host:port`, `[v6]:port` or `:port`.
    static func split(_ text: String) -> (host: String, port: String)? {
        guard let colon = text.lastIndex(of: ":") else { return nil }
        var host = text[..<colon]
        let port = text[text.index(after: colon)...]
        if host.hasPrefix("[") {
            guard host.hasSuffix("]"), host.count > 2 else { return nil }
            host = host.dropFirst().dropLast()
        } else if host.contains(":") {
            return nil
        }
        return (String(host), String(port))
    }

    /// A numeric host; nil for a name.
    static func numeric(_ host: String, port: UInt16) -> SocketAddress? {
        if let address = IPv4Address(host) { return .ipv4(address, port: port) }
        let parts = host.split(separator: "%", maxSplits: 1, omittingEmptySubsequences: false)
        guard let first = parts.first, let address = IPv6Address(first) else { return nil }
        if parts.count == 1 { return .ipv6(address, port: port) }
        // An interface by name is for the resolver.
        guard let scope = UInt32(parts[1]) else { return nil }
        return .ipv6(address, port: port, scope: scope)
    }
}

extension IPv6Address {
    /// Reads the forms of RFC 4291: eight groups, `::` once for a run of zeros, the last 32 bits as IPv4.
    public init?(_ text: some StringProtocol) {
        guard let gap = IPv6Address.sides(of: String(text)) else { return nil }
        let (head, tail, hasGap) = gap
        let count = head.count + tail.count
        guard hasGap ? count <= 7 : count == 8 else { return nil }
        let groups = head + Array(repeating: 0, count: 8 - count) + tail
        func number(_ part: ArraySlice<UInt16>) -> UInt64 { part.reduce(0) { $0 << 16 | UInt64($1) } }
        self.init(high: number(groups[0..<4]), low: number(groups[4..<8]))
    }

    private static func sides(of text: String) -> (head: [UInt16], tail: [UInt16], hasGap: Bool)? {
        let bytes = Array(text.utf8)
        let colon = UInt8(ascii: ":")
        let gaps = bytes.indices.dropLast().filter { bytes[$0] == colon && bytes[$0 + 1] == colon }
        guard gaps.count <= 1 else { return nil }
        guard let gap = gaps.first else { return groups(bytes[...]).map { ($0, [], false) } }
        guard let head = groups(bytes[..<gap]), let tail = groups(bytes[(gap + 2)...]) else { return nil }
        return (head, tail, true)
    }

    private static func groups(_ bytes: ArraySlice<UInt8>) -> [UInt16]? {
        if bytes.isEmpty { return [] }
        var result: [UInt16] = []
        let parts = bytes.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
        for (index, part) in parts.enumerated() {
            let text = String(decoding: part, as: UTF8.self)
            if index == parts.count - 1, part.contains(UInt8(ascii: ".")) {
                guard let address = IPv4Address(text) else { return nil }
                result += [UInt16(address.rawValue >> 16), UInt16(address.rawValue & 0xffff)]
            } else {
                guard (1...4).contains(part.count), part.first != UInt8(ascii: "+"), part.first != UInt8(ascii: "-"),
                    let group = UInt16(text, radix: 16)
                else { return nil }
                result.append(group)
            }
        }
        return result
    }
}

extension IPv6Address: CustomStringConvertible {
    /// The form of RFC 5952: lower case, the longest run of zero groups (two at least) as `::`.
    public var description: String {
        let groups = groups
        if high == 0, low >> 32 == 0xffff {
            return "::ffff:\(IPv4Address(rawValue: UInt32(truncatingIfNeeded: low)))"
        }
        var best = 0..<0
        var start = 0
        while start < 8 {
            var end = start
            while end < 8, groups[end] == 0 { end += 1 }
            if end - start > max(best.count, 1) { best = start..<end }
            start = max(end, start + 1)
        }
        func text(_ part: ArraySlice<UInt16>) -> String { part.map { String($0, radix: 16) }.joined(separator: ":") }
        if best.isEmpty { return text(groups[...]) }
        return text(groups[..<best.lowerBound]) + "::" + text(groups[best.upperBound...])
    }
}
