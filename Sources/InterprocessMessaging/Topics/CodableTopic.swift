// SPDX-License-Identifier: Apache-2.0
public import Interprocess

/// A topic whose messages are values of any `Codable` type; the bytes are those of a ``ByteTopic`` of the same name.
///
/// ```swift
/// let topic = try CodableTopic("config", of: Configuration.self, coder: JSONCoder())
/// let publisher = try topic.publisher()
/// try publisher.send(configuration)
/// ```
///
/// What arrives is decoded from a private copy: a publisher that changes its log meanwhile changes nothing. Bytes that are no value of the
/// type are an error of one message; the next follows.
public struct CodableTopic<Value: Codable & Sendable>: Sendable {
    /// The topic that carries the bytes.
    public let bytes: ByteTopic
    /// How values become bytes.
    public let coder: any MessageCoder

    /// Describes a topic; as ``Topic/init(_:of:in:access:fields:)``.
    public init(
        _ name: String, of type: Value.Type = Value.self, coder: any MessageCoder, in rendezvous: Rendezvous? = nil,
        access: AccessPolicy = AccessPolicy(), fields: TopicFields = .none
    ) throws(IPCError) {
        bytes = try ByteTopic(name, in: rendezvous, access: access, fields: fields)
        self.coder = coder
    }

    /// A publisher of this topic; as ``ByteTopic/publisher(_:)``.
    public func publisher(_ options: PublisherOptions = PublisherOptions()) throws(IPCError) -> CodablePublisher<Value>
    {
        CodablePublisher(bytes: try bytes.publisher(options), coder: coder)
    }

    /// A subscriber of this topic; as that of ``Topic``.
    @_disfavoredOverload
    public func subscriber(
        _ options: SubscriberOptions = SubscriberOptions()
    ) throws(IPCError) -> CodableSubscriber<Value> {
        CodableSubscriber(bytes: try bytes.subscriber(options), coder: coder)
    }

    /// As the other, but suspends the task.
    public func subscriber(
        _ options: SubscriberOptions = SubscriberOptions()
    ) async throws(IPCError) -> CodableSubscriber<Value> {
        CodableSubscriber(bytes: try await bytes.subscriber(options), coder: coder)
    }
}

/// Sends values; as ``BytePublisher``.
public struct CodablePublisher<Value: Codable & Sendable>: ~Copyable {
    /// The publisher of the bytes.
    public let bytes: BytePublisher
    let coder: any MessageCoder

    /// Encodes `value` into the log and sends it; blocks the thread until there is room for the largest message.
    ///
    /// - Throws: `IPCError.Code.messageTooLarge` if it does not fit into ``BytePublisher/largestMessageBytes``;
    ///   `IPCError.Code.invalidArgument` for what the format cannot express: nothing was sent.
    @_disfavoredOverload
    public func send(_ value: Value) throws(IPCError) {
        try bytes.send(upTo: bytes.largestMessageBytes) { (output) throws(IPCError) in try encode(value, &output) }
    }

    /// As ``send(_:)`` if there is room now; whether there was.
    public func trySend(_ value: Value) throws(IPCError) -> Bool {
        try bytes.trySend(upTo: bytes.largestMessageBytes) { (output) throws(IPCError) in try encode(value, &output) }
    }

    /// As ``send(_:)``; suspends the task until there is room.
    public func send(_ value: Value, until deadline: Deadline = .never) async throws(IPCError) {
        try await bytes.send(upTo: bytes.largestMessageBytes, until: deadline) { (output) throws(IPCError) in
            try encode(value, &output)
        }
    }

    private func encode(_ value: Value, _ output: inout OutputSpan<UInt8>) throws(IPCError) {
        do { try coder.encode(value, into: &output) } catch let overflow as EncodingOverflow {
            let size = overflow.byteCount.map { "\($0) bytes, and at most" } ?? "at most"
            throw IPCError(
                code: .messageTooLarge, subject: bytes.outbox.subject,
                hint: "\(size) \(bytes.largestMessageBytes) fit; open the publisher with a larger capacityBytes")
        } catch {
            throw IPCError(code: .invalidArgument, subject: bytes.outbox.subject, hint: "encoding: \(error)")
        }
    }
}

/// Receives values; as ``ByteSubscriber``.
public struct CodableSubscriber<Value: Codable & Sendable>: ~Copyable {
    /// The subscriber of the bytes.
    public let bytes: ByteSubscriber
    let coder: any MessageCoder

    /// The next value, if there is one now.
    ///
    /// - Throws: `IPCError.Code.malformed` for bytes that are no value of the type: that message is taken, the next can be received.
    public func tryReceive() throws(IPCError) -> Value? {
        guard let message = try bytes.tryReceiveBytes() else { return nil }
        return try decode(message)
    }

    /// The next value; blocks the thread until there is one.
    @_disfavoredOverload
    public func receive() throws(IPCError) -> Value { try decode(try bytes.receiveBytes()) }

    /// The next value; suspends the task until there is one. Nil as in ``ByteSubscriber/next(until:)``.
    public func next(until deadline: Deadline = .never) async throws(IPCError) -> Value? {
        guard let message = try await bytes.nextBytes(until: deadline) else { return nil }
        return try decode(message)
    }

    private func decode(_ message: [UInt8]) throws(IPCError) -> Value {
        do { return try coder.decode(Value.self, from: message) } catch {
            throw IPCError(
                code: .malformed, subject: bytes.inboxes.subject, hint: "no \(Value.self) is in its bytes: \(error)")
        }
    }
}
