// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import SystemPackage

/// An ordinary file as the medium, the oldest way: one side appends, the other is told by inotify.
final class FileSource: Source {
    private let address: Address
    private let path: FilePath
    private let file: OwnedDescriptor
    /// The descriptor that tells of growth; the process is short, nobody closes it.
    private let watch: CInt?
    private let offset = Shared<Int64>(0)

    init(_ address: Address, _ path: FilePath, follow: Bool) throws(IPCError) {
        self.address = address
        self.path = path
        do throws(Errno) {
            // The watch comes first: what is appended between the two is seen twice, never missed.
            watch = follow ? try sysWatchGrowth(of: path) : nil
            file = OwnedDescriptor(adopting: try sysOpen(path, flags: FileSink.flags(writing: false)))
            try FileSink.verify(file.rawValue, address)
        } catch {
            throw IPCError(error, "open", address.description, hint: FileSink.hint(error))
        }
    }

    var keepsBoundaries: Bool { false }

    func receive(_ selection: Selection, limit: Int, until deadline: Deadline) throws -> Parcel? {
        while true {
            var bytes: [UInt8] = []
            do throws(Errno) { bytes = try readUpTo(limit, file.rawValue) } catch {
                throw IPCError(error, "read", address.description)
            }
            if !bytes.isEmpty {
                offset.withLock { $0 += Int64(bytes.count) }
                return Parcel(bytes: bytes)
            }
            guard watch != nil else { return nil }
            try waitForGrowth(until: deadline)
        }
    }

    func peek(_ selection: Selection, index: Int, until deadline: Deadline) throws -> Parcel? {
        try receive(selection, limit: 65536, until: deadline)
    }

    private func waitForGrowth(until deadline: Deadline) throws {
        do {
            let status = try sysStatus(file.rawValue)
            if status.linkCount == 0 {
                throw IPCError(
                    code: .removed, subject: address.description, hint: "the file was removed while it was followed")
            }
            if status.size < offset.withLock({ $0 }) {
                Output.note("\(address): the file was cut; following from its start")
                try sysSeek(file.rawValue, to: 0)
                offset.withLock { $0 = 0 }
                return
            }
            guard let watch else { return }
            guard try sysPollOne(watch, writing: false, untilNanoseconds: deadline.monotonicNanoseconds) else {
                throw IPCError(
                    .timedOut, "inotify", address.description, hint: "nothing was appended in that time")
            }
            _ = try readUpTo(4096, watch)
        } catch let error as Errno {
            throw IPCError(error, "inotify", address.description)
        }
    }
}

/// Appends to a file; each parcel is one write, so that several writers stay apart.
final class FileSink: Sink {
    private let address: Address
    private let file: OwnedDescriptor

    init(_ address: Address, _ path: FilePath, create: Bool) throws {
        self.address = address
        if create { _ = try Objects.create(address, CreationPlan(permissions: .ownerOnly, exclusive: false)) }
        do throws(Errno) {
            file = OwnedDescriptor(adopting: try sysOpen(path, flags: FileSink.flags(writing: true)))
            try FileSink.verify(file.rawValue, address)
        } catch {
            throw IPCError(error, "open", address.description, hint: FileSink.hint(error))
        }
    }

    var keepsBoundaries: Bool { false }

    func send(_ parcel: Parcel, until deadline: Deadline) throws {
        do throws(Errno) { try Output.writeAll(file.rawValue, parcel.bytes) } catch {
            throw IPCError(error, "write", address.description)
        }
    }

    static func flags(writing: Bool) -> CInt {
        // O_NONBLOCK: opening what turns out to be a named pipe must not hang.
        var flags = FileDescriptor.OpenOptions([.nonBlocking]).rawValue
        if writing {
            flags |= FileDescriptor.AccessMode.writeOnly.rawValue | FileDescriptor.OpenOptions.append.rawValue
        }
        return flags
    }

    static func verify(_ descriptor: CInt, _ address: Address) throws(Errno) {
        if try sysStatus(descriptor).kind != .regular { throw .invalidArgument }
    }

    static func hint(_ error: Errno) -> String {
        switch error {
        case .noSuchFileOrDirectory: "make it with: ipc create, or send with --create"
        case .invalidArgument: "that is not an ordinary file"
        default: ""
        }
    }
}

/// One read of at most `limit` bytes; empty at the end.
func readUpTo(_ limit: Int, _ descriptor: CInt) throws(Errno) -> [UInt8] {
    try Array(capacity: limit) { (buffer: inout OutputSpan<UInt8>) throws(Errno) in
        _ = try sysRead(descriptor, into: &buffer)
    }
}
