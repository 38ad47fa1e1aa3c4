// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessTestKit
import SystemPackage
import Testing

@Suite struct ObjectNameTests {
    @Test(arguments: ["/a", "/orders", "/a.b", "/...", "/ü", "/" + String(repeating: "x", count: 254)])
    func takesWhatTheKernelTakes(text: String) throws {
        #expect(try ObjectName(text).description == text)
    }

    @Test(arguments: [
        ("", "starts with a slash"), ("orders", "/orders"), ("/", "nothing after the slash"),
        ("/a/b", "only one slash"),
        ("/.", "directory"), ("/..", "directory"), ("/a\0b", "NUL"),
        ("/" + String(repeating: "x", count: 255), "254"), ("/" + String(repeating: "ü", count: 128), "these are 256"),
    ])
    func refusesTheRestWithAReason(text: String, reason: String) {
        let error = #expect(throws: IPCError.self) { try ObjectName(text) }
        #expect(error?.code == .invalidName)
        #expect(error?.hint.contains(reason) == true, "\(String(describing: error))")
    }
}

@Suite struct SystemVKeyTests {
    @Test func printsAsIpcsDoes() {
        #expect(SystemVKey.number(42).description == "0x2a")
        #expect(SystemVKey.number(-1).description == "0xffffffff")
        #expect(SystemVKey.private.description == "private")
    }

    /// Perl's and C's ftok(3) find the same object.
    @Test(.requires("perl"), arguments: [1, 42, 255]) func agreesWithFtok(project: Int) throws {
        let scratch = ScratchName()
        let path = scratch.path("ftok")
        try Checkout.write("", to: path)
        let peer = try Peer.perl(
            "use IPC::SysV qw(ftok); printf(\"0x%x\\n\", ftok($ARGV[0], $ARGV[1] + 0) & 0xffffffff);",
            [path.string, "\(project)"])
        #expect(try peer.readLine() == SystemVKey.path(path, project: project).description)
    }

    @Test func aLinkIsFollowed() throws {
        let scratch = ScratchName()
        let (path, link) = (scratch.path("file"), scratch.path("link"))
        try Checkout.write("", to: path)
        try Peer(["/bin/ln", "-s", path.string, link.string]).wait()
        #expect(try SystemVKey.path(link, project: 1) == SystemVKey.path(path, project: 1))
    }

    @Test(arguments: [0, 256, -1, 65537]) func aProjectOutOfRangeIsRefused(project: Int) {
        let error = #expect(throws: IPCError.self) { try SystemVKey.path("/", project: project) }
        #expect(error?.code == .invalidArgument)
    }

    @Test func aFileThatIsNotThereIsNotFound() {
        let error = #expect(throws: IPCError.self) { try SystemVKey.path("/no/such/file", project: 1) }
        #expect(error?.code == .notFound)
        #expect(error?.subject == "/no/such/file#1")
    }
}
