// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import SystemPackage

/// What this process does at a stop: send the file, then small messages one at a time.
struct TourSender {
    static let pingBytes = 64

    let file: TourFile
    let control: TourControl
    let mechanism: TourMechanism
    let rounds: Int
    let progress: (Double) -> Void

    /// Sends the file in pieces; the result holds what the receiver says of it.
    func send(through sink: any Sink) throws -> TourResult {
        let start = sysMonotonicNanoseconds()
        try sendFile(start: start) { try sink.send(Parcel(bytes: $0), until: .never) }
        var result = try outcome(start: start)
        try ping(&result) { try sink.send(Parcel(bytes: $0), until: .never) }
        return result
    }

    private func sendFile(start: UInt64, _ send: ([UInt8]) throws -> Void) throws {
        let descriptor = try file.open()
        var sent = 0
        var pieces = 0
        var credit = mechanism.window ?? Int.max
        while sent < file.size {
            let piece = try readUpTo(min(mechanism.pieceBytes, file.size - sent), descriptor.rawValue)
            if piece.isEmpty { throw Failure("\(file.path) became shorter") }
            if let window = mechanism.window, credit == 0 {
                _ = try control.hear(within: .seconds(5))
                credit += window / 2
            }
            try send(piece)
            credit -= 1
            sent += piece.count
            pieces += 1
            if pieces % 64 == 0 { progress(Double(sent) / Double(file.size)) }
        }
    }

    /// What the receiver says when it has everything.
    func outcome(start: UInt64) throws -> TourResult {
        var words = try control.hear()
        while words.first == "+" { words = try control.hear() }
        guard words.count == 4, words[0] == "done", let bytes = Int(words[1]), let checksum = UInt32(words[2]),
            let end = UInt64(words[3])
        else { throw Failure("the other process said \(words)") }
        return TourResult(
            mechanism: mechanism, bytes: bytes, expectedChecksum: file.checksum, checksum: checksum,
            nanoseconds: end > start ? end - start : 1)
    }

    /// Small messages, each sent when the one before has arrived.
    func ping(_ result: inout TourResult, _ send: ([UInt8]) throws -> Void) throws {
        for _ in 0..<rounds {
            var bytes = [UInt8](repeating: 0, count: TourSender.pingBytes)
            let now = sysMonotonicNanoseconds()
            for index in 0..<8 { bytes[index] = UInt8(truncatingIfNeeded: now >> (56 - 8 * UInt64(index))) }
            try send(bytes)
            _ = try control.hear()
        }
        let words = try control.hear()
        guard words.count == 3, words[0] == "latency", let median = UInt64(words[1]), let p99 = UInt64(words[2])
        else { throw Failure("the other process said \(words)") }
        result.medianNanoseconds = median
        result.p99Nanoseconds = p99
    }
}

/// The file that goes on tour.
struct TourFile: Sendable {
    let path: FilePath
    let size: Int
    let checksum: UInt32

    /// The first part of the file.
    func prefix(_ count: Int) throws -> TourFile { count < size ? try TourFile(path, upTo: count) : self }

    init(_ path: FilePath, upTo limit: Int = .max) throws {
        self.path = path
        do throws(Errno) {
            let descriptor = OwnedDescriptor(adopting: try sysOpen(path, flags: FileSink.flags(writing: false)))
            guard try sysStatus(descriptor.rawValue).kind == .regular else { throw .invalidArgument }
            var checksum = CRC32()
            var size = 0
            while true {
                let bytes = try readUpTo(min(1 << 20, limit - size), descriptor.rawValue)
                if bytes.isEmpty { break }
                checksum.add(bytes.span)
                size += bytes.count
            }
            self.size = size
            self.checksum = checksum.value
        } catch {
            throw Failure(error, "\(path)", hint: error == .invalidArgument ? "the tour takes an ordinary file" : "")
        }
    }

    func open() throws -> OwnedDescriptor {
        OwnedDescriptor(adopting: try sysOpen(path, flags: FileSink.flags(writing: false)))
    }
}
