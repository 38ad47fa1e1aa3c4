// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls

// What sockets with message boundaries have in common.
extension SocketCore {
    @inline(__always)
    func receivePacket(into buffer: inout OutputSpan<UInt8>, retryOnInterrupt: Bool) throws(IPCError) -> SocketReceipt {
        let capacity = buffer.freeCapacity
        let real = try receive(into: &buffer, flags: SocketConstant.truncated, retryOnInterrupt: retryOnInterrupt)
        return receipt(real, capacity: capacity)
    }

    func tryReceivePacket(into buffer: inout OutputSpan<UInt8>) throws(IPCError) -> SocketReceipt? {
        let capacity = buffer.freeCapacity
        guard let real = try tryReceive(into: &buffer, flags: SocketConstant.truncated) else { return nil }
        return receipt(real, capacity: capacity)
    }

    /// Tells an empty message from the end, as far as the kernel lets one: it returns 0 for both.
    ///
    /// If the other side has not ended, or more messages follow, it was a message; if a credential or a descriptor came
    /// along (`isProof`), too. An empty message that was the very last before the end cannot be told from it.
    @inline(__always)
    func receipt(_ real: Int, capacity: Int, isProof: Bool = false) -> SocketReceipt {
        real > 0 || isProof ? SocketReceipt(real: real, capacity: capacity) : receiptOfNothing()
    }

    private func receiptOfNothing() -> SocketReceipt {
        guard (try? descriptor.isReady(.end)) == true else { return .message(0) }
        var following: Int?
        _ = [UInt8](capacity: 1) { buffer in
            following = try? tryReceive(into: &buffer, flags: SocketConstant.peek | SocketConstant.truncated)
        }
        return (following ?? 0) > 0 ? .message(0) : .endOfStream
    }

    func collectPacket(
        upTo count: Int, _ body: (inout OutputSpan<UInt8>) throws(IPCError) -> SocketReceipt?
    ) throws(IPCError) -> SocketMessage? {
        var receipt: SocketReceipt?
        let bytes = try SocketCore.collect(count) { (buffer) throws(IPCError) in receipt = try body(&buffer) }
        guard let receipt else { return nil }
        return SocketMessage(bytes, receipt, ReceivedAncillary())
    }

    /// Sends one message, waiting for room as a task.
    func sendPacket(_ bytes: Span<UInt8>, until deadline: Deadline) async throws(IPCError) {
        let _: Int = try await descriptor.attempt(.writable, until: deadline, call: "send", subject) {
            () throws(IPCError) -> Int? in try trySend(bytes)
        }
    }

    func sendPacket(_ bytes: Span<UInt8>, until deadline: Deadline) throws(IPCError) {
        let _: Int = try descriptor.attemptBlocking(.writable, until: deadline, call: "send", subject) {
            () throws(IPCError) -> Int? in try trySend(bytes)
        }
    }
}
