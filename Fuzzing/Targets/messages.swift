// SPDX-License-Identifier: Apache-2.0
// The messages of the hand-shake: from bytes as they come, and from real messages with a few bytes changed.

import Interprocess

/// One input: libFuzzer calls this.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    var input = Input(start, count)
    var bytes: [UInt8]
    switch input.choose(3) {
    case 0: bytes = input.rest()
    case 1:
        // A header that is right, whatever follows it.
        bytes = HandshakeMessage.ready.encode()
        bytes[6] = input.byte()
        bytes += input.rest()
        setLength(&bytes)
    default:
        bytes = input.message().encode()
        must(bytes.count <= HandshakeMessage.longestBytes, "a message of \(bytes.count) bytes")
        must(decoded(bytes) != nil, "an honest message is not understood")
        for _ in 0..<input.choose(4) {
            bytes[Int(input.bits64() % UInt64(bytes.count))] = input.byte()
        }
        if input.flag() { bytes.removeLast(input.choose(bytes.count)) }
        if input.flag() { setLength(&bytes) }
    }
    guard let message = decoded(bytes) else { return 0 }
    let again = message.encode()
    must(again.count <= HandshakeMessage.longestBytes, "a message of \(again.count) bytes")
    must(decoded(again) == message, "written and read again it is another: \(message)")
    if case .hello(let hello) = message {
        must(hello.payload.mismatch(with: hello.payload) == nil, "another payload than itself")
        _ = PayloadDescription.bytes.mismatch(with: hello.payload)
    }
    return 0
}

func decoded(_ bytes: [UInt8]) -> HandshakeMessage? {
    do { return try HandshakeMessage(decoding: bytes) } catch {
        must(!error.description.isEmpty, "an error without words")
        return nil
    }
}

func setLength(_ bytes: inout [UInt8]) {
    for index in 0..<4 where bytes.count >= 12 {
        bytes[8 + index] = UInt8(truncatingIfNeeded: bytes.count >> (8 * index))
    }
}

extension Input {
    mutating func rest() -> [UInt8] {
        var bytes: [UInt8] = []
        while !isEmpty { bytes.append(byte()) }
        return bytes
    }

    mutating func text() -> String {
        // Long enough, now and then, to be cut.
        let count = Int(byte()) << (choose(4) == 0 ? 8 : 0)
        let bytes = (0..<count).map { [seed = byte()] in seed &+ UInt8(truncatingIfNeeded: $0) }
        return String(decoding: bytes, as: UTF8.self)
    }

    mutating func size() -> Int { Int(word(near: 64) & (1 << 62 - 1)) }

    mutating func payload() -> PayloadDescription {
        guard flag() else { return .bytes }
        let (size, stride, alignment, version) = (size(), size(), size(), UInt32(byte()))
        return PayloadDescription(
            fixed: .init(
                typeName: text(), sizeBytes: size, strideBytes: stride, alignmentBytes: alignment, version: version))
    }

    mutating func message() -> HandshakeMessage {
        switch choose(5) {
        case 0:
            let history: Hello.History = [.none, .all, .latest(size())][choose(3)]
            return .hello(
                Hello(
                    purpose: flag() ? .subscribe : .observe, payload: payload(), isLossless: flag(), history: history,
                    needsFences: flag()))
        case 1:
            return .welcome(
                Welcome(
                    regionBytes: size(), stagger: choose(16), position: bits64(), sequence: bits64(),
                    publisherIsFenced: flag(), fields: byte(), userHeaderBytes: Int(byte())))
        case 2: return .refusal(Refusal(Refusal.Reason(rawValue: byte()) ?? .full, text()))
        case 3: return .ready
        default:
            // Half a million bytes of readers take long and tell nothing.
            let readers = (0..<choose(40)).map { _ in
                ChannelReport.Reader(
                    credentials: PeerCredentials(processID: Int32(byte()), userID: 0, groupID: 0), isLossless: flag(),
                    isEvicted: flag(), isSleeping: flag(), backlog: bits64(), missed: bits64())
            }
            return .report(
                ChannelReport(
                    payload: payload(), capacityBytes: size(), fields: byte(), userHeaderBytes: Int(byte()),
                    sequence: bits64(), retainedBytes: bits64(), readers: readers))
        }
    }
}
