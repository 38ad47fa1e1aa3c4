// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls

/// Each piece is a memory of its own, sealed for good and handed over through a socket: what the receiver has checked nobody
/// can change any more, not even the sender.
final class SealedSink: Sink {
    private let socket: any Sink

    init(_ socket: any Sink) { self.socket = socket }

    var keepsBoundaries: Bool { true }

    func send(_ parcel: Parcel, until deadline: Deadline) throws {
        let memory = try SealedMemory(name: "ipc-tour", byteCount: parcel.bytes.count, seals: []) {
            (region) throws(IPCError) in region.write(parcel.bytes)
        }
        try memory.seal(.immutable)
        try socket.send(Parcel(bytes: [0], descriptors: [memory.rawValue]), until: deadline)
    }
}

/// Takes sealed memory only; anything else is refused before it is looked at.
final class SealedSource: Source {
    private let socket: any Source

    init(_ socket: any Source) { self.socket = socket }

    var keepsBoundaries: Bool { true }

    func receive(_ selection: Selection, limit: Int, until deadline: Deadline) throws -> Parcel? {
        guard let parcel = try socket.receive(.first, limit: 16, until: deadline) else { return nil }
        guard let first = parcel.descriptors.first else { throw Failure("no descriptor came") }
        for other in parcel.descriptors.dropFirst() { try? sysClose(other) }
        let memory = try SealedMemory(adopting: OwnedDescriptor(adopting: first), requiring: .immutable)
        let region = try memory.map(access: .readOnly)
        return Parcel(bytes: region.copyBytes(0..<region.byteCount))
    }

    func peek(_ selection: Selection, index: Int, until deadline: Deadline) throws -> Parcel? { nil }
}

extension TourStop {
    func throughSealedMemory() throws -> TourResult {
        let address = Address.unix(directory.appending("socket"))
        let peer = try peer("\(address)")
        defer { peer.end() }
        _ = try peer.control.hear()
        let socket = try Carriers.sink(address, SinkPlan(deadline: .after(.seconds(10))))
        return try sender(peer).send(through: SealedSink(socket))
    }
}
