// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// Lets one caller of a thread race through.
struct Once: ~Copyable, Sendable {
    private let isDone = Atomic<Bool>(false)

    /// Whether this is the first call.
    func first() -> Bool { !isDone.exchange(true, ordering: .acquiringAndReleasing) }
}
