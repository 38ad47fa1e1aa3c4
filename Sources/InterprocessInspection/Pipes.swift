// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import SystemPackage

/// Pipes and named pipes, from what processes have open and from paths.
enum Pipes {
    static func objects(_ scan: DescriptorScan, _ accounts: Accounts, kinds: Set<Address.Kind>) -> [InspectedObject] {
        scan.found.compactMap { key, found in
            switch key {
            case .pipe(let inode) where kinds.contains(.pipe):
                return object(.pipe(inode: inode), found, inode, nil, accounts, scan.isComplete)
            case .file(_, let inode) where kinds.contains(.fifo) && found.status?.kind == .fifo:
                guard let path = found.path else { return nil }
                return object(.fifo(path), found, inode, path, accounts, scan.isComplete)
            default:
                return nil
            }
        }
    }

    /// A named pipe that was found by its path.
    static func object(at path: FilePath, _ status: FileStatus, _ scan: DescriptorScan, _ accounts: Accounts)
        -> InspectedObject
    {
        let key = DescriptorScan.Key.file(device: status.device, inode: status.inode)
        var found = scan.found[key] ?? DescriptorScan.Found()
        found.status = status
        found.isLinked = true
        return object(.fifo(path), found, status.inode, path, accounts, scan.isComplete)
    }

    private static func object(
        _ address: Address, _ found: DescriptorScan.Found, _ inode: UInt64, _ path: FilePath?, _ accounts: Accounts,
        _ isComplete: Bool
    ) -> InspectedObject {
        let descriptors = found.holders.flatMap(\.descriptors)
        let details = PipeDetails(
            inode: inode, device: found.status?.device ?? 0, path: path, isLinked: path == nil ? nil : found.isLinked,
            readers: descriptors.count { $0.canRead }, writers: descriptors.count { $0.canWrite })
        var object = InspectedObject(address: address, details: .pipe(details))
        object.holders = found.holders
        object.holdersAreComplete = isComplete
        if let status = found.status {
            object.owner = accounts.account(status.user)
            object.groupID = status.group
            object.permissions = FilePermissions(rawValue: UInt32(status.permissions))
            object.lastChange = status.modified
        }
        if let content = content(of: found, inode) {
            object.usedBytes = content.used
            object.limitBytes = content.capacity
        } else if path != nil, isComplete, found.holders.isEmpty {
            // Nobody has it open: the kernel keeps no buffer for it.
            object.usedBytes = 0
        }
        return object
    }

    /// How full it is, seen through a descriptor of a process that reads.
    ///
    /// Only where somebody reads already: a reader more then wakes nobody who waits for the first one. The object
    /// is reached by its location first, so that nothing else is opened if the number was reused meanwhile.
    private static func content(of found: DescriptorScan.Found, _ inode: UInt64) -> (used: UInt64, capacity: UInt64)? {
        for holder in found.holders {
            guard let descriptor = holder.descriptors.first(where: \.canRead) else { continue }
            let path = FilePath("/proc/\(holder.processID)/fd/\(descriptor.number)")
            guard let place = try? sysOpen(path, flags: InspectionOpen.location) else { continue }
            defer { try? sysClose(place) }
            guard let status = try? sysStatus(place), status.kind == .fifo, status.inode == inode,
                let reader = try? sysOpen(FilePath("/proc/self/fd/\(place)"), flags: InspectionOpen.reading)
            else { continue }
            defer { try? sysClose(reader) }
            guard let used = try? sysPendingBytes(reader), let capacity = try? sysInspectPipeCapacity(reader) else {
                continue
            }
            return (UInt64(clamping: used), UInt64(clamping: capacity))
        }
        return nil
    }
}

/// Event counters, which only their descriptors show.
enum EventCounters {
    static func id(fdinfo bytes: [UInt8]) -> UInt64? {
        fieldValue("eventfd-id", in: bytes).flatMap { parseNumber($0) }
    }

    static func details(id: UInt64, fdinfo bytes: [UInt8]) -> EventCounterDetails {
        let count = fieldValue("eventfd-count", in: bytes).flatMap { parseNumber($0, radix: 16, as: UInt64.self) }
        let semaphore = fieldValue("eventfd-semaphore", in: bytes).flatMap { parseNumber($0, as: Int.self) }
        return EventCounterDetails(id: id, count: count, isSemaphore: semaphore.map { $0 != 0 })
    }

    static func objects(_ scan: DescriptorScan, _ table: ProcessTable) -> [InspectedObject] {
        scan.found.compactMap { key, found in
            guard case .eventCounter(let id) = key, let holder = found.holders.first,
                let descriptor = holder.descriptors.first
            else { return nil }
            let info = table.read("\(holder.processID)/fdinfo/\(descriptor.number)", limit: 4096) ?? []
            // The number may lead elsewhere by now; then the counter is gone from this holder and its count unknown.
            let details = Self.id(fdinfo: info) == id ? details(id: id, fdinfo: info) : details(id: id, fdinfo: [])
            var object = InspectedObject(address: .eventfd(id: id), details: .eventCounter(details))
            object.owner = holder.user
            object.holders = found.holders
            object.holdersAreComplete = scan.isComplete
            object.usedCount = details.count
            return object
        }
    }
}
