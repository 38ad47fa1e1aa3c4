// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import SystemPackage

/// Several processes that write messages longer than PIPE_BUF into one pipe without a lock: the library's fragments
/// keep each whole. A message is an offset in the file (8 bytes) and what stands there.
enum TourWriters {
    static let count = 3
    private static let messageBytes = 32768
    /// The offset that marks a message that is no part of the file.
    private static let ping = UInt64.max

    static func message(offset: UInt64, _ data: [UInt8]) -> [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: offset >> (56 - 8 * UInt64($0))) } + data
    }

    /// The part of a writer: its own share of the file.
    static func write(part: Int, of file: FilePath, size: Int, through sink: FragmentSink) throws {
        let descriptor = OwnedDescriptor(adopting: try sysOpen(file, flags: FileSink.flags(writing: false)))
        let share = (size + count - 1) / count
        var offset = min(size, part * share)
        let end = min(size, offset + share)
        try sysSeek(descriptor.rawValue, to: Int64(offset))
        while offset < end {
            let block = try readUpTo(min(messageBytes, end - offset), descriptor.rawValue)
            if block.isEmpty { throw Failure("\(file) became shorter") }
            try sink.send(Parcel(bytes: message(offset: UInt64(offset), block)), until: .never)
            offset += block.count
        }
    }

    /// One of many writers.
    final class FragmentSink: Sink {
        private let writer: FragmentWriter

        init(adopting descriptor: CInt) throws {
            writer = FragmentWriter(try PipeWriter(adopting: OwnedDescriptor(adopting: descriptor)))
        }

        var keepsBoundaries: Bool { true }

        func send(_ parcel: Parcel, until deadline: Deadline) throws { try writer.send(parcel.bytes, until: deadline) }

        func ping(_ bytes: [UInt8]) throws { try writer.send(message(offset: TourWriters.ping, bytes)) }
    }

    /// Puts the file together again; small messages come out as they are.
    final class Assembly: Source {
        private let reader: FragmentReader

        init(adopting descriptor: CInt) throws {
            reader = FragmentReader(try PipeReader(adopting: OwnedDescriptor(adopting: descriptor)))
        }

        var keepsBoundaries: Bool { true }

        /// Receives the whole file.
        func file(size: Int) throws -> [UInt8] {
            var bytes = [UInt8](repeating: 0, count: size)
            var received = 0
            while received < size {
                guard let (offset, data) = try next() else {
                    throw Failure("the writers ended after \(received) of \(size) bytes")
                }
                guard offset <= UInt64(size), data.count <= size - Int(offset) else {
                    throw Failure("a message lies outside of the file")
                }
                bytes.replaceSubrange(Int(offset)..<(Int(offset) + data.count), with: data)
                received += data.count
            }
            return bytes
        }

        func receive(_ selection: Selection, limit: Int, until deadline: Deadline) throws -> Parcel? {
            try next().map { Parcel(bytes: Array($0.data)) }
        }

        func peek(_ selection: Selection, index: Int, until deadline: Deadline) throws -> Parcel? { nil }

        private func next() throws -> (offset: UInt64, data: ArraySlice<UInt8>)? {
            guard let message = try reader.receive()?.bytes else { return nil }
            guard message.count >= 8 else { throw Failure("a message of \(message.count) bytes came") }
            return (message[0..<8].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }, message[8...])
        }
    }
}

extension TourStop {
    /// Three processes write their share of the file into one pipe at the same time.
    func throughPipeOfSeveral() throws -> TourResult {
        let pair = try sysPlainPipe()
        let sink = try TourWriters.FragmentSink(adopting: pair.writing)
        let receiver = try peer("-", descriptor: pair.reading)
        defer { receiver.end() }
        try sysClose(pair.reading)
        _ = try receiver.control.hear()
        var writers: [TourPeer] = []
        defer { for writer in writers { writer.end() } }
        for part in 0..<TourWriters.count {
            let words = ["write", mechanism.rawValue, String(file.size), String(part), "\(file.path)"]
            writers.append(try TourPeer(words, descriptor: pair.writing))
        }
        for writer in writers { _ = try writer.control.hear() }
        let start = sysMonotonicNanoseconds()
        for writer in writers { try writer.control.say("go") }
        let sender = sender(receiver)
        var result = try sender.outcome(start: start)
        try sender.ping(&result) { try sink.ping($0) }
        return result
    }

    /// The kernel moves the pages of the file into the pipe; this program never sees the bytes.
    func throughSplice() throws -> TourResult {
        let pair = try sysPlainPipe()
        let sink = try PipeSink(adopting: pair.writing)
        let receiver = try peer("-", descriptor: pair.reading)
        defer { receiver.end() }
        try sysClose(pair.reading)
        _ = try receiver.control.hear()
        let open = try file.open()
        let sender = sender(receiver)
        let start = sysMonotonicNanoseconds()
        var sent = 0
        while sent < file.size {
            let moved = try sysSplice(
                from: open.rawValue, to: pair.writing, count: min(file.size - sent, 1 << 20), nonBlocking: false)
            if moved == 0 { throw Failure("\(file.path) became shorter") }
            sent += moved
        }
        var result = try sender.outcome(start: start)
        try sender.ping(&result) { try sink.send(Parcel(bytes: $0), until: .never) }
        return result
    }
}
