// SPDX-License-Identifier: Apache-2.0
@testable import Interprocess
import InterprocessSyscalls
import InterprocessTestKit
import SystemPackage
import Testing

/// Frames on byte streams, and fragments of many writers.
@Suite(.bounded()) struct MessageStreamTests {
    @Test func framesComeWhole() async throws {
        let pipe = try PipePair()
        let writer = FrameWriter(pipe.writer)
        let reader = FrameReader(pipe.reader)
        let messages = [[], [1], zeros(100_000), Array("end".utf8)]
        let sending = Task { for message in messages { try await writer.send(message) } }
        for message in messages { #expect(try await reader.receive() == message) }
        try await sending.value
    }

    @Test func whatIsNoFrameIsAnError() throws {
        for (bytes, code) in [
            ([4, 0, 0, 0, 1], IPCError.Code.malformed), ([1, 0], .malformed), ([255, 255, 255, 255], .messageTooLarge),
        ] as [([UInt8], IPCError.Code)] {
            let pipe = try PipePair()
            let reader = FrameReader(pipe.reader, maximumBytes: 100)
            let writer = pipe.writer
            try writer.write(bytes)
            try writer.close()
            for _ in 0..<2 {
                let error = #expect(throws: IPCError.self) { _ = try reader.receive() }
                #expect(error?.code == code)
            }
        }
    }

    @Test func aFrameThatHasBegunIsFinishedByTheNext() throws {
        let pipe = try PipePair(PipeOptions(capacityBytes: 4096))
        let writer = FrameWriter(pipe.writer)
        let reader = FrameReader(pipe.reader)
        #expect(try writer.trySend(zeros(5000)))
        let unsent = writer.hasUnsentBytes
        #expect(unsent)
        #expect(try writer.trySend([1]) == false)
        #expect(try reader.tryReceive() == .nothingYet)
        #expect(try writer.trySend([1]))
        #expect(try reader.tryReceive() == .bytes(zeros(5000)))
        #expect(try reader.tryReceive() == .bytes([1]))
        try writer.intoSink().close()
        #expect(try reader.tryReceive() == .end)
        #expect(try reader.receive() == nil)
    }

    @Test func manyWritersStayWhole() async throws {
        let pipe = try PipePair()
        let reader = FragmentReader(pipe.reader)
        let writer = Held(FragmentWriter(pipe.writer))
        let sending = (0..<4).map { task in
            Task { for _ in 0..<5 { try await writer.value.send([UInt8](repeating: UInt8(task), count: 100_000)) } }
        }
        var found = [UInt8: Int]()
        for _ in 0..<20 {
            let message = try #require(try await reader.receive(until: .after(.seconds(200))))
            let first = try #require(message.bytes.first)
            #expect(message.bytes == [UInt8](repeating: first, count: 100_000))
            found[first, default: 0] += 1
        }
        for task in sending { try await task.value }
        #expect(found == [0: 5, 1: 5, 2: 5, 3: 5])
        #expect(reader.statistics.skippedBytes == 0 && reader.statistics.rejectedFragments == 0)
    }

    @Test func writersOfOtherProcessesAndOneThatIsKilled() async throws {
        let scratch = ScratchName()
        let name = try made(scratch)
        let pipe = try name.openReadWrite()
        let reader = FragmentReader(pipe.reader)
        let keeper = pipe.writer
        // The fragments are made here and written by real processes, each fragment with one write.
        let script = """
            import os, sys, time
            out = os.open(sys.argv[1], os.O_WRONLY); data = sys.stdin.buffer.read(); place = 0; left = int(sys.argv[2])
            while place < len(data) and left:
                length = int.from_bytes(data[place + 32:place + 36], 'little')
                os.write(out, data[place:place + 36 + length]); place += 36 + length; left -= 1
            if left == 0: print('half', flush=True); time.sleep(100)
            """
        let peers = try (0..<4).map { index in
            let peer = try Peer.python(script, [name.path.string, index == 0 ? "7" : "-1"])
            return peer
        }
        // A thread of its own: a task that waits for the peers would hold one of the pool's.
        try TestSyscalls.startThread("feeder") {
            for (index, peer) in peers.enumerated() {
                for number in 0..<5 {
                    try? peer.write(
                        encode([UInt8](repeating: UInt8(index), count: 100_000), peer.processID, UInt64(number)))
                }
                peer.closeInput()
            }
        }
        for _ in 0..<15 {
            let message = try #require(try await reader.receive(until: .after(.seconds(200))))
            #expect(message.bytes == [UInt8](repeating: message.bytes[0], count: 100_000))
            #expect(message.bytes[0] != 0)
        }
        try peers[0].expect("half")
        peers[0].kill()
        try peers[0].wait()
        #expect(try reader.tryReceive() == .nothingYet)
        #expect(reader.statistics.unfinishedMessages == 1)
        #expect(try reader.abandonDead() == 1)
        #expect(reader.statistics.abandonedMessages == 1 && reader.statistics.unfinishedBytes == 0)
        #expect(keeper.rawValue >= 0)
    }

    /// The pipe is full when a message is given up: that it was is said with the next one.
    @Test func whatIsGivenUpIsCalledOffLater() throws {
        let pipe = try PipePair(PipeOptions(capacityBytes: 8192))
        let reader = FragmentReader(pipe.reader)
        let writer = FragmentWriter(pipe.writer)
        let error = #expect(throws: IPCError.self) {
            try writer.send(zeros(100_000), until: .after(.milliseconds(5)))
        }
        #expect(error?.code == .timedOut)
        #expect(try reader.tryReceive() == .nothingYet)
        #expect(reader.statistics.unfinishedMessages == 1)
        #expect(try writer.trySend([1]))
        guard case .message(let message) = try reader.tryReceive() else {
            Issue.record("nothing came")
            return
        }
        #expect(message.bytes == [1] && message.number == 1)
        #expect(try reader.tryReceive() == .nothingYet)
        #expect(reader.statistics.unfinishedMessages == 0 && reader.statistics.abandonedMessages == 1)
    }

    @Test func hostileFragmentsAreDroppedAndCounted() {
        var random = Seeded(state: 42)
        let limits = FragmentLimits(maximumMessageBytes: 20_000, unfinishedMessages: 8, unfinishedBytes: 50_000)
        var assembler = FragmentAssembler(limits)
        let honest = encode(Array("honest".utf8), 1, 0)
        for round in 0..<2000 {
            var bytes: [UInt8]
            switch random.next() % 4 {
            case 0: bytes = (0..<Int(random.next() % 300)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            case 1:
                let lie = Fragment(
                    writer: random.next() % 20, message: random.next() % 3, total: UInt32(random.next() % 30_000),
                    offset: UInt32(random.next() % 3) * 100, length: 100)
                bytes = lie.encoded(zeros(100)[...])
            case 2: bytes = Fragment(writer: 1, message: 1, total: 9, offset: 0, length: 4000).encoded([1, 2])
            default: bytes = Array(honest.dropLast(Int(random.next() % 40)))
            }
            bytes += honest
            assembler.feed(bytes, drained: true)
            var last: FragmentMessage?
            while let message = assembler.takeMessage() { last = message }
            #expect(last?.bytes == Array("honest".utf8), "round \(round)")
            #expect(assembler.statistics.unfinishedMessages <= 8 && assembler.statistics.unfinishedBytes <= 50_000)
        }
        #expect(assembler.statistics.skippedBytes > 0 && assembler.statistics.rejectedFragments > 0)
        assembler.end()
        #expect(assembler.statistics.unfinishedBytes == 0)
    }
}

/// A message as fragments, as a ``FragmentWriter`` of that process makes them.
private func encode(_ message: [UInt8], _ process: Int32, _ number: UInt64) -> [UInt8] {
    var bytes: [UInt8] = []
    var offset = 0
    repeat {
        let end = min(message.count, offset + Fragment.payloadBytes)
        let header = Fragment(
            writer: UInt64(UInt32(bitPattern: process)) << 32, message: number, total: UInt32(message.count),
            offset: UInt32(offset), length: UInt32(end - offset))
        bytes += header.encoded(message[offset..<end])
        offset = end
    } while offset < message.count
    return bytes
}

private struct Seeded: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return state ^ (state >> 33)
    }
}

/// What several tasks use.
private final class Held: Sendable {
    let value: FragmentWriter
    init(_ value: consuming FragmentWriter) { self.value = value }
}
