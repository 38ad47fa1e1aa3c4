// SPDX-License-Identifier: Apache-2.0
import Interprocess

extension PeerLink {
    /// Takes the bells that have rung: a full socket would swallow the next.
    func drain() {
        for _ in 0..<64 {
            guard let message = try? socket.tryReceive(upTo: 1), !message.isEndOfStream else { return }
        }
    }
}
