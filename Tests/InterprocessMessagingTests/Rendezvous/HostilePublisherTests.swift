// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessMessaging
import InterprocessSyscalls
import InterprocessTestKit
import SystemPackage
import Testing

/// Publishers that do not keep to the protocol, against a subscriber of ours.
@Suite("A subscriber and publishers that misbehave", .bounded(), .requires("python3")) struct HostilePublisherTests {
    private let limits = HandshakeLimits(patience: .milliseconds(300), secondTry: .seconds(100))

    /// A publisher in Python: `script` serves the connection `c`.
    private func publisher(_ place: Place, _ script: String) throws -> Peer {
        let lines = script.split(separator: "\n").map { "    \($0)" }.joined(separator: "\n")
        let peer = try Stranger.python(
            """
            l = listen(sys.argv[1], 0x1234)
            print('up')
            while True:
                c, _ = l.accept()
            \(lines)
            """, [place.directory.string])
        try peer.expect("up")
        return peer
    }

    @Test(
        "lies in place of Welcome are refused",
        arguments: [
            ("b'x'", 0, IPCError.Code.malformed), ("b'HTTP/1.1 200'", 0, .malformed), ("hello()", 0, .malformed),
            ("READY", 2, .malformed), ("welcome()", 0, .malformed), ("welcome()", 1, .malformed),
            ("welcome()", 3, .limitReached), ("welcome()", 200, .limitReached), ("welcome()[:-3]", 2, .malformed),
            ("welcome()+b'0'", 2, .malformed), ("welcome(1<<63)", 2, .malformed),
            ("msg(2,b'',version=2)", 2, .malformed),
            ("b''", 0, .malformed), ("refusal(1,b'\\xff\\xfe')", 0, .malformed),
            ("refusal(3,b'go away')", 0, .permissionDenied),
            ("refusal(77,b'later')", 0, .unsupported),
        ]) func lies(_ bytes: String, _ count: Int, _ code: IPCError.Code) async throws
    {
        let place = try Place()
        try place.makeDirectory()
        let peer = try publisher(place, "kind(c)\nsend(c, \(bytes), \(count))\nkept = c")
        let (host, guest) = (NotingHost(), NotingGuest())
        let door = try place.door(host)
        let search = try place.search(guest, AccessPolicy(), limits)
        #expect(
            try await eventually { guest.errors.count == 1 && guest.accepted.count == 1 && guest.searchedCount == 1 })
        #expect(guest.errors.first?.code == code, "\(guest.errors)")
        #expect(guest.state.withLock { $0.refused.first?.0?.credentials.processID } == peer.processID)
        #expect(guest.state.withLock { $0.refused.first?.0?.publisherID } == 0x1234)
        withExtendedLifetime((door, search)) {}
    }

    @Test("descriptors that nobody wants are closed") func noLeaks() async {
        await #expect(processExitsWith: .success) {
            let place = try Place()
            try place.makeDirectory()
            let peer = try Stranger.python(
                """
                for number, count in enumerate([0, 1, 2, 3, 200]):
                    l = listen(sys.argv[1], number); globals()['l%d' % number] = l
                print('up')
                for number, count in enumerate([0, 1, 2, 3, 200]):
                    c, _ = globals()['l%d' % number].accept()
                    kind(c); send(c, READY if count == 2 else welcome(), count)
                sys.stdin.read()
                """, [place.directory.string])
            try peer.expect("up")
            _ = try Attendant.shared()
            func warm() async throws {
                let other = try Place()
                let guest = NotingGuest()
                let search = try other.search(guest)
                #expect(try await eventually { guest.searchedCount == 1 })
                search.cancel()
                #expect(try await eventually { !other.exists })
            }
            try await warm()
            let check = LeakCheck()
            let guest = NotingGuest()
            let search = try place.search(guest)
            #expect(try await eventually { guest.errors.count == 5 && guest.searchedCount == 1 })
            search.cancel()
            try check.verify()
            #expect(guest.accepted.isEmpty)
        }
    }

    @Test("one that stalls holds nobody up", arguments: ["accept", "hello", "half", "stopped"])
    func stalls(_ step: String) async throws {
        let place = try Place()
        try place.makeDirectory()
        let peer: Peer
        if step == "accept" {
            peer = try Stranger.python(
                "l = listen(sys.argv[1], 1); print('up'); sys.stdin.read()", [place.directory.string])
            try peer.expect("up")
        } else {
            peer = try publisher(place, step == "hello" ? "kept = c" : "kind(c); kept = c")
        }
        if step == "stopped" { peer.kill(19) }
        let (host, guest) = (NotingHost(), NotingGuest())
        let door = try place.door(host)
        let search = try place.search(
            guest, AccessPolicy(), HandshakeLimits(patience: .milliseconds(500), secondTry: .seconds(100)))
        #expect(try await eventually { guest.accepted.count == 1 })
        #expect(guest.searchedCount == 0 && guest.errors.isEmpty)
        #expect(try await eventually { guest.searchedCount == 1 && guest.errors.count == 1 })
        #expect(guest.errors[0].code == .timedOut)
        #expect(guest.errors[0].hint.contains("\(peer.processID)"))
        withExtendedLifetime((door, search)) {}
    }

    @Test("one that was stopped is found when it goes on") func goesOn() async throws {
        let place = try Place()
        try place.makeDirectory()
        let peer = try publisher(place, "try: kind(c); send(c, welcome(), 2); kept = c\nexcept OSError: pass")
        peer.kill(19)
        let guest = NotingGuest()
        let search = try place.search(
            guest, AccessPolicy(), HandshakeLimits(patience: .milliseconds(100), secondTry: .milliseconds(50)))
        #expect(try await eventually { guest.errors.count == 1 })
        try await Task.sleep(for: .milliseconds(400))
        peer.kill(18)
        #expect(try await eventually { guest.accepted.count == 1 })
        #expect(guest.errors.count == 1)
        withExtendedLifetime(search) {}
    }

    @Test("a backlog that is full is not an end: the socket stays, and is asked again") func fullBacklog() async throws
    {
        let place = try Place()
        try place.makeDirectory()
        let peer = try Stranger.python(
            """
            s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            d = sys.argv[1]
            s.bind(d+'/.~x'); s.listen(0); os.rename(d+'/.~x', d+'/~%016x' % 5)
            crowd = []
            while True:
                c = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); c.setblocking(False)
                try: c.connect(d+'/~%016x' % 5)
                except BlockingIOError: break
                crowd.append(c)
            print('full')
            sys.stdin.readline()
            for _ in crowd: s.accept()
            c, _ = s.accept(); kind(c); send(c, welcome(), 2); sys.stdin.read()
            """, [place.directory.string])
        try peer.expect("full")
        let guest = NotingGuest()
        let search = try place.search(
            guest, AccessPolicy(), HandshakeLimits(patience: .milliseconds(200), secondTry: .milliseconds(20)))
        #expect(try await eventually { guest.errors.count == 1 })
        #expect(guest.errors[0].code == .timedOut)
        #expect(place.entries.count == 1)
        try peer.send("go on")
        #expect(try await eventually { guest.accepted.count == 1 })
        withExtendedLifetime(search) {}
    }

    @Test("what dead publishers have left is removed, what is foreign stays") func stale() async throws {
        let place = try Place()
        try place.makeDirectory()
        let peer = try Stranger.python(
            """
            d = sys.argv[1]
            for n in range(20): listen(d, n).close()
            s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); s.bind(d+'/.~%016x' % 99); s.close()
            os.utime(d+'/.~%016x' % 99, (1000, 1000))
            s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); s.bind(d+'/.~%016x' % 98)
            os.utime(d+'/.~%016x' % 98, (1000, 1000))
            s2 = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); s2.bind(d+'/.~%016x' % 97); s2.close()
            open(d+'/~%016x' % 77, 'w').close()
            open(d+'/~foreign', 'w').close()
            print('up'); sys.stdin.read()
            """, [place.directory.string])
        try peer.expect("up")
        let guest = NotingGuest()
        let search = try place.search(guest)
        #expect(try await eventually { guest.searchedCount == 1 })
        // A file with the name of a socket is refused by connect as a dead socket is, and is not ours to remove.
        #expect(
            place.entries == [
                ".~0000000000000061", ".~0000000000000062", ".~0000000000000063", "~000000000000004d", "~foreign",
            ])
        #expect(guest.errors.isEmpty)
        // A publisher that comes removes what never got its name and is old: nobody is bound to it.
        let door = try place.door(NotingHost())
        #expect(Set(place.entries).isDisjoint(with: [".~0000000000000063"]))
        #expect(Set(place.entries).isSuperset(of: [".~0000000000000061", ".~0000000000000062", "~foreign"]))
        withExtendedLifetime((door, search)) {}
    }

    @Test("news that the kernel dropped costs a look and nothing else") func overflow() async throws {
        let place = try Place()
        let guest = NotingGuest()
        let search = try place.search(guest)
        #expect(try await eventually { guest.searchedCount == 1 })
        // The directory is moved away and back, with a publisher in it: whatever the events are, a look finds it.
        let aside = place.scratch.path()
        try place.rendezvousTopicsMoved(to: aside)
        let peer = try Stranger.python(
            "l=listen(sys.argv[1], 1); print('up'); c,_=l.accept(); kind(c); send(c,welcome(),2); sys.stdin.read()",
            [place.directory.string])
        try peer.expect("up")
        try Attendant.shared().pretendOverflow()
        #expect(try await eventually { guest.accepted.count == 1 })
        withExtendedLifetime(search) {}
    }
}

extension Place {
    /// Puts another directory in the place of the one with all topics, so that a watch below it sees nothing of what comes.
    func rendezvousTopicsMoved(to aside: FilePath) throws {
        let topics = rendezvous.directory.appending("topics")
        _ = try Peer(["mv", topics.string, aside.string]).wait()
        var path = topics
        try TestSyscalls.makeDirectory(path)
        for part in name.segments {
            path = path.appending(part)
            try TestSyscalls.makeDirectory(path)
        }
    }
}
