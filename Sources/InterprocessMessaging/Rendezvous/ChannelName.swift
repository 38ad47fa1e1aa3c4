// SPDX-License-Identifier: Apache-2.0
public import Interprocess

/// The name of a topic, service, event, queue or dictionary: `camera/front`.
///
/// Segments of letters A–Z and a–z, digits and `.` `_` `-`, divided by `/`; no segment is empty, `.` or `..`; 255 bytes at most.
/// A name is a path below the directory of its kind: `a` and `a/b` are different channels.
public struct ChannelName: Sendable, Hashable, CustomStringConvertible {
    /// As it was given.
    public let description: String

    /// - Throws: `IPCError.Code.invalidName`, naming the part that is wrong.
    public init(_ text: String) throws(IPCError) {
        if let fault = Address.faultOfLabel(text) {
            throw IPCError(
                code: .invalidName, subject: "the name \"\(text)\"",
                hint: "\(fault)\(Self.wrongPart(of: text)); a right name is camera/front")
        }
        description = text
    }

    /// What stands between the slashes.
    package var segments: [String] { description.split(separator: "/").map(String.init) }

    private static func wrongPart(of text: String) -> String {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count > 1 else { return "" }
        for (index, part) in parts.enumerated() where Address.faultOfLabel(String(part)) != nil {
            return part.isEmpty ? ": part \(index + 1) is empty" : ": part \(index + 1) is \"\(part)\""
        }
        return ""
    }
}

/// What kinds of channel there are; each has a directory of its own in a ``Rendezvous``.
public enum ChannelKind: String, Sendable, Hashable, CaseIterable {
    /// Many publishers, many subscribers.
    case topic
    /// Requests and replies.
    case service
    /// Counted notification without payload.
    case event
    /// Jobs, each for one consumer.
    case queue
    /// Keys and values.
    case dictionary

    /// The name of its directory.
    package var directoryName: String {
        switch self {
        case .topic: "topics"
        case .service: "services"
        case .event: "events"
        case .queue: "queues"
        case .dictionary: "dictionaries"
        }
    }
}

/// The names of sockets in the directory of a channel. No segment of a ``ChannelName`` holds a `~`.
package enum SocketName {
    /// Of a publisher that listens: `~` and sixteen digits.
    package static func listening(_ id: UInt64) -> String { "~" + digits(id) }

    /// Of one that does not listen yet.
    package static func unfinished(_ id: UInt64) -> String { ".~" + digits(id) }

    /// The number in the name of one that listens; nil for all other names.
    package static func id(of name: String) -> UInt64? {
        name.utf8.first == UInt8(ascii: "~") ? id(after: 1, name) : nil
    }

    /// The number in the name of one that does not listen yet.
    package static func unfinishedID(of name: String) -> UInt64? { name.hasPrefix(".~") ? id(after: 2, name) : nil }

    private static func id(after count: Int, _ name: String) -> UInt64? {
        let digits = name.utf8.dropFirst(count)
        let isHexadecimal = digits.allSatisfy {
            (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains($0)
        }
        guard digits.count == 16, isHexadecimal else { return nil }
        return UInt64(String(decoding: digits, as: UTF8.self), radix: 16)
    }

    private static func digits(_ id: UInt64) -> String {
        let text = String(id, radix: 16)
        return String(repeating: "0", count: 16 - text.utf8.count) + text
    }
}
