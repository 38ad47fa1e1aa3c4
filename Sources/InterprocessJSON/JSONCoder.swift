// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
public import InterprocessMessaging

/// Messages as JSON: readable by every program, and by people with `ipc receive`.
///
/// ```swift
/// let topic = try CodableTopic("config", of: Configuration.self, coder: JSONCoder())
/// ```
///
/// A module of its own, so that who does without JSON does without FoundationEssentials.
public struct JSONCoder: MessageCoder {
    /// With sorted keys the same value is always the same bytes.
    public var sortsKeys: Bool

    /// Compact JSON.
    public init(sortsKeys: Bool = false) { self.sortsKeys = sortsKeys }

    /// Encodes; throws what `JSONEncoder` throws, and `EncodingOverflow` if the message has no room for it.
    public func encode(_ value: some Encodable, into output: inout OutputSpan<UInt8>) throws {
        let encoder = JSONEncoder()
        if sortsKeys { encoder.outputFormatting = .sortedKeys }
        let data = try encoder.encode(value)
        guard data.count <= output.freeCapacity else { throw EncodingOverflow(byteCount: data.count) }
        for byte in data { output.append(byte) }
    }

    /// Decodes; throws what `JSONDecoder` throws.
    public func decode<Value: Decodable>(_ type: Value.Type, from bytes: [UInt8]) throws -> Value {
        try JSONDecoder().decode(type, from: Data(bytes))
    }
}
