// SPDX-License-Identifier: Apache-2.0
public import Interprocess
import InterprocessStructures

/// A name under which processes publish and subscribe to messages of one fixed layout.
///
/// ```swift
/// struct Pose: SharedPayload { var x, y, heading: Double }
/// let topic = try Topic("robot/pose", of: Pose.self)
/// let publisher = try topic.publisher()        // in one process
/// let subscriber = try topic.subscriber()      // in any number of others, before or after
/// ```
///
/// A description: making one touches nothing. Publishers and subscribers may come and go in any order.
public struct Topic<Payload: SharedPayload>: Sendable {
    /// Its name.
    public let name: ChannelName
    /// Where its processes meet.
    public let rendezvous: Rendezvous
    /// Who may take part.
    public let access: AccessPolicy
    /// What publishers put in front of each payload.
    public let fields: TopicFields

    /// Describes a topic.
    ///
    /// - Parameters:
    ///   - name: segments of `A–Z a–z 0–9 . _ -` divided by `/`, 255 bytes at most.
    ///   - type: what its messages are.
    ///   - rendezvous: nil is ``Rendezvous/standard()``.
    ///   - access: who may take part; by default the processes of this user.
    ///   - fields: what publishers put in front of each payload.
    /// - Throws: `IPCError.Code.invalidName`; what ``Rendezvous/standard()`` throws.
    public init(
        _ name: String, of type: Payload.Type = Payload.self, in rendezvous: Rendezvous? = nil,
        access: AccessPolicy = AccessPolicy(), fields: TopicFields = .none
    ) throws(IPCError) {
        self.name = try ChannelName(name)
        if let rendezvous { self.rendezvous = rendezvous } else { self.rendezvous = try Rendezvous.standard() }
        self.access = access
        self.fields = fields
    }

    /// A publisher of this topic, with a log of its own. Subscribers can find it when this returns.
    ///
    /// - Throws: `IPCError.Code.outOfMemory`, `IPCError.Code.limitReached`: all memory is had now; `IPCError.Code.permissionDenied` and
    ///   what else making its door throws; `IPCError.Code.invalidArgument` for options that cannot be.
    public func publisher(_ options: PublisherOptions = PublisherOptions()) throws(IPCError) -> Publisher<Payload> {
        let fields = try fields.layout(alignment: MemoryLayout<Payload>.alignment)
        let stride = LogLayout.roundedUp(fields.payloadOffset + MemoryLayout<Payload>.size)
        let capacity = options.capacity ?? max(8, (64 << 10) / stride)
        guard capacity >= 4, options.maximumSubscribers >= 1, options.maximumSubscribers <= 4096,
            let layout = LogLayout(
                fixedPayloadBytes: MemoryLayout<Payload>.size, recordCount: capacity,
                payloadOffset: fields.payloadOffset)
        else {
            throw IPCError(
                code: .invalidArgument, subject: "topic:\(name)",
                hint: "a log of \(capacity) messages of \(MemoryLayout<Payload>.size) bytes for "
                    + "\(options.maximumSubscribers) subscribers cannot be: at least 4 messages, 1 to 4096 subscribers")
        }
        return Publisher(
            try Outbox.open(
                layout, fields: fields, payload: PayloadDescription(of: Payload.self), name, rendezvous, access, options
            ))
    }

    /// A subscriber of this topic. When this returns, the publishers that were there have let it in.
    ///
    /// Blocking: until those publishers have answered, two seconds at most.
    ///
    /// - Throws: `IPCError.Code.wrongKind` if all publishers that are there carry another type: the error names both;
    ///   `IPCError.Code.permissionDenied` if none may be trusted, or none trusts this process.
    @_disfavoredOverload
    public func subscriber(_ options: SubscriberOptions = SubscriberOptions()) throws(IPCError) -> Subscriber<Payload> {
        Subscriber(try InboxSet.open(PayloadDescription(of: Payload.self), name, rendezvous, access, options))
    }

    /// As the other, but suspends the task.
    public func subscriber(_ options: SubscriberOptions = SubscriberOptions()) async throws(IPCError) -> Subscriber<
        Payload
    > {
        Subscriber(try await InboxSet.open(PayloadDescription(of: Payload.self), name, rendezvous, access, options))
    }
}

extension PayloadDescription {
    /// Of a type of fixed layout.
    init<Payload: SharedPayload>(of type: Payload.Type) {
        let layout = SharedLayout(of: type)
        self.init(
            fixed: FixedPayload(
                typeName: layout.typeName, sizeBytes: layout.sizeBytes, strideBytes: layout.strideBytes,
                alignmentBytes: layout.alignmentBytes, version: layout.version))
    }
}
