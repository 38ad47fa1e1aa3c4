// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls

/// Four bytes a signal: real-time signals are queued, each with its value, and arrive in the order in which they were sent.
enum TourSignals {
    static let signal = Signal.realTime(4)
    static let bytesPerSignal = 4
}

/// Sends bytes as the values of signals to one process, whatever becomes of its number.
final class SignalSink: Sink {
    private let process: ProcessHandle

    init(to processID: Int32) throws { process = try ProcessHandle(processID: processID) }

    var keepsBoundaries: Bool { false }

    func send(_ parcel: Parcel, until deadline: Deadline) throws {
        for start in stride(from: 0, to: parcel.bytes.count, by: TourSignals.bytesPerSignal) {
            // The last word may be part filling; the receiver knows the size.
            let value = (start..<(start + TourSignals.bytesPerSignal)).reduce(UInt32(0)) { word, index in
                word << 8 | (index < parcel.bytes.count ? UInt32(parcel.bytes[index]) : 0)
            }
            try process.send(TourSignals.signal, value: Int32(bitPattern: value))
        }
    }
}

/// The bytes that came as values of signals.
final class SignalSource: Source {
    private let receiver: SignalReceiver

    init() throws { receiver = try SignalReceiver([TourSignals.signal], capacity: 4096) }

    var keepsBoundaries: Bool { false }

    func receive(_ selection: Selection, limit: Int, until deadline: Deadline) throws -> Parcel? {
        let signal = try receiver.receive(until: min(deadline, .after(.seconds(60))))
        guard let value = signal.value else { throw Failure("a signal without a value came") }
        let word = UInt32(bitPattern: value)
        return Parcel(bytes: (0..<min(4, limit)).map { UInt8(truncatingIfNeeded: word >> (24 - 8 * UInt32($0))) })
    }

    func peek(_ selection: Selection, index: Int, until deadline: Deadline) throws -> Parcel? { nil }
}

extension TourStop {
    func throughSignals() throws -> TourResult {
        let peer = try peer("-")
        defer { peer.end() }
        _ = try peer.control.hear()
        return try sender(peer).send(through: try SignalSink(to: peer.process))
    }
}
