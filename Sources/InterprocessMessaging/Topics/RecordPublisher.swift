// SPDX-License-Identifier: Apache-2.0
package import Interprocess
import InterprocessStructures

/// Sends payloads of a type that this program does not have, as bytes: for tools, which know of the type what its publishers
/// or subscribers say of it.
package struct RecordPublisher: ~Copyable {
    private let outbox: Outbox

    fileprivate init(_ outbox: Outbox) { self.outbox = outbox }

    /// Sends a copy of `bytes`, which are one payload; false if the deadline came first.
    ///
    /// - Precondition: as many bytes as the payload has.
    package func send(_ bytes: Span<UInt8>, until deadline: Deadline) throws(IPCError) -> Bool {
        precondition(bytes.count == outbox.core.value.log.largestPayloadBytes, "the bytes of one payload")
        guard try outbox.waitForRoom(.records(1), until: deadline), let place = outbox.core.value.log.claimPlace()
        else { return false }
        if outbox.core.value.fields.hasFields { outbox.clearFields(place) }
        place.copy(bytes)
        outbox.stamp(place)
        outbox.core.value.log.commit()
        let sleeper = outbox.core.value.log.nextSleeper(from: 0)
        if sleeper >= 0 { outbox.wakeSleepers(from: sleeper) }
        return true
    }

    /// How many subscribers have joined and are there.
    package var subscriberCount: Int { outbox.desk.readerCount }

    /// Blocks the thread until `count` subscribers are there; false if the deadline came first.
    package func waitForSubscribers(_ count: Int, until deadline: Deadline) throws(IPCError) -> Bool {
        try outbox.waitForReaders(count, until: deadline)
    }
}

extension ByteTopic {
    /// A publisher of payloads of the size that ``init(_:in:access:fields:describing:)`` was told.
    ///
    /// - Precondition: the topic is of a fixed layout.
    package func recordPublisher(_ options: PublisherOptions) throws(IPCError) -> RecordPublisher {
        guard let fixed = payload.fixed else { preconditionFailure("a topic of payloads of one size") }
        let fields = try fields.layout(alignment: fixed.alignmentBytes)
        let stride = LogLayout.roundedUp(fields.payloadOffset + fixed.sizeBytes)
        let capacity = max(8, (options.capacityBytes ?? 64 << 10) / stride)
        guard
            let layout = LogLayout(
                fixedPayloadBytes: fixed.sizeBytes, recordCount: capacity, payloadOffset: fields.payloadOffset)
        else {
            throw IPCError(
                code: .invalidArgument, subject: "topic:\(name)",
                hint: "a log of \(capacity) messages of \(fixed.sizeBytes) bytes cannot be")
        }
        return RecordPublisher(
            try Outbox.open(layout, fields: fields, payload: payload, name, rendezvous, access, options))
    }
}
