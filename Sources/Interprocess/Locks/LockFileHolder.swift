// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
public import SystemPackage

extension LockFile {
    /// Who holds a lock file, as it told itself.
    public struct Holder: Sendable, Hashable, CustomStringConvertible {
        /// The process; for one whose text cannot be trusted, as ``FileLock/holders()`` finds it, or nil.
        public let processID: Int32?
        /// What it calls itself.
        public let label: String
        /// Since when, in seconds of the wall clock from 1970; 0 if it did not say.
        public let sinceSeconds: Double

        /// `nightly backup (process 812)`.
        public var description: String {
            "\(label.isEmpty ? "somebody" : label)" + (processID.map { " (process \($0))" } ?? "")
        }
    }

    /// Who holds the lock file at `path` now.
    ///
    /// - Returns: nil if nobody does: the file is not there, or was left by a process that is gone.
    /// - Throws: ``IPCError/Code/permissionDenied``, ``IPCError/Code/wrongKind``.
    public static func holder(of path: FilePath) throws(IPCError) -> Holder? {
        let lock: FileLock
        do throws(IPCError) {
            lock = try FileLock(path, mode: .openExisting, access: .readOnly)
        } catch  where error.code == .notFound { return nil }
        guard try lock.obstacle(to: .exclusive) != nil else { return nil }
        let text = (try? sysReadAt(lock.rawValue, offset: 0, upTo: 4096)) ?? []
        let seen = Set(try lock.holders().filter { $0.kind != .flock }.compactMap(\.processID))
        let told = Holder(parsing: String(decoding: text, as: UTF8.self))
        // The text may be that of an earlier holder, for the moment between the lock and the writing.
        if let process = told?.processID, seen.isEmpty || seen.contains(process) { return told }
        return Holder(processID: seen.sorted().first, label: "", sinceSeconds: 0)
    }
}

extension LockFile.Holder {
    init(own label: String?) {
        processID = sysProcessID()
        let text = label ?? CommandLine.arguments.first.flatMap { FilePath($0).lastComponent?.string } ?? ""
        self.label = String((text.split(whereSeparator: \.isNewline).first ?? "").prefix(200))
        sinceSeconds = Double(sysRealtimeNanoseconds()) / 1e9
    }

    private static let magic = "lock file, held while locked"

    /// Four lines; written in one piece.
    func write(_ descriptor: CInt) throws(Errno) {
        let text = "\(Self.magic)\npid \(processID ?? 0)\nsince \(sinceSeconds)\nlabel \(label)\n"
        let bytes = Array(text.utf8)
        var done = 0
        while done < bytes.count {
            done += try sysWriteAt(descriptor, offset: Int64(done), Array(bytes[done...]))
        }
        try sysTruncate(descriptor, bytes.count)
    }

    /// Nil if the text is none of ours; a bare number, as old programs write it, is a process.
    init?(parsing text: String) {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        if let process = Int32(lines.first.map { $0.filter { $0 != " " } } ?? ""), process > 0 {
            self.init(processID: process, label: "", sinceSeconds: 0)
            return
        }
        guard lines.count >= 4, lines[0] == Self.magic else { return nil }
        func value(_ line: Int, _ key: String) -> String? {
            lines[line].hasPrefix(key + " ") ? String(lines[line].dropFirst(key.utf8.count + 1)) : nil
        }
        guard let process = value(1, "pid").flatMap({ Int32($0) }), process > 0,
            let since = value(2, "since").flatMap({ Double($0) }), let label = value(3, "label")
        else { return nil }
        let printable = label.filter { !$0.unicodeScalars.contains { $0.value < 32 || $0.value == 127 } }
        self.init(processID: process, label: String(printable.prefix(200)), sinceSeconds: since.isFinite ? since : 0)
    }
}
