// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import SystemPackage

/// POSIX message queues: files of the file system `mqueue`, mounted somewhere or nowhere.
enum PosixQueues {
    /// MQUEUE_MAGIC.
    static let fileSystemType: UInt32 = 0x1980_0202

    /// The line that reading the file of a queue gives.
    struct Status: Equatable {
        var bytes: UInt64
        var notifiedProcess: Int32?
        var notificationSignal: Int32?
    }

    static func objects(
        _ table: ProcessTable, _ scan: DescriptorScan, _ accounts: Accounts
    ) -> (objects: [InspectedObject], missing: [MissingPart]) {
        var objects: [InspectedObject] = []
        var missing: [MissingPart] = []
        var seen: Set<UInt64> = []
        if let directory = openDirectory(table) {
            defer { try? sysClose(directory) }
            for entry in ProcessTable.entries(of: directory) {
                guard let name = objectName(entry.name), let object = object(name, in: directory, scan, accounts) else {
                    continue
                }
                if case .messageQueue(let details) = object.details { seen.insert(details.inode) }
                objects.append(object)
            }
        } else {
            missing.append(
                MissingPart(
                    what: "POSIX message queues that nobody has open",
                    remedy: "CAP_SYS_ADMIN, or the file system mqueue mounted on /dev/mqueue", kinds: [.mq]))
        }
        for (key, found) in scan.found {
            guard case .file(_, let inode) = key, !seen.contains(inode), found.isQueue,
                let object = object(found, inode, scan, accounts)
            else { continue }
            objects.append(object)
        }
        return (objects, missing)
    }

    static func objectName(_ bytes: [UInt8]) -> ObjectName? {
        guard let text = String(validating: bytes, as: UTF8.self) else { return nil }
        return try? ObjectName("/" + text)
    }

    // MARK: Where the files are

    /// The queues of this IPC namespace as a directory: a mount of our own that hangs nowhere, else one in the tree.
    static func openDirectory(_ table: ProcessTable) -> CInt? {
        if let mount = try? sysDetachedMount("mqueue") {
            defer { try? sysClose(mount) }
            if let directory = try? sysOpen(at: mount, ".", flags: InspectionOpen.directory) { return directory }
        }
        guard let mounts = table.read("self/mountinfo", limit: 16 << 20) else { return nil }
        for point in mountPoints(mountInfo: mounts) {
            guard (try? sysFileSystemType(point)) == fileSystemType,
                let directory = try? sysOpen(point, flags: InspectionOpen.directory)
            else { continue }
            if isOfThisNamespace(directory) { return directory }
            try? sysClose(directory)
        }
        return nil
    }

    /// Where `mqueue` is mounted, as `/proc/self/mountinfo` tells it.
    static func mountPoints(mountInfo bytes: [UInt8]) -> [FilePath] {
        TextLine.lines(of: bytes).compactMap { line in
            let words = TextLine(line).words
            guard let dash = words.firstIndex(of: [UInt8(ascii: "-")]), dash + 1 < words.count, words.count > 4,
                words[dash + 1].elementsEqual("mqueue".utf8)
            else { return nil }
            return FilePath(bytes: unescaped(words[4]))
        }
    }

    /// Spaces and the like stand as three octal digits after a backslash.
    static func unescaped(_ word: ArraySlice<UInt8>) -> [UInt8] {
        var bytes: [UInt8] = []
        var rest = word
        while let first = rest.first {
            if first == UInt8(ascii: "\\"), rest.count >= 4,
                let value = parseNumber(rest.dropFirst().prefix(3), radix: 8, as: UInt8.self)
            {
                bytes.append(value)
                rest = rest.dropFirst(4)
            } else {
                bytes.append(first)
                rest = rest.dropFirst()
            }
        }
        return bytes
    }

    /// A mount that came with a container shows the queues of where it was made: the name must lead to the same file.
    private static func isOfThisNamespace(_ directory: CInt) -> Bool {
        for entry in ProcessTable.entries(of: directory) {
            guard let there = try? sysStatus(at: directory, FilePath(bytes: entry.name)) else { continue }
            do throws(Errno) {
                let queue = try sysInspectOpenQueue(String(decoding: entry.name, as: UTF8.self))
                defer { try? sysClose(queue) }
                let here = try sysStatus(queue)
                return here.device == there.device && here.inode == there.inode
            } catch  where error == .noSuchFileOrDirectory {
                return (try? sysStatus(at: directory, FilePath(bytes: entry.name))) == nil
            } catch {
                continue
            }
        }
        return true
    }

    // MARK: One queue

    private static func object(
        _ name: ObjectName, in directory: CInt, _ scan: DescriptorScan, _ accounts: Accounts
    ) -> InspectedObject? {
        let file = FilePath(String(name.description.dropFirst()))
        guard let status = try? sysStatus(at: directory, file), status.kind == .regular else { return nil }
        let queue = try? sysOpen(at: directory, file, flags: InspectionOpen.reading)
        defer { if let queue { try? sysClose(queue) } }
        return object(name, status, queue, isLinked: true, scan, accounts)
    }

    /// A queue that is only known because somebody has it open.
    private static func object(
        _ found: DescriptorScan.Found, _ inode: UInt64, _ scan: DescriptorScan, _ accounts: Accounts
    ) -> InspectedObject? {
        guard let status = found.status, let last = found.path?.lastComponent,
            let name = objectName(Array(last.string.utf8)), let holder = found.holders.first,
            let number = holder.descriptors.first?.number,
            let place = try? sysOpen(FilePath("/proc/\(holder.processID)/fd/\(number)"), flags: InspectionOpen.location)
        else { return nil }
        defer { try? sysClose(place) }
        var queue: CInt?
        if let there = try? sysStatus(place), there.inode == inode, there.device == status.device {
            queue = try? sysOpen(FilePath("/proc/self/fd/\(place)"), flags: InspectionOpen.reading)
        }
        defer { if let queue { try? sysClose(queue) } }
        return object(name, status, queue, isLinked: found.isLinked, scan, accounts)
    }

    /// - Parameter queue: a descriptor for reading; nil if we may not have one.
    static func object(
        _ name: ObjectName, _ status: FileStatus, _ queue: CInt?, isLinked: Bool, _ scan: DescriptorScan,
        _ accounts: Accounts
    ) -> InspectedObject {
        let attributes = queue.flatMap { try? sysInspectQueue($0) }
        let line = queue.flatMap { try? sysReadFile($0, limit: 256) }.flatMap { Self.status($0) }
        let details = MessageQueueDetails(
            inode: status.inode, device: status.device, maxMessages: attributes?.maxMessages,
            messageSizeBytes: attributes?.messageSize, messages: attributes?.messages,
            notifiedProcess: line?.notifiedProcess, notificationSignal: line?.notificationSignal, isLinked: isLinked)
        var object = InspectedObject(address: .messageQueue(name), details: .messageQueue(details))
        object.owner = accounts.account(status.user)
        object.groupID = status.group
        object.permissions = FilePermissions(rawValue: UInt32(status.permissions))
        object.lastChange = status.modified
        object.usedCount = attributes.map { UInt64(clamping: $0.messages) }
        object.limitCount = attributes.map { UInt64(clamping: $0.maxMessages) }
        object.usedBytes = line?.bytes
        object.limitBytes = attributes.map {
            UInt64(clamping: $0.maxMessages).multipliedReportingOverflow(by: UInt64(clamping: $0.messageSize))
                .partialValue
        }
        object.holders = scan.found[.file(device: status.device, inode: status.inode)]?.holders ?? []
        object.holdersAreComplete = scan.isComplete
        return object
    }

    /// `QSIZE:129     NOTIFY:0     SIGNO:10    NOTIFY_PID:8260`.
    static func status(_ bytes: [UInt8]) -> Status? {
        var values: [String: Int64] = [:]
        for word in TextLine(bytes.prefix { $0 != 0x0a }).words {
            let parts = word.split(separator: UInt8(ascii: ":"), maxSplits: 1)
            guard parts.count == 2, let value = parseNumber(parts[1], as: Int64.self) else { continue }
            values[String(decoding: parts[0], as: UTF8.self)] = value
        }
        guard let size = values["QSIZE"] else { return nil }
        let process = values["NOTIFY_PID"].flatMap { $0 > 0 ? Int32(exactly: $0) : nil }
        let signal = values["SIGNO"].flatMap { $0 > 0 ? Int32(exactly: $0) : nil }
        return Status(
            bytes: UInt64(clamping: size), notifiedProcess: process,
            notificationSignal: process != nil && values["NOTIFY"] == 0 ? signal : nil)
    }
}
