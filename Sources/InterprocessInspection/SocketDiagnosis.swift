// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import SystemPackage

/// The kernel's socket diagnosis, see sock_diag(7): asks, and cuts the answer into messages and attributes.
///
/// The answers come from the kernel, and are read like anything that comes from outside: every length is
/// checked against what is there, and what does not fit ends the reading.
enum SocketDiagnosis {
    struct Message {
        var type: UInt16
        var flags: UInt16
        var payload: ArraySlice<UInt8>
    }

    private static let typeError: UInt16 = 2
    private static let typeDone: UInt16 = 3
    static let typeByFamily: UInt16 = 20

    /// Sends a dump request and gives every payload of the answer.
    ///
    /// - Throws: what the kernel says: ENOENT where it has no diagnosis for that family, EPERM where it is forbidden.
    static func dump(_ request: [UInt8]) throws(Errno) -> [ArraySlice<UInt8>] {
        let socket = try sysDiagnosisSocket()
        defer { try? sysClose(socket) }
        var message: [UInt8] = []
        message.append(number: UInt32(16 + request.count))
        message.append(number: typeByFamily)
        message.append(number: UInt16(0x301))  // NLM_F_REQUEST | NLM_F_DUMP
        message.append(number: UInt32(1))
        message.append(number: UInt32(0))
        try sysDiagnosisSend(socket, message + request)
        var payloads: [ArraySlice<UInt8>] = []
        while true {
            guard let datagram = try sysDiagnosisReceive(socket) else { continue }
            if datagram.isEmpty { return payloads }
            for message in messages(in: datagram) {
                switch message.type {
                case typeDone: return payloads
                case typeError:
                    let code = ByteReader(message.payload).error
                    throw Errno(rawValue: code == 0 ? Errno.ioError.rawValue : code)
                case typeByFamily: payloads.append(message.payload)
                default: break
                }
            }
        }
    }

    /// The netlink messages of a datagram.
    static func messages(in datagram: [UInt8]) -> [Message] {
        var messages: [Message] = []
        var rest = datagram[...]
        while rest.count >= 16 {
            var reader = ByteReader(rest)
            guard let length = reader.number(UInt32.self), let type = reader.number(UInt16.self),
                let flags = reader.number(UInt16.self), length >= 16, Int(length) <= rest.count
            else { break }
            let start = rest.startIndex
            messages.append(Message(type: type, flags: flags, payload: rest[(start + 16)..<(start + Int(length))]))
            rest = rest.dropFirst((Int(length) + 3) & ~3)
        }
        return messages
    }

    /// The attributes that follow a message's fixed part; of two of one type the first counts.
    static func attributes(in bytes: ArraySlice<UInt8>) -> [UInt16: ArraySlice<UInt8>] {
        var attributes: [UInt16: ArraySlice<UInt8>] = [:]
        var rest = bytes
        while rest.count >= 4 {
            var reader = ByteReader(rest)
            guard let length = reader.number(UInt16.self), let type = reader.number(UInt16.self),
                length >= 4, Int(length) <= rest.count
            else { break }
            let start = rest.startIndex
            let name = type & 0x3fff
            if attributes[name] == nil { attributes[name] = rest[(start + 4)..<(start + Int(length))] }
            rest = rest.dropFirst((Int(length) + 3) & ~3)
        }
        return attributes
    }
}

extension ByteReader {
    /// The errno of an error message: stored negative.
    fileprivate var error: CInt {
        var copy = self
        guard let raw = copy.number(UInt32.self) else { return 0 }
        let value = Int32(bitPattern: raw)
        return value == .min ? 0 : abs(value)
    }
}
