// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessTestKit
import SystemPackage
import Testing

/// Writers that are killed at any moment, by seeds; the writers are another implementation of the formats.
@Suite(.bounded()) struct KilledWriterTests {
    private static let fragments = """
        import os, struct, sys
        def checksum(data):
            mask, value, whole = 2**64 - 1, 0xcbf29ce484222325, len(data) // 4 * 4
            for (word,) in struct.iter_unpack('<I', data[:whole]):
                value = (value ^ word) * 0x100000001b3 & mask
                value ^= value >> 29
            for byte in data[whole:]: value = (value ^ byte) * 0x100000001b3 & mask
            value ^= len(data)
            return ((value ^ (value >> 31)) * 0x9e3779b97f4a7c15 & mask) >> 32
        out = os.open(sys.argv[1], os.O_WRONLY); number = 0
        while True:
            message = bytes([number % 251]) * (1 + number * 977 % 30000)
            for start in range(0, len(message), 4060):
                piece = message[start:start + 4060]
                rest = struct.pack('<QQIII', os.getpid() << 32, number, len(message), start, len(piece)) + piece
                os.write(out, b'IPCf' + struct.pack('<I', checksum(rest)) + rest)
            number += 1
        """

    @Test(.requires("python3"), arguments: [1, 2, 3, 4, 5, 6] as [UInt64])
    func fragmentsStayWhole(_ seed: UInt64) async throws {
        let scratch = ScratchName()
        let name = try made(scratch)
        let pipe = try name.openReadWrite()
        let reader = FragmentReader(pipe.reader)
        let keeper = pipe.writer
        var dead = 0
        for round in 0..<3 {
            let peers = try (0..<2).map { _ in try Peer.python(Self.fragments, [name.path.string]) }
            let patience = Int((seed &* 2_654_435_761 &+ UInt64(round) &* 40503) % 37)
            for _ in 0...patience { Self.check(try await reader.receive(until: .after(.seconds(30)))) }
            for peer in peers { peer.kill() }
            for peer in peers { try peer.wait() }
            while case .message(let message) = try reader.tryReceive() { Self.check(message) }
            #expect(reader.statistics.unfinishedMessages <= 2)
            dead += try reader.abandonDead()
            #expect(reader.statistics.unfinishedBytes == 0)
        }
        let statistics = reader.statistics
        #expect(statistics.skippedBytes == 0 && statistics.rejectedFragments == 0, "\(statistics)")
        #expect(statistics.abandonedMessages == dead)
        #expect(keeper.rawValue >= 0)
    }

    private static func check(_ message: FragmentMessage?) {
        guard let message else {
            Issue.record("the stream ended")
            return
        }
        let number = Int(message.number)
        #expect(message.bytes == [UInt8](repeating: UInt8(number % 251), count: 1 + number * 977 % 30000))
    }

    private static let frames = """
        import os, struct, sys
        number = 0
        while True:
            message = bytes([number % 251]) * (number * 977 % 30000)
            data = struct.pack('<I', len(message)) + message
            while data: data = data[os.write(7, data[:1 + number * 31 % 5000]):]
            number += 1
        """

    /// A stream of one writer: what came whole is given out, then the torn one is an error, or the end came between two.
    @Test(.requires("python3"), arguments: [1, 2, 3, 4, 5, 6] as [UInt64])
    func framesStayWhole(_ seed: UInt64) async throws {
        let pipe = try PipePair()
        let reader = FrameReader(pipe.reader)
        let end = try pipe.writer.release()
        let peer = try Peer.python(Self.frames, descriptors: [7: end.rawValue])
        try end.close()
        let patience = Int((seed &* 2_654_435_761) % 53)
        for number in 0...patience {
            let message = try await reader.receive(until: .after(.seconds(30)))
            #expect(message == Self.frame(number))
        }
        peer.kill()
        try peer.wait()
        try Self.drain(reader, from: patience + 1)
    }

    private static func drain(_ reader: borrowing FrameReader<PipeReader>, from first: Int) throws {
        var number = first
        do throws(IPCError) {
            while let message = try reader.receive(until: .after(.seconds(30))) {
                #expect(message == frame(number))
                number += 1
            }
        } catch { #expect(error.code == .malformed) }
    }

    private static func frame(_ number: Int) -> [UInt8] {
        [UInt8](repeating: UInt8(number % 251), count: number * 977 % 30000)
    }
}
