// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import SystemPackage

/// One side of what is measured: it sends to the other and receives from it.
///
/// Every message is filled and checked: who hands memory over must not win by never touching it.
protocol BenchEnd: ~Copyable {
    /// Sends a message in which every byte is `value`.
    mutating func send(_ value: UInt8) throws
    /// Takes the next message; whether every byte of it is `value`.
    mutating func receive(_ value: UInt8) throws -> Bool
}

/// The kernel's mechanisms, with nothing between: one buffer for what goes and one for what comes.
struct KernelEnd: BenchEnd, ~Copyable {
    enum Way { case stream, packets, queue }

    private let way: Way
    private let reading: OwnedDescriptor
    private let writing: OwnedDescriptor
    private let payloadBytes: Int
    private var outgoing: [UInt8]
    private var incoming: [UInt8]

    /// Busy, it asks again and again; else it sleeps in the call.
    ///
    /// Closes both descriptors at its end.
    init(_ plan: BenchCase, reading: CInt, writing: CInt) throws {
        try sysSetNonBlocking(reading, plan.mode == .busy)
        try sysSetNonBlocking(writing, plan.mode == .busy)
        payloadBytes = plan.payloadBytes
        outgoing = [UInt8](repeating: 0, count: payloadBytes)
        incoming = [UInt8](repeating: 0, count: payloadBytes)
        way =
            switch plan.subject {
            case .topic, .pipe, .unix: .stream
            case .unixSeqpacket: .packets
            case .mq: .queue
            }
        self.reading = OwnedDescriptor(adopting: reading)
        self.writing = OwnedDescriptor(adopting: writing)
    }

    mutating func send(_ value: UInt8) throws {
        for index in outgoing.indices { outgoing[index] = value }
        var sent = 0
        while sent < payloadBytes {
            do throws(Errno) { sent += try write(from: sent) } catch {
                if error != .wouldBlock { throw error }
            }
        }
    }

    private func write(from start: Int) throws(Errno) -> Int {
        if way != .queue {
            return try sysWrite(writing.rawValue, outgoing.span.extracting(start..<payloadBytes))
        }
        try sysMessageQueueSend(writing.rawValue, outgoing.span, priority: 0)
        return payloadBytes
    }

    mutating func receive(_ value: UInt8) throws -> Bool {
        var received = 0
        while received < payloadBytes {
            do throws(Errno) { received += try read(from: received) } catch {
                if error != .wouldBlock { throw error }
                continue
            }
            if way != .stream { break }
        }
        return received == payloadBytes && incoming.span.isFilled(with: value)
    }

    private mutating func read(from start: Int) throws(Errno) -> Int {
        let descriptor = reading.rawValue
        let isQueue = way == .queue
        var bytes = incoming.mutableSpan
        if isQueue { return try sysMessageQueueReceive(descriptor, over: &bytes) }
        let count = try sysRead(descriptor, over: &bytes, from: start)
        if count == 0 { throw .brokenPipe }
        return count
    }
}

extension Span<UInt8> {
    /// Whether every byte is `value`; looks at all of them, whatever the first is.
    func isFilled(with value: UInt8) -> Bool {
        var difference: UInt8 = 0
        var index = 0
        while index < count {
            difference |= self[index] ^ value
            index += 1
        }
        return difference == 0
    }
}

/// One way of a kernel's mechanism, before the other process is there: a pipe, a pair of sockets, or a queue whose name is
/// gone before anybody can see it.
struct KernelChannel {
    let reading: CInt
    let writing: CInt

    init(_ plan: BenchCase) throws {
        let pair: (reading: CInt, writing: CInt)
        switch plan.subject {
        case .pipe: pair = try sysPlainPipe()
        case .unix: pair = try sysSocketPair(SocketConstant.unix, SocketConstant.stream)
        case .unixSeqpacket: pair = try sysSocketPair(SocketConstant.unix, SocketConstant.sequencedPacket)
        case .mq: pair = try KernelChannel.queue(plan.payloadBytes)
        case .topic: throw Failure("a topic is no mechanism of the kernel")
        }
        reading = pair.reading
        writing = pair.writing
    }

    private static func queue(_ messageSize: Int) throws -> (reading: CInt, writing: CInt) {
        let limits = MessageQueue.Limits.systemDefault
        if messageSize > limits.messageSizeBytes {
            throw Failure("a message of a queue has at most \(limits.messageSizeBytes) bytes")
        }
        let name = "/ipc-bench-\(sysProcessID())"
        let attributes = MessageQueueAttributes(maxMessages: 10, messageSizeBytes: messageSize)
        let writing = try sysMessageQueueOpen(
            name, .send, create: true, exclusive: true, mode: 0o600, attributes: attributes)
        defer { try? sysMessageQueueUnlink(name) }
        return (try sysMessageQueueOpen(name, .receive), writing)
    }
}
