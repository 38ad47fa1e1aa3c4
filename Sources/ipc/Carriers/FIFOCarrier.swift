// SPDX-License-Identifier: Apache-2.0
import Interprocess

/// A named pipe, read.
final class FIFOSource: Source {
    private let address: Address
    private let read: @Sendable (Int, Deadline) throws -> [UInt8]?
    private let tryRead: @Sendable (Int) throws -> ReadOutcome

    init(_ address: Address, _ pipe: NamedPipe, _ plan: SourcePlan) throws {
        self.address = address
        if plan.follow {
            // With a writing end of our own the end never comes, however often writers come and go.
            let pair = Held(try pipe.openReadWrite())
            read = { try pair.value.reader.read(upTo: $0, until: $1) }
            tryRead = { try pair.value.reader.tryRead(upTo: $0) }
            return
        }
        let reader = Held(try FIFOSource.open(address, pipe, plan))
        read = { try reader.value.read(upTo: $0, until: $1) }
        tryRead = { try reader.value.tryRead(upTo: $0) }
    }

    private static func open(_ address: Address, _ pipe: NamedPipe, _ plan: SourcePlan) throws -> PipeReader {
        if plan.noWait { return try pipe.tryOpenReader() }
        if plan.deadline == .never { return try pipe.openReader() }
        do throws(IPCError) { return try pipe.openReader(until: plan.deadline) } catch {
            throw error.code == .timedOut
                ? IPCError(.timedOut, "open", "\(address)", hint: "nobody opened it for writing in that time") : error
        }
    }

    var keepsBoundaries: Bool { false }

    func receive(_ selection: Selection, limit: Int, until deadline: Deadline) throws -> Parcel? {
        if deadline.hasPassed {
            switch try tryRead(limit) {
            case .bytes(let bytes): return Parcel(bytes: bytes)
            case .nothingYet, .end:
                throw IPCError(
                    .resourceTemporarilyUnavailable, "read", "\(address)",
                    hint: "nothing is in it; without --no-wait, or with --timeout, a writer is waited for")
            }
        }
        return try read(limit, deadline).map { Parcel(bytes: $0) }
    }

    func peek(_ selection: Selection, index: Int, until deadline: Deadline) throws -> Parcel? {
        throw Failure.unfit(
            address, "bytes of a named pipe cannot be looked at and left; ipc show \(address) says how many there are")
    }
}

/// A named pipe, written.
final class FIFOSink: Sink {
    private let writer: PipeWriter

    init(_ address: Address, _ pipe: NamedPipe, _ plan: SinkPlan) throws {
        if plan.create { try pipe.create(.openOrCreate) }
        let nobody = "open it for reading, for example with: ipc receive \(address)"
        if plan.noWait {
            guard let ready = try pipe.tryOpenWriter() else {
                throw IPCError(.noSuchAddressOrDevice, "open", "\(address)", hint: nobody)
            }
            writer = ready
        } else if plan.deadline == .never {
            writer = try pipe.openWriter()
        } else {
            do throws(IPCError) { writer = try pipe.openWriter(until: plan.deadline) } catch {
                throw error.code == .timedOut ? IPCError(.timedOut, "open", "\(address)", hint: nobody) : error
            }
        }
    }

    var keepsBoundaries: Bool { false }

    func send(_ parcel: Parcel, until deadline: Deadline) throws {
        try SocketCalls.patient(deadline) { () throws(IPCError) in try writer.write(parcel.bytes, until: deadline) }
    }
}
