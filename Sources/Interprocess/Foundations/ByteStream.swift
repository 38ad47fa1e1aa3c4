// SPDX-License-Identifier: Apache-2.0

/// Where bytes come from in order: the reading end of a pipe, a stream socket.
///
/// Framing and fragments are built on this, so whoever conforms has them.
public protocol ByteSource: ~Copyable, Sendable {
    /// The object's name for errors: `"pipe:[4711]"`, `"unix:/run/x.sock"`.
    var subject: String { get }

    /// Blocks the thread until at least one byte has come.
    ///
    /// - Parameters:
    ///   - buffer: what comes is appended; it has free capacity.
    ///   - deadline: until when.
    /// - Returns: how many bytes were appended, 0 at the end of the stream.
    /// - Throws: ``IPCError/Code/timedOut``; what the mechanism fails with.
    func read(into buffer: inout OutputSpan<UInt8>, until deadline: Deadline) throws(IPCError) -> Int

    /// Takes what is there.
    ///
    /// - Returns: how many bytes were appended, 0 at the end of the stream, nil if there is nothing yet.
    func tryRead(into buffer: inout OutputSpan<UInt8>) throws(IPCError) -> Int?

    /// Suspends the task until ``tryRead(into:)`` has an answer; false if the deadline came first.
    ///
    /// - Throws: ``IPCError/Code/cancelled``.
    func waitUntilReadable(until deadline: Deadline) async throws(IPCError) -> Bool
}

/// Where bytes go in order: the writing end of a pipe, a stream socket.
public protocol ByteSink: ~Copyable, Sendable {
    /// The object's name for errors.
    var subject: String { get }

    /// Blocks the thread until at least one byte is taken.
    ///
    /// - Returns: how many bytes were taken; fewer than all if that is what fitted.
    /// - Throws: ``IPCError/Code/timedOut``; ``IPCError/Code/disconnected`` if nobody reads any more.
    func writeSome(_ bytes: Span<UInt8>, until deadline: Deadline) throws(IPCError) -> Int

    /// Writes what fits at once.
    ///
    /// - Returns: how many bytes were taken, nil if nothing fitted.
    func tryWrite(_ bytes: Span<UInt8>) throws(IPCError) -> Int?

    /// Suspends the task until ``tryWrite(_:)`` has an answer; false if the deadline came first.
    ///
    /// - Throws: ``IPCError/Code/cancelled``.
    func waitUntilWritable(until deadline: Deadline) async throws(IPCError) -> Bool
}

/// What an attempt to read found.
public enum ReadOutcome: Sendable, Hashable {
    /// Bytes, or a whole message.
    case bytes([UInt8])
    /// Nothing yet; more may come.
    case nothingYet
    /// The end: every writer has closed and all was read.
    case end

    /// The bytes, if there were any.
    public var bytes: [UInt8]? {
        if case .bytes(let bytes) = self { bytes } else { nil }
    }
}
