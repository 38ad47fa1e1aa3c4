// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import SystemPackage

/// The memory of another process, read and written in place without stopping it.
///
/// It wants the permission to trace the process, but no tracing. What is read is data: the process may change it
/// meanwhile, and two reads may differ.
///
/// Limits: one call moves at most 2³¹ − 4096 bytes, and stops at the first page that is not mapped or not accessible.
///
/// The corresponding C functions are `process_vm_readv(2)` and `process_vm_writev(2)`.
public struct ProcessMemory: Sendable, Hashable {
    /// The process id. A number: if the process ends, another may get it.
    public let process: Int32

    /// The memory of a process; nothing is asked of the kernel yet.
    public init(of process: Int32) { self.process = process }

    /// Reads up to `count` bytes: fewer if a page on the way cannot be read.
    ///
    /// - Parameters:
    ///   - address: where in the process.
    ///   - count: how many bytes are wanted.
    /// - Returns: what could be read, at least one byte, from `address` on.
    /// - Throws: ``IPCError/Code/notFound`` if there is no such process; ``IPCError/Code/permissionDenied``;
    ///   ``IPCError/Code/invalidArgument`` (EFAULT) if the first byte cannot be read.
    ///
    /// The corresponding C function is `process_vm_readv(2)`.
    public func read(at address: UInt64, count: Int) throws(IPCError) -> [UInt8] {
        precondition(count >= 0, "a count")
        if count == 0 { return [] }
        do throws(Errno) {
            return try [UInt8](capacity: count) { (buffer: inout OutputSpan<UInt8>) throws(Errno) in
                try Self.read(process, at: address, into: &buffer)
            }
        } catch { throw failure(error, "process_vm_readv", address) }
    }

    /// The kernel reads up to a page that is not there in whole pages of its own list: what one call leaves, the next may get.
    private static func read(
        _ process: Int32, at address: UInt64, into buffer: inout OutputSpan<UInt8>
    ) throws(Errno) {
        var done: UInt64 = 0
        while buffer.freeCapacity > 0 {
            do throws(Errno) {
                let part = try sysProcessRead(
                    process, at: address &+ done, into: &buffer, upTo: min(buffer.freeCapacity, 1 << 30))
                if part == 0 { return }
                done += UInt64(part)
            } catch {
                if done == 0 { throw error }
                return
            }
        }
    }

    /// Reads exactly `count` bytes.
    ///
    /// - Throws: as ``read(at:count:)``; ``IPCError/Code/invalidArgument`` (EFAULT) if not all of them can be read.
    public func readAll(at address: UInt64, count: Int) throws(IPCError) -> [UInt8] {
        let bytes = try read(at: address, count: count)
        if bytes.count < count {
            throw failure(.badAddress, "process_vm_readv", address, "only \(bytes.count) of \(count) bytes can be read")
        }
        return bytes
    }

    /// Reads a word of 64 bits in the byte order of the machine.
    ///
    /// - Throws: as ``readAll(at:count:)``.
    public func readWord(at address: UInt64) throws(IPCError) -> UInt64 {
        try readAll(at: address, count: 8).reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// Reads bytes up to a zero byte, which is left out.
    ///
    /// - Parameters:
    ///   - address: where in the process.
    ///   - limit: the most bytes to read.
    /// - Returns: the bytes; cut at `limit` or where memory ends, without telling.
    /// - Throws: as ``read(at:count:)``.
    public func readString(at address: UInt64, limit: Int = 4096) throws(IPCError) -> [UInt8] {
        var all: [UInt8] = []
        while all.count < limit {
            // Up to the end of a page: the next one may not be there.
            let place = address &+ UInt64(all.count)
            let part: [UInt8]
            do throws(IPCError) {
                part = try read(at: place, count: min(limit - all.count, 256, Int(4096 - place % 4096)))
            } catch {
                if all.isEmpty { throw error }
                return all
            }
            if let end = part.firstIndex(of: 0) { return all + part[..<end] }
            all += part
        }
        return all
    }

    /// Writes where the process itself could write.
    ///
    /// - Parameters:
    ///   - bytes: what to write.
    ///   - address: where in the process.
    /// - Returns: how many bytes were written: fewer if a page on the way cannot be written.
    /// - Throws: ``IPCError/Code/notFound``, ``IPCError/Code/permissionDenied``; ``IPCError/Code/invalidArgument`` (EFAULT)
    ///   if the first byte cannot be written: text and constants are written with
    ///   ``ProcessControl/write(_:at:in:)`` only.
    ///
    /// The corresponding C function is `process_vm_writev(2)`.
    @discardableResult
    public func write(_ bytes: [UInt8], at address: UInt64) throws(IPCError) -> Int {
        var done = 0
        while done < bytes.count {
            do throws(Errno) {
                let part = try sysProcessWrite(
                    process, at: address &+ UInt64(done), bytes.span.extracting(done..<bytes.count))
                if part == 0 { break }
                done += part
            } catch {
                if done == 0 { throw failure(error, "process_vm_writev", address) }
                break
            }
        }
        return done
    }

    private func failure(_ error: Errno, _ call: String, _ address: UInt64, _ hint: String = "") -> IPCError {
        let words: String
        switch error {
        case .badAddress where hint.isEmpty: words = "nothing accessible at 0x\(String(address, radix: 16))"
        case .notPermitted: words = TracePermission.hint(process)
        default: words = hint
        }
        return IPCError(error, call, "pid:\(process)", hint: words)
    }
}
