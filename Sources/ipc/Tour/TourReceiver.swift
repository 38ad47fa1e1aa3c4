// SPDX-License-Identifier: Apache-2.0
import Histogram
import Interprocess
import InterprocessSyscalls

/// What the other process does: receive the file, tell its checksum, then take small messages and tell how
/// long they were on their way.
struct TourReceiver {
    private let control: TourControl
    private let mechanism: TourMechanism
    private let source: any Source
    private var kept: [UInt8] = []

    init(_ control: TourControl, _ mechanism: TourMechanism, _ source: any Source) {
        self.control = control
        self.mechanism = mechanism
        self.source = source
    }

    mutating func run(size: Int, rounds: Int) throws {
        try receiveFile(size)
        try measure(rounds)
    }

    private mutating func receiveFile(_ size: Int) throws {
        // The clock measures the mechanism, not the checksum: that is made afterwards, unless the file is huge.
        let keepsAll = size <= 256 << 20
        var checksum = CRC32()
        var file: [UInt8] = []
        if keepsAll { file.reserveCapacity(size) }
        var received = 0
        var pieces = 0
        var source = source
        if let assembly = source as? TourWriters.Assembly {
            file = try assembly.file(size: size)
            received = size
            if !keepsAll { checksum.add(file.span) }
        }
        if let topic = source as? TourTopicSource {
            file = try topic.file(size: size)
            received = size
            if !keepsAll { checksum.add(file.span) }
        }
        if mechanism == .descriptor {
            guard let parcel = try source.receive(.first, limit: 1, until: .never), let file = parcel.descriptors.first
            else { throw Failure("no descriptor came") }
            source = DescriptorSource(file)
        }
        while received < size {
            // Of a message that carries filling at its end, only what belongs to the file is wanted.
            let limit = mechanism == .signal ? min(mechanism.pieceBytes, size - received) : mechanism.pieceBytes
            guard let parcel = try source.receive(.first, limit: limit, until: .never) else {
                throw Failure("the stream ended after \(received) of \(size) bytes")
            }
            if keepsAll { file += parcel.bytes } else { checksum.add(parcel.bytes.span) }
            received += parcel.bytes.count
            pieces += 1
            if let window = mechanism.window, pieces % (window / 2) == 0 { try control.say("+") }
        }
        let end = sysMonotonicNanoseconds()
        if keepsAll { checksum.add(file.span) }
        try control.say("done \(received) \(checksum.value) \(end)")
    }

    private mutating func measure(_ rounds: Int) throws {
        var histogram = Histogram<UInt64>(highestTrackableValue: 60_000_000_000, numberOfSignificantValueDigits: .three)
        for _ in 0..<rounds {
            guard let ping = try nextPing() else { break }
            let now = sysMonotonicNanoseconds()
            let sent = ping[0..<8].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            _ = histogram.record(now > sent ? now - sent : 1)
            try control.say(".")
        }
        try control.say("latency \(histogram.valueAtPercentile(50)) \(histogram.valueAtPercentile(99))")
    }

    /// The next 64 bytes.
    private mutating func nextPing() throws -> [UInt8]? {
        while kept.count < TourSender.pingBytes {
            guard let parcel = try source.receive(.first, limit: TourSender.pingBytes, until: .never) else {
                return nil
            }
            for descriptor in parcel.descriptors { try? sysClose(descriptor) }
            kept += parcel.bytes
        }
        defer { kept.removeFirst(TourSender.pingBytes) }
        return Array(kept.prefix(TourSender.pingBytes))
    }
}

/// A file that came as a descriptor.
private final class DescriptorSource: Source {
    private let file: OwnedDescriptor

    init(_ number: CInt) { file = OwnedDescriptor(adopting: number) }

    var keepsBoundaries: Bool { false }

    func receive(_ selection: Selection, limit: Int, until deadline: Deadline) throws -> Parcel? {
        let bytes = try readUpTo(limit, file.rawValue)
        return bytes.isEmpty ? nil : Parcel(bytes: bytes)
    }

    func peek(_ selection: Selection, index: Int, until deadline: Deadline) throws -> Parcel? { nil }
}
