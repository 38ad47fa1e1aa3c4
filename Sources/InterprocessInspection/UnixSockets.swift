// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import SystemPackage

/// A unix socket as the kernel's tables have it.
struct UnixSocketRow: Equatable {
    enum Name: Hashable {
        case path([UInt8])
        case abstract([UInt8])
    }

    var inode: UInt64
    var kind: Address.Kind
    /// The number of the state: 1 connected, 7 neither, 10 listening.
    var state: UInt8
    var name: Name?
    var fileInode: UInt32?
    var fileDevice: UInt32?
    var peerInode: UInt64?
    /// Of a listener connections, else bytes.
    var receiveQueue: UInt64?
    var sendQueue: UInt64?
    var user: UInt32?

    var isListening: Bool { state == 10 }
}

/// Reads the table of unix sockets of this network namespace.
enum UnixSocketTable {
    /// Every unix socket: by the socket diagnosis, or from `/proc/net/unix` where there is none.
    static func read(_ table: ProcessTable) -> (rows: [UnixSocketRow], missing: [MissingPart]) {
        if let payloads = try? SocketDiagnosis.dump(request) {
            return (payloads.compactMap { row($0) }, [])
        }
        let kinds: Set<Address.Kind> = [.unix, .unixDatagram, .unixSeqpacket]
        guard let text = table.read("net/unix", limit: 64 << 20) else {
            return ([], [MissingPart(what: "unix sockets", remedy: "sock_diag or /proc/net/unix", kinds: kinds)])
        }
        let part = MissingPart(
            what: "peers and queue lengths of unix sockets", remedy: "the kernel's unix_diag", kinds: kinds)
        return (rows(procNetUnix: text), [part])
    }

    private static var request: [UInt8] {
        var request: [UInt8] = [1, 0]  // AF_UNIX, protocol 0
        request.append(number: UInt16(0))
        request.append(number: UInt32.max)  // all states
        request.append(number: UInt32(0))
        request.append(number: UInt32(0x57))  // NAME, VFS, PEER, RQLEN, UID
        request.append(number: UInt64.max)  // no cookie
        return request
    }

    /// One message of the diagnosis; nil if it is too short or of a type that this package does not know.
    static func row(_ payload: ArraySlice<UInt8>) -> UnixSocketRow? {
        var reader = ByteReader(payload)
        guard let family = reader.number(UInt8.self), family == 1, let type = reader.number(UInt8.self),
            let kind = kind(type: Int(type)), let state = reader.number(UInt8.self), reader.number(UInt8.self) != nil,
            let inode = reader.number(UInt32.self), reader.number(UInt64.self) != nil
        else { return nil }
        var row = UnixSocketRow(inode: UInt64(inode), kind: kind, state: state)
        let attributes = SocketDiagnosis.attributes(in: reader.rest)
        if let name = attributes[0] { row.name = Self.name(Array(name)) }
        if let file = attributes[1] {
            var reader = ByteReader(file)
            row.fileInode = reader.number()
            row.fileDevice = reader.number()
        }
        if let peer = attributes[2] {
            var reader = ByteReader(peer)
            row.peerInode = reader.number(UInt32.self).map(UInt64.init)
        }
        if let queues = attributes[4] {
            var reader = ByteReader(queues)
            row.receiveQueue = reader.number(UInt32.self).map(UInt64.init)
            row.sendQueue = reader.number(UInt32.self).map(UInt64.init)
        }
        if let user = attributes[7] {
            var reader = ByteReader(user)
            row.user = reader.number()
        }
        return row
    }

    private static func kind(type: Int) -> Address.Kind? {
        switch type {
        case 1: .unix
        case 2: .unixDatagram
        case 5: .unixSeqpacket
        default: nil
        }
    }

    private static func name(_ bytes: [UInt8]) -> UnixSocketRow.Name? {
        guard let first = bytes.first else { return nil }
        if first == 0 { return bytes.count > 1 ? .abstract(Array(bytes.dropFirst())) : nil }
        return .path(bytes.prefix { $0 != 0 })
    }

    /// The lines of `/proc/net/unix`; those that do not fit are left out. A NUL in an abstract name reads `@` there.
    static func rows(procNetUnix bytes: [UInt8]) -> [UnixSocketRow] {
        TextLine.lines(of: bytes).compactMap { line in
            let fields = line.split(separator: 0x20, maxSplits: 7)
            guard fields.count >= 7 else { return nil }
            let words = TextLine(line)
            guard let flags = words.number(3, radix: 16, as: UInt32.self),
                let type = words.number(4, radix: 16, as: Int.self), let kind = kind(type: type),
                let state = words.number(5, radix: 16, as: Int.self), let inode = words.number(6, as: UInt64.self)
            else { return nil }
            // Bit 16 is SO_ACCEPTCON; the state is the socket's (1 free, 3 connected), not that of the diagnosis.
            let number: UInt8 = flags & 0x10000 != 0 ? 10 : state == 3 ? 1 : 7
            var row = UnixSocketRow(inode: inode, kind: kind, state: number)
            if fields.count == 8 {
                let name = Array(fields[7].drop { $0 == 0x20 })
                if name.first == UInt8(ascii: "@") {
                    row.name = .abstract(Array(name.dropFirst()))
                } else if !name.isEmpty {
                    row.name = .path(name)
                }
            }
            return row
        }
    }
}
