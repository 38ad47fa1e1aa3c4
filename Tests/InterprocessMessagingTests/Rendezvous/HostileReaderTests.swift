// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessMessaging
import InterprocessSyscalls
import InterprocessTestKit
import SystemPackage
import Testing

/// Readers that do not keep to the protocol, against a publisher of ours.
@Suite("A publisher and readers that misbehave", .bounded(), .requires("python3")) struct HostileReaderTests {
    private let limits = HandshakeLimits(patience: .milliseconds(400))

    private func socket(_ place: Place, _ door: DoorKeeper) -> String {
        place.directory.appending(SocketName.listening(door.publisherID)).string
    }

    @Test(
        "nonsense in place of Hello is answered with a refusal that says why",
        arguments: [
            ("b'GET / HTTP/1.1'", "no message of this protocol"), ("b'x'", "too early"),
            ("msg(1,b'',version=7)", "version 7"),
            ("READY", "expects Hello"), ("welcome()", "expects Hello"), ("hello(purpose=9)", "purpose, 9"),
            ("hello(flags=64)", "flag"), ("hello(tag=1,count=1<<63)", "history"),
            ("hello(payload=b'\\x05')", "payload, 5"),
            ("hello(payload=b'\\1'+b'\\0'*28+b'\\xff\\xff')", "length"), ("hello()+b'0'*9000", "more than 8192"),
            ("hello()[:-1]", "too early"), ("msg(99)", "kind of message, 99"),
        ]) func nonsense(_ bytes: String, _ reason: String) async throws
    {
        let place = try Place()
        let host = NotingHost()
        let door = try place.door(host)
        let peer = try Stranger.python(
            """
            s = connect(sys.argv[1])
            s.send(\(bytes))
            m = s.recv(65536)
            print(m[6], m[12], m[18:].decode())
            print(len(s.recv(65536)))
            """, [socket(place, door)])
        let line = try #require(try peer.readLine())
        #expect(line.hasPrefix("3 5 "), "\(line)")
        #expect(line.contains(reason), "\(line)")
        try peer.expect("0")
        #expect(host.counts == [0, 0, 0])
        try peer.wait()
    }

    @Test("Hello with descriptors is refused, and they are closed") func descriptors() async {
        await #expect(processExitsWith: .success) {
            let place = try Place()
            let host = NotingHost()
            let door = try place.door(host)
            let path = place.directory.appending(SocketName.listening(door.publisherID)).string
            func meet(_ count: Int) async throws -> String? {
                let peer = try Stranger.python(
                    "s=connect(sys.argv[1]); send(s,hello(),int(sys.argv[2])); m=s.recv(65536); print(m[6],m[12]); sys.stdin.read()",
                    [path, "\(count)"])
                return try peer.readLine()
            }
            #expect(try await meet(0) == "2 0")
            let check = LeakCheck()
            #expect(try await meet(1) == "3 5")
            #expect(try await meet(200) == "3 5")
            try check.verify()
            withExtendedLifetime(door) {}
        }
    }

    @Test("a reader that stalls is let go after the deadline", arguments: ["nothing", "hello", "hello and nonsense"])
    func stalls(_ step: String) async throws {
        let place = try Place()
        let host = NotingHost()
        let door = try place.door(host, AccessPolicy(), limits)
        let peer = try Stranger.python(
            """
            s = connect(sys.argv[1])
            if sys.argv[2] != 'nothing': s.send(hello())
            if sys.argv[2] == 'hello and nonsense': s.send(hello())
            while kind(s) not in (0,): pass
            print('closed')
            """, [socket(place, door), step])
        try peer.expect("closed")
        #expect(try await eventually { host.counts == (step == "nothing" ? [0, 0, 0] : [1, 0, 1]) })
        try peer.wait()
    }

    @Test("a reader that dies at each step", arguments: ["connect", "hello", "welcome", "ready"])
    func dies(_ step: String) async throws {
        let place = try Place()
        let host = NotingHost()
        let door = try place.door(host)
        let peer = try Stranger.python(
            """
            def die(step):
                if sys.argv[2] == step: os.kill(os.getpid(), 9)
            s = connect(sys.argv[1]); die('connect')
            s.send(hello()); die('hello')
            assert kind(s) == 2; die('welcome')
            s.send(READY); die('ready')
            """, [socket(place, door), step])
        #expect(try peer.wait() == .signaled(9))
        switch step {
        case "connect": try await Task.sleep(for: .milliseconds(50))
        // Dead before it was admitted, or after; joined only if Ready was said.
        case "hello":
            #expect(
                try await eventually {
                    let c = host.counts; return host.state.withLock { !$0.hellos.isEmpty } && c[0] == c[2]
                })
        default: #expect(try await eventually { host.counts == [1, step == "ready" ? 1 : 0, 1] })
        }
        if step == "connect" { #expect(host.counts == [0, 0, 0]) }
        // And the door is as open as before.
        let guest = NotingGuest()
        let search = try place.search(guest)
        #expect(try await eventually { guest.accepted.count == 1 })
        withExtendedLifetime((door, search)) {}
    }

    @Test("a thousand that say nothing neither keep an honest one out nor take our descriptors") func crowd() async {
        await #expect(processExitsWith: .success) {
            try await Watchdog.bound(.seconds(100)) {
                let place = try Place()
                let (host, guest) = (NotingHost(), NotingGuest())
                let door = try place.door(host)
                let crowd = try Stranger.python(
                    """
                    import resource
                    resource.setrlimit(resource.RLIMIT_NOFILE, (1100, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
                    crowd = [connect(sys.argv[1]) for _ in range(1000)]
                    print('there')
                    sys.stdin.read()
                    """, [place.directory.appending(SocketName.listening(door.publisherID)).string])
                try crowd.expect("there")
                #expect(LeakCheck.descriptors().count < 250)
                let search = try place.search(guest)
                #expect(try await eventually { guest.accepted.count == 1 })
                #expect(guest.errors.isEmpty)
                #expect(try await eventually(.seconds(10)) { LeakCheck.descriptors().count < 60 })
                crowd.closeInput()
                withExtendedLifetime((door, search)) {}
            }
        }
    }

    @Test("a crowd that comes again and again does not starve an honest one") func endlessCrowd() async throws {
        let place = try Place()
        let (host, guest) = (NotingHost(), NotingGuest())
        let door = try place.door(host)
        let crowd = try Stranger.python(
            """
            print('there')
            crowd = []
            while True:
                try: crowd.append(connect(sys.argv[1]))
                except OSError: break
                if len(crowd) > 200: crowd.pop(0).close()
                time.sleep(0.001)
            """, [socket(place, door)])
        try crowd.expect("there")
        for _ in 0..<3 {
            let search = try place.search(guest)
            let before = guest.accepted.count
            #expect(try await eventually { guest.accepted.count == before + 1 })
            search.cancel()
        }
        crowd.kill()
        withExtendedLifetime(door) {}
    }

    @Test("without a descriptor left, who comes waits, and is let in when there is one") func noDescriptors() async {
        await #expect(processExitsWith: .success) {
            try await Watchdog.bound(.seconds(60)) {
                let place = try Place()
                let host = NotingHost()
                let door = try place.door(host)
                let path = place.directory.appending(SocketName.listening(door.publisherID)).string
                func reader() throws -> Peer {
                    try Stranger.python(
                        "s=connect(sys.argv[1]); s.send(hello()); print('said'); print(kind(s)); s.send(READY); sys.stdin.read()",
                        [path])
                }
                let first = try reader()
                try first.expect("2")
                let second = try Stranger.python(
                    "sys.stdin.readline(); s=connect(sys.argv[1]); s.send(hello()); print('said'); print(kind(s)); s.send(READY); sys.stdin.read()",
                    [path])
                // The kit needs some to look at the peer with.
                var held: [CInt] = []
                try ProcessState.limitDescriptors(200)
                while let next = try? sysOpen("/dev/null", flags: 0) { held.append(next) }
                try second.send("now")
                try second.expect("said")
                // Not Task.sleep: Dispatch, when it first needs a timer, ends a process that has no descriptor left.
                TestSyscalls.sleep(nanoseconds: 200_000_000)
                #expect(host.counts == [1, 1, 0])
                for number in held { TestSyscalls.close(number) }
                try second.expect("2")
                #expect(try await eventually { host.counts == [2, 2, 0] })
                withExtendedLifetime((door, first)) {}
            }
        }
    }

    @Test("an observer gets the report and is let go") func observing() async throws {
        let place = try Place()
        let host = NotingHost()
        let doors = try (0..<3).map { _ in try place.door(host) }
        let observation = try await ChannelObservation.reports(
            rendezvous: place.rendezvous, kind: .topic, name: place.name)
        #expect(observation.reports.map(\.publisher.publisherID) == doors.map(\.publisherID).sorted())
        #expect(observation.reports.allSatisfy { $0.report == .forTests && $0.publisher.credentials == .own })
        #expect(observation.failures.isEmpty)
        #expect(host.counts == [0, 0, 0])
        func blocking() throws -> ChannelObservation {
            try ChannelObservation.reports(rendezvous: place.rendezvous, kind: .topic, name: place.name)
        }
        #expect(try blocking() == observation)
        let error = await #expect(throws: IPCError.self) {
            try await ChannelObservation.reports(rendezvous: place.rendezvous, kind: .topic, name: ChannelName("none"))
        }
        #expect(error?.code == .notFound)
    }
}
