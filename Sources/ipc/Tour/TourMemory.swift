// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import SystemPackage

/// Memory that both processes have mapped, as four slots that go round, with two semaphores in it: one counts the free
/// slots, the other the filled ones.
final class MemoryRing: Source, Sink {
    private static let slots = 4
    private static let slotBytes = 65_536 + 64
    private static let firstSlot = 4096
    static let byteCount = firstSlot + slots * slotBytes

    private let free: SharedSemaphore
    private let filled: SharedSemaphore
    private let region: MappedRegion
    private let next = Shared(0)

    /// - Parameter isNew: makes the semaphores rather than find them.
    init<Memory: MappableObject & ~Copyable>(_ memory: borrowing Memory, isNew: Bool) throws(IPCError) {
        if isNew {
            free = try SharedSemaphore(initializing: try memory.map(), at: 0, initialValue: Self.slots)
            filled = try SharedSemaphore(initializing: try memory.map(), at: 64, initialValue: 0)
        } else {
            free = try SharedSemaphore(attachingTo: try memory.map(), at: 0)
            filled = try SharedSemaphore(attachingTo: try memory.map(), at: 64)
        }
        region = try memory.map()
    }

    /// The ring at an address: shm: or file:.
    static func open(_ address: Address) throws -> MemoryRing {
        switch address.name {
        case .object(let name): return try MemoryRing(try SharedMemoryObject(name), isNew: false)
        case .path(let path): return try MemoryRing(try MappedFile(path), isNew: false)
        default: throw Failure.unfit(address, "that is no memory")
        }
    }

    var keepsBoundaries: Bool { true }

    /// The other process is there or it is not; nobody else is waited for.
    private var limit: Deadline { .after(.seconds(60)) }

    private func advance() -> Int {
        next.withLock { next in
            defer { next = (next + 1) % Self.slots }
            return Self.firstSlot + next * Self.slotBytes
        }
    }

    func send(_ parcel: Parcel, until deadline: Deadline) throws {
        try free.wait(until: limit)
        let slot = advance()
        region.write(parcel.bytes, at: slot + 64)
        region.store(UInt64(parcel.bytes.count), at: slot)
        try filled.post()
    }

    func receive(_ selection: Selection, limit most: Int, until deadline: Deadline) throws -> Parcel? {
        try filled.wait(until: limit)
        let slot = advance()
        let count = min(Int(clamping: region.load(UInt64.self, at: slot)), Self.slotBytes - 64)
        let bytes = region.copyBytes((slot + 64)..<(slot + 64 + count))
        try free.post()
        return Parcel(bytes: bytes)
    }

    func peek(_ selection: Selection, index: Int, until deadline: Deadline) throws -> Parcel? { nil }
}

extension TourStop {
    func throughSharedMemory() throws -> TourResult {
        let name = try ObjectName("/ipc-tour-\(sysProcessID())")
        Cleaning.add { try? SharedMemoryObject.unlink(name) }
        defer { try? SharedMemoryObject.unlink(name) }
        let memory = try SharedMemoryObject(name, mode: .createExclusive, byteCount: MemoryRing.byteCount)
        let ring = try MemoryRing(memory, isNew: true)
        return try through(ring, try Address(kind: .shm, name: .object(name)))
    }

    func throughMappedFile() throws -> TourResult {
        let path = directory.appending("mapped")
        defer { try? sysUnlink(path) }
        let file = try MappedFile(path, mode: .createExclusive, byteCount: MemoryRing.byteCount)
        let ring = try MemoryRing(file, isNew: true)
        return try through(ring, .file(path))
    }

    private func through(_ ring: MemoryRing, _ address: Address) throws -> TourResult {
        let peer = try peer("\(address)")
        defer { peer.end() }
        _ = try peer.control.hear()
        return try sender(peer).send(through: ring)
    }

    /// The file goes into memory that has no name and that nobody can change any more; its descriptor goes to the other
    /// process.
    func throughSealedMemory() throws -> TourResult {
        let place = Address.unix(directory.appending("socket"))
        let peer = try peer("\(place)")
        defer { peer.end() }
        _ = try peer.control.hear()
        let sink = try Carriers.sink(place, SinkPlan(deadline: .after(.seconds(10))))
        let start = sysMonotonicNanoseconds()
        let memory = try sealed()
        try sink.send(Parcel(bytes: [0], descriptors: [memory.rawValue]), until: .never)
        let sender = sender(peer)
        var result = try sender.outcome(start: start)
        try sender.ping(&result) { bytes in
            let memory = try SealedMemory(byteCount: bytes.count, seals: .immutable) { (region) throws(IPCError) in
                region.write(bytes)
            }
            try sink.send(Parcel(bytes: [0], descriptors: [memory.rawValue]), until: .never)
        }
        return result
    }

    private func sealed() throws -> SealedMemory {
        let open = try file.open()
        let (size, path) = (file.size, file.path)
        return try SealedMemory(byteCount: max(1, size), seals: .immutable) { (region) throws(IPCError) in
            var offset = 0
            while offset < size {
                let bytes: [UInt8]
                do throws(Errno) { bytes = try readUpTo(min(1 << 20, size - offset), open.rawValue) } catch {
                    throw IPCError(error, "read", "file:\(path)")
                }
                if bytes.isEmpty {
                    throw IPCError(code: .truncated, subject: "file:\(path)", hint: "it became shorter")
                }
                region.write(bytes, at: offset)
                offset += bytes.count
            }
        }
    }
}

/// Takes sealed memory out of a socket; what it holds comes in pieces.
final class SealedMemorySource: Source {
    private let socket: any Source
    private let current = Shared<Current?>(nil)

    private final class Current: Sendable {
        let region: MappedRegion
        init(_ region: consuming MappedRegion) { self.region = region }
    }

    private let offset = Shared(0)

    init(_ socket: any Source) { self.socket = socket }

    var keepsBoundaries: Bool { false }

    /// - Parameter limit: how many bytes at most; the memory holds at least one byte, also for an empty file.
    func receive(_ selection: Selection, limit: Int, until deadline: Deadline) throws -> Parcel? {
        let region: Current
        if let current = current.withLock({ $0 }) {
            region = current
        } else {
            guard let descriptor = try socket.receive(.first, limit: 1, until: deadline)?.descriptors.first else {
                throw Failure("no memory came")
            }
            let memory = try SealedMemory(
                adopting: OwnedDescriptor(adopting: descriptor), requiring: .immutable)
            region = Current(try memory.map(access: .readOnly))
            current.withLock { $0 = region }
            offset.withLock { $0 = 0 }
        }
        let start = offset.withLock { $0 }
        let end = min(region.region.byteCount, start + limit)
        let bytes = region.region.copyBytes(start..<end)
        offset.withLock { $0 = end }
        if end == region.region.byteCount { current.withLock { $0 = nil } }
        return Parcel(bytes: bytes)
    }

    func peek(_ selection: Selection, index: Int, until deadline: Deadline) throws -> Parcel? { nil }
}
