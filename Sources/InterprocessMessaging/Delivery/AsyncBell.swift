// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls

/// The end of a pair's socket at which a task of the owner hears the other side ring.
///
/// A descriptor of its own for the same socket: the attendant watches the link for its end, and a bell that went through the attendant's
/// thread would cost every message a change of threads. Made at the first suspension, so that who never suspends pays nothing.
final class AsyncBell: Sendable {
    let descriptor: AwaitableDescriptor

    init(_ link: PeerLink) throws(IPCError) {
        let copy = try link.socket.awaitable.duplicate()
        try? sysMarkForFork(copy.rawValue)
        descriptor = AwaitableDescriptor(copy)
    }

    deinit { sysUnmarkForFork(descriptor.rawValue) }
}
