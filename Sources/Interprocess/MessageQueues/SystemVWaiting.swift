// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import Synchronization

final class SystemVWaiting: Sendable {
    init(id: Int32, subject: String, _ stash: SystemVStash) {}
    func end() {}
}
