// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import SystemPackage

/// Processes as objects: what `/proc/PID/status` says of each.
struct ProcessObjects {
    let table: ProcessTable
    let accounts: Accounts

    func objects() -> [InspectedObject] { table.processIDs().sorted().compactMap { object($0) } }

    /// nil if there is none of that number.
    func object(_ process: Int32) -> InspectedObject? {
        guard let status = table.read("\(process)/status"), let name = Self.line("Name", status) else { return nil }
        // The number of a thread leads to its process's files too; it is no process of its own.
        guard Self.number("Tgid", status) == Int64(process) else { return nil }
        let queue = (Self.line("SigQ", status) ?? "").split(separator: "/").compactMap { UInt64($0) }
        let started = table.startTime(process)
        let details = ProcessDetails(
            processID: process, command: name, arguments: arguments(process), state: Self.state(status),
            parent: Int32(clamping: Self.number("PPid", status) ?? 0),
            threads: Int(Self.number("Threads", status) ?? 1),
            tracer: Self.number("TracerPid", status).flatMap { $0 > 0 ? Int32(clamping: $0) : nil }, startedAt: started,
            pendingSignals: Self.signals("ShdPnd", status), threadPendingSignals: Self.signals("SigPnd", status),
            blockedSignals: Self.signals("SigBlk", status), ignoredSignals: Self.signals("SigIgn", status),
            caughtSignals: Self.signals("SigCgt", status), queuedSignals: queue.first,
            queuedSignalLimit: queue.count > 1 ? queue[1] : nil, descriptors: descriptors(process))
        var object = InspectedObject(address: .process(process), details: .process(details))
        object.owner = accounts.account(ProcessTable.effectiveUser(status: status))
        object.lastChange = started
        return object
    }

    private func arguments(_ process: Int32) -> [String]? {
        table.read("\(process)/cmdline", limit: 1 << 20).map { bytes in
            var words = bytes.split(separator: 0, omittingEmptySubsequences: false)
            if words.last?.isEmpty == true { words.removeLast() }
            return words.map { String(decoding: $0, as: UTF8.self) }
        }
    }

    private func descriptors(_ process: Int32) -> Int? {
        guard let open = try? sysOpen(table.path("\(process)/fd"), flags: InspectionOpen.directory) else { return nil }
        defer { try? sysClose(open) }
        return ProcessTable.entries(of: open).count
    }

    // MARK: Lines

    /// All that follows `name:`.
    static func line(_ name: String, _ status: [UInt8]) -> String? {
        let mark = Array((name + ":").utf8)
        for line in TextLine.lines(of: status) where line.starts(with: mark) {
            let value = line.dropFirst(mark.count).drop { $0 == 0x20 || $0 == 0x09 }
            return String(decoding: value, as: UTF8.self)
        }
        return nil
    }

    static func number(_ name: String, _ status: [UInt8]) -> Int64? { line(name, status).flatMap { Int64($0) } }

    /// `S (sleeping)` is `sleeping`.
    static func state(_ status: [UInt8]) -> String {
        let text = line("State", status) ?? ""
        guard let open = text.firstIndex(of: "("), let close = text.lastIndex(of: ")"), open < close else {
            return text
        }
        return String(text[text.index(after: open)..<close])
    }

    /// A mask: bit 0 is signal 1.
    static func signals(_ name: String, _ status: [UInt8]) -> [Int32] {
        guard let text = line(name, status), let mask = UInt64(text, radix: 16) else { return [] }
        return (1...64).filter { mask & 1 << UInt64($0 - 1) != 0 }.map(Int32.init)
    }
}
