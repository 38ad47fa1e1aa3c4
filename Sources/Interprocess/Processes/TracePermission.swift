// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import SystemPackage

/// Why the kernel does not let us trace a process, as far as it can be known.
enum TracePermission {
    static func hint(_ process: Int32) -> String {
        if process == sysProcessID() { return "a process cannot trace itself" }
        if let tracer = tracer(of: process) {
            let name = text(FilePath("/proc/\(tracer)/comm")).map { " (\($0))" } ?? ""
            return "process \(tracer)\(name) traces it already, and there can be one only"
        }
        if let scope = text("/proc/sys/kernel/yama/ptrace_scope"), scope != "0" {
            return "kernel.yama.ptrace_scope is \(scope): CAP_SYS_PTRACE, or start the program under control"
        }
        return "it wants the same user and no special privileges on its side, or CAP_SYS_PTRACE"
    }

    /// The process that traces it; the id is that of the tracing thread's.
    static func tracer(of process: Int32) -> Int32? {
        status(process, "TracerPid:").flatMap { $0 == 0 ? nil : $0 }
    }

    /// A number in `/proc/PID/status`.
    static func status(_ process: Int32, _ key: String) -> Int32? {
        guard let bytes = try? sysReadFile(FilePath("/proc/\(process)/status"), limit: 16_384) else { return nil }
        let text = String(decoding: bytes, as: UTF8.self)
        for line in text.split(separator: "\n") where line.hasPrefix(key) {
            return Int32(line.dropFirst(key.count).drop { $0 == "\t" || $0 == " " })
        }
        return nil
    }

    private static func text(_ path: FilePath) -> String? {
        guard let bytes = try? sysReadFile(path, limit: 256) else { return nil }
        return String(decoding: bytes.prefix { $0 != 10 }, as: UTF8.self)
    }
}
