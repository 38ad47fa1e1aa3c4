// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import SystemPackage

/// A bound datagram socket, unix or UDP.
final class DatagramSource: Source {
    private let address: Address
    private let socket: DatagramSocket
    let boundAddress: Address

    init(_ address: Address) throws {
        self.address = address
        let settings = address.kind == .unixDatagram ? [SocketSetting(.passCredentials, true)] : []
        let place = try SocketOpening.place(address)
        socket = try SocketOpening.noting(address) { () throws(IPCError) in
            try DatagramSocket.bind(to: place, settings: settings)
        }
        boundAddress = SocketOpening.named(address, try socket.localAddress())
    }

    var keepsBoundaries: Bool { true }

    func receive(_ selection: Selection, limit: Int, until deadline: Deadline) throws -> Parcel? {
        var message = try SocketCalls.patient(deadline) { () throws(IPCError) in
            deadline == .never
                ? try socket.receiveMessage(upTo: limit) : try socket.receiveMessage(upTo: limit, until: deadline)
        }
        try SocketCalls.cut(address, message.receipt)
        let bytes = message.bytes
        let sender = SocketCalls.sender(message.credentials)
        return Parcel(bytes: bytes, sender: sender, descriptors: SocketCalls.take(from: &message))
    }

    func peek(_ selection: Selection, index: Int, until deadline: Deadline) throws -> Parcel? {
        try SocketCalls.peek(socket.rawValue, address, until: deadline).map { Parcel(bytes: $0) }
    }
}

/// Datagrams to one peer.
final class DatagramSink: Sink {
    private let address: Address
    private let socket: DatagramSocket

    init(_ address: Address) throws {
        self.address = address
        socket = try DatagramSocket.connect(to: SocketOpening.place(address))
    }

    var keepsBoundaries: Bool { true }
    var largestMessage: Int? { 8192 }

    func send(_ parcel: Parcel, until deadline: Deadline) throws {
        if !parcel.descriptors.isEmpty {
            let descriptors = parcel.descriptors.map { FileDescriptor(rawValue: $0) }
            let sent = try Patience.retry(until: deadline) {
                try socket.trySend(parcel.bytes, descriptors: descriptors) ? true : nil
            }
            if sent == nil { throw IPCError(.resourceTemporarilyUnavailable, "sendmsg", "\(address)") }
            return
        }
        try SocketCalls.patient(deadline) { () throws(IPCError) in
            deadline == .never ? try socket.send(parcel.bytes) : try socket.send(parcel.bytes, until: deadline)
        }
        try refused()
    }

    /// On one host the answer that nobody listens to a UDP port is there at once; other hosts' answers may be late or lost.
    private func refused() throws {
        guard address.kind == .udp, let number = try? socket.get(.error), number != 0 else { return }
        throw IPCError(Errno(rawValue: CInt(number)), "send", "\(address)")
    }
}
