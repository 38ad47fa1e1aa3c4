// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import SystemPackage

/// POSIX shared memory and named semaphores, which are files in `/dev/shm`, and memory that has no name.
struct SharedMemoryObjects {
    static let directory: FilePath = "/dev/shm"
    private static let semaphorePrefix = Array("sem.".utf8)

    let scan: DescriptorScan
    let mappings: MappingScan
    let accounts: Accounts
    let kinds: Set<Address.Kind>

    /// What is in the directory, and what lives on although its name is gone.
    func objects() -> [InspectedObject] {
        var objects: [InspectedObject] = []
        var seen: Set<FileKey> = []
        if kinds.contains(.shm) || kinds.contains(.sem) {
            for (address, status) in Self.named() where kinds.contains(address.kind) {
                guard seen.insert(FileKey(status)).inserted else { continue }
                objects.append(object(address, status, isLinked: true))
            }
        }
        return objects + heldObjects(&seen)
    }

    /// The files of the directory; what is no object of POSIX (a directory, a socket) is left out.
    static func named() -> [(Address, FileStatus)] {
        guard let open = try? sysOpen(directory, flags: InspectionOpen.directory) else { return [] }
        defer { try? sysClose(open) }
        return ProcessTable.entries(of: open).compactMap { entry in
            guard let address = address(of: entry.name),
                let status = try? sysStatus(at: open, FilePath(bytes: entry.name)), status.kind == .regular
            else { return nil }
            return (address, status)
        }
    }

    /// `sem.gate` is sem:/gate, and everything else is shared memory.
    static func address(of name: [UInt8]) -> Address? {
        let isSemaphore = name.starts(with: semaphorePrefix) && name.count > semaphorePrefix.count
        let bare = isSemaphore ? Array(name.dropFirst(semaphorePrefix.count)) : name
        guard let text = String(validating: bare, as: UTF8.self), let object = try? ObjectName("/" + text) else {
            return nil
        }
        return try? Address(kind: isSemaphore ? .sem : .shm, name: .object(object))
    }

    /// The file of an object.
    static func path(of address: Address) -> FilePath? {
        guard case .object(let name) = address.name else { return nil }
        let bare = name.description.dropFirst()
        return directory.appending((address.kind == .sem ? "sem." : "") + String(bare))
    }

    // MARK: Held without a name

    private func heldObjects(_ seen: inout Set<FileKey>) -> [InspectedObject] {
        var objects: [InspectedObject] = []
        for (key, found) in scan.found {
            guard case .file = key, let status = found.status, status.kind == .regular, let path = found.path,
                let address = Self.address(held: path.bytes, status.inode), kinds.contains(address.kind),
                seen.insert(FileKey(status)).inserted
            else { continue }
            objects.append(object(address, status, isLinked: false))
        }
        for (key, found) in mappings.found {
            guard case .file(let file) = key, let address = Self.address(held: found.path, file.inode),
                kinds.contains(address.kind), seen.insert(file).inserted, let mapper = found.mappers.first,
                let range = mapper.ranges.first
            else { continue }
            let link =
                "\(mapper.process)/map_files/\(String(range.lowerBound, radix: 16))-\(String(range.upperBound, radix: 16))"
            let status = try? sysCachedStatus(FilePath("/proc/" + link), followLinks: true)
            objects.append(object(address, file, status, path: FilePath("/proc/" + link), isLinked: false))
        }
        return objects
    }

    /// What the kernel calls `/dev/shm/x` or `/memfd:label`.
    static func address(held path: [UInt8], _ inode: UInt64) -> Address? {
        if path.starts(with: "/memfd:".utf8) { return try? Address(kind: .memfd, name: .number(inode)) }
        let prefix = Array("/dev/shm/".utf8)
        guard path.starts(with: prefix), !path.dropFirst(prefix.count).contains(UInt8(ascii: "/")) else { return nil }
        return address(of: Array(path.dropFirst(prefix.count)))
    }

    // MARK: One object

    func object(_ address: Address, _ status: FileStatus, isLinked: Bool) -> InspectedObject {
        var path: FilePath?
        if isLinked {
            path = Self.path(of: address)
        } else if let holder = scan.found[.file(device: status.device, inode: status.inode)]?.holders.first,
            let number = holder.descriptors.first?.number
        {
            path = FilePath("/proc/\(holder.processID)/fd/\(number)")
        }
        return object(address, FileKey(status), status, path: path, isLinked: isLinked)
    }

    private func object(
        _ address: Address, _ key: FileKey, _ status: FileStatus?, path: FilePath?, isLinked: Bool
    ) -> InspectedObject {
        let open = status.flatMap { scan.found[.file(device: $0.device, inode: $0.inode)] }
        var holders = open?.holders ?? []
        holders += mappings.holders(.file(key), .maps, waits: true)
        var object = InspectedObject(address: address, details: details(address, key, status, path, isLinked))
        object.holders = holders.sorted { $0.processID < $1.processID }
        object.holdersAreComplete = scan.isComplete && mappings.isComplete
        if let status {
            object.owner = accounts.account(status.user)
            object.groupID = status.group
            object.permissions = FilePermissions(rawValue: UInt32(status.permissions))
            object.lastChange = status.modified
            if address.kind != .sem { object.usedBytes = UInt64(clamping: status.size) }
        }
        return object
    }

    private func details(
        _ address: Address, _ key: FileKey, _ status: FileStatus?, _ path: FilePath?, _ isLinked: Bool
    ) -> InspectedObject.Details {
        if address.kind == .sem {
            let words = path.flatMap { Self.semaphoreWords($0, key) }
            return .semaphore(
                SemaphoreDetails(
                    inode: key.inode, device: status?.device ?? UInt64(key.device), value: words?.value,
                    waiting: words?.waiting, isLinked: isLinked))
        }
        let isNamed = address.kind == .shm
        let label = isNamed ? nil : self.label(key, status)
        return .sharedMemory(
            SharedMemoryDetails(
                inode: key.inode, device: status?.device ?? UInt64(key.device),
                sizeBytes: UInt64(clamping: status?.size ?? 0), allocatedBytes: path.flatMap { sysAllocatedBytes($0) },
                isLinked: isNamed ? isLinked : nil, label: label, seals: isNamed ? nil : path.flatMap { Self.seals($0) }
            ))
    }

    private func label(_ key: FileKey, _ status: FileStatus?) -> String? {
        let open = status.flatMap { scan.found[.file(device: $0.device, inode: $0.inode)]?.path?.bytes }
        guard let path = open ?? mappings.found[.file(key)]?.path else { return nil }
        return String(decoding: path.dropFirst("/memfd:".utf8.count), as: UTF8.self)
    }

    /// The first two words of a semaphore of glibc and of musl: value and number of those who wait.
    static func semaphoreWords(_ path: FilePath, _ key: FileKey) -> (value: UInt32, waiting: UInt32)? {
        guard let file = try? sysOpen(path, flags: InspectionOpen.reading) else { return nil }
        defer { try? sysClose(file) }
        // A path through /proc may lead elsewhere by now.
        guard let status = try? sysStatus(file), FileKey(status) == key,
            let bytes = try? sysReadFile(file, limit: 8)
        else { return nil }
        var reader = ByteReader(bytes[...])
        guard let value = reader.number(UInt32.self), let waiting = reader.number(UInt32.self) else { return nil }
        return (value & 0x7fff_ffff, waiting)
    }

    private static func seals(_ path: FilePath) -> [String]? {
        guard let file = try? sysOpen(path, flags: InspectionOpen.reading) else { return nil }
        defer { try? sysClose(file) }
        guard let seals = try? sysSeals(file) else { return nil }
        return names(ofSeals: seals)
    }

    static func names(ofSeals seals: Int32) -> [String] {
        ["seal", "shrink", "grow", "write", "futureWrite", "exec"].enumerated().compactMap { bit, name in
            seals & 1 << Int32(bit) != 0 ? name : nil
        }
    }
}
