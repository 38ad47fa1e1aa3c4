// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import SystemPackage

/// A lock on a file, and a process that has the open file to which it belongs.
public struct FileLockHolder: Sendable, Hashable, CustomStringConvertible {
    /// The process; nil if it could not be found: another user's, or in another namespace.
    public let processID: Int32?
    /// The number of the descriptor there.
    public let descriptor: Int32?
    /// Which family of locks.
    public let kind: FileLock.Kind
    /// Whether others may hold the lock as well.
    public let strength: FileLock.Strength
    /// Which bytes.
    public let range: FileLock.ByteRange

    /// `exclusive by process 812 (descriptor 3)`.
    public var description: String {
        let who = processID.map { "process \($0)" } ?? "a process that cannot be seen"
        let which = range == .whole ? "" : ", \(range.countBytes) bytes from \(range.startBytes)"
        return "\(strength == .exclusive ? "exclusive" : "shared") by \(who)\(which)"
            + (descriptor.map { " (descriptor \($0))" } ?? "")
    }
}

extension FileLock {
    /// Everybody who holds a lock on this file, of any family, this process included.
    ///
    /// An open file that several processes share, after a fork, appears once for each. It is read from
    /// `/proc/PID/fdinfo` of all processes; those of other users are seen by root only, and a lock without a visible holder
    /// appears without a process if it excludes this handle. The answer may be old when it is read.
    ///
    /// - Throws: ``IPCError/Code/notFound`` where `/proc` is not mounted; ``IPCError/Code/limitReached`` (EMFILE).
    public func holders() throws(IPCError) -> [FileLockHolder] {
        do throws(Errno) {
            let own = try sysStatus(descriptor.rawValue)
            var found: [FileLockHolder] = []
            for process in try sysUseDirectoryNames("/proc").compactMap({ Int32($0) }) {
                guard let numbers = try? sysUseDirectoryNames(FilePath("/proc/\(process)/fd")) else { continue }
                for number in numbers.compactMap({ Int32($0) }) {
                    let path = FilePath("/proc/\(process)/fd/\(number)")
                    guard let status = try? sysStatus(path, followLinks: true), status.inode == own.inode,
                        status.device == own.device,
                        let text = Self.smallText(FilePath("/proc/\(process)/fdinfo/\(number)"))
                    else { continue }
                    found += text.split(separator: "\n").compactMap {
                        FileLockHolder(line: $0, process: process, descriptor: number)
                    }
                }
            }
            if found.isEmpty, let unseen = try obstacle(.exclusive, .whole) { found.append(unseen) }
            return found
        } catch { throw IPCError(error, "openat", subject) }
    }

    /// What would be in the way of a lock now; nil if nothing.
    ///
    /// Quicker than ``holders()``; the kernel names the process only for locks of ``Kind/process``. For ``Kind/flock`` the
    /// kernel has no such question, and the answer comes from ``holders()``.
    ///
    /// The corresponding C functions are `fcntl(2)` with `F_OFD_GETLK` or `F_GETLK`.
    public func obstacle(
        to strength: Strength = .exclusive, _ range: ByteRange = .whole
    ) throws(IPCError) -> FileLockHolder? {
        if kind == .flock {
            return try holders().first {
                $0.kind == .flock && (strength == .exclusive || $0.strength == .exclusive)
                    && !($0.processID == sysProcessID() && $0.descriptor == descriptor.rawValue)
            }
        }
        do throws(Errno) { return try obstacle(strength, range) } catch { throw IPCError(error, "fcntl", subject) }
    }

    private func obstacle(_ strength: Strength, _ range: ByteRange) throws(Errno) -> FileLockHolder? {
        let owner: RecordOwner = kind == .process ? .process : .description
        guard let found = try sysRecordQuery(descriptor.rawValue, strength.lock, range.record, owner: owner) else {
            return nil
        }
        return FileLockHolder(
            processID: found.process > 0 ? found.process : nil, descriptor: nil,
            kind: found.process > 0 ? .process : .openFile, strength: found.isExclusive ? .exclusive : .shared,
            range: ByteRange(startBytes: Int(found.range.start), countBytes: Int(found.range.length)))
    }

    /// At most 64 KiB of a file of /proc; nil if it is gone or not for us.
    static func smallText(_ path: FilePath) -> String? {
        guard let number = try? sysOpen(path, flags: 0) else { return nil }
        let descriptor = OwnedDescriptor(adopting: number)
        guard let bytes = try? sysReadAt(descriptor.rawValue, offset: 0, upTo: 65536) else { return nil }
        return String(decoding: bytes, as: UTF8.self)
    }
}

extension FileLockHolder {
    /// A line of `/proc/PID/fdinfo/N`: `lock: 1: OFDLCK  ADVISORY  WRITE -1 fe:00:1234 0 EOF`.
    init?(line: Substring, process: Int32, descriptor: Int32) {
        let words = line.split(whereSeparator: \.isWhitespace)
        guard words.count == 9, words[0] == "lock:", let start = Int(words[7]), start >= 0 else { return nil }
        switch words[2] {
        case "OFDLCK": kind = .openFile
        case "FLOCK": kind = .flock
        case "POSIX": kind = .process
        default: return nil
        }
        guard words[8] == "EOF" || (Int(words[8]).map { $0 >= start } ?? false) else { return nil }
        strength = words[4] == "WRITE" ? .exclusive : .shared
        range = FileLock.ByteRange(startBytes: start, countBytes: Int(words[8]).map { $0 - start + 1 } ?? 0)
        processID = process
        self.descriptor = descriptor
    }
}
