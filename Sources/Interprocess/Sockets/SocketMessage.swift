// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls

/// What one receive on a socket with message boundaries gave.
public enum SocketReceipt: Sendable, Hashable {
    /// A whole message of so many bytes; 0 is a message as well.
    case message(Int)
    /// The start of a message that was longer than the buffer: what was stored, and how long it was. The rest is gone.
    case truncated(Int, of: Int)
    /// The peer has closed or finished sending, and everything has been received.
    case endOfStream

    /// How many bytes were stored.
    public var stored: Int {
        switch self {
        case .message(let count), .truncated(let count, _): count
        case .endOfStream: 0
        }
    }

    /// Whether a message lost its end.
    public var isTruncated: Bool {
        if case .truncated = self { true } else { false }
    }

    init(real: Int, capacity: Int) {
        self = real > capacity ? .truncated(capacity, of: real) : .message(real)
    }
}

/// A message with everything that came beside its bytes.
///
/// Ownership: descriptors that are not taken are closed with it.
public struct SocketMessage: ~Copyable, Sendable {
    /// The bytes; on a stream, those that one call returned.
    public var bytes: [UInt8]
    /// Whether the message is whole, was cut, or is the end of the stream.
    public var receipt: SocketReceipt
    /// The descriptors that came with it.
    public var descriptors: ReceivedDescriptors
    /// Its sender, if ``SocketOption/passCredentials`` is on.
    public var credentials: PeerCredentials?
    /// Where it came from: datagram sockets only, and only if the sender is bound.
    public var sender: SocketAddress?

    /// Whether nothing more will come.
    public var isEndOfStream: Bool { receipt == .endOfStream }

    init(_ bytes: consuming [UInt8], _ receipt: SocketReceipt, _ ancillary: borrowing ReceivedAncillary) {
        self.bytes = bytes
        self.receipt = receipt
        descriptors = ReceivedDescriptors(adopting: ancillary.descriptors)
        credentials = ancillary.credentials.map(PeerCredentials.init)
        sender = ancillary.sender.count > 0 ? SocketAddress(ancillary.sender) : nil
        // Nobody asked for it (SO_PASSPIDFD is not one of our options), so nobody would close it.
        if ancillary.processDescriptor >= 0 { _ = OwnedDescriptor(adopting: ancillary.processDescriptor) }
    }
}
