// SPDX-License-Identifier: Apache-2.0
public import Interprocess
import InterprocessSyscalls

/// A limit of the kernel or of this process, and its value now.
public struct Limit: Sendable, Hashable {
    /// Whose limit it is.
    public enum Scope: String, Sendable, Hashable {
        /// The whole system, or this namespace; root raises it with `sysctl(8)`.
        case system
        /// This process; `ulimit`, or systemd's `Limit…=`, sets it.
        case process
    }

    /// What to give to `sysctl(8)` (`"fs.mqueue.msg_max"`), or the name of the resource (`"RLIMIT_NOFILE"`).
    public var name: String
    /// Whose it is.
    public var scope: Scope
    /// The value; nil means that there is no limit.
    public var value: UInt64?
    /// Of a process limit, how far the process may raise it itself; nil means that there is no limit.
    public var ceiling: UInt64?
    /// How much of it is used, where the kernel says.
    public var used: UInt64?
    /// Whether the number counts bytes.
    public var isBytes: Bool
    /// What it limits, in a few words.
    public var meaning: String
    /// The kinds of object that it limits.
    public var kinds: Set<Address.Kind>
}

extension HostView {
    /// The limits that decide how many objects there may be and how much they hold, with their values now.
    ///
    /// - Parameter kinds: only limits of these kinds.
    /// - Returns: the limits in a stable order; those that this kernel does not have are left out.
    public static func limits(kinds: Set<Address.Kind> = HostView.kinds) -> [Limit] {
        LimitReader(table: ProcessTable()).limits().filter { !$0.kinds.isDisjoint(with: kinds) }
    }
}

/// A row of the table of system limits: the file under `/proc/sys` is the name with slashes for dots.
private struct SystemLimit {
    var name: String
    var isBytes: Bool
    var kinds: Set<Address.Kind>
    var meaning: String

    init(_ name: String, bytes: Bool = false, _ kinds: Set<Address.Kind>, _ meaning: String) {
        (self.name, self.isBytes, self.kinds, self.meaning) = (name, bytes, kinds, meaning)
    }
}

struct LimitReader {
    let table: ProcessTable

    private static let pipes: Set<Address.Kind> = [.pipe, .fifo]
    private static let unix: Set<Address.Kind> = [.unix, .unixDatagram, .unixSeqpacket]
    private static let sockets: Set<Address.Kind> = [.unix, .unixDatagram, .unixSeqpacket, .tcp, .udp]

    private static let systemLimits: [SystemLimit] = [
        SystemLimit(
            "fs.pipe-max-size", bytes: true, pipes, "capacity that a process without CAP_SYS_RESOURCE may ask for"),
        SystemLimit(
            "fs.pipe-user-pages-soft", pipes, "pages in all pipes of a user; beyond them new pipes are small; 0 is none"
        ),
        SystemLimit(
            "fs.pipe-user-pages-hard", pipes, "pages in all pipes of a user; beyond them there are none; 0 is none"),
        SystemLimit("fs.mqueue.queues_max", [.mq], "POSIX message queues of this namespace"),
        SystemLimit("fs.mqueue.msg_max", [.mq], "messages that a queue may be made to hold"),
        SystemLimit("fs.mqueue.msgsize_max", bytes: true, [.mq], "message size that a queue may be made for"),
        SystemLimit("fs.mqueue.msg_default", [.mq], "messages that a queue holds unless told otherwise"),
        SystemLimit("fs.mqueue.msgsize_default", bytes: true, [.mq], "message size of a queue unless told otherwise"),
        SystemLimit("kernel.msgmni", [.sysvMsg], "System V message queues of this namespace"),
        SystemLimit("kernel.msgmax", bytes: true, [.sysvMsg], "size of one message"),
        SystemLimit("kernel.msgmnb", bytes: true, [.sysvMsg], "bytes in a new queue"),
        SystemLimit("kernel.shmmni", [.sysvShm], "System V segments of this namespace"),
        SystemLimit("kernel.shmmax", bytes: true, [.sysvShm], "size of one segment"),
        SystemLimit("kernel.shmall", [.sysvShm], "pages in all segments of this namespace"),
        SystemLimit("net.core.somaxconn", [.unix, .unixSeqpacket, .tcp], "backlog that a listener may ask for"),
        SystemLimit("net.unix.max_dgram_qlen", unix, "datagrams, or connections, that wait at a unix socket"),
        SystemLimit("net.core.rmem_default", bytes: true, sockets, "receive buffer of a new socket"),
        SystemLimit("net.core.rmem_max", bytes: true, sockets, "receive buffer that a process may ask for"),
        SystemLimit("net.core.wmem_default", bytes: true, sockets, "send buffer of a new socket"),
        SystemLimit("net.core.wmem_max", bytes: true, sockets, "send buffer that a process may ask for"),
        SystemLimit(
            "net.core.optmem_max", bytes: true, sockets, "control data (descriptors, credentials) of one message"),
        SystemLimit("fs.file-max", HostView.kinds, "open files of the system"),
        SystemLimit("fs.nr_open", HostView.kinds, "how far RLIMIT_NOFILE can be raised"),
        SystemLimit("fs.epoll.max_user_watches", HostView.kinds, "descriptors that a user may watch with epoll"),
        SystemLimit("kernel.pid_max", HostView.kinds, "process ids"),
        SystemLimit("kernel.threads-max", HostView.kinds, "threads of the system"),
    ]

    func limits() -> [Limit] {
        var limits: [Limit] = []
        for row in Self.systemLimits {
            let file = "sys/" + String(row.name.map { $0 == "." ? "/" : $0 })
            guard let text = table.read(file, limit: 256), let value = Self.value(text) else { continue }
            limits.append(
                Limit(
                    name: row.name, scope: .system, value: value, used: used(row.name), isBytes: row.isBytes,
                    meaning: row.meaning, kinds: row.kinds))
        }
        return limits + semaphoreLimits() + memoryLimits() + processLimits()
    }

    static func value(_ bytes: [UInt8]) -> UInt64? { TextLine(bytes.prefix { $0 != 0x0a }).number(0) }

    private func used(_ name: String) -> UInt64? {
        switch name {
        case "kernel.msgmni": table.read("sysvipc/msg", limit: 64 << 20).map { UInt64(SystemVQueues.rows($0).count) }
        case "kernel.shmmni": segments().map { UInt64($0.count) }
        case "kernel.shmall": segments().map { rows in rows.reduce(0) { $0 + ($1.size + 4095) / 4096 } }
        case "fs.file-max": table.read("sys/fs/file-nr", limit: 256).flatMap { Self.value($0) }
        default: nil
        }
    }

    private func segments() -> [SystemVSegmentRow]? {
        table.read("sysvipc/shm", limit: 64 << 20).map { SystemVSegments.rows($0) }
    }

    /// One file with four numbers.
    private func semaphoreLimits() -> [Limit] {
        guard let text = table.read("sys/kernel/sem", limit: 256) else { return [] }
        let line = TextLine(text.prefix { $0 != 0x0a })
        let rows = table.read("sysvipc/sem", limit: 64 << 20).map { SystemVSemaphores.rows($0) }
        let used = [nil, rows.map { $0.reduce(0) { $0 + UInt64($1.count) } }, nil, rows.map { UInt64($0.count) }]
        let meanings = [
            ("semmsl", "semaphores in one set"), ("semmns", "System V semaphores of this namespace"),
            ("semopm", "operations in one group"), ("semmni", "System V semaphore sets of this namespace"),
        ]
        return meanings.enumerated().compactMap { index, row in
            guard let value = line.number(index, as: UInt64.self) else { return nil }
            return Limit(
                name: "kernel.sem (\(row.0))", scope: .system, value: value, used: used[index], isBytes: false,
                meaning: row.1, kinds: [.sysvSem])
        }
    }

    private func memoryLimits() -> [Limit] {
        guard let space = try? sysFileSystemSpace(SharedMemoryObjects.directory), space.total > 0 else { return [] }
        return [
            Limit(
                name: "/dev/shm", scope: .system, value: space.total, used: space.used, isBytes: true,
                meaning: "bytes in all POSIX shared memory and semaphores; mount -o remount,size=… sets it",
                kinds: [.shm, .sem])
        ]
    }

    private func processLimits() -> [Limit] {
        let rows:
            [(resource: ProcessResource, name: String, isBytes: Bool, kinds: Set<Address.Kind>, meaning: String)] = [
                (.descriptors, "RLIMIT_NOFILE", false, HostView.kinds, "open descriptors of this process"),
                (.queueBytes, "RLIMIT_MSGQUEUE", true, [.mq], "bytes in all POSIX message queues that this user made"),
                (.processes, "RLIMIT_NPROC", false, HostView.kinds, "processes and threads of this user"),
                (.pendingSignals, "RLIMIT_SIGPENDING", false, [.mq, .pid, .signal], "queued signals of this user"),
                (
                    .lockedMemory, "RLIMIT_MEMLOCK", true, [.shm, .memfd, .sysvShm, .file],
                    "memory that this process may lock"
                ),
            ]
        return rows.compactMap { row in
            guard let limit = try? sysResourceLimit(row.resource) else { return nil }
            let used: UInt64? =
                switch row.resource {
                case .descriptors: UInt64(max(0, table.entries(of: "self/fd").count - 1))
                case .pendingSignals:
                    table.read("self/status").flatMap { ProcessObjects.line("SigQ", $0) }
                        .flatMap { $0.split(separator: "/").first }.flatMap { UInt64($0) }
                default: nil
                }
            return Limit(
                name: row.name, scope: .process, value: limit.current, ceiling: limit.maximum, used: used,
                isBytes: row.isBytes, meaning: row.meaning, kinds: row.kinds)
        }
    }
}
