// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import SystemPackage

/// The end of a pipe that bytes go into.
///
/// When the last reader, in any process, has closed, writing throws ``IPCError/Code/disconnected``. SIGPIPE is never
/// delivered, whatever its disposition is, and no disposition is changed.
///
/// What is written in one call of at most ``atomicBytes`` stays together, however many write at once; of more than that
/// the pieces of several writers may alternate. ``FragmentWriter`` keeps longer messages whole.
///
/// Ownership, Blocking, Concurrency: as ``PipeReader``.
///
/// If a process dies: see ``PipePair``.
public struct PipeWriter: ~Copyable, Sendable {
    /// The largest write that no other can come between: 4096 bytes (PIPE_BUF).
    public static var atomicBytes: Int { pipeAtomicBytes }

    let end: PipeEnd

    init(_ end: consuming PipeEnd) { self.end = end }

    /// Takes over a descriptor that is the writing end of a pipe or named pipe, such as standard output.
    ///
    /// - Parameters:
    ///   - descriptor: who passes it gives it away.
    ///   - sharing: whether others use the same open file description.
    /// - Throws: ``IPCError/Code/wrongKind`` if it is no pipe; ``IPCError/Code/badDescriptor`` if it is closed or
    ///   cannot be written. The descriptor is closed then.
    public init(adopting descriptor: consuming OwnedDescriptor, sharing: PipeSharing = .exclusive) throws(IPCError) {
        self.init(try PipeEnd(adopting: descriptor, for: .writable, sharing))
    }

    /// Closes the end; readers find the end of the stream when this was the last.
    ///
    /// - Throws: as ``OwnedDescriptor/close()``.
    public consuming func close() throws(IPCError) { try end.descriptor.close() }

    /// Gives the descriptor away, blocking as other programs expect it; as ``PipeReader/release()``.
    public consuming func release() throws(IPCError) -> OwnedDescriptor { try end.handOver() }

    /// The number. Do not close it.
    public var rawValue: CInt { end.number }

    /// `"pipe:[4711]"` or `"fifo:/run/log"`.
    public var subject: String { end.subject }

    // MARK: Blocking

    /// Blocks the thread until all of `bytes` are in the pipe.
    ///
    /// - Parameters:
    ///   - bytes: what to write.
    ///   - retryOnInterrupt: false to see ``IPCError/Code/interrupted`` when a signal handler ran before anything was written.
    /// - Throws: ``IPCError/Code/disconnected`` if nobody reads any more: of more than ``atomicBytes`` a part may be written.
    ///
    /// The corresponding C function is `write(2)`.
    public func write(_ bytes: Span<UInt8>, retryOnInterrupt: Bool = true) throws(IPCError) {
        let count = try writeSome(bytes, retryOnInterrupt: retryOnInterrupt)
        if count == bytes.count { return }
        try writeRest(bytes, from: count, .never)
    }

    /// Blocks the thread until all of `bytes` are in the pipe, at most until a deadline.
    ///
    /// - Throws: ``IPCError/Code/timedOut``: nothing is written of at most ``atomicBytes``, a part may be of more;
    ///   use ``writeSome(_:until:)-7qj0i`` to know how much.
    public func write(_ bytes: Span<UInt8>, until deadline: Deadline) throws(IPCError) {
        if deadline == .never { return try write(bytes, retryOnInterrupt: true) }
        try writeRest(bytes, from: 0, deadline)
    }

    private func writeRest(_ bytes: Span<UInt8>, from start: Int, _ deadline: Deadline) throws(IPCError) {
        var done = start
        while done < bytes.count {
            done += try writeSome(bytes.extracting(done...), until: deadline)
        }
    }

    /// Blocks the thread until something of `bytes` is in the pipe.
    ///
    /// - Returns: how many bytes were written: all, unless the call was interrupted after a part.
    @inline(__always)
    public func writeSome(_ bytes: Span<UInt8>, retryOnInterrupt: Bool = true) throws(IPCError) -> Int {
        while true {
            do throws(Errno) {
                return try sysPipeWrite(end.number, bytes, retryOnInterrupt: retryOnInterrupt)
            } catch {
                guard error == .wouldBlock else { throw end.failure(error, "write", hint: end.writeHint(error)) }
            }
            _ = try end.waitBlocking(.writable, .never, retryOnInterrupt)
        }
    }

    /// Blocks the thread until something of `bytes` is in the pipe, at most until a deadline.
    ///
    /// - Returns: how many bytes were written; all if there are at most ``atomicBytes``.
    /// - Throws: ``IPCError/Code/timedOut``: nothing was written.
    public func writeSome(_ bytes: Span<UInt8>, until deadline: Deadline) throws(IPCError) -> Int {
        if deadline == .never { return try writeSome(bytes, retryOnInterrupt: true) }
        while true {
            if let count = try end.writeNow(bytes) { return count }
            guard try end.waitBlocking(.writable, deadline) else { throw end.timedOut(.writable) }
        }
    }

    /// Writes what fits at once.
    ///
    /// - Returns: how many bytes were written, nil if none. At most ``atomicBytes`` are written all or not at all;
    ///   of more, what fits.
    /// - Throws: ``IPCError/Code/disconnected``.
    public func tryWrite(_ bytes: Span<UInt8>) throws(IPCError) -> Int? { try end.writeNow(bytes) }

    // MARK: Arrays

    /// ``write(_:until:)`` of an array.
    public func write(_ bytes: [UInt8], until deadline: Deadline = .never) throws(IPCError) {
        try write(bytes.span, until: deadline)
    }

    /// ``tryWrite(_:)`` of an array.
    public func tryWrite(_ bytes: [UInt8]) throws(IPCError) -> Int? { try tryWrite(bytes.span) }

    // MARK: What it is like

    /// Bytes that fit into the pipe; see ``PipeReader/capacityBytes()``.
    public func capacityBytes() throws(IPCError) -> Int { try end.capacity() }

    /// Changes how many bytes fit; see ``PipeReader/setCapacity(bytes:)``.
    @discardableResult
    public func setCapacity(bytes: Int) throws(IPCError) -> Int { try end.setCapacity(bytes) }

    /// Bytes that wait to be read.
    public func availableBytes() throws(IPCError) -> Int { try end.available() }

    /// All that the kernel says about it.
    public func status() throws(IPCError) -> PipeStatus { try end.status() }

    /// A token for ``WaitAny``: that there is room, or nobody left to write to.
    public func writable() throws(IPCError) -> Readiness { try end.descriptor.readiness(.writable) }
}

extension PipeWriter: ByteSink {}
