// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import SystemPackage

/// The tree of /proc, or of a copy of one: everything about processes is read through here.
struct ProcessTable {
    var root: FilePath = "/proc"

    func path(_ relative: String) -> FilePath { FilePath(root.string + "/" + relative) }

    func read(_ relative: String, limit: Int = 65_536) -> [UInt8]? {
        try? sysReadFile(path(relative), limit: limit)
    }

    /// The ids of the processes that are shown to us, in no order.
    func processIDs() -> [Int32] {
        entries(of: "").compactMap { parseNumber($0.name[...], as: Int32.self) }.filter { $0 > 0 }
    }

    /// The entries of a directory; none if it is gone or not ours to read.
    func entries(of relative: String) -> [DirectoryEntry] {
        guard let directory = try? sysOpen(path(relative), flags: InspectionOpen.directory) else { return [] }
        defer { try? sysClose(directory) }
        return Self.entries(of: directory)
    }

    static func entries(of directory: CInt, limit: Int = 4_000_000) -> [DirectoryEntry] {
        var all: [DirectoryEntry] = []
        while all.count < limit, let some = try? sysReadDirectory(directory) { all += some }
        return all
    }

    /// The short name of the program; nil if the process is gone.
    func command(_ process: Int32) -> String? {
        guard let bytes = read("\(process)/comm", limit: 256) else { return nil }
        return String(decoding: bytes.prefix { $0 != 0x0a }, as: UTF8.self)
    }

    /// The effective user; nil if the process is gone.
    func user(_ process: Int32) -> UInt32? {
        guard let bytes = read("\(process)/status") else { return nil }
        return Self.effectiveUser(status: bytes)
    }

    static func effectiveUser(status bytes: [UInt8]) -> UInt32? {
        for line in TextLine.lines(of: bytes) where line.starts(with: Array("Uid:".utf8)) {
            return TextLine(line).number(2)
        }
        return nil
    }

    /// Whether a process has descriptors at all: threads of the kernel and the dead that nobody waited for have none.
    func hasDescriptors(_ process: Int32) -> Bool {
        guard let bytes = read("\(process)/stat", limit: 4096) else { return false }
        return Self.hasDescriptors(stat: bytes)
    }

    static func hasDescriptors(stat bytes: [UInt8]) -> Bool {
        // The name in parentheses may hold anything; what follows the last one is words.
        guard let end = bytes.lastIndex(of: UInt8(ascii: ")")) else { return false }
        let line = TextLine(bytes[(end + 1)...])
        guard let state = line.text(0), let flags = line.number(6, as: UInt64.self) else { return true }
        let isKernelThread = flags & 0x0020_0000 != 0
        return !isKernelThread && state != "Z" && state != "X"
    }

    /// When a process started, in seconds since 1970; nil if it is gone or hidden.
    func startTime(_ process: Int32) -> Int64? {
        guard let stat = read("\(process)/stat", limit: 4096), let ticks = Self.startTicks(stat: stat),
            let text = read("stat", limit: 4 << 20), let boot = Self.bootTime(stat: text)
        else { return nil }
        // USER_HZ is 100 on every architecture that Swift runs on.
        return boot + Int64(clamping: ticks / 100)
    }

    static func startTicks(stat bytes: [UInt8]) -> UInt64? {
        guard let end = bytes.lastIndex(of: UInt8(ascii: ")")) else { return nil }
        return TextLine(bytes[(end + 1)...]).number(19)
    }

    static func bootTime(stat bytes: [UInt8]) -> Int64? {
        for line in TextLine.lines(of: bytes) where line.starts(with: Array("btime ".utf8)) {
            return TextLine(line).number(1)
        }
        return nil
    }

    /// Whether this process may look at those of other users. One that refuses all the same is shielded by something
    /// that no capability of ours overrides (a security module, a sandbox around us).
    func mayTrace() -> Bool {
        guard let bytes = read("thread-self/status"), let mask = fieldValue("CapEff", in: bytes),
            let capabilities = parseNumber(mask, radix: 16, as: UInt64.self)
        else { return false }
        return capabilities & 1 << 19 != 0  // CAP_SYS_PTRACE
    }

    func exists(_ process: Int32) -> Bool {
        (try? sysStatus(path("\(process)"), followLinks: false)) != nil
    }

    /// A holder with its name and user filled in.
    func holder(_ process: Int32, _ relation: Holder.Relation, _ accounts: Accounts) -> Holder {
        let command = command(process)
        return Holder(
            processID: process, command: command, user: accounts.account(user(process)), relation: relation,
            descriptors: [], isAlive: command != nil || exists(process))
    }
}
