// SPDX-License-Identifier: Apache-2.0
import InterprocessStructures

/// What a publisher costs, from what it says of itself.
extension ChannelReport {
    /// Memory that exists because of it: the log in whole pages, and a page for each subscriber.
    package var memoryBytes: UInt64 {
        let log = UInt64(LogLayout.ringOffset) &+ UInt64(clamping: capacityBytes)
        return (log &+ 4095) / 4096 * 4096 &+ UInt64(readers.count * PairLayout.regionBytes)
    }

    /// Descriptors in its process: the socket that listens and the log, and for each subscriber a socket and a handle of the
    /// process. A subscriber has as many for each publisher as the publisher has for it.
    package var descriptors: Int { 2 + 2 * readers.count }
}
