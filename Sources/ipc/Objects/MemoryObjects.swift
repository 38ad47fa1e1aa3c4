// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import SystemPackage

/// Shared memory as objects.
extension Objects {
    static func createMemory(_ name: ObjectName, _ plan: CreationPlan) throws -> Address {
        let address = try Address(kind: .shm, name: .object(name))
        do {
            if !plan.exclusive, try SharedMemoryObject.exists(name) {
                let memory = try SharedMemoryObject(name, access: .readOnly)
                tellSize(address, asked: plan.size, is: try memory.sizeBytes())
                try memory.close()
                return address
            }
            guard let size = plan.size else { throw withoutSize(address) }
            let memory = try SharedMemoryObject(
                name, mode: plan.mode, byteCount: size, permissions: plan.permissions)
            try memory.close()
        } catch let error as IPCError {
            throw reworded(error)
        }
        return address
    }

    static func createSegment(_ address: Address, _ plan: CreationPlan) throws -> Address {
        let key = try systemVKey(address)
        do {
            if key != .private, !plan.exclusive, try SystemVSharedMemory.exists(key: key) {
                let segment = try SystemVSharedMemory(key: key)
                tellSize(address, asked: plan.size, is: try segment.status().sizeBytes)
                try segment.close()
                return Address(unchecked: .sysvShm, .key(key))
            }
            guard let size = plan.size else { throw withoutSize(address) }
            let mode: CreationMode = key == .private ? .createExclusive : plan.mode
            let segment = try SystemVSharedMemory(key: key, mode: mode, byteCount: size, permissions: plan.permissions)
            let id = segment.id
            try segment.close()
            return Address(unchecked: .sysvShm, key == .private ? .id(id) : .key(key))
        } catch let error as IPCError {
            throw reworded(error)
        }
    }

    /// A file with so many bytes, all of them reserved on the disk.
    static func createFile(_ address: Address, _ path: FilePath, size: Int, _ plan: CreationPlan) throws {
        do throws(IPCError) {
            let file = try MappedFile(path, mode: plan.mode, byteCount: size, permissions: plan.permissions)
            if !file.wasCreated { tellSize(address, asked: size, is: try file.sizeBytes()) }
            try file.close()
        } catch {
            throw reworded(error)
        }
    }

    static func openSegment(_ address: Address) throws -> SystemVSharedMemory {
        do {
            if case .id(let id) = address.name { return try SystemVSharedMemory(id: id) }
            let key = try systemVKey(address)
            if key == .private { throw privateHasNone(address) }
            return try SystemVSharedMemory(key: key)
        } catch let error as IPCError {
            throw reworded(error)
        }
    }

    private static func tellSize(_ address: Address, asked: Int?, is size: Int) {
        guard let asked, asked != size else { return }
        Output.note("\(address): was there already, with \(size) bytes; it stays so")
    }

    private static func withoutSize(_ address: Address) -> Failure {
        .unfit(address, "how large shall it be? For example: ipc create \(address) --size 64K")
    }
}

/// Bytes that `read` and `write` reach by their offset.
protocol MemoryPlace: AnyObject {
    var byteCount: Int { get throws }
    /// Fewer than asked for only at the end.
    func read(_ count: Int, at offset: Int) throws -> [UInt8]
    /// All of them; the caller has seen to it that they fit.
    func write(_ bytes: [UInt8], at offset: Int) throws
}

enum MemoryPlaces {
    static func open(_ address: Address, writing: Bool) throws -> any MemoryPlace {
        switch (address.kind, address.name) {
        case (.shm, .object(let name)):
            return try FileMemory(address, FilePath("/dev/shm" + name.description), writing: writing)
        case (.file, .path(let path)): return try FileMemory(address, path, writing: writing)
        case (.sysvShm, _): return try SegmentMemory(address, writing: writing)
        default:
            throw Failure.unfit(
                address, "read and write are for shm, sysv-shm and file; a \(address.kind.title) has no offsets")
        }
    }
}

/// POSIX shared memory and files, through the file: what another process cuts off meanwhile is an error, not a SIGBUS.
final class FileMemory: MemoryPlace {
    private let address: Address
    private let file: OwnedDescriptor

    init(_ address: Address, _ path: FilePath, writing: Bool) throws {
        self.address = address
        // O_NONBLOCK: opening what turns out to be a named pipe must not hang.
        let mode: FileDescriptor.AccessMode = writing ? .readWrite : .readOnly
        do throws(Errno) {
            let flags = mode.rawValue | FileDescriptor.OpenOptions([.nonBlocking]).rawValue
            file = OwnedDescriptor(adopting: try sysOpen(path, flags: flags))
        } catch {
            let hint = error == .noSuchFileOrDirectory ? "make it with: ipc create \(address) --size …" : ""
            throw IPCError(error, "open", "\(address)", hint: hint)
        }
        guard try sysStatus(file.rawValue).kind == .regular else {
            throw IPCError(code: .wrongKind, subject: "\(address)", hint: "it is no ordinary file")
        }
    }

    var byteCount: Int { get throws { Int(clamping: try sysStatus(file.rawValue).size) } }

    func read(_ count: Int, at offset: Int) throws -> [UInt8] {
        var bytes: [UInt8] = []
        do throws(Errno) {
            while bytes.count < count {
                let part = try sysReadAt(
                    file.rawValue, offset: Int64(offset + bytes.count), upTo: min(count - bytes.count, 1 << 20))
                if part.isEmpty { break }
                bytes += part
            }
        } catch { throw IPCError(error, "pread", "\(address)") }
        return bytes
    }

    func write(_ bytes: [UInt8], at offset: Int) throws {
        var written = 0
        do throws(Errno) {
            while written < bytes.count {
                written += try sysWriteAt(
                    file.rawValue, offset: Int64(offset + written), written == 0 ? bytes : Array(bytes[written...]))
            }
        } catch { throw IPCError(error, "pwrite", "\(address)") }
    }
}

/// A System V segment, attached.
final class SegmentMemory: MemoryPlace {
    private let region: MappedRegion

    init(_ address: Address, writing: Bool) throws {
        region = try Objects.openSegment(address).attach(writing ? .readWrite : .readOnly)
    }

    var byteCount: Int { region.byteCount }

    func read(_ count: Int, at offset: Int) throws -> [UInt8] {
        region.copyBytes(offset..<min(region.byteCount, offset + count))
    }

    func write(_ bytes: [UInt8], at offset: Int) throws { region.write(bytes, at: offset) }
}
