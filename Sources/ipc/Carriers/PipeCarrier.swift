// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls

/// The reading end of a pipe.
final class PipeSource: Source {
    private let reader: PipeReader

    init(adopting descriptor: CInt) throws {
        reader = try PipeReader(adopting: OwnedDescriptor(adopting: descriptor))
    }

    var keepsBoundaries: Bool { false }

    func receive(_ selection: Selection, limit: Int, until deadline: Deadline) throws -> Parcel? {
        try reader.read(upTo: limit, until: deadline).map { Parcel(bytes: $0) }
    }

    func peek(_ selection: Selection, index: Int, until deadline: Deadline) throws -> Parcel? { nil }
}

/// The writing end of a pipe.
final class PipeSink: Sink {
    private let writer: PipeWriter

    init(adopting descriptor: CInt) throws {
        writer = try PipeWriter(adopting: OwnedDescriptor(adopting: descriptor))
    }

    var keepsBoundaries: Bool { false }

    func send(_ parcel: Parcel, until deadline: Deadline) throws { try writer.write(parcel.bytes, until: deadline) }
}
