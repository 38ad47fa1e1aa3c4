// SPDX-License-Identifier: Apache-2.0
import InterprocessStructures

/// Which fields stand between a record's header and its payload.
///
/// ```
/// 16  timestamp      UInt64, and 8 bytes of nothing      if the topic has time stamps
///  …  traceContext   32 bytes                            if it has trace contexts
///  …  userHeader     as many bytes as the topic says, rounded up to 16
///  …  payload
/// ```
@frozen @usableFromInline
package struct FieldLayout: Sendable, Equatable {
    /// The most that a user's header may have.
    package static let largestUserHeader = 1024
    static let timestampBit: UInt8 = 1
    static let traceContextBit: UInt8 = 2
    @usableFromInline static var traceContextBytes: Int { 32 }

    /// As it travels in the hand-shake.
    @usableFromInline package let bits: UInt8
    @usableFromInline package let userHeaderBytes: Int
    /// From the record's beginning; 0 where there is none.
    @usableFromInline package let timestampOffset: Int
    @usableFromInline package let traceContextOffset: Int
    @usableFromInline package let userHeaderOffset: Int
    /// Where the payload begins.
    @usableFromInline package let payloadOffset: Int

    /// There are any.
    @inlinable package var hasFields: Bool { payloadOffset != 16 }

    /// Nil for fields that cannot be: they may come from another process.
    package init?(bits: UInt8, userHeaderBytes: Int, payloadAlignment: Int) {
        guard bits & ~(Self.timestampBit | Self.traceContextBit) == 0, userHeaderBytes >= 0,
            userHeaderBytes <= Self.largestUserHeader, payloadAlignment >= 1, payloadAlignment <= 64
        else { return nil }
        self.bits = bits
        self.userHeaderBytes = userHeaderBytes
        var next = LogLayout.headerBytes
        func place(_ bytes: Int, _ isThere: Bool) -> Int {
            guard isThere else { return 0 }
            defer { next += (bytes + 15) & ~15 }
            return next
        }
        timestampOffset = place(8, bits & Self.timestampBit != 0)
        traceContextOffset = place(Self.traceContextBytes, bits & Self.traceContextBit != 0)
        userHeaderOffset = place(userHeaderBytes, userHeaderBytes > 0)
        payloadOffset = (next + payloadAlignment - 1) & ~(payloadAlignment - 1)
    }

    /// The payload and nothing else: what a topic has unless it asks for more.

}
