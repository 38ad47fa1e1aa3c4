// SPDX-License-Identifier: Apache-2.0

/// How values become bytes and bytes values: the format of a ``CodableTopic``.
///
/// `JSONCoder` of the module `InterprocessJSON` is one; a format of one's own needs two functions.
public protocol MessageCoder: Sendable {
    /// Writes the value's bytes in place, into the publisher's log.
    ///
    /// - Throws: ``EncodingOverflow`` if they are more than `output` has room for; whatever the format throws. Nothing is sent then.
    func encode(_ value: some Encodable, into output: inout OutputSpan<UInt8>) throws

    /// Makes a value of bytes that came from another process: a private copy, which nobody changes meanwhile.
    ///
    /// - Throws: whatever the format throws for bytes that are no value of that type.
    func decode<Value: Decodable>(_ type: Value.Type, from bytes: [UInt8]) throws -> Value
}

/// A value has more bytes than a message may have.
public struct EncodingOverflow: Error, Sendable, Equatable {
    /// How many it has; nil if that is not known.
    public let byteCount: Int?

    /// For those who write a ``MessageCoder``.
    public init(byteCount: Int? = nil) { self.byteCount = byteCount }
}
