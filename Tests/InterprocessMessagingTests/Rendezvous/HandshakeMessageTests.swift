// SPDX-License-Identifier: Apache-2.0
import InterprocessMessaging
import Testing

@Suite("Messages of the hand-shake")
struct HandshakeMessageTests {
    @Test("bytes of any length are one description")
    func bytes() { #expect(PayloadDescription.bytes == PayloadDescription(fixed: nil)) }
}
