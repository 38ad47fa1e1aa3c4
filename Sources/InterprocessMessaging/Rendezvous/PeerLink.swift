// SPDX-License-Identifier: Apache-2.0
package import Interprocess
import Synchronization

/// The connection between one publisher and one reader: it says when the other side is gone, and carries the bells of those
/// who await.
///
/// Ownership: owns the socket.
///
/// Concurrency: any thread.
package final class PeerLink: Sendable {
    /// Who is at the other end.
    package let peer: PeerIdentity
    package let socket: SequencedPacketSocket
    private let gone = Atomic<Bool>(false)

    package init(_ socket: consuming SequencedPacketSocket, peer: PeerIdentity) {
        self.socket = socket
        self.peer = peer
    }

    /// The other side has closed or died: the attendant has seen it.
    package var isGone: Bool { gone.load(ordering: .acquiring) }

    /// True the first time.
    package func markGone() -> Bool { !gone.exchange(true, ordering: .acquiringAndReleasing) }

    /// Rings for a side that awaits: a datagram of one byte. A full buffer rings already, and a peer that is gone needs no bell.
    package func ring() { _ = try? socket.trySend([1]) }

    /// Leaves; the other side learns it at once.
    package func close() { try? socket.shutDown(.both) }
}
