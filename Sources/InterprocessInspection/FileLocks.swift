// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import SystemPackage

/// A line of `/proc/locks`, or what follows `lock:` in `/proc/PID/fdinfo`.
struct LockRow: Equatable {
    var family: InspectedLock.Family
    var isShared: Bool
    /// nil where the kernel does not say: locks of open files belong to no process.
    var process: Int32?
    var file: FileKey
    var start: UInt64
    var end: UInt64?
    var isWaiting: Bool

    /// `1: -> OFDLCK ADVISORY  WRITE -1 fe:00:16221075 0 EOF`; nil for what is no such line.
    init?(_ line: ArraySlice<UInt8>) {
        var words = TextLine(line).words
        guard words.count >= 8 else { return nil }
        words.removeFirst()
        isWaiting = words[0].elementsEqual("->".utf8)
        if isWaiting { words.removeFirst() }
        guard words.count >= 7 else { return nil }
        switch String(decoding: words[0], as: UTF8.self) {
        case "OFDLCK": family = .openFile
        case "POSIX", "ACCESS": family = .process
        case "FLOCK": family = .flock
        case "LEASE", "DELEG": family = .lease
        default: return nil
        }
        isShared = !words[2].elementsEqual("WRITE".utf8)
        process = parseNumber(words[3], as: Int32.self).flatMap { $0 > 0 ? $0 : nil }
        let place = words[4].split(separator: UInt8(ascii: ":"))
        guard place.count == 3, let file = FileKey(major: place[0], minor: place[1], inode: place[2]),
            let start = parseNumber(words[5], as: UInt64.self)
        else { return nil }
        self.file = file
        self.start = start
        end = parseNumber(words[6], as: UInt64.self)
    }

    static func rows(_ bytes: [UInt8]) -> [LockRow] { TextLine.lines(of: bytes).compactMap { LockRow($0) } }

    /// The locks that a descriptor's `fdinfo` shows: those of its open file, and its process's on that file.
    static func rows(fdinfo bytes: [UInt8]) -> [LockRow] {
        let mark = Array("lock:".utf8)
        return TextLine.lines(of: bytes).filter { $0.starts(with: mark) }
            .compactMap { LockRow($0.dropFirst(mark.count)) }
    }

    /// Whether two lines tell of the same lock.
    func isSame(as other: LockRow) -> Bool {
        family == other.family && isShared == other.isShared && file == other.file && start == other.start
            && end == other.end && isWaiting == other.isWaiting
    }
}

/// Files that processes lock, or map so that others see what they write.
struct LockedFiles {
    let rows: [LockRow]
    private let table: ProcessTable
    private let accounts: Accounts

    init(_ table: ProcessTable, _ accounts: Accounts, isWanted: Bool) {
        self.table = table
        self.accounts = accounts
        rows = isWanted ? LockRow.rows(table.read("locks", limit: 16 << 20) ?? []) : []
    }

    var files: Set<FileKey> { Set(rows.map(\.file)) }

    // MARK: Objects

    func objects(_ scan: DescriptorScan, _ mappings: MappingScan) -> [InspectedObject] {
        var objects: [InspectedObject] = []
        var seen: Set<FileKey> = []
        for (key, found) in scan.found {
            guard case .file = key, let status = found.status, status.kind == .regular, !found.isQueue,
                let path = found.path, Self.isOrdinary(path.bytes), seen.insert(FileKey(status)).inserted
            else { continue }
            objects.append(object(path, status, isLinked: found.isLinked, scan, mappings))
        }
        for (key, found) in mappings.found {
            guard case .file(let file) = key, found.isWritable, Self.isOrdinary(found.path), !seen.contains(file) else {
                continue
            }
            let path = FilePath(bytes: found.path)
            guard let status = try? sysCachedStatus(path, followLinks: false), status.kind == .regular,
                FileKey(status) == file, seen.insert(file).inserted
            else { continue }
            objects.append(object(path, status, isLinked: true, scan, mappings))
        }
        return objects
    }

    /// What other kinds stand for is not listed as a file once more.
    static func isOrdinary(_ path: [UInt8]) -> Bool {
        let others = [
            "/dev/shm/", "/memfd:", "/SYSV", "/dev/zero", "/anon_hugepage", "/dev/mqueue/", "/proc/", "/sys/",
        ]
        return path.first == UInt8(ascii: "/") && !others.contains { path.starts(with: $0.utf8) }
    }

    func object(
        _ path: FilePath, _ status: FileStatus, isLinked: Bool, _ scan: DescriptorScan, _ mappings: MappingScan
    ) -> InspectedObject {
        let key = FileKey(status)
        let open = scan.found[.file(device: status.device, inode: status.inode)]?.holders ?? []
        let mappers = mappings.holders(.file(key), .maps, waits: true)
        let locks = locks(key, open)
        var holders = open + mappers
        for lock in locks {
            let relation: Holder.Relation = lock.isWaiting ? .waitsForLock : .holdsLock
            for process in lock.processes
            where !holders.contains(where: { $0.processID == process && $0.relation == relation }) {
                holders.append(table.holder(process, relation, accounts))
            }
        }
        let details = FileDetails(
            inode: status.inode, device: status.device, sizeBytes: UInt64(clamping: status.size), isLinked: isLinked,
            locks: locks, mappers: mappers.count { $0.relation == .maps })
        var object = InspectedObject(address: .file(path), details: .file(details))
        object.owner = accounts.account(status.user)
        object.groupID = status.group
        object.permissions = FilePermissions(rawValue: UInt32(status.permissions))
        object.usedBytes = UInt64(clamping: status.size)
        object.lastChange = status.modified
        object.holders = holders.sorted { $0.processID < $1.processID }
        object.holdersAreComplete = scan.isComplete && mappings.isComplete
        return object
    }

    // MARK: Who

    private func locks(_ key: FileKey, _ open: [Holder]) -> [InspectedLock] {
        let wanted = rows.filter { $0.file == key }
        if wanted.isEmpty { return [] }
        // Which descriptors show which locks: the only way from a lock of an open file to those who have it.
        let shown = open.flatMap { holder in
            holder.descriptors.flatMap { descriptor in
                LockRow.rows(
                    fdinfo: table.read("\(holder.processID)/fdinfo/\(descriptor.number)", limit: 1 << 20) ?? []
                )
                .map { (holder.processID, $0) }
            }
        }
        let locks = wanted.map { row in
            var processes = row.process.map { [$0] } ?? []
            if row.isWaiting, row.process == nil {
                processes = waitingForOpenFile(open)
            } else if !row.isWaiting, row.family == .openFile || row.family == .flock {
                let holders = shown.filter {
                    $0.1.isSame(as: row) && ($0.1.process == nil || $0.1.process == row.process)
                }
                // The process that took an flock may be gone while its child has it still.
                if !holders.isEmpty { processes = Set(holders.map(\.0)).sorted() }
            }
            return InspectedLock(
                family: row.family, isShared: row.isShared, startBytes: row.start, endBytes: row.end,
                isWaiting: row.isWaiting, processes: processes)
        }
        return locks.filter { !$0.isWaiting } + locks.filter(\.isWaiting)
    }

    private func waitingForOpenFile(_ open: [Holder]) -> [Int32] {
        open.compactMap { holder in
            let descriptors = Set(holder.descriptors.map(\.number))
            let waits = ThreadCalls.of(holder.processID, table).contains { call in
                call.lockedDescriptor.map { descriptors.contains($0) } ?? false
            }
            return waits ? holder.processID : nil
        }
    }
}
