// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import SystemPackage

/// A TCP or UDP socket as the kernel's tables have it.
struct InternetSocketRow: Equatable {
    var kind: Address.Kind
    var isV6: Bool
    var state: UInt8
    var local: Endpoint
    var remote: Endpoint
    /// Of a listener connections, else bytes.
    var receiveQueue: UInt64
    var sendQueue: UInt64
    var user: UInt32
    var inode: UInt64
    /// Whether `sendQueue` of a listener is its backlog: only the diagnosis says so.
    var knowsBacklog: Bool

    var isListening: Bool { kind == .tcp && state == 10 }
}

/// Reads the tables of TCP and UDP of this network namespace.
enum InternetSocketTable {
    static func read(_ table: ProcessTable, kinds: Set<Address.Kind>) -> (
        rows: [InternetSocketRow], missing: [MissingPart]
    ) {
        var rows: [InternetSocketRow] = []
        var missing: [MissingPart] = []
        for kind in [Address.Kind.tcp, .udp] where kinds.contains(kind) {
            for isV6 in [false, true] {
                if let payloads = try? SocketDiagnosis.dump(request(kind, isV6)) {
                    rows += payloads.compactMap { row($0, kind) }.filter { $0.isV6 == isV6 }
                } else if let text = table.read("net/\(kind.rawValue)\(isV6 ? "6" : "")", limit: 64 << 20) {
                    rows += Self.rows(procNet: text, kind, isV6: isV6)
                } else if !isV6 {
                    missing.append(
                        MissingPart(
                            what: "\(kind.rawValue) sockets", remedy: "sock_diag or /proc/net/\(kind)", kinds: [kind]))
                }
            }
        }
        return (rows, missing)
    }

    private static func request(_ kind: Address.Kind, _ isV6: Bool) -> [UInt8] {
        var request: [UInt8] = [isV6 ? 10 : 2, kind == .tcp ? 6 : 17, 0, 0]
        request.append(number: UInt32.max)  // all states
        return request + [UInt8](repeating: 0, count: 48)
    }

    /// One message of the diagnosis; nil if it is too short.
    static func row(_ payload: ArraySlice<UInt8>, _ kind: Address.Kind) -> InternetSocketRow? {
        var reader = ByteReader(payload)
        guard let family = reader.number(UInt8.self), family == 2 || family == 10,
            let state = reader.number(UInt8.self), reader.number(UInt16.self) != nil,
            let localPort = reader.networkNumber(UInt16.self), let remotePort = reader.networkNumber(UInt16.self),
            let local = reader.take(16), let remote = reader.take(16), reader.take(12) != nil,
            reader.number(UInt32.self) != nil, let receiveQueue = reader.number(UInt32.self),
            let sendQueue = reader.number(UInt32.self), let user = reader.number(UInt32.self),
            let inode = reader.number(UInt32.self)
        else { return nil }
        let isV6 = family == 10
        func host(_ bytes: ArraySlice<UInt8>) -> String {
            isV6 ? InternetHost.text(v6: Array(bytes)) : InternetHost.text(v4: Array(bytes.prefix(4)))
        }
        return InternetSocketRow(
            kind: kind, isV6: isV6, state: state, local: Endpoint(host: host(local), port: localPort),
            remote: Endpoint(host: host(remote), port: remotePort), receiveQueue: UInt64(receiveQueue),
            sendQueue: UInt64(sendQueue), user: user, inode: UInt64(inode), knowsBacklog: true)
    }

    /// The lines of `/proc/net/tcp` and its like; those that do not fit are left out.
    static func rows(procNet bytes: [UInt8], _ kind: Address.Kind, isV6: Bool) -> [InternetSocketRow] {
        TextLine.lines(of: bytes).compactMap { line in
            let line = TextLine(line)
            guard line.words.count >= 10, let local = endpoint(line.words[1], isV6),
                let remote = endpoint(line.words[2], isV6),
                let state = line.number(3, radix: 16, as: UInt8.self), let user = line.number(7, as: UInt32.self),
                let inode = line.number(9, as: UInt64.self)
            else { return nil }
            let queues = line.words[4].split(separator: UInt8(ascii: ":"))
            guard queues.count == 2, let send = parseNumber(queues[0], radix: 16, as: UInt32.self),
                let receive = parseNumber(queues[1], radix: 16, as: UInt32.self)
            else { return nil }
            return InternetSocketRow(
                kind: kind, isV6: isV6, state: state, local: local, remote: remote, receiveQueue: UInt64(receive),
                sendQueue: UInt64(send), user: user, inode: inode, knowsBacklog: false)
        }
    }

    /// `0100007F:0050`: words of four bytes in the machine's order, then the port.
    private static func endpoint(_ text: ArraySlice<UInt8>, _ isV6: Bool) -> Endpoint? {
        let parts = text.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
        guard parts.count == 2, parts[0].count == (isV6 ? 32 : 8),
            let port = parseNumber(parts[1], radix: 16, as: UInt16.self)
        else { return nil }
        var bytes: [UInt8] = []
        var rest = parts[0]
        while !rest.isEmpty {
            guard let word = parseNumber(rest.prefix(8), radix: 16, as: UInt32.self) else { return nil }
            bytes.append(number: word)
            rest = rest.dropFirst(8)
        }
        return Endpoint(host: isV6 ? InternetHost.text(v6: bytes) : InternetHost.text(v4: bytes), port: port)
    }
}

/// Internet addresses as text and back, without a resolver.
enum InternetHost {
    static func text(v4 bytes: [UInt8]) -> String { bytes.prefix(4).map { "\($0)" }.joined(separator: ".") }

    /// RFC 5952: lower case, the longest run of zero groups as `::`, an embedded IPv4 address with dots.
    static func text(v6 bytes: [UInt8]) -> String {
        guard bytes.count == 16 else { return "::" }
        if bytes.prefix(10).allSatisfy({ $0 == 0 }), bytes[10] == 0xff, bytes[11] == 0xff {
            return "::ffff:" + text(v4: Array(bytes[12...]))
        }
        let groups = (0..<8).map { UInt16(bytes[2 * $0]) << 8 | UInt16(bytes[2 * $0 + 1]) }
        var best = 0..<0
        var start = 0
        while start < 8 {
            var end = start
            while end < 8, groups[end] == 0 { end += 1 }
            if end - start > best.count { best = start..<end }
            start = max(end, start + 1)
        }
        func joined(_ groups: ArraySlice<UInt16>) -> String {
            groups.map { String($0, radix: 16) }.joined(separator: ":")
        }
        if best.count < 2 { return joined(groups[...]) }
        return joined(groups[..<best.lowerBound]) + "::" + joined(groups[best.upperBound...])
    }

    /// The one spelling of an address that is written as numbers; `localhost` is 127.0.0.1; other names as they are.
    static func normalized(_ host: String) -> String {
        if host == "localhost" { return "127.0.0.1" }
        let plain = host.prefix { $0 != "%" }
        return bytes(v6: String(plain)).map { text(v6: $0) } ?? host
    }

    static func bytes(v6 text: String) -> [UInt8]? {
        guard text.contains(":") else { return nil }
        var text = text
        if let dotted = text.split(separator: ":").last, dotted.contains(".") {
            let parts = dotted.split(separator: ".", omittingEmptySubsequences: false).compactMap { UInt16($0) }
            guard parts.count == 4, parts.allSatisfy({ $0 < 256 }) else { return nil }
            text.removeLast(dotted.count)
            text += String(parts[0] << 8 | parts[1], radix: 16) + ":" + String(parts[2] << 8 | parts[3], radix: 16)
        }
        guard let gap = doubleColon(in: text) else {
            return groups(text[...]).flatMap { $0.count == 8 ? spelled($0) : nil }
        }
        guard let head = groups(gap.before), let tail = groups(gap.after), head.count + tail.count < 8 else {
            return nil
        }
        return spelled(head + [UInt16](repeating: 0, count: 8 - head.count - tail.count) + tail)
    }

    private static func doubleColon(in text: String) -> (before: Substring, after: Substring)? {
        var index = text.startIndex
        while index < text.endIndex {
            let next = text.index(after: index)
            if text[index] == ":", next < text.endIndex, text[next] == ":" {
                return (text[..<index], text[text.index(after: next)...])
            }
            index = next
        }
        return nil
    }

    private static func groups(_ text: Substring) -> [UInt16]? {
        if text.isEmpty { return [] }
        var groups: [UInt16] = []
        for part in text.split(separator: ":", omittingEmptySubsequences: false) {
            guard part.count <= 4, part.first != "+", let group = UInt16(part, radix: 16) else { return nil }
            groups.append(group)
        }
        return groups
    }

    private static func spelled(_ groups: [UInt16]) -> [UInt8] {
        groups.flatMap { [UInt8($0 >> 8), UInt8($0 & 0xff)] }
    }
}
