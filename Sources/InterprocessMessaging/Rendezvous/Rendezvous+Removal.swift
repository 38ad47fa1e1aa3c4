// SPDX-License-Identifier: Apache-2.0
package import Interprocess

extension Rendezvous {
    /// Removes the sockets of a channel that nobody answers any more, and its directory once that is empty.
    ///
    /// What is in use stays, and so does a directory in which somebody else has put something.
    ///
    /// - Throws: `IPCError.Code.notFound` if there is no such channel; `IPCError.Code.permissionDenied`.
    package func removeUnused(_ kind: ChannelKind, _ name: ChannelName) throws(IPCError) {
        let channel = ChannelPlace(rendezvous: self, kind: kind, name: name)
        // Closed before the directory goes: the kernel tells nobody of its end while it is open.
        do {
            let directory = try ChannelDirectory.open(channel, policy: nil)
            directory.sweep()
        }
        channel.removeIfEmpty()
    }
}
