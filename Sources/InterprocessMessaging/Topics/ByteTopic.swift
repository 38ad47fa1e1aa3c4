// SPDX-License-Identifier: Apache-2.0
public import Interprocess
import InterprocessStructures

/// A name under which processes publish and subscribe to messages of any bytes; as ``Topic`` otherwise.
public struct ByteTopic: Sendable {
    /// Its name.
    public let name: ChannelName
    /// Where its processes meet.
    public let rendezvous: Rendezvous
    /// Who may take part.
    public let access: AccessPolicy
    /// What publishers put in front of each payload.
    public let fields: TopicFields
    /// What its messages are.
    let payload: PayloadDescription

    /// Describes a topic; as ``Topic/init(_:of:in:access:fields:)``.
    public init(
        _ name: String, in rendezvous: Rendezvous? = nil, access: AccessPolicy = AccessPolicy(),
        fields: TopicFields = .none
    ) throws(IPCError) {
        try self.init(name, in: rendezvous, access: access, fields: fields, describing: .bytes)
    }

    /// A topic of a fixed layout whose type this program does not have: its payloads as bytes of one length.
    package init(
        _ name: String, in rendezvous: Rendezvous? = nil, access: AccessPolicy = AccessPolicy(),
        fields: TopicFields = .none,
        describing payload: PayloadDescription
    ) throws(IPCError) {
        self.name = try ChannelName(name)
        if let rendezvous { self.rendezvous = rendezvous } else { self.rendezvous = try Rendezvous.standard() }
        self.access = access
        self.fields = fields
        self.payload = payload
    }

    /// A publisher of this topic, with a log of its own; as ``Topic/publisher(_:)``.
    public func publisher(_ options: PublisherOptions = PublisherOptions()) throws(IPCError) -> BytePublisher {
        let fields = try fields.layout(alignment: 16)
        let bytes = options.capacityBytes ?? 64 << 10
        guard options.maximumSubscribers >= 1, options.maximumSubscribers <= 4096, bytes <= LogLayout.largestRegion,
            let layout = LogLayout(
                variableCapacity: LogLayout.roundedUp(max(bytes, 1)), payloadOffset: fields.payloadOffset)
        else {
            throw IPCError(
                code: .invalidArgument, subject: "topic:\(name)",
                hint:
                    "a log of \(bytes) bytes for \(options.maximumSubscribers) subscribers cannot be: at least 256 bytes, "
                    + "1 to 4096 subscribers")
        }
        return BytePublisher(
            try Outbox.open(layout, fields: fields, payload: payload, name, rendezvous, access, options))
    }

    /// A subscriber of this topic; as that of ``Topic``.
    @_disfavoredOverload
    public func subscriber(_ options: SubscriberOptions = SubscriberOptions()) throws(IPCError) -> ByteSubscriber {
        ByteSubscriber(try InboxSet.open(payload, name, rendezvous, access, options))
    }

    /// As the other, but suspends the task.
    public func subscriber(_ options: SubscriberOptions = SubscriberOptions()) async throws(IPCError) -> ByteSubscriber
    {
        ByteSubscriber(try await InboxSet.open(payload, name, rendezvous, access, options))
    }
}
