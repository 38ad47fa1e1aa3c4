// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessMessaging
import InterprocessSyscalls
import InterprocessTestKit
import SystemPackage
import Testing

@Suite("Where processes meet", .bounded()) struct RendezvousTests {
    @Test("names", arguments: ["a", "camera/front", "A.b_c-9", "x/y/z", ".hidden", String(repeating: "n", count: 255)])
    func goodNames(_ text: String) throws {
        #expect(try ChannelName(text).description == text)
        #expect(try ChannelName(text).segments.joined(separator: "/") == text)
    }

    @Test(
        "what is no name is refused, with the wrong part and a right example",
        arguments: [
            ("", "missing"), ("/a", "part 1 is empty"), ("a//b", "part 2 is empty"), ("a/", "part 2 is empty"),
            ("a/../b", "part 2 is \"..\""), (".", "."), ("a/b c", "part 2 is \"b c\""),
            ("~0123456789abcdef", "letters"),
            ("ä", "letters"), ("a/\u{0}", "letters"), (String(repeating: "n", count: 256), "255 bytes"),
        ]) func badNames(_ text: String, _ part: String)
    {
        let error = #expect(throws: IPCError.self) { try ChannelName(text) }
        #expect(error?.code == .invalidName)
        #expect(error?.hint.contains(part) == true, "\(String(describing: error))")
        #expect(error?.hint.contains("camera/front") == true)
    }

    @Test("no name of a socket can be one of a channel") func socketNames() throws {
        #expect(SocketName.listening(0xab) == "~00000000000000ab")
        #expect(SocketName.id(of: "~00000000000000ab") == 0xab)
        for foreign in [
            "~ab", "~00000000000000AB", ".~00000000000000ab", "~00000000000000ab0", "~+0000000000000ab", "a", "",
        ] {
            #expect(SocketName.id(of: foreign) == nil)
        }
        for name in [SocketName.listening(.max), SocketName.unfinished(0)] {
            #expect(throws: IPCError.self) { try ChannelName(name) }
        }
    }

    // MARK: The standard directory

    private func standard(
        _ scratch: ScratchName, _ environment: [String: String], user: UInt32 = sysEffectiveUserID()
    ) throws(IPCError) -> Rendezvous {
        try Rendezvous.standard(
            environment: { environment[$0] }, user: user, run: scratch.directory.appending("run"),
            temporary: scratch.directory.appending("tmp"))
    }

    @Test("the order of the places") func order() throws {
        let scratch = ScratchName()
        let base = scratch.directory
        for name in ["run", "run/user", "tmp", "own", "xdg"] { try TestSyscalls.makeDirectory(base.appending(name)) }
        let user = sysEffectiveUserID()
        let both = ["INTERPROCESS_DIR": "\(base)/own/x", "XDG_RUNTIME_DIR": "\(base)/xdg"]
        #expect(try standard(scratch, both).directory == base.appending("own/x"))
        #expect(try sysStatus(base.appending("own/x")).permissions == 0o700)
        #expect(
            try standard(scratch, ["XDG_RUNTIME_DIR": "\(base)/xdg"]).directory == base.appending("xdg/interprocess"))
        // Not there, or somebody else's: passed over.
        let last = user == 0 ? "run/interprocess" : "tmp/interprocess-\(user)"
        #expect(try standard(scratch, ["XDG_RUNTIME_DIR": "\(base)/none"]).directory == base.appending(last))
        #expect(try standard(scratch, [:]).directory == base.appending(last))
        try TestSyscalls.makeDirectory(base.appending("run/user/\(user)"))
        #expect(try standard(scratch, [:]).directory == base.appending("run/user/\(user)/interprocess"))
        // What is there is used again.
        #expect(try standard(scratch, [:]).directory == base.appending("run/user/\(user)/interprocess"))
    }

    @Test("a place in /tmp is the user's own, or it is refused") func ownPlace() throws {
        let scratch = ScratchName()
        let base = scratch.directory
        for name in ["run", "tmp"] { try TestSyscalls.makeDirectory(base.appending(name)) }
        // The user of the environment is only in the name; who owns it is looked at.
        let path = base.appending("tmp/interprocess-4711")
        #expect(try standard(scratch, [:], user: 4711).directory == path)
        try sysChangeMode(path, 0o770)
        var error = #expect(throws: IPCError.self) { try standard(scratch, [:], user: 4711) }
        #expect(error?.code == .permissionDenied && error?.hint.contains("0770") == true)
        #expect(error?.subject.contains(path.string) == true)
        TestSyscalls.removeAll(path)
        try TestSyscalls.makeDirectory(base.appending("elsewhere"))
        #expect(try Peer(["ln", "-s", "\(base)/elsewhere", path.string]).wait() == .exited(0))
        error = #expect(throws: IPCError.self) { try standard(scratch, [:], user: 4711) }
        #expect(error?.hint.contains("link") == true, "\(String(describing: error))")
        if sysEffectiveUserID() == 0 {
            #expect(try Peer(["rm", path.string]).wait() == .exited(0))
            try TestSyscalls.makeDirectory(path)
            try sysChangeOwner(path, user: 4712, group: 4712)
            error = #expect(throws: IPCError.self) { try standard(scratch, [:], user: 4711) }
            #expect(error?.hint.contains("belongs to user 4712") == true)
        }
    }

    @Test("an error names the directory and what is wrong with it") func errors() throws {
        let scratch = ScratchName()
        var error = #expect(throws: IPCError.self) { try standard(scratch, ["INTERPROCESS_DIR": "relative"]) }
        #expect(error?.code == .invalidName && error?.description.contains("relative") == true)
        error = #expect(throws: IPCError.self) { try standard(scratch, ["INTERPROCESS_DIR": "/nowhere/at/all"]) }
        #expect(error?.code == .notFound && error?.description.contains("/nowhere/at/all") == true)
        #expect(error?.description.contains("$INTERPROCESS_DIR") == true)
        let file = scratch.path()
        #expect(try Peer(["touch", file.string]).wait() == .exited(0))
        error = #expect(throws: IPCError.self) { try standard(scratch, ["INTERPROCESS_DIR": file.string]) }
        #expect(error?.hint.contains("something else has that name") == true)
    }

    @Test(
        "without permission: an error at creation, not silence", .requiresRoot,
        arguments: ["standard", "door", "search"])
    func nothingWritable(_ what: String) async {
        await #expect(processExitsWith: .success) { [what = what as String] in
            let scratch = ScratchName()
            let place = scratch.directory.appending("closed")
            try TestSyscalls.makeDirectory(place)
            try sysChangeMode(scratch.directory, 0o755)
            try sysChangeMode(place, 0o755)
            try ProcessState.become(user: 4711)
            let rendezvous = try Rendezvous(directory: place)
            let name = try ChannelName("a/b")
            let error = #expect(throws: IPCError.self) {
                switch what {
                case "standard": _ = try Rendezvous.standard(environment: { _ in place.string }, user: 4711)
                case "door":
                    _ = try DoorKeeper(
                        rendezvous: rendezvous, kind: .topic, name: name, policy: AccessPolicy(), host: NotingHost())
                default:
                    _ = try Search(
                        rendezvous: rendezvous, kind: .topic, name: name, policy: AccessPolicy(), guest: NotingGuest())
                }
            }
            #expect(error?.code == .permissionDenied, "\(String(describing: error))")
            #expect(error?.description.contains(place.string) == true)
        }
    }

    // MARK: Listing

    @Test("channels are listed, what is foreign is not") func listing() throws {
        let place = try Place("b")
        #expect(try place.rendezvous.names(of: .topic) == [])
        let host = NotingHost()
        let doors = try ["b", "a/b", "a", "a/b/c"].map { name in
            try DoorKeeper(
                rendezvous: place.rendezvous, kind: .topic, name: ChannelName(name), policy: AccessPolicy(), host: host)
        }
        let topics = place.rendezvous.directory.appending("topics")
        for foreign in ["lost+found", "a/~not-one", "empty", "a/with space"] {
            try TestSyscalls.makeDirectory(topics.appending(foreign))
        }
        #expect(try Peer(["touch", topics.appending("file").string]).wait() == .exited(0))
        #expect(try Peer(["ln", "-s", "a", topics.appending("link").string]).wait() == .exited(0))
        #expect(try place.rendezvous.names(of: .topic).map(\.description) == ["a", "a/b", "a/b/c", "b"])
        #expect(
            try place.rendezvous.channels(of: .topic).filter { $0.sockets == 0 }.map(\.name.description) == ["empty"])
        #expect(try place.rendezvous.names(of: .service) == [])
        for door in doors { door.close() }
        #expect(try place.rendezvous.names(of: .topic) == [])
    }

    @Test(
        "a link in place of a directory is not followed", arguments: ["topics", "topics/camera", "topics/camera/front"])
    func links(_ which: String) throws {
        let place = try Place()
        try place.makeDirectory()
        let path = place.rendezvous.directory.appending(which)
        let target = place.scratch.path()
        #expect(try Peer(["mv", path.string, target.string]).wait() == .exited(0))
        #expect(try Peer(["ln", "-s", target.string, path.string]).wait() == .exited(0))
        var error = #expect(throws: IPCError.self) { try place.door(NotingHost()) }
        #expect(error?.code == .wrongKind, "\(String(describing: error))")
        error = #expect(throws: IPCError.self) { try place.search(NotingGuest()) }
        #expect(error?.code == .wrongKind)
    }
}
