// SPDX-License-Identifier: Apache-2.0
import CSupport
import Interprocess

/// One end of a ping-pong over one mechanism. The loops below are generic over it and specialised by the compiler.
protocol Exchange: ~Copyable {
    func send(_ bytes: Span<UInt8>) throws(IPCError)
    /// Appends one whole message.
    func receive(into buffer: inout OutputSpan<UInt8>) throws(IPCError)
    /// How much longer than a message the buffer is.
    static var spareBytes: Int { get }
}

extension Exchange where Self: ~Copyable {
    static var spareBytes: Int { 0 }
}

struct PipeExchange: ~Copyable, Exchange {
    let reader: PipeReader
    let writer: PipeWriter

    init() throws(IPCError) {
        let reader = try PipeReader(adopting: OwnedDescriptor(adopting: CInt(bench_receive_fd)))
        let writer = try PipeWriter(adopting: OwnedDescriptor(adopting: CInt(bench_send_fd)))
        self.reader = reader
        self.writer = writer
    }

    func send(_ bytes: Span<UInt8>) throws(IPCError) { try writer.write(bytes) }

    func receive(into buffer: inout OutputSpan<UInt8>) throws(IPCError) {
        while buffer.freeCapacity > 0 {
            if try reader.read(into: &buffer) == 0 { throw IPCError(code: .disconnected, subject: "the other side") }
        }
    }
}

struct PacketExchange: ~Copyable, Exchange {
    let socket: SequencedPacketSocket

    init() throws(IPCError) {
        socket = try SequencedPacketSocket(adopting: OwnedDescriptor(adopting: CInt(bench_receive_fd)))
    }

    func send(_ bytes: Span<UInt8>) throws(IPCError) { try socket.send(bytes) }

    func receive(into buffer: inout OutputSpan<UInt8>) throws(IPCError) {
        guard case .message = try socket.receive(into: &buffer) else {
            throw IPCError(code: .disconnected, subject: "the other side")
        }
    }
}

struct QueueExchange: ~Copyable, Exchange {
    let incoming: MessageQueue
    let outgoing: MessageQueue

    init(receive: String, send: String) throws(IPCError) {
        let incoming = try MessageQueue(ObjectName(receive), access: .receiveOnly)
        let outgoing = try MessageQueue(ObjectName(send), access: .sendOnly)
        self.incoming = incoming
        self.outgoing = outgoing
    }

    func send(_ bytes: Span<UInt8>) throws(IPCError) { try outgoing.send(bytes) }

    func receive(into buffer: inout OutputSpan<UInt8>) throws(IPCError) { _ = try incoming.receive(into: &buffer) }
}

struct SystemVExchange: ~Copyable, Exchange {
    /// The kernel puts the type in front of the bytes; C's buffer has room for it as well.
    static var spareBytes: Int { 8 }
    let incoming: SystemVMessageQueue
    let outgoing: SystemVMessageQueue

    init(receive: Int32, send: Int32) throws(IPCError) {
        let incoming = try SystemVMessageQueue(id: receive)
        let outgoing = try SystemVMessageQueue(id: send)
        self.incoming = incoming
        self.outgoing = outgoing
    }

    func send(_ bytes: Span<UInt8>) throws(IPCError) { try outgoing.send(bytes) }

    func receive(into buffer: inout OutputSpan<UInt8>) throws(IPCError) { _ = try incoming.receive(into: &buffer) }
}

/// Memory of the same alignment that C's loop has: how fast the kernel copies depends on it.
func memory(_ size: Int) -> UnsafeMutableBufferPointer<UInt8> {
    UnsafeMutableBufferPointer(start: bench_allocate(size).assumingMemoryBound(to: UInt8.self), count: size)
}

/// Sends and waits for the answer, as often as told; reports the time of every batch.
func ping<Means: Exchange & ~Copyable>(_ exchange: borrowing Means, _ size: Int) throws(IPCError) {
    let payload = memory(size)
    let answer = memory(size + Means.spareBytes)
    payload.initialize(repeating: 7)
    while true {
        let rounds = bench_next()
        if rounds == 0 { return }
        let start = bench_now()
        for _ in 0..<rounds {
            try exchange.send(payload.span)
            var buffer = OutputSpan<UInt8>(buffer: answer, initializedCount: 0)
            try exchange.receive(into: &buffer)
        }
        bench_report(bench_now() - start)
    }
}

/// Sends back what comes, until it is ended from outside.
func echo<Means: Exchange & ~Copyable>(_ exchange: borrowing Means, _ size: Int) throws(IPCError) {
    let message = memory(size + Means.spareBytes)
    while true {
        var buffer = OutputSpan<UInt8>(buffer: message, initializedCount: 0)
        try exchange.receive(into: &buffer)
        try exchange.send(buffer.span)
    }
}
