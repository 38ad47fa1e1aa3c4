// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
public import SystemPackage

extension MappedFile {
    /// Copies bytes of the file, without its mapping: safe whatever others do to its size.
    ///
    /// What was stored into a shared mapping is seen at once.
    ///
    /// - Parameters:
    ///   - buffer: takes as many bytes as it has room for.
    ///   - offset: in bytes from the start of the file.
    /// - Returns: how many bytes were copied; 0 at or behind the end.
    /// - Throws: ``IPCError/Code/invalidArgument`` for a negative offset; ``IPCError/Code/system`` (EIO).
    ///
    /// The corresponding C function is `pread(2)`.
    @discardableResult
    public func read(into buffer: inout OutputSpan<UInt8>, at offset: Int) throws(IPCError) -> Int {
        do throws(Errno) { return try sysReadAt(rawValue, offset: offset, byteCount: .max, into: &buffer) } catch {
            throw IPCError(error, "pread", subject)
        }
    }

    /// A copy of up to `byteCount` bytes of the file; fewer at its end. As ``read(into:at:)``.
    public func read(upTo byteCount: Int, at offset: Int) throws(IPCError) -> [UInt8] {
        try [UInt8](capacity: byteCount) { (free: inout OutputSpan<UInt8>) throws(IPCError) in
            while !free.isFull, try read(into: &free, at: offset + free.count) > 0 {}
        }
    }

    /// Copies bytes into the file, without its mapping; behind its end it becomes longer.
    ///
    /// - Returns: how many bytes were copied; fewer than given if the file system is full.
    /// - Throws: ``IPCError/Code/limitReached`` (ENOSPC); ``IPCError/Code/badDescriptor`` if it was opened for reading;
    ///   ``IPCError/Code/system`` (EIO).
    ///
    /// The corresponding C function is `pwrite(2)`.
    @discardableResult
    public func write(_ bytes: Span<UInt8>, at offset: Int) throws(IPCError) -> Int {
        if let limit = sysMemoryLimit(.fileSize), offset >= 0, UInt64(offset) + UInt64(bytes.count) > limit {
            throw IPCError(
                code: .limitReached, call: "pwrite", errno: .fileTooLarge, subject: subject,
                hint: "the file would become longer than RLIMIT_FSIZE, which is \(limit)")
        }
        do throws(Errno) { return try sysWriteAt(rawValue, offset: offset, bytes) } catch {
            throw IPCError(error, "pwrite", subject)
        }
    }

    /// Removes a path. Handles and mappings stay.
    ///
    /// - Throws: ``IPCError/Code/notFound``; ``IPCError/Code/permissionDenied``; ``IPCError/Code/wrongKind`` (EISDIR).
    ///
    /// The corresponding C function is `unlink(2)`.
    public static func unlink(_ path: FilePath) throws(IPCError) {
        do throws(Errno) { try sysUnlink(path) } catch { throw IPCError(error, "unlink", "file:\(path)") }
    }

    /// Whether there is a regular file at a path; links are followed.
    ///
    /// The corresponding C function is `stat(2)`.
    public static func exists(_ path: FilePath) throws(IPCError) -> Bool {
        do throws(Errno) { return try sysStatus(path, followLinks: true).kind == .regular } catch
            where error == .noSuchFileOrDirectory
        {
            return false
        } catch { throw IPCError(error, "stat", "file:\(path)") }
    }
}
