// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls

/// As a debugger passes data: the other process stops for a signal that it never gets, and finds the next piece in its memory.
///
///     0  the length of the piece, 4 bytes; 8 the piece
enum TourControlled {
    static let signal = Signal.user1
    static let placeBytes = 65536
}

final class ControlSink: Sink {
    private let control: ProcessControl
    private let address: UInt64

    init(of process: Int32, writingAt address: UInt64) throws {
        control = try ProcessControl.attach(to: process)
        self.address = address
        // It stands still at first, and shall be able to speak before it asks for anything.
        if let first = try control.nextEvent(until: .after(.seconds(10))) { try control.resume(first) }
    }

    var keepsBoundaries: Bool { true }

    func send(_ parcel: Parcel, until deadline: Deadline) throws {
        let stop = try nextStop()
        let count = UInt32(parcel.bytes.count)
        let length = (0..<8).map { UInt8(truncatingIfNeeded: $0 < 4 ? count >> (8 * UInt32($0)) : 0) }
        try control.write(length + parcel.bytes, at: address)
        try control.resume(stop, delivering: .suppressed)
    }

    /// The other process asks for the next piece; whatever else it stops for is let through.
    private func nextStop() throws -> TraceEvent {
        while let event = try control.nextEvent(until: .after(.seconds(60))) {
            if case .signal(let signal) = event.kind, signal.signal == TourControlled.signal { return event }
            if case .ended = event.kind { break }
            if event.wantsAnswer { try control.resume(event) }
        }
        throw Failure("the process under control ended")
    }
}

/// The side that is under control.
final class ControlledSource: Source {
    private let region: MappedRegion

    init() throws { region = try MappedRegion.anonymous(byteCount: TourControlled.placeBytes + 4096) }

    var address: UInt64 { region.address }
    var keepsBoundaries: Bool { true }

    func receive(_ selection: Selection, limit: Int, until deadline: Deadline) throws -> Parcel? {
        try TourControlled.signal.sendToThisThread()
        let length = min(Int(region.load(UInt32.self, at: 0)), TourControlled.placeBytes)
        return Parcel(bytes: region.copyBytes(8..<(8 + length)))
    }

    func peek(_ selection: Selection, index: Int, until deadline: Deadline) throws -> Parcel? { nil }
}

extension TourStop {
    func throughControl() throws -> TourResult {
        let peer = try peer("-")
        defer { peer.end() }
        let words = try peer.control.hear()
        guard words.count == 2, let address = UInt64(words[1]) else { throw Failure("the other process said \(words)") }
        let sink = try ControlSink(of: peer.process, writingAt: address)
        try peer.control.say("go")
        return try sender(peer).send(through: sink)
    }
}
