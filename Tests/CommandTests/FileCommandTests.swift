// SPDX-License-Identifier: Apache-2.0
import InterprocessTestKit
import Testing

/// An ordinary file as the medium.
@Suite struct FileCommandTests {
    let scratch = ScratchName()

    @Test func appendsAndFollows() throws {
        let path = scratch.path()
        try ipc("send", "file:\(path)", "x", expecting: 3)
        try ipc("send", "file:\(path)", "--create", "one\n")
        let receiver = try start("receive", "file:\(path)", "--follow", "--lines")
        #expect(try receiver.readLine() == "one")
        try ipc("send", "file:\(path)", "two\n")
        #expect(try receiver.readLine() == "two")
        _ = try Peer.shell("echo three >> '\(path)'").finish()
        #expect(try receiver.readLine() == "three")
        try ipc("remove", "file:\(path)")
        #expect(try receiver.finish().status == .exited(7))
    }

    @Test func readsToTheEnd() throws {
        let path = scratch.path()
        try ipc("create", "file:\(path)", "--mode", "0600")
        try ipc("send", "file:\(path)", "--lines", input: "a\nb")
        #expect(try ipc("receive", "file:\(path)").text == "a\nb\n")
        #expect(
            try parsed(try ipc("show", "file:\(path)", "--json").text, "(d[0]['mode'], d[0]['size'])") == "('0600', 4)")
        try ipc("chmod", "u=rw,g=r", "file:\(path)")
        #expect(try ipc("show", "file:\(path)").text.contains("0640"))
    }
}
