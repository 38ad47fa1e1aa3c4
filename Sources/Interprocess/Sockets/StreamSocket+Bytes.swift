// SPDX-License-Identifier: Apache-2.0

// Framing works on every stream of bytes.
extension StreamSocket: ByteSource, ByteSink {
    public func read(into buffer: inout OutputSpan<UInt8>, until deadline: Deadline) throws(IPCError) -> Int {
        if deadline == .never { return try receive(into: &buffer, retryOnInterrupt: true) }
        return try receive(into: &buffer, until: deadline, retryOnInterrupt: true)
    }

    public func tryRead(into buffer: inout OutputSpan<UInt8>) throws(IPCError) -> Int? {
        try tryReceive(into: &buffer)
    }

    public func waitUntilReadable(until deadline: Deadline) async throws(IPCError) -> Bool {
        try await core.descriptor.wait(for: .readable, until: deadline)
    }

    public func writeSome(_ bytes: Span<UInt8>, until deadline: Deadline) throws(IPCError) -> Int {
        try core.descriptor.attemptBlocking(.writable, until: deadline, call: "send", core.subject) {
            () throws(IPCError) -> Int? in try core.trySend(bytes)
        }
    }

    public func tryWrite(_ bytes: Span<UInt8>) throws(IPCError) -> Int? { try core.trySend(bytes) }

    public func waitUntilWritable(until deadline: Deadline) async throws(IPCError) -> Bool {
        try await core.descriptor.wait(for: .writable, until: deadline)
    }
}
