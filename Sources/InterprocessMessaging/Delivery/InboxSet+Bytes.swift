// SPDX-License-Identifier: Apache-2.0
public import Interprocess
import InterprocessStructures

extension InboxSet {
    /// The next message of any length; nil: there is none.
    @usableFromInline
    package func takeBytes() throws(IPCError) -> RecordPlace? {
        precondition(core.value.taken == nil, "one sample of a subscriber is in use at a time")
        if core.value.news.loadRelaxed() == 0, core.value.alive.loadRelaxed() != 0, !core.value.takesTurns,
            let inbox = inboxes.first, let place = take(from: inbox)
        {
            return place
        }
        return try takeSlowly()
    }

    /// The next message of any length; blocks the thread until there is one, nil if the deadline came first.
    @usableFromInline
    package func takeBytes(until deadline: Deadline) throws(IPCError) -> RecordPlace? {
        while true {
            if let place = try takeBytes() { return place }
            _ = core.value.spinBriefly()
            if let place = try takeBytes() { return place }
            guard try waitOrEnd(until: deadline) else { return nil }
        }
    }

    /// A copy of the next message; nil: there is none. A lossy subscriber holds no publisher up meanwhile.
    func copyNextBytes() throws(IPCError) -> [UInt8]? {
        if core.value.isLossless {
            guard let place = try takeBytes() else { return nil }
            let copy = place.copy
            if !release() { throw overwritten }
            return copy
        }
        var capacity = core.value.payloadBytes > 0 ? core.value.payloadBytes : 4096
        while true {
            var buffer = [UInt8](repeating: 0, count: capacity)
            var target = buffer.mutableSpan
            switch try copyNext(into: &target) {
            case .copied(let count):
                buffer.removeLast(buffer.count - count)
                return buffer
            // It is looked at anew: meanwhile it may have been overwritten by another. A publisher that lies makes it longer each time.
            case .tooLong(let count): capacity = max(count, 2 * capacity)
            case .nothing: return nil
            }
        }
    }
}
