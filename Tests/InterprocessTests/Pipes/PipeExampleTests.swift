// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessTestKit
import SystemPackage
import Testing

/// The examples print what their READMEs say.
@Suite(.bounded()) struct PipeExampleTests {
    @Test(.requires("wc", "tr")) func duplicatesAStream() throws {
        let scratch = ScratchName()
        let copy = try made(scratch)
        let program = Checkout.products.appending("pipes-duplicate-stream")
        let counter = try Peer.shell("wc -c < \(copy.path)")
        let line = try Peer.shell("printf 'a line\\n' | \(program) \(copy.path) | tr a-z A-Z").finish()
        #expect(line.text == "A LINE\n", "\(line.errorText)")
        #expect(try counter.finish().text == "7\n")
    }

    @Test func eachClientHasItsOwnReplyPipe() throws {
        let scratch = ScratchName()
        let program = Checkout.products.appending("pipes-reply-fifo").string
        let service = scratch.path("service")
        let server = try Peer([program, "serve", service.string])
        try server.expect("serving at \(service)")
        let clients = try ["hello", "world"].map { try Peer([program, "ask", service.string, $0]) }
        #expect(try clients.map { try $0.finish().text } == ["HELLO\n", "WORLD\n"])
        server.kill()
        try server.wait()
    }
}
