// SPDX-License-Identifier: Apache-2.0
package import Interprocess

/// What a reader, or one that only wants to look, says first.
package struct Hello: Sendable, Equatable {
    package enum Purpose: UInt8, Sendable { case subscribe = 1, observe = 2 }
    /// How much of what is retained it begins with.
    package enum History: Sendable, Equatable {
        case none
        case latest(Int)
        case all
    }

    package var purpose: Purpose
    package var payload: PayloadDescription
    package var isLossless: Bool
    package var history: History
    /// It cannot call `membarrier(2)` before it sleeps.
    package var needsFences: Bool

    package init(
        purpose: Purpose, payload: PayloadDescription, isLossless: Bool = true, history: History = .none,
        needsFences: Bool = false
    ) {
        self.purpose = purpose
        self.payload = payload
        self.isLossless = isLossless
        self.history = history
        self.needsFences = needsFences
    }
}

/// What a topic carries; both sides compare it.
package struct PayloadDescription: Sendable, Equatable {
    /// Nil: bytes, of any length.
    package var fixed: FixedPayload?

    package struct FixedPayload: Sendable, Equatable {
        package var typeName: String
        package var sizeBytes: Int
        package var strideBytes: Int
        package var alignmentBytes: Int
        package var version: UInt32

        package init(typeName: String, sizeBytes: Int, strideBytes: Int, alignmentBytes: Int, version: UInt32) {
            self.typeName = typeName
            self.sizeBytes = sizeBytes
            self.strideBytes = strideBytes
            self.alignmentBytes = alignmentBytes
            self.version = version
        }
    }

    package static let bytes = PayloadDescription(fixed: nil)

    package init(fixed: FixedPayload?) { self.fixed = fixed }
}

/// What a publisher that lets a reader in tells it; with it come the descriptors of its log and of the pair's page.
package struct Welcome: Sendable, Equatable {
    /// Of the log's region.
    package var regionBytes: Int
    /// Where the lines of this pair lie in the page: below ``PairLayout/staggers``.
    package var stagger: Int
    package var position: UInt64
    package var sequence: UInt64
    /// The publisher cannot call `membarrier(2)`: the reader fences after each release.
    package var publisherIsFenced: Bool
    /// Which fields stand before the payload, and the bytes of the user's header: see ``FieldLayout``.
    package var fields: UInt8
    package var userHeaderBytes: Int

    package init(
        regionBytes: Int, stagger: Int, position: UInt64, sequence: UInt64, publisherIsFenced: Bool, fields: UInt8,
        userHeaderBytes: Int
    ) {
        self.regionBytes = regionBytes
        self.stagger = stagger
        self.position = position
        self.sequence = sequence
        self.publisherIsFenced = publisherIsFenced
        self.fields = fields
        self.userHeaderBytes = userHeaderBytes
    }
}

/// Why a reader is not let in.
package struct Refusal: Error, Sendable, Equatable {
    package enum Reason: UInt8, Sendable {
        /// Another type of payload; the text names both.
        case mismatch = 1
        /// As many readers as there may be.
        case full = 2
        case notPermitted = 3
        /// No memory or descriptors over there.
        case exhausted = 4
        /// Of another version, or nonsense.
        case notUnderstood = 5
        case closing = 6
    }

    package var reason: Reason
    /// For people; bounded by what decodes it.
    package var text: String

    package init(_ reason: Reason, _ text: String) {
        self.reason = reason
        self.text = text
    }
}

/// What a publisher tells one who looks: for people and for `ipc show`.
package struct ChannelReport: Sendable, Equatable {
    package struct Reader: Sendable, Equatable {
        package var credentials: PeerCredentials
        package var isLossless: Bool
        package var isEvicted: Bool
        package var isSleeping: Bool
        /// Records that it has not released.
        package var backlog: UInt64
        /// The bytes of the log that these take.
        package var backlogBytes: UInt64
        package var missed: UInt64

        package init(
            credentials: PeerCredentials, isLossless: Bool, isEvicted: Bool, isSleeping: Bool, backlog: UInt64,
            backlogBytes: UInt64 = 0,
            missed: UInt64
        ) {
            self.credentials = credentials
            self.isLossless = isLossless
            self.isEvicted = isEvicted
            self.isSleeping = isSleeping
            self.backlog = backlog
            self.backlogBytes = backlogBytes
            self.missed = missed
        }
    }

    package var payload: PayloadDescription
    package var capacityBytes: Int
    package var fields: UInt8
    package var userHeaderBytes: Int
    /// How many records were ever sent.
    package var sequence: UInt64
    /// How many bytes between the oldest retained record and the next.
    package var retainedBytes: UInt64
    package var readers: [Reader]

    package init(
        payload: PayloadDescription, capacityBytes: Int, fields: UInt8, userHeaderBytes: Int, sequence: UInt64,
        retainedBytes: UInt64, readers: [Reader]
    ) {
        self.payload = payload
        self.capacityBytes = capacityBytes
        self.fields = fields
        self.userHeaderBytes = userHeaderBytes
        self.sequence = sequence
        self.retainedBytes = retainedBytes
        self.readers = readers
    }
}
