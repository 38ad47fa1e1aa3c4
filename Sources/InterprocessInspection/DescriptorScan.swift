// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import SystemPackage

/// Who has what open: one walk over the descriptors of every process.
struct DescriptorScan {
    /// What makes two descriptors the same object.
    enum Key: Hashable {
        case pipe(UInt64)
        case socket(UInt64)
        case file(device: UInt64, inode: UInt64)
        case eventCounter(UInt64)
    }

    struct Found {
        var holders: [Holder] = []
        /// Of a file: the path that the kernel shows, whether it is still there, and what it is.
        var path: FilePath?
        var isLinked = true
        var status: FileStatus?
        /// Whether it is a file of the file system of POSIX queues.
        var isQueue = false
    }

    /// Which descriptors to look at more closely.
    struct Wanted {
        var pipes = false
        var namedPipes = false
        var sockets = false
        var queues = false
        var eventCounters = false
        /// Files in `/dev/shm` and memory without a name.
        var memory = false
        /// These files, whatever they are.
        var files: Set<FileKey> = []

        init(_ kinds: Set<Address.Kind>) {
            pipes = kinds.contains(.pipe)
            namedPipes = kinds.contains(.fifo)
            sockets = kinds.contains { $0.isSocket }
            queues = kinds.contains(.mq)
            eventCounters = kinds.contains(.eventfd)
            memory = kinds.contains { $0 == .shm || $0 == .memfd || $0 == .sem }
        }

        var isAnything: Bool {
            pipes || namedPipes || sockets || queues || eventCounters || memory || !files.isEmpty
        }
    }

    private(set) var found: [Key: Found] = [:]
    /// Processes that have descriptors that we may not see.
    private(set) var unreadable = 0
    /// Processes that do not let even CAP_SYS_PTRACE look at them.
    private(set) var shielded = 0
    /// Whether /proc hides processes of other users.
    private(set) var hidesProcesses = false

    var isComplete: Bool { unreadable == 0 && !hidesProcesses }

    private let table: ProcessTable
    private let wanted: Wanted
    private let accounts: Accounts

    init(_ table: ProcessTable, _ wanted: Wanted, _ accounts: Accounts) {
        self.table = table
        self.wanted = wanted
        self.accounts = accounts
        guard wanted.isAnything else { return }
        let processes = table.processIDs().sorted()
        hidesProcesses = !processes.contains(1)
        for process in processes {
            if !scan(process), table.hasDescriptors(process) { unreadable += 1 }
        }
        if unreadable > 0, table.mayTrace() { swap(&shielded, &unreadable) }
    }

    /// - Returns: false if we were not let.
    private mutating func scan(_ process: Int32) -> Bool {
        let directory: CInt
        do throws(Errno) {
            directory = try sysOpen(table.path("\(process)/fd"), flags: InspectionOpen.directory)
        } catch {
            // Gone while we walked: normal.
            return error != .permissionDenied && error != .notPermitted
        }
        defer { try? sysClose(directory) }
        var identity: Holder?
        for entry in ProcessTable.entries(of: directory) {
            guard let number = parseNumber(entry.name[...], as: Int32.self) else { continue }
            let name = FilePath(bytes: entry.name)
            let link: [UInt8]
            do throws(Errno) { link = try sysReadLink(at: directory, name) } catch {
                if error == .permissionDenied || error == .notPermitted { return false }
                continue
            }
            guard let (key, seen) = classify(link, directory, name, process) else { continue }
            // The link's own mode says which ways the descriptor goes.
            let mode = (try? sysStatus(at: directory, name))?.permissions ?? 0
            let descriptor = Holder.Descriptor(
                number: number, canRead: mode & 0o400 != 0, canWrite: mode & 0o200 != 0)
            if identity == nil { identity = table.holder(process, .open, accounts) }
            if let identity { add(descriptor, of: identity, to: key, seen) }
        }
        return true
    }

    private mutating func add(_ descriptor: Holder.Descriptor, of identity: Holder, to key: Key, _ seen: Found) {
        var object = found.removeValue(forKey: key) ?? seen
        if object.holders.last?.processID == identity.processID {
            let last = object.holders.count - 1
            object.holders[last].descriptors.append(descriptor)
            object.holders[last].descriptors.sort { $0.number < $1.number }
        } else {
            var holder = identity
            holder.descriptors = [descriptor]
            object.holders.append(holder)
        }
        found[key] = object
    }

    // MARK: Classification

    private func classify(
        _ link: [UInt8], _ directory: CInt, _ name: FilePath, _ process: Int32
    ) -> (Key, Found)? {
        switch link.first {
        case UInt8(ascii: "p"):
            guard wanted.pipes, let inode = bracketed(link, after: "pipe:") else { return nil }
            return (.pipe(inode), Found(status: try? sysCachedStatus(at: directory, name, followLinks: true)))
        case UInt8(ascii: "s"):
            guard wanted.sockets, let inode = bracketed(link, after: "socket:") else { return nil }
            return (.socket(inode), Found())
        case UInt8(ascii: "a"):
            guard wanted.eventCounters, link == Array("anon_inode:[eventfd]".utf8),
                let info = table.read("\(process)/fdinfo/\(name.string)", limit: 4096),
                let id = EventCounters.id(fdinfo: info)
            else { return nil }
            return (.eventCounter(id), Found())
        case UInt8(ascii: "/"):
            return classifyFile(link, directory, name)
        default:
            return nil
        }
    }

    private func classifyFile(_ link: [UInt8], _ directory: CInt, _ name: FilePath) -> (Key, Found)? {
        let isAskedFor = wanted.namedPipes || wanted.queues || wanted.memory || !wanted.files.isEmpty
        guard isAskedFor, !Self.isNeverInteresting(link) else { return nil }
        guard let status = try? sysCachedStatus(at: directory, name, followLinks: true) else { return nil }
        let isWanted: Bool
        var isQueue = false
        switch status.kind {
        case .fifo: isWanted = wanted.namedPipes
        case .regular:
            let isMemory = Self.isMemory(link)
            isQueue = !isMemory && wanted.queues && Self.isQueue(link, directory, name)
            isWanted = isQueue || isMemory && wanted.memory || wanted.files.contains(FileKey(status))
        default: isWanted = false
        }
        guard isWanted else { return nil }
        let (path, saysDeleted) = Self.withoutDeletedMark(link)
        var isLinked = !saysDeleted
        if status.kind == .fifo {
            // A path is only as good as what it leads to now; it is a path of that process's tree, perhaps not of ours.
            let there = try? sysCachedStatus(FilePath(bytes: path), followLinks: false)
            isLinked = there.map { $0.device == status.device && $0.inode == status.inode } ?? false
        }
        let seen = Found(path: FilePath(bytes: path), isLinked: isLinked, status: status, isQueue: isQueue)
        return (.file(device: status.device, inode: status.inode), seen)
    }

    static func withoutDeletedMark(_ link: [UInt8]) -> (path: [UInt8], saysDeleted: Bool) {
        let mark = Array(" (deleted)".utf8)
        guard link.count > mark.count, link.suffix(mark.count).elementsEqual(mark) else { return (link, false) }
        return (Array(link.dropLast(mark.count)), true)
    }

    private static func isNeverInteresting(_ link: [UInt8]) -> Bool {
        link == Array("/dev/null".utf8) || link.starts(with: Array("/dev/pts/".utf8))
    }

    private static func isMemory(_ link: [UInt8]) -> Bool {
        link.starts(with: "/dev/shm/".utf8) || link.starts(with: "/memfd:".utf8)
    }

    /// mqueue files look like ordinary ones; their file system tells.
    private static func isQueue(_ link: [UInt8], _ directory: CInt, _ name: FilePath) -> Bool {
        guard let place = try? sysOpen(at: directory, name, flags: InspectionOpen.location) else { return false }
        defer { try? sysClose(place) }
        return (try? sysFileSystemType(FilePath("/proc/self/fd/\(place)"))) == PosixQueues.fileSystemType
    }

    // MARK: What is missing

    func missing(for kinds: Set<Address.Kind>) -> [MissingPart] {
        var parts: [MissingPart] = []
        if unreadable > 0 {
            let processes = unreadable == 1 ? "1 process" : "\(unreadable) processes"
            parts.append(
                MissingPart(
                    what: "the open descriptors of \(processes) of other users", remedy: "CAP_SYS_PTRACE, or root",
                    kinds: kinds.subtracting([.sysvMsg, .sysvSem, .sysvShm, .pid])))
        }
        if hidesProcesses {
            parts.append(
                MissingPart(
                    what: "processes of other users, which /proc hides (hidepid)",
                    remedy: "CAP_SYS_PTRACE, or the group that /proc is mounted with (gid=)", kinds: kinds))
        }
        return parts
    }
}
