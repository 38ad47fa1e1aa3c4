// SPDX-License-Identifier: Apache-2.0
import Interprocess

/// How long, and how many at once.
package struct HandshakeLimits: Sendable, Hashable {
    /// How long a hand-shake may take, from the connection to Ready.
    package var patience: Duration
    /// How many readers may be half-way in; one more, and the oldest that has not said Hello is turned away.
    package var halfOpen: Int
    /// How many publishers a search talks to at once.
    package var meetings: Int
    /// After how long a publisher that did not answer, or had no room, is asked again; doubled each time, up to 32 times this.
    package var secondTry: Duration

    package init(
        patience: Duration = .seconds(2), halfOpen: Int = 64, meetings: Int = 128, secondTry: Duration = .seconds(1)
    ) {
        self.patience = patience
        self.halfOpen = halfOpen
        self.meetings = meetings
        self.secondTry = secondTry
    }
}

/// One message of a hand-shake, received.
struct HandshakeReply: ~Copyable {
    let message: HandshakeMessage
    var descriptors: ReceivedDescriptors
}

extension PeerLink {
    /// Sends a message if there is room for it, as there is where little was sent before.
    ///
    /// - Returns: whether it was sent.
    func say(_ message: HandshakeMessage) -> Bool { (try? socket.trySend(message.encode())) == true }

    /// The next message.
    ///
    /// - Throws: `IPCError.Code.timedOut`, `IPCError.Code.cancelled`, `IPCError.Code.disconnected`;
    ///   `IPCError.Code.malformed`; `IPCError.Code.limitReached`: more descriptors than are wanted, or than this process may
    ///   open.
    func hear(
        upTo count: Int, descriptors: Int, until deadline: Deadline
    ) async throws(IPCError) -> HandshakeReply {
        var message = try await socket.receiveMessage(upTo: count, maximumDescriptors: descriptors, until: deadline)
        if message.isEndOfStream {
            throw IPCError(.connectionReset, "recvmsg", socket.subject, hint: "the other side closed the connection")
        }
        guard !message.receipt.isTruncated else { throw malformed("a message of more than \(count) bytes") }
        let decoded: HandshakeMessage
        do throws(HandshakeFault) { decoded = try HandshakeMessage(decoding: message.bytes) } catch {
            throw malformed(error.description)
        }
        return HandshakeReply(message: decoded, descriptors: message.descriptors.takeAll())
    }

    /// What the other side answers to Hello.
    func answer(descriptors: Int, until deadline: Deadline) async throws(IPCError) -> HandshakeReply {
        do throws(IPCError) {
            return try await hear(upTo: HandshakeMessage.longestBytes, descriptors: descriptors, until: deadline)
        } catch {
            guard error.errno == .connectionReset else { throw error }
        }
        // It closed before it had read our Hello, which hides, once, what it had said before.
        return try await hear(upTo: HandshakeMessage.longestBytes, descriptors: descriptors, until: deadline)
    }

    private func malformed(_ hint: String) -> IPCError {
        IPCError(code: .malformed, subject: socket.subject, hint: hint)
    }
}
