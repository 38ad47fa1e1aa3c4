// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import SystemPackage

/// One system call that had to do with another process, from its beginning to its end.
struct TraceRecord {
    var process: Int32
    var thread: Int32
    var call: String
    /// Which object: an address where the kind has one.
    var object: String?
    /// The other side, where the call names it.
    var peer: String?
    /// What else there is to be known, in a few words.
    var detail: String?
    /// Bytes that went through.
    var bytes: Int64?
    var result: SystemCallResult?
    var waitedNanoseconds: UInt64
    /// When it began, in nanoseconds since 1970.
    var began: UInt64

    var json: JSON {
        var members: [(String, JSON)] = [
            ("schema", .integer(1)), ("time", .time(nanoseconds: began)), ("pid", .integer(Int64(process))),
        ]
        if thread != process { members.append(("thread", .integer(Int64(thread)))) }
        members.append(("call", .string(call)))
        if let object {
            members.append(((try? Address(object)) != nil ? "address" : "object", .string(object)))
        }
        if let peer { members.append(("peer", .string(peer))) }
        if let detail { members.append(("detail", .string(detail))) }
        if let bytes { members.append(("bytes", .integer(bytes))) }
        if let result {
            if let errno = result.errno {
                members.append(("errno", .string(errnoName(errno))))
            } else {
                members.append(("result", .integer(result.rawValue)))
            }
        }
        members.append(("waitedNanoseconds", .unsigned(waitedNanoseconds)))
        return .object(members)
    }

    /// `812  write  pipe:[4711]  65536 bytes, 1.2 ms`
    var line: String {
        var text = String(process).padded(to: 7, right: true) + "  " + call.padded(to: 15) + "  "
        text += object ?? "-"
        if let peer { text += " → \(peer)" }
        if let detail { text += " (\(detail))" }
        if let errno = result?.errno {
            text += ": " + errnoName(errno)
        } else if let bytes {
            text += ": \(bytes) bytes"
        } else if let result {
            text += ": \(result.rawValue)"
        } else {
            text += ": never returned"
        }
        if waitedNanoseconds >= 100_000 { text += ", \(TraceRecord.time(waitedNanoseconds))" }
        return text.printable
    }

    private func errnoName(_ errno: Errno) -> String {
        switch errno.rawValue {
        case 512...516: "ERESTARTSYS"
        default: Failure.name(of: errno)
        }
    }

    /// `12 µs`, `3.4 ms`, `1.2 s`.
    static func time(_ nanoseconds: UInt64) -> String {
        switch nanoseconds {
        case ..<1_000_000: "\(nanoseconds / 1000) µs"
        case ..<1_000_000_000: Cell.fixed(Double(nanoseconds) / 1e6, 1) + " ms"
        default: Cell.fixed(Double(nanoseconds) / 1e9, 2) + " s"
        }
    }
}

/// The same calls on the same object, added up.
struct TraceSummary {
    struct Entry {
        var calls: UInt64 = 0
        var failures: UInt64 = 0
        var bytesOut: Int64 = 0
        var bytesIn: Int64 = 0
        var waited: UInt64 = 0
        var names: [String: UInt64] = [:]
        var processes: Set<Int32> = []
    }

    private(set) var entries: [String: Entry] = [:]

    mutating func add(_ record: TraceRecord) {
        var entry = entries[record.object ?? "-"] ?? Entry()
        entry.calls += 1
        if record.result?.isError ?? false { entry.failures += 1 }
        if let bytes = record.bytes {
            if TraceCallTable.sends.contains(record.call) { entry.bytesOut += bytes } else { entry.bytesIn += bytes }
        }
        entry.waited += record.waitedNanoseconds
        entry.names[record.call, default: 0] += 1
        entry.processes.insert(record.process)
        entries[record.object ?? "-"] = entry
    }

    private var ordered: [(object: String, entry: Entry)] {
        entries.map { ($0.key, $0.value) }.sorted {
            ($0.entry.bytesOut + $0.entry.bytesIn, $0.entry.calls, $1.object)
                > ($1.entry.bytesOut + $1.entry.bytesIn, $1.entry.calls, $0.object)
        }
    }

    private static func names(_ entry: Entry) -> [(String, UInt64)] {
        entry.names.sorted { ($0.value, $1.key) > ($1.value, $0.key) }.map { ($0.key, $0.value) }
    }

    func json() -> [JSON] {
        ordered.map { object, entry in
            .object([
                ("schema", .integer(1)),
                ((try? Address(object)) != nil ? "address" : "object", .string(object)),
                ("calls", .unsigned(entry.calls)), ("failures", .unsigned(entry.failures)),
                ("bytesIn", .integer(entry.bytesIn)), ("bytesOut", .integer(entry.bytesOut)),
                ("waitedNanoseconds", .unsigned(entry.waited)),
                ("byCall", .object(Self.names(entry).map { ($0.0, .unsigned($0.1)) })),
                ("pids", .array(entry.processes.sorted().map { .integer(Int64($0)) })),
            ])
        }
    }

    func table() -> String {
        let columns = [
            Column(name: "object", title: "OBJECT", explanation: ""),
            Column(name: "calls", title: "CALLS", explanation: ""),
            Column(name: "failures", title: "FAILED", explanation: ""),
            Column(name: "in", title: "IN", explanation: ""), Column(name: "out", title: "OUT", explanation: ""),
            Column(name: "waited", title: "WAITED", explanation: ""),
            Column(name: "names", title: "BY CALL", explanation: ""),
            Column(name: "pids", title: "PIDS", explanation: ""),
        ]
        let rows = ordered.map { object, entry in
            Record(cells: [
                ("object", .text(object)), ("calls", .integer(Int64(entry.calls))),
                ("failures", .integer(Int64(entry.failures))), ("in", .bytes(UInt64(max(0, entry.bytesIn)))),
                ("out", .bytes(UInt64(max(0, entry.bytesOut)))), ("waited", .text(TraceRecord.time(entry.waited))),
                ("names", .text(Self.names(entry).map { "\($0.0) \($0.1)" }.joined(separator: ", "))),
                ("pids", .text(entry.processes.sorted().map(String.init).joined(separator: " "))),
            ])
        }
        return Table(columns: columns, rows: rows, headings: true, exactBytes: true).render(width: nil)
    }
}
