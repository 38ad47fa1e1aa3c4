// SPDX-License-Identifier: Apache-2.0
package import Interprocess
import InterprocessSyscalls
import Synchronization
import SystemPackage

/// The connection between one publisher and one reader: it says when the other side is gone, and carries the bells of those
/// who await.
///
/// Ownership: owns the socket, and a descriptor of the process at its other end.
///
/// Concurrency: any thread.
///
/// If a process dies: a child that this process forks does not inherit the socket, so the other side notices the end of this
/// process all the same.
package final class PeerLink: Sendable {
    /// Who is at the other end.
    package let peer: PeerIdentity
    package let socket: SequencedPacketSocket
    /// The process there, as a descriptor; nil where the kernel gives none, or if it is this process.
    private let process: AwaitableDescriptor?
    private let gone = Atomic<Bool>(false)

    package init(
        _ socket: consuming SequencedPacketSocket, peer: PeerIdentity, process: consuming AwaitableDescriptor? = nil
    ) {
        try? sysMarkForFork(socket.rawValue)
        self.process = process
        self.socket = socket
        self.peer = peer
    }

    deinit { sysUnmarkForFork(socket.rawValue) }

    /// The other side has closed or died: the attendant has seen it.
    package var isGone: Bool { gone.load(ordering: .acquiring) }

    /// True the first time.
    package func markGone() -> Bool { !gone.exchange(true, ordering: .acquiringAndReleasing) }

    /// Rings for a side that awaits: a datagram of one byte. A full buffer rings already, and a peer that is gone needs no bell.
    package func ring() { _ = try? socket.trySend([1]) }

    /// Leaves; the other side learns it at once.
    package func close() { try? socket.shutDown(.both) }

    /// Suspends until the other side has closed or died, this side has closed, or the task is cancelled.
    ///
    /// A child that the peer forked may hold its socket, so the process itself is watched as well.
    package func ended() async {
        guard let hangUp = try? socket.readiness(.end) else { return }
        var signs = [hangUp]
        if let death = try? process?.readiness(.readable) { signs.append(death) }
        _ = try? await WaitAny(signs).first()
    }
}

extension PeerIdentity {
    /// A descriptor of the process at the other end of a socket; nil if there is no way to get one, or no need.
    ///
    /// - Throws: `IPCError.Code.disconnected` if the process is gone; `IPCError.Code.limitReached` (EMFILE).
    static func process(
        of socket: borrowing SequencedPacketSocket, _ credentials: PeerCredentials
    ) throws(IPCError) -> AwaitableDescriptor? {
        if credentials.processID == sysProcessID() { return nil }
        do throws(IPCError) { return AwaitableDescriptor(try socket.peerProcess()) } catch {
            switch error.code {
            case .unsupported: break
            case .limitReached, .outOfMemory: throw error
            // ESRCH, and EINVAL of older kernels: nobody has kept its entry.
            default: throw IPCError(code: .disconnected, call: error.call, errno: error.errno, subject: socket.subject)
            }
        }
        // Before Linux 6.5. The number can be another's by now only if its owner is gone, and then the socket has ended, too,
        // unless a child of the peer holds it.
        let opened: CInt
        do throws(Errno) { opened = try sysOpenProcess(credentials.processID) } catch {
            if error == .tooManyOpenFiles || error == .tooManyOpenFilesInSystem {
                throw IPCError(error, "pidfd_open", socket.subject)
            }
            return nil
        }
        let descriptor = AwaitableDescriptor(OwnedDescriptor(adopting: opened))
        if (try? socket.waitForEnd(until: .now)) == true {
            throw IPCError(code: .disconnected, call: "pidfd_open", subject: socket.subject)
        }
        return descriptor
    }
}
