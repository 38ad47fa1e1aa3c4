// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import SystemPackage

/// The end of a pipe that bytes come out of.
///
/// The end of the stream is a value, not an error: 0 where a count is returned, nil where bytes are, ``ReadOutcome/end``
/// from ``tryRead(upTo:)``. It comes when the last writer, in any process, has closed and all was read.
///
/// Ownership: the value owns its descriptor; dropping it closes.
///
/// Blocking: the plain verbs block the thread, `until:` at most as long as said, `try` verbs never; the `async` ones
/// suspend the task. The first of the latter three sets O_NONBLOCK, once; see ``PipeSharing`` for descriptors that
/// other processes use too.
///
/// Concurrency: any number of tasks and threads may read at once; each byte goes to one of them.
///
/// If a process dies: see ``PipePair``.
public struct PipeReader: ~Copyable, Sendable {
    let end: PipeEnd

    init(_ end: consuming PipeEnd) { self.end = end }

    /// Takes over a descriptor that is the reading end of a pipe or named pipe, such as standard input.
    ///
    /// - Parameters:
    ///   - descriptor: who passes it gives it away.
    ///   - sharing: whether others use the same open file description.
    /// - Throws: ``IPCError/Code/wrongKind`` if it is no pipe; ``IPCError/Code/badDescriptor`` if it is closed or
    ///   cannot be read. The descriptor is closed then.
    public init(adopting descriptor: consuming OwnedDescriptor, sharing: PipeSharing = .exclusive) throws(IPCError) {
        self.init(try PipeEnd(adopting: descriptor, for: .readable, sharing))
    }

    /// Closes the end and says how that went.
    ///
    /// - Throws: as ``OwnedDescriptor/close()``.
    public consuming func close() throws(IPCError) { try end.descriptor.close() }

    /// Gives the descriptor away, blocking as other programs expect it, close-on-exec: to a child process for example,
    /// whose file actions (`posix_spawn_file_actions_adddup2`) make it a number there and inheritable.
    public consuming func release() throws(IPCError) -> OwnedDescriptor { try end.handOver() }

    /// The number. Do not close it.
    public var rawValue: CInt { end.number }

    /// `"pipe:[4711]"` or `"fifo:/run/log"`.
    public var subject: String { end.subject }

    // MARK: Blocking

    /// Blocks the thread until at least one byte has come, and takes what is there.
    ///
    /// - Parameters:
    ///   - buffer: what comes is appended to it; it has free capacity.
    ///   - retryOnInterrupt: false to see ``IPCError/Code/interrupted`` when a signal handler ran.
    /// - Returns: how many bytes were appended, 0 at the end of the stream.
    /// - Throws: ``IPCError/Code/badDescriptor``.
    ///
    /// The corresponding C function is `read(2)`.
    public func read(into buffer: inout OutputSpan<UInt8>, retryOnInterrupt: Bool = true) throws(IPCError) -> Int {
        while true {
            do throws(Errno) {
                return try sysPipeRead(end.number, into: &buffer, retryOnInterrupt: retryOnInterrupt)
            } catch {
                guard error == .wouldBlock else { throw end.failure(error, "read", hint: end.readHint(error)) }
            }
            _ = try end.waitBlocking(.readable, .never, retryOnInterrupt)
        }
    }

    /// Blocks the thread until at least one byte has come, at most until a deadline.
    ///
    /// - Returns: how many bytes were appended, 0 at the end of the stream.
    /// - Throws: ``IPCError/Code/timedOut``; otherwise as ``read(into:retryOnInterrupt:)``.
    public func read(into buffer: inout OutputSpan<UInt8>, until deadline: Deadline) throws(IPCError) -> Int {
        if deadline == .never { return try read(into: &buffer, retryOnInterrupt: true) }
        while true {
            if let count = try end.readNow(into: &buffer) { return count }
            guard try end.waitBlocking(.readable, deadline) else { throw end.timedOut(.readable) }
        }
    }

    /// Takes what is there.
    ///
    /// - Returns: how many bytes were appended, 0 at the end of the stream, nil if there is nothing yet.
    public func tryRead(into buffer: inout OutputSpan<UInt8>) throws(IPCError) -> Int? {
        try end.readNow(into: &buffer)
    }

    // MARK: Arrays

    /// Blocks the thread until something has come.
    ///
    /// - Parameters:
    ///   - count: how many bytes at most, at least 1.
    ///   - deadline: until when.
    /// - Returns: 1 to `count` bytes, nil at the end of the stream.
    public func read(upTo count: Int = 65536, until deadline: Deadline = .never) throws(IPCError) -> [UInt8]? {
        let bytes = try [UInt8](capacity: count) { (buffer: inout OutputSpan<UInt8>) throws(IPCError) in
            _ = try read(into: &buffer, until: deadline)
        }
        return bytes.isEmpty ? nil : bytes
    }

    /// Takes what is there.
    ///
    /// - Parameter count: how many bytes at most, at least 1.
    public func tryRead(upTo count: Int = 65536) throws(IPCError) -> ReadOutcome {
        var found: Int?
        let bytes = try [UInt8](capacity: count) { (buffer: inout OutputSpan<UInt8>) throws(IPCError) in
            found = try tryRead(into: &buffer)
        }
        return found == nil ? .nothingYet : bytes.isEmpty ? .end : .bytes(bytes)
    }

    /// Blocks the thread and reads to the end of the stream.
    ///
    /// - Parameters:
    ///   - limit: bytes; a stream that is longer is refused.
    ///   - deadline: until when.
    /// - Throws: ``IPCError/Code/messageTooLarge`` beyond `limit`; ``IPCError/Code/timedOut``.
    public func readAll(upTo limit: Int = .max, until deadline: Deadline = .never) throws(IPCError) -> [UInt8] {
        var all: [UInt8] = []
        while let part = try read(until: deadline) {
            try end.check(all.count + part.count, limit)
            all += part
        }
        return all
    }

    // MARK: What it is like

    /// Bytes that fit into the pipe.
    ///
    /// The corresponding C function is `fcntl(2)` with `F_GETPIPE_SZ`.
    public func capacityBytes() throws(IPCError) -> Int { try end.capacity() }

    /// Changes how many bytes fit; the kernel rounds up to a power of two of pages.
    ///
    /// - Returns: the new capacity.
    /// - Throws: ``IPCError/Code/permissionDenied`` above `fs.pipe-max-size` without privilege, ``IPCError/Code/busy`` if what is
    ///   in it would not fit; both say what the capacity is now.
    ///
    /// The corresponding C function is `fcntl(2)` with `F_SETPIPE_SZ`.
    @discardableResult
    public func setCapacity(bytes: Int) throws(IPCError) -> Int { try end.setCapacity(bytes) }

    /// Bytes that can be read at once.
    ///
    /// The corresponding C function is `ioctl(2)` with `FIONREAD`.
    public func availableBytes() throws(IPCError) -> Int { try end.available() }

    /// All that the kernel says about it.
    public func status() throws(IPCError) -> PipeStatus { try end.status() }

    /// A token for ``WaitAny``: that there is something to read, or the end.
    public func readable() throws(IPCError) -> Readiness { try end.descriptor.readiness(.readable) }
}

extension PipeEnd {
    func check(_ count: Int, _ limit: Int) throws(IPCError) {
        if count > limit {
            throw IPCError(
                code: .messageTooLarge, call: "read", subject: subject, hint: "the stream is longer than \(limit) bytes"
            )
        }
    }
}

extension PipeReader: ByteSource {}
