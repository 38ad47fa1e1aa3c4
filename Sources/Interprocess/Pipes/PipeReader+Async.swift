// SPDX-License-Identifier: Apache-2.0

extension PipeReader {
    /// Suspends the task until at least one byte has come, and takes what is there.
    ///
    /// - Parameters:
    ///   - buffer: what comes is appended to it; it has free capacity.
    ///   - deadline: until when.
    /// - Returns: how many bytes were appended, 0 at the end of the stream.
    /// - Throws: ``IPCError/Code/timedOut``, ``IPCError/Code/cancelled``; nothing is lost in either case.
    public func read(
        into buffer: inout OutputSpan<UInt8>, until deadline: Deadline = .never
    ) async throws(IPCError) -> Int {
        while true {
            let seen = try end.descriptor.generation(.readable)
            if let count = try end.readNow(into: &buffer) { return count }
            try await end.waitSuspended(.readable, after: seen, deadline)
        }
    }

    /// Suspends the task until something has come.
    ///
    /// - Returns: 1 to `count` bytes, nil at the end of the stream.
    public func read(
        upTo count: Int = 65536, until deadline: Deadline = .never
    ) async throws(IPCError) -> [UInt8]? {
        while true {
            let seen = try end.descriptor.generation(.readable)
            switch try tryRead(upTo: count) {
            case .bytes(let bytes): return bytes
            case .end: return nil
            case .nothingYet: try await end.waitSuspended(.readable, after: seen, deadline)
            }
        }
    }

    /// Suspends the task and reads to the end of the stream.
    ///
    /// - Parameters:
    ///   - limit: bytes; a stream that is longer is refused.
    ///   - deadline: until when.
    /// - Throws: ``IPCError/Code/messageTooLarge`` beyond `limit`; ``IPCError/Code/timedOut``, ``IPCError/Code/cancelled``.
    public func readAll(
        upTo limit: Int = .max, until deadline: Deadline = .never
    ) async throws(IPCError) -> [UInt8] {
        var all: [UInt8] = []
        while let part = try await read(until: deadline) {
            try end.check(all.count + part.count, limit)
            all += part
        }
        return all
    }

    /// Suspends the task until there is something to read or the end; false if the deadline came first.
    public func waitUntilReadable(until deadline: Deadline = .never) async throws(IPCError) -> Bool {
        try await end.waitSuspended(.readable, deadline)
    }
}
