// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import SystemPackage

/// A file as the kernel's own tables name it: `fe:00:16221075` in `/proc/locks`, two words in `/proc/PID/maps`.
struct FileKey: Hashable {
    /// 12 bits of major and 20 of minor number.
    var device: UInt32
    var inode: UInt64

    init(device: UInt32, inode: UInt64) {
        self.device = device
        self.inode = inode
    }

    init(_ status: FileStatus) { self.init(device: status.kernelDevice, inode: status.inode) }

    /// Two hexadecimal numbers.
    init?(major: ArraySlice<UInt8>, minor: ArraySlice<UInt8>, inode: ArraySlice<UInt8>) {
        guard let major = parseNumber(major, radix: 16, as: UInt32.self),
            let minor = parseNumber(minor, radix: 16, as: UInt32.self), let inode = parseNumber(inode, as: UInt64.self)
        else { return nil }
        self.init(device: major << 20 | minor & 0xf_ffff, inode: inode)
    }
}

/// Who has what in its memory so that others see it: one walk over the mappings of every process.
struct MappingScan {
    /// What makes two mappings the same object.
    enum Key: Hashable {
        case file(FileKey)
        /// A System V segment by its id.
        case segment(Int32)
    }

    struct Mapper {
        var process: Int32
        var ranges: [Range<UInt64>]
        var bytes: UInt64 { ranges.reduce(0) { $0 + ($1.upperBound - $1.lowerBound) } }
    }

    struct Found {
        /// As the kernel shows it, without the mark of what was removed.
        var path: [UInt8]
        var isLinked: Bool
        /// Whether somebody may write to it so.
        var isWritable: Bool
        var mappers: [Mapper]
    }

    /// A line of `/proc/PID/maps` that is shared.
    struct Row: Equatable {
        var range: Range<UInt64>
        var file: FileKey
        var path: [UInt8]
        var isLinked: Bool
        var isWritable: Bool
    }

    private(set) var found: [Key: Found] = [:]
    /// Processes whose mappings we may not see.
    private(set) var unreadable = 0
    /// Whether /proc hides processes of other users.
    private(set) var hidesProcesses = false
    private let table: ProcessTable
    private let accounts: Accounts

    var isComplete: Bool { unreadable == 0 && !hidesProcesses }

    /// - Parameter isWanted: false walks over nothing.
    init(_ table: ProcessTable, _ accounts: Accounts, isWanted: Bool) {
        self.table = table
        self.accounts = accounts
        guard isWanted else { return }
        let namespace = try? sysReadLink(table.path("self/ns/ipc"))
        let processes = table.processIDs().sorted()
        hidesProcesses = !processes.contains(1)
        for process in processes {
            let text: [UInt8]
            do throws(Errno) { text = try sysReadFile(table.path("\(process)/maps"), limit: 64 << 20) } catch {
                if error == .permissionDenied || error == .notPermitted, table.hasDescriptors(process) {
                    unreadable += 1
                }
                continue
            }
            for row in Self.rows(text) {
                if let id = Self.segment(row) {
                    // The ids of another namespace mean other segments.
                    guard (try? sysReadLink(table.path("\(process)/ns/ipc"))) == namespace else { continue }
                    add(process, row, to: .segment(id))
                } else {
                    add(process, row, to: .file(row.file))
                }
            }
        }
        // What even CAP_SYS_PTRACE may not see, no privilege would show.
        if unreadable > 0, table.mayTrace() { unreadable = 0 }
    }

    private mutating func add(_ process: Int32, _ row: Row, to key: Key) {
        var object =
            found.removeValue(forKey: key)
            ?? Found(path: row.path, isLinked: row.isLinked, isWritable: false, mappers: [])
        if row.isWritable { object.isWritable = true }
        if object.mappers.last?.process == process {
            object.mappers[object.mappers.count - 1].ranges.append(row.range)
        } else {
            object.mappers.append(Mapper(process: process, ranges: [row.range]))
        }
        found[key] = object
    }

    /// The files that somebody maps so as to write to them; read-only mappings are those of fonts and caches.
    var ordinaryFiles: Set<FileKey> {
        Set(
            found.compactMap { key, found in
                guard case .file(let file) = key, found.isWritable, LockedFiles.isOrdinary(found.path) else {
                    return nil
                }
                return file
            })
    }

    /// Those who map an object, and of them those who wait for a word in it.
    func holders(_ key: Key, _ relation: Holder.Relation, waits: Bool) -> [Holder] {
        let mappers = found[key]?.mappers ?? []
        var holders = mappers.map { mapper in
            var holder = table.holder(mapper.process, relation, accounts)
            holder.mappedBytes = mapper.bytes
            return holder
        }
        guard waits else { return holders }
        for mapper in mappers where ThreadCalls.of(mapper.process, table).contains(where: { $0.waits(in: mapper) }) {
            holders.append(table.holder(mapper.process, .waits, accounts))
        }
        return holders
    }

    func missing(for kinds: Set<Address.Kind>) -> [MissingPart] {
        guard unreadable > 0 else { return [] }
        let processes = unreadable == 1 ? "1 process" : "\(unreadable) processes"
        return [
            MissingPart(
                what: "the memory of \(processes) of other users", remedy: "CAP_SYS_PTRACE, or root",
                kinds: kinds.intersection([.shm, .sysvShm, .memfd, .sem, .file]))
        ]
    }

    // MARK: Lines

    /// The shared mappings of files in `/proc/PID/maps`; what does not fit the format is left out.
    static func rows(_ bytes: [UInt8]) -> [Row] {
        TextLine.lines(of: bytes).compactMap { line in
            // 7f680b55d000-7f680b55e000 rw-s 00000000 fe:00 16221075      /tmp/a file (deleted)
            let words = line.split(separator: 0x20, maxSplits: 5, omittingEmptySubsequences: true)
            guard words.count == 6, words[1].count == 4, words[1].last == UInt8(ascii: "s") else { return nil }
            let ends = words[0].split(separator: UInt8(ascii: "-"))
            let device = words[3].split(separator: UInt8(ascii: ":"))
            guard ends.count == 2, device.count == 2, let start = parseNumber(ends[0], radix: 16, as: UInt64.self),
                let end = parseNumber(ends[1], radix: 16, as: UInt64.self), start < end,
                let file = FileKey(major: device[0], minor: device[1], inode: words[4]),
                file.inode != 0 || file.device != 0
            else { return nil }
            let path = Array(words[5].drop { $0 == 0x20 })
            guard path.first == UInt8(ascii: "/") else { return nil }
            let (bare, saysDeleted) = DescriptorScan.withoutDeletedMark(path)
            let isWritable = words[1].dropFirst().first == UInt8(ascii: "w")
            return Row(range: start..<end, file: file, path: bare, isLinked: !saysDeleted, isWritable: isWritable)
        }
    }

    /// The id of a System V segment, whose "file" is called `/SYSV0000002a` and has the id as inode.
    static func segment(_ row: Row) -> Int32? {
        guard row.path.count == 13, row.path.starts(with: "/SYSV".utf8), !row.isLinked else { return nil }
        return Int32(exactly: row.file.inode)
    }
}

/// The calls in which the threads of a process are.
struct ThreadCalls {
    /// A line of `/proc/PID/task/TID/syscall`: a number and six arguments.
    struct Call: Equatable {
        var number: Int
        var arguments: [UInt64]

        init?(_ bytes: [UInt8]) {
            let line = TextLine(bytes.prefix { $0 != 0x0a })
            guard let number = line.number(0, as: Int.self), line.words.count >= 7 else { return nil }
            self.number = number
            arguments = line.words[1...6].map { word in
                word.starts(with: "0x".utf8) ? parseNumber(word.dropFirst(2), radix: 16, as: UInt64.self) ?? 0 : 0
            }
        }

        /// Whether it waits in futex(2) for a word of what `mapper` has mapped.
        func waits(in mapper: MappingScan.Mapper) -> Bool {
            number == WaitingCall.futex && mapper.ranges.contains { $0.contains(arguments[0]) }
        }

        /// The semaphore set that it waits on.
        var semaphoreSet: Int32? {
            guard number == WaitingCall.semaphoreOperation || number == WaitingCall.timedSemaphoreOperation else {
                return nil
            }
            return Int32(truncatingIfNeeded: arguments[0])
        }

        /// The descriptor on whose file it waits for a lock of the open file.
        var lockedDescriptor: Int32? {
            guard number == WaitingCall.control, arguments[1] == WaitingCall.lockOpenFile else { return nil }
            return Int32(truncatingIfNeeded: arguments[0])
        }
    }

    /// Of one process; none if it is gone or not ours to look at.
    static func of(_ process: Int32, _ table: ProcessTable) -> [Call] {
        table.entries(of: "\(process)/task").compactMap { task in
            let name = String(decoding: task.name, as: UTF8.self)
            return table.read("\(process)/task/\(name)/syscall", limit: 256).flatMap { Call($0) }
        }
    }
}
