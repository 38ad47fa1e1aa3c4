// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// Reads the messages that a ``FrameWriter``, or any program that puts a 4-byte little-endian length before each, has written.
///
/// What it reads comes from another process and is checked: a length beyond ``maximumBytes`` is
/// ``IPCError/Code/messageTooLarge``, an end in the middle of a message is ``IPCError/Code/malformed``. After either the stream
/// has no frames any more, and every further call throws the same error.
///
/// Concurrency: one call at a time; another meanwhile throws ``IPCError/Code/busy``. A call that times out or is cancelled loses nothing.
///
/// If a process dies: a writer killed in the middle of a message is ``IPCError/Code/malformed``, one killed between messages is the
/// end of the stream.
///
/// Limits: holds at most ``maximumBytes`` plus 64 KiB.
public struct FrameReader<Source: ByteSource & ~Copyable>: ~Copyable, Sendable {
    /// Where the frames come from. Reading from it directly takes bytes away from the frames.
    public let source: Source
    /// The longest message that is accepted.
    public let maximumBytes: Int
    private let state = Mutex(FrameReaderState())

    /// - Parameters:
    ///   - source: the stream; it is owned from now on.
    ///   - maximumBytes: the longest message that is accepted.
    public init(_ source: consuming Source, maximumBytes: Int = 16 << 20) {
        precondition(maximumBytes >= 0, "a length is not negative")
        self.source = source
        self.maximumBytes = maximumBytes
    }

    /// Gives the stream back; bytes that were read ahead are lost.
    public consuming func intoSource() -> Source { source }

    /// Blocks the thread until a message is complete.
    ///
    /// - Returns: nil at the end of the stream.
    /// - Throws: ``IPCError/Code/malformed``, ``IPCError/Code/messageTooLarge``, ``IPCError/Code/timedOut``.
    public func receive(until deadline: Deadline = .never) throws(IPCError) -> [UInt8]? {
        var buffer = try begin()
        defer { finish(buffer) }
        while true {
            if let message = try next(&buffer) { return message }
            if buffer.ended { return nil }
            let part = try [UInt8](capacity: FrameBuffer.chunk) { (free: inout OutputSpan<UInt8>) throws(IPCError) in
                _ = try source.read(into: &free, until: deadline)
            }
            buffer.append(part)
        }
    }

    /// Takes a message if one is complete.
    ///
    /// - Returns: ``ReadOutcome/bytes(_:)`` is one message.
    public func tryReceive() throws(IPCError) -> ReadOutcome {
        var buffer = try begin()
        defer { finish(buffer) }
        while true {
            if let message = try next(&buffer) { return .bytes(message) }
            if buffer.ended { return .end }
            if try !fill(&buffer) { return .nothingYet }
        }
    }

    /// Suspends the task until a message is complete.
    ///
    /// - Returns: nil at the end of the stream.
    /// - Throws: as the blocking one, and ``IPCError/Code/cancelled``.
    public func receive(until deadline: Deadline = .never) async throws(IPCError) -> [UInt8]? {
        while true {
            switch try tryReceive() {
            case .bytes(let message): return message
            case .end: return nil
            case .nothingYet: break
            }
            guard try await source.waitUntilReadable(until: deadline) else {
                throw IPCError(
                    code: .timedOut, call: "read", subject: source.subject,
                    hint: "no complete message came before the deadline")
            }
        }
    }

    // MARK: Internals

    private func fill(_ buffer: inout FrameBuffer) throws(IPCError) -> Bool {
        var found: Int?
        let part = try [UInt8](capacity: FrameBuffer.chunk) { (free: inout OutputSpan<UInt8>) throws(IPCError) in
            found = try source.tryRead(into: &free)
        }
        if found == nil { return false }
        buffer.append(part)
        return true
    }

    private func next(_ buffer: inout FrameBuffer) throws(IPCError) -> [UInt8]? {
        if let failure = buffer.failure { throw failure }
        switch buffer.next(maximumBytes) {
        case .message(let message): return message
        case .incomplete: return nil
        case .tooLarge(let length):
            throw buffer.fail(
                IPCError(
                    code: .messageTooLarge, subject: source.subject,
                    hint: "a message of \(length) bytes is announced; at most \(maximumBytes) are accepted"))
        case .truncated(let have, let want):
            throw buffer.fail(
                IPCError(
                    code: .malformed, subject: source.subject,
                    hint: "the stream ended in the middle of a message, after \(have) of \(want) bytes: "
                        + "its writer died or does not write frames"))
        }
    }

    private func begin() throws(IPCError) -> FrameBuffer {
        let taken = state.withLock { $0.buffer.take() }
        if let taken { return taken }
        throw IPCError(
            code: .busy, subject: source.subject, hint: "another task is receiving a frame; one reader at a time")
    }

    private func finish(_ buffer: FrameBuffer) { state.withLock { $0.buffer = buffer } }
}

struct FrameReaderState: Sendable {
    /// nil while a call has it.
    var buffer: FrameBuffer? = FrameBuffer()
}

/// Bytes that were read and not yet given out.
struct FrameBuffer: Sendable {
    enum Step { case message([UInt8]), incomplete, tooLarge(Int), truncated(have: Int, want: Int) }

    static let chunk = 65536
    private var bytes: [UInt8] = []
    private var start = 0
    private(set) var ended = false
    private(set) var failure: IPCError?

    mutating func append(_ part: [UInt8]) {
        if part.isEmpty { ended = true }
        if start > 0 {
            bytes.removeFirst(start)
            start = 0
        }
        bytes += part
    }

    mutating func fail(_ error: IPCError) -> IPCError {
        failure = error
        bytes = []
        start = 0
        return error
    }

    mutating func next(_ maximum: Int) -> Step {
        let have = bytes.count - start
        guard have >= 4 else { return ended && have > 0 ? .truncated(have: have, want: 4) : .incomplete }
        var length = 0
        for index in 0..<4 { length |= Int(bytes[start + index]) << (8 * index) }
        if length > maximum { return .tooLarge(length) }
        guard have - 4 >= length else { return ended ? .truncated(have: have - 4, want: length) : .incomplete }
        let message = Array(bytes[(start + 4)..<(start + 4 + length)])
        start += 4 + length
        return .message(message)
    }
}
