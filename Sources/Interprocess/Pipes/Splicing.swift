// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
public import SystemPackage

/// Moves bytes inside the kernel, without copying them through this process.
///
/// One side of every move is a pipe; the other is a pipe, a file or a socket, named by a descriptor that the caller keeps open.
extension PipeReader {
    /// Blocks the thread until bytes were moved from the pipe to `target`.
    ///
    /// - Parameters:
    ///   - target: a pipe, a socket, or a file at its current position (not one open for appending).
    ///   - count: bytes at most.
    /// - Returns: how many bytes were moved, 0 at the end of the stream.
    /// - Throws: ``IPCError/Code/disconnected`` if nobody reads at the target (never SIGPIPE); ``IPCError/Code/invalidArgument``
    ///   for a target that cannot be moved to.
    ///
    /// The corresponding C function is `splice(2)`.
    public func move(to target: FileDescriptor, upTo count: Int = 1 << 20) throws(IPCError) -> Int {
        try Splicing.blocking(rawValue, target.rawValue, "splice", subject) { () throws(Errno) in
            try sysSplice(from: rawValue, to: target.rawValue, count: count, nonBlocking: false)
        }
    }

    /// Moves what can be moved at once; nil if that is nothing yet. Of a target that is no pipe its own O_NONBLOCK decides.
    public func tryMove(to target: FileDescriptor, upTo count: Int = 1 << 20) throws(IPCError) -> Int? {
        do throws(Errno) {
            return try sysSplice(from: rawValue, to: target.rawValue, count: count, nonBlocking: true)
        } catch {
            if error == .wouldBlock { return nil }
            throw Splicing.failure(error, "splice", subject)
        }
    }

    /// Blocks the thread and moves everything up to the end of the stream.
    ///
    /// - Returns: how many bytes were moved.
    public func moveAll(to target: FileDescriptor) throws(IPCError) -> Int {
        var total = 0
        while true {
            let count = try move(to: target)
            if count == 0 { return total }
            total += count
        }
    }

    /// Suspends the task until bytes were moved from this pipe into another.
    ///
    /// - Returns: how many bytes were moved, 0 at the end of the stream.
    /// - Throws: as ``move(to:upTo:)``, and ``IPCError/Code/timedOut``, ``IPCError/Code/cancelled``: every byte is then in one of both pipes.
    public func move(
        to target: borrowing PipeWriter, upTo count: Int = 1 << 20, until deadline: Deadline = .never
    ) async throws(IPCError) -> Int {
        try await Splicing.suspended(end, target.end, deadline) { () throws(Errno) in
            try sysSplice(from: rawValue, to: target.rawValue, count: count, nonBlocking: true)
        }
    }

    /// Suspends the task and moves everything up to the end of the stream into another pipe.
    ///
    /// - Returns: how many bytes were moved.
    public func moveAll(to target: borrowing PipeWriter, until deadline: Deadline = .never) async throws(IPCError)
        -> Int
    {
        var total = 0
        while true {
            let count = try await move(to: target, until: deadline)
            if count == 0 { return total }
            total += count
        }
    }

    /// Blocks the thread until bytes that are in this pipe were copied into another; they stay to be read here.
    ///
    /// - Returns: how many bytes were copied, from the front of the pipe; 0 at the end of the stream.
    ///
    /// The corresponding C function is `tee(2)`.
    public func duplicate(to target: borrowing PipeWriter, upTo count: Int = 1 << 20) throws(IPCError) -> Int {
        try Splicing.blocking(rawValue, target.rawValue, "tee", subject) { () throws(Errno) in
            try sysTee(from: rawValue, to: target.rawValue, count: count, nonBlocking: false)
        }
    }

    /// Suspends the task until bytes that are in this pipe were copied into another; they stay to be read here.
    public func duplicate(
        to target: borrowing PipeWriter, upTo count: Int = 1 << 20, until deadline: Deadline = .never
    ) async throws(IPCError) -> Int {
        try await Splicing.suspended(end, target.end, deadline) { () throws(Errno) in
            try sysTee(from: rawValue, to: target.rawValue, count: count, nonBlocking: true)
        }
    }
}

extension PipeWriter {
    /// Blocks the thread until bytes were moved from `source` into the pipe.
    ///
    /// - Parameters:
    ///   - source: a pipe, a socket, or a file at its current position.
    ///   - count: bytes at most.
    /// - Returns: how many bytes were moved, 0 at the end of the source.
    ///
    /// The corresponding C function is `splice(2)`.
    public func move(from source: FileDescriptor, upTo count: Int = 1 << 20) throws(IPCError) -> Int {
        try Splicing.blocking(source.rawValue, rawValue, "splice", subject) { () throws(Errno) in
            try sysSplice(from: source.rawValue, to: rawValue, count: count, nonBlocking: false)
        }
    }

    /// Blocks the thread and moves everything up to the end of `source`.
    public func moveAll(from source: FileDescriptor) throws(IPCError) -> Int {
        var total = 0
        while true {
            let count = try move(from: source)
            if count == 0 { return total }
            total += count
        }
    }

    /// Blocks the thread until pages of this process are in the pipe by reference, not as a copy.
    ///
    /// The reader sees the memory as it is when it reads: do not change `bytes` until everything was read. Worth while for many
    /// pages only.
    ///
    /// - Returns: how many bytes were given.
    ///
    /// The corresponding C function is `vmsplice(2)`.
    public func writeWithoutCopying(_ bytes: Span<UInt8>) throws(IPCError) -> Int {
        while true {
            do throws(Errno) { return try sysVirtualSplice(rawValue, bytes, nonBlocking: false) } catch {
                guard error == .wouldBlock else { throw Splicing.failure(error, "vmsplice", subject) }
            }
            _ = try end.waitBlocking(.writable, .never)
        }
    }
}

enum Splicing {
    static func failure(_ error: Errno, _ call: String, _ subject: String) -> IPCError {
        IPCError(
            error, call, subject,
            hint: error == .brokenPipe
                ? "nobody reads at the target any more"
                : error == .invalidArgument
                    ? "one side must be a pipe, the two must differ, and a file must not be open for appending" : "")
    }

    /// A call that blocks by itself, unless one of both is O_NONBLOCK: then waits for whichever is not ready.
    static func blocking(
        _ source: CInt, _ target: CInt, _ call: String, _ subject: String, _ body: () throws(Errno) -> Int
    ) throws(IPCError) -> Int {
        do throws(Errno) {
            while true {
                do throws(Errno) { return try body() } catch { if error != .wouldBlock { throw error } }
                _ = try sysPoll(source, for: .readable, nanoseconds: nil, retryOnInterrupt: true)
                _ = try sysPoll(target, for: .writable, nanoseconds: nil, retryOnInterrupt: true)
            }
        } catch { throw failure(error, call, subject) }
    }

    static func suspended(
        _ source: borrowing PipeEnd, _ target: borrowing PipeEnd, _ deadline: Deadline, _ body: () throws(Errno) -> Int
    ) async throws(IPCError) -> Int {
        while true {
            do throws(Errno) { return try body() } catch {
                if error != .wouldBlock { throw failure(error, "splice", source.subject) }
            }
            if try !(await source.waitSuspended(.readable, deadline)) { throw source.timedOut(.readable) }
            if try !(await target.waitSuspended(.writable, deadline)) { throw target.timedOut(.writable) }
        }
    }
}
