// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import SystemPackage

/// A named pipe or the path of a socket in the file system.
struct FoundFile {
    var path: FilePath
    var status: FileStatus
}

/// Finds named pipes and socket paths in a few directories, level by level, never through a symbolic link below them.
struct FileSearch {
    private(set) var files: [FoundFile] = []
    private(set) var isCut = false
    private(set) var unreadable = 0
    private var budget: Int
    private var visited: Set<[UInt64]> = []

    init(_ directories: [FilePath], depth: Int, entryLimit: Int) {
        budget = entryLimit
        var level = directories
        for remaining in stride(from: depth, to: 0, by: -1) {
            var next: [FilePath] = []
            for directory in level { search(directory, isRoot: remaining == depth, into: &next) }
            level = next
        }
    }

    private mutating func search(_ path: FilePath, isRoot: Bool, into next: inout [FilePath]) {
        guard !isCut else { return }
        let flags = InspectionOpen.directory | (isRoot ? 0 : InspectionOpen.noFollow)
        let directory: CInt
        do throws(Errno) { directory = try sysOpen(path, flags: flags) } catch {
            if error == .permissionDenied { unreadable += 1 }
            return
        }
        defer { try? sysClose(directory) }
        // `/var/run` is often `/run`, and the same directory is not searched twice.
        guard let status = try? sysStatus(directory), visited.insert([status.device, status.inode]).inserted else {
            return
        }
        while let entries = try? sysReadDirectory(directory) {
            for entry in entries {
                budget -= 1
                if budget < 0 {
                    isCut = true
                    return
                }
                consider(entry, in: path, directory, &next)
            }
        }
    }

    private mutating func consider(
        _ entry: DirectoryEntry, in path: FilePath, _ directory: CInt, _ next: inout [FilePath]
    ) {
        var slashed = path.bytes
        if slashed.last != UInt8(ascii: "/") { slashed.append(UInt8(ascii: "/")) }
        switch entry.kind {
        case .directory: next.append(FilePath(bytes: slashed + entry.name))
        case .fifo, .socket, .unknown:
            guard let status = try? sysStatus(at: directory, FilePath(bytes: entry.name)) else { return }
            let full = FilePath(bytes: slashed + entry.name)
            if status.kind == .fifo || status.kind == .socket { files.append(FoundFile(path: full, status: status)) }
            if status.kind == .directory { next.append(full) }
        case .regular, .other: return
        }
    }

    func missing(for kinds: Set<Address.Kind>, limit: Int) -> [MissingPart] {
        let kinds = kinds.intersection([.fifo, .unix, .unixDatagram, .unixSeqpacket])
        var parts: [MissingPart] = []
        if isCut {
            parts.append(
                MissingPart(
                    what: "named pipes and socket paths beyond \(limit) directory entries",
                    remedy: "a higher entry limit",
                    kinds: kinds))
        }
        if unreadable > 0 {
            parts.append(
                MissingPart(
                    what:
                        "named pipes and socket paths in \(unreadable) director\(unreadable == 1 ? "y" : "ies") of other users",
                    remedy: "CAP_DAC_READ_SEARCH, or root", kinds: kinds))
        }
        return parts
    }
}
