// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import SystemPackage

/// Pieces in memory that both processes map: eight places, one semaphore that counts the free ones and one that counts the
/// filled ones. Nothing is copied by the kernel.
///
///     0     a semaphore, where it lies in the memory itself; 64 the other
///     128   the length of each piece
///     4096  the places
final class TourRing<Semaphore: POSIXSemaphore & ~Copyable>: Sink, Source {
    private static var places: Int { 8 }
    private static var placeBytes: Int { 65536 }
    static var byteCount: Int { 4096 + places * placeBytes }

    private let region: MappedRegion
    private let free: Semaphore
    private let filled: Semaphore
    /// How many pieces this side has put or taken.
    private let position = Shared(0)

    init(_ region: consuming MappedRegion, free: consuming Semaphore, filled: consuming Semaphore) throws {
        guard region.byteCount >= Self.byteCount else { throw Failure("the memory is too small") }
        self.region = region
        self.free = free
        self.filled = filled
    }

    var keepsBoundaries: Bool { true }

    /// Nobody waits for ever for a process that is gone.
    private func bounded(_ deadline: Deadline) -> Deadline { min(deadline, .after(.seconds(60))) }

    func send(_ parcel: Parcel, until deadline: Deadline) throws {
        try free.wait(until: bounded(deadline))
        let place = position.withLock { $0 % Self.places }
        region.write(parcel.bytes, at: 4096 + place * Self.placeBytes)
        region.store(UInt32(parcel.bytes.count), at: 128 + 4 * place)
        position.withLock { $0 += 1 }
        try filled.post()
    }

    func receive(_ selection: Selection, limit: Int, until deadline: Deadline) throws -> Parcel? {
        try filled.wait(until: bounded(deadline))
        let place = position.withLock { $0 % Self.places }
        // The length is the other side's word.
        let length = min(Int(region.load(UInt32.self, at: 128 + 4 * place)), Self.placeBytes)
        let start = 4096 + place * Self.placeBytes
        let bytes = region.copyBytes(start..<(start + length))
        position.withLock { $0 += 1 }
        try free.post()
        return Parcel(bytes: bytes)
    }

    func peek(_ selection: Selection, index: Int, until deadline: Deadline) throws -> Parcel? { nil }
}

extension TourRing where Semaphore == NamedSemaphore {
    /// In POSIX shared memory, with named semaphores beside it.
    static func named(_ name: String, _ mode: CreationMode) throws -> TourRing {
        let memory = try SharedMemoryObject(ObjectName(name), mode: mode, byteCount: byteCount)
        return try TourRing(
            memory.map(), free: NamedSemaphore(ObjectName(name + "-free"), mode: mode, initialValue: places),
            filled: NamedSemaphore(ObjectName(name + "-filled"), mode: mode))
    }

    static func unlink(_ name: String) {
        try? SharedMemoryObject.unlink(ObjectName(name))
        for end in ["-free", "-filled"] { try? NamedSemaphore.unlink(ObjectName(name + end)) }
    }
}

extension TourRing where Semaphore == SharedSemaphore {
    /// In a file that both map, with the semaphores in the file as well.
    static func inFile(_ path: FilePath, create: Bool) throws -> TourRing {
        let file = try MappedFile(path, mode: create ? .createExclusive : .openExisting, byteCount: byteCount)
        if create {
            return try TourRing(
                file.map(), free: SharedSemaphore(initializing: file.map(), at: 0, initialValue: places),
                filled: SharedSemaphore(initializing: file.map(), at: 64, initialValue: 0))
        }
        return try TourRing(
            file.map(), free: SharedSemaphore(attachingTo: file.map(), at: 0),
            filled: SharedSemaphore(attachingTo: file.map(), at: 64))
    }
}

extension TourStop {
    /// Shared memory with two semaphores.
    func throughSharedMemory() throws -> TourResult {
        let name = "/ipc-tour-\(sysProcessID())"
        let remove: @Sendable () -> Void = { TourRing<NamedSemaphore>.unlink(name) }
        Cleaning.add(remove)
        defer { remove() }
        return try through(ring: try TourRing<NamedSemaphore>.named(name, .createExclusive), name)
    }

    func throughMappedFile() throws -> TourResult {
        let path = directory.appending("map")
        defer { try? sysUnlink(path) }
        return try through(ring: try TourRing<SharedSemaphore>.inFile(path, create: true), "\(path)")
    }

    private func through(ring: any Sink, _ place: String) throws -> TourResult {
        let peer = try peer(place)
        defer { peer.end() }
        _ = try peer.control.hear()
        return try sender(peer).send(through: ring)
    }
}
