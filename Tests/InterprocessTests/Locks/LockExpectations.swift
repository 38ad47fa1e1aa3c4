// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessTestKit
import SystemPackage
import Testing

/// Expects that `body` fails with this errno and code.
func expectRefusal(
    _ errno: Errno?, _ code: IPCError.Code, hint: String = "", at location: SourceLocation = #_sourceLocation,
    _ body: () throws -> Void
) {
    let error = #expect(throws: IPCError.self, sourceLocation: location) { try body() }
    guard let error else { return }
    #expect(error.errno == errno, "\(error)", sourceLocation: location)
    #expect(error.code == code, "\(error)", sourceLocation: location)
    if !hint.isEmpty { #expect(error.hint.contains(hint), "\(error)", sourceLocation: location) }
}
