// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessMessaging
import InterprocessSyscalls
import InterprocessTestKit
import SystemPackage
import Testing

/// Two users: the tests run as root, a Python peer becomes user 4711.
@Suite("Who may meet", .bounded(), .requiresRoot, .requires("python3")) struct TrustTests {
    private func open(_ place: Place) throws {
        try sysChangeMode(place.scratch.directory, 0o755)
        try TestSyscalls.makeDirectory(place.rendezvous.directory)
        try sysChangeMode(place.rendezvous.directory, 0o1777)
    }

    private let reader = """
        os.setgroups([int(g) for g in sys.argv[3:]]); os.setgid(4711); os.setuid(int(sys.argv[2]))
        try: s = connect(sys.argv[1])
        except PermissionError: print('closed'); sys.exit()
        try: s.send(hello())
        except BrokenPipeError: pass
        m = s.recv(65536)
        print(m[6], m[12] if m[6] == 3 else 0)
        sys.stdin.read()
        """

    @Test(
        "a reader of another user is let in only if policy and mode say so",
        arguments: [
            (AccessPolicy(), "4711", "closed"),
            (AccessPolicy(permissions: [.ownerReadWrite, .groupReadWrite, .otherReadWrite]), "4711", "3 3"),
            (AccessPolicy(users: [4712]), "4711", "3 3"), (AccessPolicy(users: [4711]), "4711", "2 0"),
            (AccessPolicy(users: [65534]), "65534", "3 3"), (AccessPolicy(group: 4713), "4711 4713", "2 0"),
            (AccessPolicy(group: 4713), "4711", "closed"), (AccessPolicy(group: 4711), "4712", "2 0"),
        ]) func readers(_ policy: AccessPolicy, _ who: String, _ answer: String) async throws
    {
        let place = try Place()
        try open(place)
        let host = NotingHost()
        let door = try place.door(host, policy)
        let peer = try Stranger.python(
            reader,
            [place.directory.appending(SocketName.listening(door.publisherID)).string]
                + who.split(separator: " ").map(String.init))
        #expect(try peer.readLine() == answer)
        #expect(host.counts[0] == (answer == "2 0" ? 1 : 0))
        if answer == "2 0" {
            #expect(host.state.withLock { $0.admitted[0].peer.credentials.userID } != 0)
        }
    }

    @Test("a publisher of another user is believed only if the policy says so", arguments: [false, true])
    func publishers(_ isKnown: Bool) async throws {
        let place = try Place()
        try open(place)
        let policy =
            isKnown ? AccessPolicy(users: [4711]) : AccessPolicy(permissions: [.ownerReadWrite, .otherReadWrite])
        let guest = NotingGuest()
        let search = try place.search(guest, policy)
        #expect(try await eventually { guest.searchedCount == 1 })
        let peer = try Stranger.python(
            """
            os.setgroups([]); os.setgid(4711); os.setuid(4711)
            l = listen(sys.argv[1], 1); print('up')
            c, _ = l.accept()
            print(kind(c)); send(c, welcome(), 2); sys.stdin.read()
            """, [place.directory.string])
        try peer.expect("up")
        #expect(try await eventually { guest.accepted.count + guest.errors.count == 1 })
        #expect(guest.accepted.count == (isKnown ? 1 : 0))
        if !isKnown {
            #expect(guest.errors[0].code == .permissionDenied && guest.errors[0].hint.contains("user 4711"))
            // It was not even told what we want.
            #expect(try peer.readLine() == "0")
        }
        withExtendedLifetime(search) {}
    }

    @Test("a directory that belongs to somebody else is refused, and one that comes to belong to him, too")
    func ownerOfTheDirectory() async throws {
        let place = try Place()
        try open(place)
        let topics = place.rendezvous.directory.appending("topics")
        try TestSyscalls.makeDirectory(topics)
        try TestSyscalls.makeDirectory(topics.appending("camera"))
        try TestSyscalls.makeDirectory(place.directory)
        try sysChangeOwner(place.directory, user: 4711, group: 4711)
        var error = #expect(throws: IPCError.self) { try place.door(NotingHost()) }
        #expect(error?.code == .permissionDenied && error?.hint.contains("user 4711") == true)
        error = #expect(throws: IPCError.self) { try place.search(NotingGuest()) }
        #expect(error?.code == .permissionDenied && error?.hint.contains(place.directory.string) == true)
        #expect(throws: Never.self) { try place.door(NotingHost(), AccessPolicy(users: [4711])).close() }
        #expect(!place.exists)
        let guest = NotingGuest()
        let search = try place.search(guest)
        #expect(try await eventually { guest.searchedCount == 1 })
        try sysChangeOwner(place.directory, user: 4711, group: 4711)
        let peer = try Stranger.python("listen(sys.argv[1], 1); print('up')", [place.directory.string])
        try peer.expect("up")
        #expect(try await eventually { guest.errors.count == 1 })
        #expect(guest.errors[0].code == .permissionDenied)
        withExtendedLifetime(search) {}
    }

    @Test("modes and groups are what the policy says, whatever the umask") func modes() async {
        await #expect(processExitsWith: .success) {
            ProcessState.setFileModeMask(0o077)
            for (policy, socket, directory) in [
                (AccessPolicy(), 0o600, 0o700), (AccessPolicy(users: [4711]), 0o666, 0o1777),
                (AccessPolicy(group: 4711), 0o660, 0o1770),
            ] {
                let place = try Place()
                try sysChangeMode(place.scratch.directory, 0o755)
                let door = try place.door(NotingHost(), policy)
                let file = try sysStatus(place.directory.appending(SocketName.listening(door.publisherID)))
                let parent = try sysStatus(place.directory)
                #expect(Int(file.permissions) == socket && Int(parent.permissions) == directory)
                if let group = policy.group { #expect(file.group == group && parent.group == group) }
                #expect(try sysStatus(place.rendezvous.directory).permissions == 0o700)
            }
        }
    }
}
