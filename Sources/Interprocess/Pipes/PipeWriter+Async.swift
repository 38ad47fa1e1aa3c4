// SPDX-License-Identifier: Apache-2.0

extension PipeWriter {
    /// Suspends the task until all of `bytes` are in the pipe.
    ///
    /// - Parameters:
    ///   - bytes: what to write.
    ///   - deadline: until when.
    /// - Throws: ``IPCError/Code/disconnected``, ``IPCError/Code/timedOut``, ``IPCError/Code/cancelled``: nothing is written
    ///   of at most ``atomicBytes``, a part may be of more; use ``writeSome(_:until:)-2e6zd`` to know how much.
    public func write(_ bytes: Span<UInt8>, until deadline: Deadline = .never) async throws(IPCError) {
        var done = 0
        while done < bytes.count {
            done += try await writeSome(bytes.extracting(done...), until: deadline)
        }
    }

    /// Suspends the task until something of `bytes` is in the pipe.
    ///
    /// - Returns: how many bytes were written; all if there are at most ``atomicBytes``.
    public func writeSome(_ bytes: Span<UInt8>, until deadline: Deadline = .never) async throws(IPCError) -> Int {
        // There is room as a rule: try before asking to be told of it.
        if let count = try end.writeNow(bytes) { return count }
        while true {
            let seen = try end.descriptor.generation(.writable)
            if let count = try end.writeNow(bytes) { return count }
            try await end.waitSuspended(.writable, after: seen, deadline)
        }
    }

    /// ``write(_:until:)`` of an array.
    public func write(_ bytes: [UInt8], until deadline: Deadline = .never) async throws(IPCError) {
        try await write(bytes.span, until: deadline)
    }

    /// Suspends the task until there is room or nobody left to write to; false if the deadline came first.
    public func waitUntilWritable(until deadline: Deadline = .never) async throws(IPCError) -> Bool {
        try await end.waitSuspended(.writable, deadline)
    }

    /// Suspends the task until the last reader is gone; false if the deadline came first.
    public func waitForReadersGone(until deadline: Deadline = .never) async throws(IPCError) -> Bool {
        try await end.waitSuspended(.end, deadline)
    }
}
