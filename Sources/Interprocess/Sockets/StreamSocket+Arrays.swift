// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls

// The same verbs with arrays, for those who do not count allocations.
extension StreamSocket {
    /// Sends all of `bytes`; as ``send(_:retryOnInterrupt:)``.
    public func send(_ bytes: [UInt8], retryOnInterrupt: Bool = true) throws(IPCError) {
        try send(bytes.span, retryOnInterrupt: retryOnInterrupt)
    }

    /// Sends what there is room for; as ``trySend(_:)``.
    public func trySend(_ bytes: [UInt8]) throws(IPCError) -> Int { try trySend(bytes.span) }

    /// Sends all of `bytes` until `deadline` at most, blocking the thread.
    public func send(_ bytes: [UInt8], until deadline: Deadline) throws(IPCError) {
        try send(bytes.span, until: deadline)
    }

    /// Sends all of `bytes`, suspending the task while the send buffer is full.
    public func send(_ bytes: [UInt8], until deadline: Deadline = .never) async throws(IPCError) {
        try await send(bytes.span, until: deadline)
    }

    /// Receives up to `count` bytes; blocks the thread until there is at least one.
    ///
    /// - Returns: what arrived; empty at the end of the stream.
    public func receive(upTo count: Int, retryOnInterrupt: Bool = true) throws(IPCError) -> [UInt8] {
        try SocketCore.collect(count) { (buffer) throws(IPCError) in
            _ = try receive(into: &buffer, retryOnInterrupt: retryOnInterrupt)
        }
    }

    /// Receives up to `count` bytes of what is there.
    ///
    /// - Returns: what arrived; empty at the end of the stream, nil if nothing has arrived.
    public func tryReceive(upTo count: Int) throws(IPCError) -> [UInt8]? {
        var isThere = false
        let bytes = try SocketCore.collect(count) { (buffer) throws(IPCError) in
            isThere = try tryReceive(into: &buffer) != nil
        }
        return isThere ? bytes : nil
    }

    /// Receives up to `count` bytes; blocks the thread until `deadline` at most.
    public func receive(upTo count: Int, until deadline: Deadline) throws(IPCError) -> [UInt8] {
        try SocketCore.collect(count) { (buffer) throws(IPCError) in
            _ = try receive(into: &buffer, until: deadline)
        }
    }

    /// Receives up to `count` bytes; suspends the task until there is at least one.
    public func receive(upTo count: Int, until deadline: Deadline = .never) async throws(IPCError) -> [UInt8] {
        try await core.descriptor.attempt(.readable, until: deadline, call: "recv", core.subject) {
            () throws(IPCError) -> [UInt8]? in try tryReceive(upTo: count)
        }
    }

    /// Receives exactly `count` bytes; blocks the thread until they are there.
    ///
    /// - Returns: `count` bytes; fewer only if the stream ended before.
    public func receive(exactly count: Int) throws(IPCError) -> [UInt8] {
        try SocketCore.collect(count) { (buffer) throws(IPCError) in
            while !buffer.isFull {
                if try receive(into: &buffer) == 0 { break }
            }
        }
    }

    /// Receives exactly `count` bytes; suspends the task until they are there.
    ///
    /// - Returns: `count` bytes; fewer only if the stream ended before.
    /// - Throws: ``IPCError/Code/timedOut``, ``IPCError/Code/cancelled``, when a part may have been received and is lost.
    public func receive(exactly count: Int, until deadline: Deadline = .never) async throws(IPCError) -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < count {
            let part = try await receive(upTo: count - bytes.count, until: deadline)
            if part.isEmpty { break }
            bytes += part
        }
        return bytes
    }
}

extension SocketCore {
    /// An array that `body` fills, at most `capacity` long.
    static func collect(
        _ capacity: Int, _ body: (inout OutputSpan<UInt8>) throws(IPCError) -> Void
    ) throws(IPCError) -> [UInt8] {
        var failure: IPCError?
        let bytes = [UInt8](capacity: capacity) { buffer in
            do throws(IPCError) { try body(&buffer) } catch { failure = error }
        }
        if let failure { throw failure }
        return bytes
    }
}
