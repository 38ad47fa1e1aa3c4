// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// Writes messages to a stream of bytes, each behind its length: 4 bytes, little endian.
///
/// One writer at a time per stream: on a pipe with many writers use ``FragmentWriter``.
///
/// A message whose first byte is written is sent: if a deadline or a cancellation comes in the middle, the verb returns and the
/// rest is kept; it goes before the next message, or with ``flush(until:)``. So the stream never loses its frames.
///
/// Concurrency: one call at a time; another meanwhile throws ``IPCError/Code/busy``.
public struct FrameWriter<Sink: ByteSink & ~Copyable>: ~Copyable, Sendable {
    /// Where the frames go.
    public let sink: Sink
    /// The longest message.
    public let maximumBytes: Int
    private let state = Mutex(FrameWriterState())

    /// - Parameters:
    ///   - sink: the stream; it is owned from now on.
    ///   - maximumBytes: the longest message, at most 2³² − 1; both sides should agree.
    public init(_ sink: consuming Sink, maximumBytes: Int = 16 << 20) {
        precondition((0...Int(UInt32.max)).contains(maximumBytes), "a frame's length has 32 bits")
        self.sink = sink
        self.maximumBytes = maximumBytes
    }

    /// Gives the stream back.
    public consuming func intoSink() -> Sink { sink }

    /// Whether a part of a message still has to go.
    public var hasUnsentBytes: Bool { state.withLock { $0.unsent != nil } }

    /// Blocks the thread until the message is written.
    ///
    /// - Throws: ``IPCError/Code/messageTooLarge``, ``IPCError/Code/disconnected``; ``IPCError/Code/timedOut`` if nothing was written.
    public func send(_ message: [UInt8], until deadline: Deadline = .never) throws(IPCError) {
        let frame = try makeFrame(message)
        var pending = try begin()
        defer { finish(pending) }
        while pending.add(frame) { try push(&pending, deadline) }
    }

    /// Writes the message if some of it fits at once.
    ///
    /// - Returns: false if nothing of it was written.
    public func trySend(_ message: [UInt8]) throws(IPCError) -> Bool {
        let frame = try makeFrame(message)
        var pending = try begin()
        defer { finish(pending) }
        while pending.add(frame) {
            guard let count = try sink.tryWrite(pending.rest) else { return pending.hasBegun }
            pending.advance(count)
        }
        return true
    }

    /// Suspends the task until the message is written.
    ///
    /// - Throws: ``IPCError/Code/messageTooLarge``, ``IPCError/Code/disconnected``; ``IPCError/Code/timedOut``, ``IPCError/Code/cancelled`` if
    ///   nothing was written.
    public func send(_ message: [UInt8], until deadline: Deadline = .never) async throws(IPCError) {
        let frame = try makeFrame(message)
        var pending = try begin()
        defer { finish(pending) }
        while pending.add(frame) {
            if let count = try sink.tryWrite(pending.rest) {
                pending.advance(count)
                continue
            }
            do throws(IPCError) {
                if try await sink.waitUntilWritable(until: deadline) { continue }
            } catch {
                if pending.hasBegun && error.code == .cancelled { return }
                throw error
            }
            if pending.hasBegun { return }
            throw timedOut()
        }
    }

    /// Blocks the thread until nothing is left of a message that was sent in part.
    public func flush(until deadline: Deadline = .never) throws(IPCError) {
        var pending = try begin()
        defer { finish(pending) }
        while pending.isUnsent {
            pending.advance(try sink.writeSome(pending.rest, until: deadline))
        }
    }

    // MARK: Internals

    private func push(_ pending: inout PendingFrame, _ deadline: Deadline) throws(IPCError) {
        do throws(IPCError) { pending.advance(try sink.writeSome(pending.rest, until: deadline)) } catch {
            // What has begun is sent; the rest is kept.
            if pending.hasBegun && error.code == .timedOut {
                pending.isGivenUp = true
                return
            }
            throw error
        }
    }

    private func timedOut() -> IPCError {
        IPCError(code: .timedOut, call: "write", subject: sink.subject, hint: "nobody made room before the deadline")
    }

    private func makeFrame(_ message: [UInt8]) throws(IPCError) -> [UInt8] {
        if message.count > maximumBytes {
            throw IPCError(
                code: .messageTooLarge, subject: sink.subject,
                hint: "\(message.count) bytes; this stream's messages have at most \(maximumBytes)")
        }
        var frame: [UInt8] = []
        frame.reserveCapacity(4 + message.count)
        forEachByte(of: UInt32(message.count)) { frame.append($0) }
        frame += message
        return frame
    }

    private func begin() throws(IPCError) -> PendingFrame {
        let taken = state.withLock { state -> PendingFrame? in
            if state.isBusy { return nil }
            state.isBusy = true
            return PendingFrame(unsent: state.unsent.take())
        }
        if let taken { return taken }
        throw IPCError(
            code: .busy, subject: sink.subject, hint: "another task is sending a frame; one writer at a time")
    }

    private func finish(_ pending: PendingFrame) {
        state.withLock { state in
            state.unsent = pending.leftOver
            state.isBusy = false
        }
    }
}

struct FrameWriterState: Sendable {
    var unsent: [UInt8]?
    var isBusy = false
}

/// What has to be written: the rest of the last message first, then this one.
struct PendingFrame: Sendable {
    private var bytes: [UInt8]
    private var done = 0
    private var isOwn = false
    var isGivenUp = false

    init(unsent: [UInt8]?) { bytes = unsent ?? [] }

    var isUnsent: Bool { done < bytes.count }
    /// Whether a byte of this message, not of the one before, is written.
    var hasBegun: Bool { isOwn && done > 0 }
    var rest: Span<UInt8> {
        @_lifetime(borrow self)
        get { bytes.span.extracting(done...) }
    }
    /// What the next call has to write first: not a message of which nothing was written.
    var leftOver: [UInt8]? { isUnsent && (!isOwn || done > 0) ? Array(bytes[done...]) : nil }

    mutating func advance(_ count: Int) { done += count }

    /// Whether there is more to write, taking up `frame` when the rest of the last one is gone.
    mutating func add(_ frame: [UInt8]) -> Bool {
        if isGivenUp { return false }
        if !isUnsent && !isOwn {
            bytes = frame
            done = 0
            isOwn = true
        }
        return isUnsent
    }
}

/// The four bytes of a number, the lowest first.
func forEachByte(of value: UInt32, _ body: (UInt8) -> Void) {
    for shift in stride(from: 0, to: 32, by: 8) { body(UInt8(truncatingIfNeeded: value >> UInt32(shift))) }
}
