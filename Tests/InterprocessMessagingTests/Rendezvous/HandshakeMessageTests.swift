// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessMessaging
import Testing

@Suite("Messages of the hand-shake")
struct HandshakeMessageTests {
    @Test("bytes of any length are one description")
    func bytes() { #expect(PayloadDescription.bytes == PayloadDescription(fixed: nil)) }

    static let samples: [HandshakeMessage] = [
        .ready, .welcome(.forTests), .report(.forTests), .refusal(Refusal(.full, "voll: 64 Leser, ßo ist es")),
        .refusal(Refusal(.closing, "")),
        .hello(Hello(purpose: .observe, payload: .bytes)),
        .hello(Hello(purpose: .subscribe, payload: .frame, isLossless: false, history: .latest(7), needsFences: true)),
        .hello(Hello(purpose: .subscribe, payload: .bytes, history: .all)),
    ]

    @Test("what is written is read again", arguments: samples) func roundTrip(_ message: HandshakeMessage) throws {
        #expect(try HandshakeMessage(decoding: message.encode()) == message)
        #expect(message.encode().count <= HandshakeMessage.longestBytes)
    }

    @Test("the bytes are those of the document") func bytesOnTheWire() {
        #expect(HandshakeMessage.ready.encode() == [0x49, 0x50, 0x43, 0x4d, 1, 0, 4, 0, 12, 0, 0, 0])
        #expect(
            HandshakeMessage.refusal(Refusal(.full, "no")).encode()
                == [0x49, 0x50, 0x43, 0x4d, 1, 0, 3, 0, 20, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0x6e, 0x6f])
        let hello = Hello(purpose: .subscribe, payload: .bytes, history: .latest(3), needsFences: true)
        #expect(
            HandshakeMessage.hello(hello).encode()
                == [0x49, 0x50, 0x43, 0x4d, 1, 0, 1, 0, 25, 0, 0, 0, 1, 3, 1, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0])
    }

    @Test("every truncation is an error", arguments: samples) func truncation(_ message: HandshakeMessage) {
        let bytes = message.encode()
        for count in 0..<bytes.count {
            #expect(throws: HandshakeFault.self) { try HandshakeMessage(decoding: Array(bytes[..<count])) }
            // With a length that says so, too.
            if count >= 12 {
                var cut = Array(bytes[..<count])
                cut.replaceSubrange(8..<12, with: [UInt8(count & 0xff), UInt8(count >> 8), 0, 0])
                #expect(throws: HandshakeFault.self) { try HandshakeMessage(decoding: cut) }
            }
        }
        #expect(throws: HandshakeFault.self) { try HandshakeMessage(decoding: bytes + [0]) }
    }

    @Test("nothing that can be sent traps, and what is understood can be written again") func mutations() throws {
        var random = SystemRandomNumberGenerator()
        var understood = 0
        for round in 0..<20_000 {
            var bytes = Self.samples[round % Self.samples.count].encode()
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                switch Int.random(in: 0..<10, using: &random) {
                case 0 where bytes.count > 1: bytes.removeLast(Int.random(in: 1..<bytes.count, using: &random))
                case 1: bytes += (0..<Int.random(in: 1...40, using: &random)).map { _ in UInt8.random(in: 0...255) }
                case 2...4:
                    let extremes: [UInt8] = [0, 1, 0x7f, 0x80, 0xff]
                    bytes[Int.random(in: 0..<bytes.count, using: &random)] = extremes.randomElement(using: &random)!
                default:
                    bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
                }
            }
            guard let message = try? HandshakeMessage(decoding: bytes) else { continue }
            understood += 1
            #expect(try HandshakeMessage(decoding: message.encode()) == message)
        }
        #expect(understood > 100)
    }

    @Test("what is wrong is said") func faults() {
        func fault(_ bytes: [UInt8]) -> HandshakeFault? {
            do throws(HandshakeFault) {
                _ = try HandshakeMessage(decoding: bytes)
                return nil
            } catch {
                return error
            }
        }
        var bytes = HandshakeMessage.ready.encode()
        bytes[4] = 9
        #expect(fault(bytes) == .otherVersion(9))
        #expect(fault(Array("GET / HTTP/1.1\r\n".utf8)) == .foreign)
        #expect(fault([]) == .tooShort)
        bytes = HandshakeMessage.ready.encode()
        bytes[6] = 77
        #expect(fault(bytes) == .unknown("kind of message, 77"))
        #expect(HandshakeFault.otherVersion(9).description.contains("version 9"))
    }

    @Test("texts are cut between characters, and readers at a number that fits") func bounds() throws {
        let long = String(repeating: "ä", count: 5000)
        guard
            case .refusal(let refusal) = try HandshakeMessage(
                decoding: HandshakeMessage.refusal(Refusal(.mismatch, "x" + long)).encode())
        else {
            Issue.record("no refusal")
            return
        }
        #expect(refusal.text.utf8.count == 1023 && refusal.text.hasPrefix("xää"))
        var report = ChannelReport.forTests
        report.readers = Array(repeating: report.readers[0], count: 3000)
        let bytes = HandshakeMessage.report(report).encode()
        #expect(bytes.count <= HandshakeMessage.longestBytes)
        guard case .report(let decoded) = try HandshakeMessage(decoding: bytes) else {
            Issue.record("no report")
            return
        }
        #expect(decoded.readers.count == 1024)
    }

    @Test("a mismatch names both types and what differs") func mismatch() throws {
        let frame = PayloadDescription.frame
        #expect(frame.mismatch(with: frame) == nil)
        #expect(PayloadDescription.bytes.mismatch(with: .bytes) == nil)
        let text = try #require(frame.mismatch(with: .bytes))
        #expect(
            text.contains("carries bytes")
                && text.contains("wants Camera.Frame (60 bytes, stride 64, alignment 8, version 2)"))
        var other = frame
        other.fixed?.version = 3
        #expect(try #require(frame.mismatch(with: other)).contains("versions differ"))
        other = frame
        other.fixed?.sizeBytes = 56
        #expect(try #require(frame.mismatch(with: other)).contains("layout differs"))
        // A name that is cut on the way is the same as it was.
        var long = frame
        long.fixed?.typeName = String(repeating: "Generic<", count: 2000)
        let hello = try HandshakeMessage(
            decoding: HandshakeMessage.hello(Hello(purpose: .subscribe, payload: long)).encode())
        guard case .hello(let heard) = hello else {
            Issue.record("no Hello")
            return
        }
        #expect(heard.payload.mismatch(with: long) == nil)
    }
}
