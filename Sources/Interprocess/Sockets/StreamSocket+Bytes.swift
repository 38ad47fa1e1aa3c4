// SPDX-License-Identifier: Apache-2.0

// Framing works on every stream of bytes.
extension StreamSocket: ByteSource, ByteSink {
    /// Blocks until at least one byte has come; as ``receive(into:until:retryOnInterrupt:)``.
    public func read(into buffer: inout OutputSpan<UInt8>, until deadline: Deadline) throws(IPCError) -> Int {
        if deadline == .never { return try receive(into: &buffer, retryOnInterrupt: true) }
        return try receive(into: &buffer, until: deadline, retryOnInterrupt: true)
    }

    /// Takes what is there; as ``tryReceive(into:)``.
    public func tryRead(into buffer: inout OutputSpan<UInt8>) throws(IPCError) -> Int? {
        try tryReceive(into: &buffer)
    }

    /// Suspends until there is something to receive; false if the deadline came first.
    public func waitUntilReadable(until deadline: Deadline) async throws(IPCError) -> Bool {
        try await core.descriptor.wait(for: .readable, until: deadline)
    }

    /// Blocks until at least one byte is taken; how many were.
    public func writeSome(_ bytes: Span<UInt8>, until deadline: Deadline) throws(IPCError) -> Int {
        try core.descriptor.attemptBlocking(.writable, until: deadline, call: "send", core.subject) {
            () throws(IPCError) -> Int? in try core.trySend(bytes)
        }
    }

    /// Sends what fits at once; nil if nothing does.
    public func tryWrite(_ bytes: Span<UInt8>) throws(IPCError) -> Int? { try core.trySend(bytes) }

    /// Suspends until there is room to send; false if the deadline came first.
    public func waitUntilWritable(until deadline: Deadline) async throws(IPCError) -> Bool {
        try await core.descriptor.wait(for: .writable, until: deadline)
    }
}
