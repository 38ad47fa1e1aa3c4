// SPDX-License-Identifier: Apache-2.0
import Interprocess

/// A message of the hand-shake as it goes over the socket; `docs/messaging-protocol.md` has the format.
package enum HandshakeMessage: Sendable, Equatable {
    case hello(Hello)
    case welcome(Welcome)
    case refusal(Refusal)
    case ready
    case report(ChannelReport)

    package static let version: UInt16 = 1
    /// "IPCM".
    static let magic: UInt32 = 0x4d43_5049
    static let headerBytes = 12
    /// No message is longer.
    package static let longestBytes = 65536
    /// A publisher reads no more than this of what a stranger says.
    package static let longestHelloBytes = 8192
    static let longestTypeName = 4096
    static let longestText = 1024
    static let mostReaders = 1024

    private var code: UInt8 {
        switch self {
        case .hello: 1
        case .welcome: 2
        case .refusal: 3
        case .ready: 4
        case .report: 5
        }
    }

    // MARK: Writing

    package func encode() -> [UInt8] {
        var writer = HandshakeWriter()
        writer.add(Self.magic)
        writer.add(Self.version)
        writer.add(code)
        writer.add(UInt8(0))
        writer.add(UInt32(0))
        switch self {
        case .hello(let hello): hello.write(&writer)
        case .welcome(let welcome): welcome.write(&writer)
        case .refusal(let refusal): refusal.write(&writer)
        case .ready: break
        case .report(let report): report.write(&writer)
        }
        writer.set(UInt32(writer.bytes.count), at: 8)
        return writer.bytes
    }

    // MARK: Reading

    /// - Throws: what is wrong with it. Nothing that the other side can send traps.
    package init(decoding bytes: [UInt8]) throws(HandshakeFault) {
        var reader = HandshakeReader(bytes)
        guard try reader.take(UInt32.self) == Self.magic else { throw .foreign }
        let version = try reader.take(UInt16.self)
        guard version == Self.version else { throw .otherVersion(version) }
        let code = try reader.take(UInt8.self)
        try reader.skipZeros(1)
        let length = try reader.take(UInt32.self)
        guard Int(length) <= bytes.count else { throw .tooShort }
        guard Int(length) == bytes.count else { throw .outOfBounds("the length") }
        switch code {
        case 1: self = .hello(try Hello(reading: &reader))
        case 2: self = .welcome(try Welcome(reading: &reader))
        case 3: self = .refusal(try Refusal(reading: &reader))
        case 4: self = .ready
        case 5: self = .report(try ChannelReport(reading: &reader))
        default: throw .unknown("kind of message, \(code)")
        }
        guard reader.isAtEnd else { throw .outOfBounds("what follows the end") }
    }
}

extension Hello {
    func write(_ writer: inout HandshakeWriter) {
        writer.add(purpose.rawValue)
        writer.add(UInt8((isLossless ? 1 : 0) | (needsFences ? 2 : 0)))
        let (tag, count): (UInt8, Int) =
            switch history {
            case .none: (0, 0)
            case .latest(let count): (1, count)
            case .all: (2, 0)
            }
        writer.add(tag)
        writer.add(UInt8(0))
        writer.add(UInt64(clamping: count))
        payload.write(&writer)
    }

    init(reading reader: inout HandshakeReader) throws(HandshakeFault) {
        let number = try reader.take(UInt8.self)
        guard let purpose = Purpose(rawValue: number) else { throw .unknown("purpose, \(number)") }
        let flags = try reader.take(UInt8.self)
        guard flags & ~3 == 0 else { throw .unknown("flag") }
        let tag = try reader.take(UInt8.self)
        try reader.skipZeros(1)
        let count = try reader.takeCount("the history")
        let history: History =
            switch tag {
            case 0: .none
            case 1: .latest(count)
            case 2: .all
            default: throw .unknown("history, \(tag)")
            }
        guard tag == 1 || count == 0 else { throw .outOfBounds("the history") }
        self.init(
            purpose: purpose, payload: try PayloadDescription(reading: &reader), isLossless: flags & 1 != 0,
            history: history, needsFences: flags & 2 != 0)
    }
}

extension Welcome {
    func write(_ writer: inout HandshakeWriter) {
        writer.add(UInt64(clamping: regionBytes))
        writer.add(UInt32(clamping: stagger))
        writer.add(UInt32(clamping: userHeaderBytes))
        writer.add(UInt8(publisherIsFenced ? 1 : 0))
        writer.add(fields)
        writer.add(UInt16(0))
        writer.add(position)
        writer.add(sequence)
    }

    init(reading reader: inout HandshakeReader) throws(HandshakeFault) {
        let regionBytes = try reader.takeCount("the size of the log")
        let stagger = Int(try reader.take(UInt32.self))
        let userHeaderBytes = Int(try reader.take(UInt32.self))
        let flags = try reader.take(UInt8.self)
        guard flags & ~1 == 0 else { throw .unknown("flag") }
        let fields = try reader.take(UInt8.self)
        try reader.skipZeros(2)
        self.init(
            regionBytes: regionBytes, stagger: stagger, position: try reader.take(), sequence: try reader.take(),
            publisherIsFenced: flags & 1 != 0, fields: fields, userHeaderBytes: userHeaderBytes)
    }
}

extension Refusal {
    func write(_ writer: inout HandshakeWriter) {
        writer.add(reason.rawValue)
        for _ in 0..<3 { writer.add(UInt8(0)) }
        writer.add(text, limit: HandshakeMessage.longestText)
    }

    init(reading reader: inout HandshakeReader) throws(HandshakeFault) {
        // A reason of a later version is a refusal all the same.
        let reason = Reason(rawValue: try reader.take(UInt8.self)) ?? .notUnderstood
        try reader.skipZeros(3)
        self.init(reason, try reader.takeText("the reason", limit: HandshakeMessage.longestText))
    }
}

extension PayloadDescription {
    func write(_ writer: inout HandshakeWriter) {
        guard let fixed else {
            writer.add(UInt8(0))
            return
        }
        writer.add(UInt8(1))
        writer.add(fixed.version)
        for number in [fixed.sizeBytes, fixed.strideBytes, fixed.alignmentBytes] {
            writer.add(UInt64(clamping: number))
        }
        writer.add(fixed.typeName, limit: HandshakeMessage.longestTypeName)
    }

    init(reading reader: inout HandshakeReader) throws(HandshakeFault) {
        switch try reader.take(UInt8.self) {
        case 0: self.init(fixed: nil)
        case 1:
            let version = try reader.take(UInt32.self)
            let size = try reader.takeCount("the size of the payload")
            let stride = try reader.takeCount("the stride of the payload")
            let alignment = try reader.takeCount("the alignment of the payload")
            let name = try reader.takeText("the type's name", limit: HandshakeMessage.longestTypeName)
            self.init(
                fixed: FixedPayload(
                    typeName: name, sizeBytes: size, strideBytes: stride, alignmentBytes: alignment, version: version))
        case let tag: throw .unknown("kind of payload, \(tag)")
        }
    }
}

extension ChannelReport {
    func write(_ writer: inout HandshakeWriter) {
        payload.write(&writer)
        writer.add(fields)
        writer.add(UInt32(clamping: userHeaderBytes))
        writer.add(UInt64(clamping: capacityBytes))
        writer.add(sequence)
        writer.add(retainedBytes)
        writer.add(UInt32(min(readers.count, HandshakeMessage.mostReaders)))
        for reader in readers.prefix(HandshakeMessage.mostReaders) {
            writer.add(reader.credentials.processID)
            writer.add(reader.credentials.userID)
            writer.add(reader.credentials.groupID)
            let flags = (reader.isLossless ? 1 : 0) | (reader.isEvicted ? 2 : 0) | (reader.isSleeping ? 4 : 0)
            writer.add(UInt32(flags))
            writer.add(reader.backlog)
            writer.add(reader.backlogBytes)
            writer.add(reader.missed)
        }
    }

    init(reading reader: inout HandshakeReader) throws(HandshakeFault) {
        let payload = try PayloadDescription(reading: &reader)
        let fields = try reader.take(UInt8.self)
        let userHeaderBytes = Int(try reader.take(UInt32.self))
        let capacityBytes = try reader.takeCount("the capacity")
        let sequence = try reader.take(UInt64.self)
        let retainedBytes = try reader.take(UInt64.self)
        let count = Int(try reader.take(UInt32.self))
        guard count <= HandshakeMessage.mostReaders else { throw .outOfBounds("the number of readers") }
        var readers: [Reader] = []
        for _ in 0..<count { readers.append(try Reader(reading: &reader)) }
        self.init(
            payload: payload, capacityBytes: capacityBytes, fields: fields, userHeaderBytes: userHeaderBytes,
            sequence: sequence, retainedBytes: retainedBytes, readers: readers)
    }
}

extension ChannelReport.Reader {
    init(reading reader: inout HandshakeReader) throws(HandshakeFault) {
        let credentials = PeerCredentials(
            processID: try reader.take(), userID: try reader.take(), groupID: try reader.take())
        let flags = try reader.take(UInt32.self)
        guard flags & ~7 == 0 else { throw .unknown("flag") }
        self.init(
            credentials: credentials, isLossless: flags & 1 != 0, isEvicted: flags & 2 != 0, isSleeping: flags & 4 != 0,
            backlog: try reader.take(), backlogBytes: try reader.take(), missed: try reader.take())
    }
}
