// SPDX-License-Identifier: Apache-2.0

/// The name of a POSIX object: `/orders`.
///
/// One slash at the start, then 1 to 254 bytes without slash or NUL, and neither `.` nor `..`. What the
/// kernel would refuse with a puzzling errno (EACCES for a second slash, ENOENT for `/` alone) is
/// refused here with the reason.
///
/// The manual page is `mq_overview(7)`.
public struct ObjectName: Sendable, Hashable, CustomStringConvertible {
    /// With the slash.
    public let description: String

    /// - Parameter text: the name; a missing leading slash is an error, not a guess.
    /// - Throws: ``IPCError/Code/invalidName``.
    public init(_ text: String) throws(IPCError) {
        func refuse(_ hint: String) -> IPCError {
            IPCError(code: .invalidName, subject: "\"\(text)\"", hint: hint)
        }
        guard text.utf8.first == UInt8(ascii: "/") else {
            throw refuse("a POSIX name starts with a slash, for example /\(text.isEmpty ? "orders" : text)")
        }
        let rest = text.utf8.dropFirst()
        if rest.isEmpty { throw refuse("there is nothing after the slash; a right name is /orders") }
        if rest.contains(UInt8(ascii: "/")) { throw refuse("only one slash is allowed, at the start, as in /orders") }
        if rest.contains(0) { throw refuse("a name holds no NUL byte") }
        if text == "/." || text == "/.." { throw refuse("that is a directory's name; a right name is /orders") }
        if rest.count > 254 {
            throw refuse("at most 254 bytes may follow the slash; these are \(rest.count)")
        }
        description = text
    }
}
