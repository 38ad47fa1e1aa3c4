// SPDX-License-Identifier: Apache-2.0
import InterprocessStructures
import InterprocessSyscalls

/// What comes with a message beside its payload.
public struct MessageHeader: Sendable {
    /// Of its publisher: counts from 0 without gaps.
    public let sequence: UInt64
    /// Who sent it.
    public let publisher: TopicPeer
    /// When it was sent, by CLOCK_MONOTONIC, in nanoseconds; nil if the topic has no time stamps.
    public let timestamp: UInt64?
    /// The context of the trace that it belongs to; nil if the topic has none.
    public let traceContext: TraceContext?
    /// The user's own bytes, a copy.
    public let userHeader: [UInt8]
}

/// The context of a trace, as W3C's `traceparent` has it.
public struct TraceContext: Sendable, Hashable {
    /// Of the whole trace: 16 bytes, as two numbers in the order of their bytes.
    public var traceID: (UInt64, UInt64) {
        get { (high, low) }
        set { (high, low) = newValue }
    }
    private var high: UInt64
    private var low: UInt64
    /// Of the span that sent.
    public var spanID: UInt64
    /// `01`: sampled.
    public var flags: UInt8

    /// All zero is no context.
    public init(traceID: (UInt64, UInt64) = (0, 0), spanID: UInt64 = 0, flags: UInt8 = 0) {
        (high, low) = traceID
        self.spanID = spanID
        self.flags = flags
    }
}

extension InboxSet {
    /// Of the message in use, which lies at `payload`.
    @usableFromInline
    package func header(of payload: RecordPlace) -> MessageHeader {
        guard let inbox = takenInbox else { preconditionFailure("a sample is in use") }
        let fields = inbox.fields
        func word(_ offset: Int) -> UInt64 { payload.word(at: offset - fields.payloadOffset) }
        let trace = fields.traceContextOffset
        var userHeader: [UInt8] = []
        if fields.userHeaderBytes > 0 {
            payload.field(at: fields.userHeaderOffset - fields.payloadOffset, fields.userHeaderBytes).withBytes {
                bytes in
                userHeader = bytes.indices.map { bytes[$0] }
            }
        }
        return MessageHeader(
            sequence: inbox.core.value.cursor.nextSequence &- 1, publisher: inbox.identity,
            timestamp: fields.timestampOffset == 0 ? nil : word(fields.timestampOffset),
            traceContext: trace == 0
                ? nil
                : TraceContext(
                    traceID: (word(trace), word(trace + 8)), spanID: word(trace + 16),
                    flags: UInt8(truncatingIfNeeded: word(trace + 24))),
            userHeader: userHeader)
    }
}

extension Outbox {
    /// Before a claim is handed out: what an earlier message left in its fields is gone.
    @usableFromInline
    package func clearFields(_ payload: RecordPlace) {
        let bytes = core.value.fields.payloadOffset - LogLayout.headerBytes
        payload.field(at: -bytes, bytes).clear()
    }

    /// The time stamp of the claim at `payload`, if the topic has one.
    @usableFromInline
    package func stamp(_ payload: RecordPlace) {
        let fields = core.value.fields
        guard fields.timestampOffset != 0 else { return }
        payload.store(sysMonotonicNanoseconds(), at: fields.timestampOffset - fields.payloadOffset)
    }

    func setTraceContext(_ context: TraceContext, _ payload: RecordPlace) {
        let fields = core.value.fields
        guard fields.traceContextOffset != 0 else { return }
        let offset = fields.traceContextOffset - fields.payloadOffset
        let words = [context.traceID.0, context.traceID.1, context.spanID, UInt64(context.flags)]
        for (index, word) in words.enumerated() { payload.store(word, at: offset + 8 * index) }
    }

    func setUserHeader(_ bytes: Span<UInt8>, _ payload: RecordPlace) {
        let fields = core.value.fields
        payload.field(at: fields.userHeaderOffset - fields.payloadOffset, fields.userHeaderBytes).copy(bytes)
    }
}

extension Loan {
    /// The context of the trace that the message belongs to; without effect if the topic has none.
    public mutating func setTraceContext(_ context: TraceContext) {
        outbox.setTraceContext(context, place)
    }

    /// The user's own bytes, at most as many as the topic's ``TopicFields/userHeaderBytes``; the rest is zero.
    public mutating func setUserHeader(_ bytes: Span<UInt8>) { outbox.setUserHeader(bytes, place) }
}
