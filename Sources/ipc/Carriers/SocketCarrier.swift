// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import SystemPackage

/// What the carriers over sockets have in common.
enum SocketCalls {
    /// With a deadline that has passed already, "timed out" is "would block".
    static func patient<Value: ~Copyable>(
        _ deadline: Deadline, _ body: () throws(IPCError) -> Value
    ) throws(IPCError) -> Value {
        let wasPassed = deadline.hasPassed
        do throws(IPCError) { return try body() } catch  where error.code == .timedOut && wasPassed {
            throw IPCError(
                .resourceTemporarilyUnavailable, error.call, error.subject,
                hint: "it cannot be done at once; without --no-wait, or with --timeout, it would be waited for")
        }
    }

    /// A message or some bytes, left where they are.
    static func peek(_ descriptor: CInt, _ address: Address, until deadline: Deadline) throws -> [UInt8]? {
        do throws(Errno) {
            guard try sysPollOne(descriptor, writing: false, untilNanoseconds: deadline.monotonicNanoseconds) else {
                let error: Errno = deadline == .never ? .timedOut : .resourceTemporarilyUnavailable
                throw error
            }
            let bytes = try Array(capacity: 1 << 20) { (buffer: inout OutputSpan<UInt8>) throws(Errno) in
                // MSG_PEEK
                _ = try sysReceive(descriptor, into: &buffer, flags: 2)
            }
            return bytes.isEmpty ? nil : bytes
        } catch {
            throw IPCError(error, "recv", "\(address)")
        }
    }

    static func sender(_ credentials: PeerCredentials?) -> Parcel.Sender? {
        credentials.map { Parcel.Sender(process: $0.processID, user: $0.userID, group: $0.groupID) }
    }

    /// Takes the descriptors out of a message; they belong to the parcel then.
    static func take(from message: inout SocketMessage) -> [CInt] {
        var numbers: [CInt] = []
        while let descriptor = message.descriptors.takeFirst() { numbers.append(descriptor.release()) }
        return numbers
    }

    static func cut(_ address: Address, _ receipt: SocketReceipt) throws(IPCError) {
        if case .truncated(let stored, let real) = receipt {
            throw IPCError(
                code: .messageTooLarge, subject: "\(address)", hint: "a message of \(real) bytes was cut to \(stored)")
        }
    }
}

/// A connection of a stream socket, unix or TCP.
final class StreamCarrier: Source, Sink {
    private let address: Address
    private let socket: StreamSocket
    private let peer: Parcel.Sender?
    private let wantsDescriptors: Bool

    init(_ address: Address, _ socket: consuming StreamSocket, wantsDescriptors: Bool = false) {
        self.address = address
        self.wantsDescriptors = wantsDescriptors
        peer = address.kind == .unix ? SocketCalls.sender(try? socket.peerCredentials()) : nil
        self.socket = socket
    }

    var keepsBoundaries: Bool { false }

    func receive(_ selection: Selection, limit: Int, until deadline: Deadline) throws -> Parcel? {
        if wantsDescriptors {
            var message = try SocketCalls.patient(deadline) { () throws(IPCError) in
                deadline == .never
                    ? try socket.receiveMessage(upTo: limit) : try socket.receiveMessage(upTo: limit, until: deadline)
            }
            if message.isEndOfStream { return nil }
            let bytes = message.bytes
            return Parcel(bytes: bytes, sender: peer, descriptors: SocketCalls.take(from: &message))
        }
        let bytes = try SocketCalls.patient(deadline) { () throws(IPCError) in
            deadline == .never ? try socket.receive(upTo: limit) : try socket.receive(upTo: limit, until: deadline)
        }
        return bytes.isEmpty ? nil : Parcel(bytes: bytes, sender: peer)
    }

    func peek(_ selection: Selection, index: Int, until deadline: Deadline) throws -> Parcel? {
        try SocketCalls.peek(socket.rawValue, address, until: deadline).map { Parcel(bytes: $0, sender: peer) }
    }

    func send(_ parcel: Parcel, until deadline: Deadline) throws {
        var bytes = parcel.bytes
        if !parcel.descriptors.isEmpty, !bytes.isEmpty {
            let descriptors = parcel.descriptors.map { FileDescriptor(rawValue: $0) }
            let sent = try Patience.retry(until: deadline) {
                let sent = try socket.trySend(bytes.span, descriptors: descriptors)
                return sent > 0 ? sent : nil
            }
            guard let sent else { throw IPCError(.resourceTemporarilyUnavailable, "sendmsg", "\(address)") }
            bytes.removeFirst(sent)
        }
        if bytes.isEmpty { return }
        try SocketCalls.patient(deadline) { () throws(IPCError) in
            deadline == .never ? try socket.send(bytes) : try socket.send(bytes, until: deadline)
        }
    }

    func finish() throws {
        // A peer that has everything and closed first has not failed.
        do throws(IPCError) { try socket.shutDown(.sending) } catch  where error.code == .disconnected {}
    }
}

/// A connection of a seqpacket socket.
final class PacketCarrier: Source, Sink {
    private let address: Address
    private let socket: SequencedPacketSocket
    private let peer: Parcel.Sender?

    init(_ address: Address, _ socket: consuming SequencedPacketSocket) {
        self.address = address
        peer = SocketCalls.sender(try? socket.peerCredentials())
        self.socket = socket
    }

    var keepsBoundaries: Bool { true }
    /// Of a stream, pieces that every kind of queue takes as it comes: who knows where they go next.
    var largestMessage: Int? { 8192 }

    func receive(_ selection: Selection, limit: Int, until deadline: Deadline) throws -> Parcel? {
        var message = try SocketCalls.patient(deadline) { () throws(IPCError) in
            deadline == .never
                ? try socket.receiveMessage(upTo: limit) : try socket.receiveMessage(upTo: limit, until: deadline)
        }
        if message.isEndOfStream { return nil }
        try SocketCalls.cut(address, message.receipt)
        let bytes = message.bytes
        return Parcel(bytes: bytes, sender: peer, descriptors: SocketCalls.take(from: &message))
    }

    func peek(_ selection: Selection, index: Int, until deadline: Deadline) throws -> Parcel? {
        try SocketCalls.peek(socket.rawValue, address, until: deadline).map { Parcel(bytes: $0, sender: peer) }
    }

    func send(_ parcel: Parcel, until deadline: Deadline) throws {
        if parcel.descriptors.isEmpty {
            return try SocketCalls.patient(deadline) { () throws(IPCError) in
                deadline == .never ? try socket.send(parcel.bytes) : try socket.send(parcel.bytes, until: deadline)
            }
        }
        let descriptors = parcel.descriptors.map { FileDescriptor(rawValue: $0) }
        if deadline == .never { return try socket.send(parcel.bytes, descriptors: descriptors) }
        let sent = try Patience.retry(until: deadline) {
            try socket.trySend(parcel.bytes, descriptors: descriptors) ? true : nil
        }
        if sent == nil { throw IPCError(.resourceTemporarilyUnavailable, "sendmsg", "\(address)") }
    }

    func finish() throws {
        do throws(IPCError) { try socket.shutDown(.sending) } catch  where error.code == .disconnected {}
    }
}
