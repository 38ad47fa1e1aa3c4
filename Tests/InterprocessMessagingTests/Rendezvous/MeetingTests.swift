// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessMessaging
import InterprocessSyscalls
import InterprocessTestKit
import SystemPackage
import Testing

@Suite("Publishers and subscribers find each other", .bounded()) struct MeetingTests {
    @Test("in one process, whoever comes first", arguments: [true, false]) func inOneProcess(_ doorFirst: Bool)
        async throws
    {
        let place = try Place()
        let (host, guest) = (NotingHost(), NotingGuest(.frame))
        var door: DoorKeeper?
        if doorFirst { door = try place.door(host) }
        let search = try place.search(guest)
        if !doorFirst {
            #expect(try await eventually { guest.searchedCount == 1 })
            door = try place.door(host)
        }
        #expect(try await eventually { host.counts == [1, 1, 0] && guest.accepted.count == 1 })
        #expect(try await eventually { guest.searchedCount == 1 })
        #expect(host.state.withLock { $0.hellos } == [guest.hello])
        #expect(guest.accepted[0].peer.publisherID == door?.publisherID)
        #expect(guest.accepted[0].peer.credentials == PeerCredentials.own)
        #expect(place.entries == [format16(door?.publisherID ?? 0)])
        search.cancel()
        #expect(try await eventually { host.counts == [1, 1, 1] && guest.left == 1 })
        door?.close()
        #expect(!place.exists)
        #expect(guest.errors.isEmpty)
    }

    @Test("in two processes; a publisher that is killed has left, and one that comes after it removes its socket")
    func inTwoProcesses() async throws {
        let place = try Place()
        let guest = NotingGuest()
        let search = try place.search(guest)
        for round in 1...2 {
            let directory = place.rendezvous.directory.string
            let child = Task {
                await #expect(processExitsWith: .signal(9)) { [directory = directory as String] in
                    try await Watchdog.bound(.seconds(60)) {
                        let host = NotingHost()
                        let door = try DoorKeeper(
                            rendezvous: Rendezvous(directory: FilePath(directory)), kind: .topic,
                            name: ChannelName("camera/front"), policy: AccessPolicy(), host: host)
                        _ = try await eventually { host.counts == [1, 1, 0] }
                        withExtendedLifetime(door) { TestSyscalls.killSelf() }
                    }
                }
            }
            #expect(try await eventually { guest.accepted.count == round && guest.left == round })
            #expect(guest.accepted.last?.peer.credentials.processID != sysProcessID())
            _ = await child.value
        }
        #expect(try await eventually { place.entries.isEmpty })
        #expect(guest.errors.isEmpty)
        search.cancel()
        #expect(try await eventually { !place.exists })
    }

    @Test("many publishers and many subscribers") func many() async throws {
        let place = try Place("many")
        let hosts = (0..<8).map { _ in NotingHost() }
        let guests = (0..<8).map { _ in NotingGuest() }
        let early = try guests[..<4].map { try place.search($0) }
        let doors = try hosts.map { try place.door($0) }
        let late = try guests[4...].map { try place.search($0) }
        #expect(
            try await eventually {
                guests.allSatisfy { $0.accepted.count == 8 } && hosts.allSatisfy { $0.counts == [8, 8, 0] }
            })
        for door in doors[..<4] { door.close() }
        // Those that are in stay in.
        #expect(place.entries.count == 4)
        for host in hosts[..<4] { for link in host.state.withLock({ $0.joined }) { link.close() } }
        #expect(try await eventually { guests.allSatisfy { $0.left == 4 } })
        #expect(try await eventually { hosts[..<4].allSatisfy { $0.counts == [8, 8, 8] } })
        for search in early + late { search.cancel() }
        #expect(try await eventually { hosts[4...].allSatisfy { $0.counts == [8, 8, 8] } })
        for door in doors { door.close() }
        #expect(try await eventually { !place.exists })
    }

    @Test("what is dropped leaves as what is closed") func dropping() async throws {
        let place = try Place()
        let (host, guest) = (NotingHost(), NotingGuest())
        do {
            let search = try place.search(guest)
            do {
                let door = try place.door(host)
                #expect(try await eventually { host.counts == [1, 1, 0] })
                withExtendedLifetime(door) {}
            }
            #expect(try await eventually { guest.left == 1 && host.counts == [1, 1, 1] })
            withExtendedLifetime(search) {}
        }
        #expect(try await eventually { !place.exists })
    }

    @Test("a refusal reaches the guest, once", arguments: [Refusal.Reason.mismatch, .full]) func refusal(
        _ reason: Refusal.Reason
    ) async throws {
        let place = try Place()
        let (host, guest) = (NotingHost(), NotingGuest())
        host.refuse(Refusal(reason, "no room\u{1b}[2J"))
        let door = try place.door(host)
        let search = try place.search(guest, AccessPolicy(), HandshakeLimits(secondTry: .milliseconds(20)))
        #expect(try await eventually { guest.errors.count == 1 && guest.searchedCount == 1 })
        #expect(guest.errors[0].hint == "no room?[2J")
        #expect(guest.errors[0].code == (reason == .full ? .limitReached : .wrongKind))
        if reason == .full {
            // Later there is room.
            #expect(try await eventually { host.state.withLock { $0.hellos.count } > 3 })
            host.refuse(nil)
            #expect(try await eventually { guest.accepted.count == 1 })
            #expect(guest.errors.count == 1)
        }
        withExtendedLifetime((door, search)) {}
    }

    @Test("what the guest cannot map is refused, and the host hears that the reader has left") func objection()
        async throws
    {
        let place = try Place()
        let (host, guest) = (NotingHost(), NotingGuest())
        guest.object(IPCError(code: .malformed, subject: "log", hint: "it is not sealed"))
        let door = try place.door(host)
        let search = try place.search(guest)
        #expect(try await eventually { guest.errors.count == 1 && host.counts == [1, 0, 1] })
        #expect(guest.errors[0].hint == "it is not sealed")
        withExtendedLifetime((door, search)) {}
    }

    @Test("the directory is removed under a searcher: it is made anew, and searched") func removed() async throws {
        let place = try Place()
        let (host, guest) = (NotingHost(), NotingGuest())
        let search = try place.search(guest)
        #expect(try await eventually { guest.searchedCount == 1 })
        for _ in 0..<3 {
            TestSyscalls.removeAll(place.rendezvous.directory.appending("topics"))
            #expect(try await eventually { place.exists })
        }
        let door = try place.door(host)
        #expect(try await eventually { guest.accepted.count == 1 })
        #expect(guest.errors.isEmpty && guest.searchedCount == 1)
        withExtendedLifetime((door, search)) {}
    }

    @Test("a path beyond what a socket's address holds") func longPath() async throws {
        let name = (0..<5).map { String(repeating: "x\($0)", count: 20) }.joined(separator: "/")
        let place = try Place(name)
        #expect(place.directory.string.utf8.count > 200)
        let (host, guest) = (NotingHost(), NotingGuest())
        let door = try place.door(host)
        let search = try place.search(guest)
        #expect(try await eventually { guest.accepted.count == 1 })
        #expect(try place.rendezvous.names(of: .topic).map(\.description) == [name])
        search.cancel()
        door.close()
        #expect(try TestSyscalls.entries(of: place.rendezvous.directory.appending("topics")).isEmpty)
    }

    @Test("nothing is left of a hundred meetings") func noLeaks() async {
        await #expect(processExitsWith: .success) {
            try await Watchdog.bound(.seconds(100)) {
                let place = try Place()
                func meet() async throws {
                    let (host, guest) = (NotingHost(), NotingGuest())
                    let door = try place.door(host)
                    let search = try place.search(guest)
                    #expect(try await eventually { guest.accepted.count == 1 && host.counts == [1, 1, 0] })
                    door.close()
                    search.cancel()
                    #expect(try await eventually { host.counts == [1, 1, 1] && guest.left == 1 })
                }
                try await meet()
                let check = LeakCheck()
                for _ in 0..<100 { try await meet() }
                try check.verify(threads: true)
                #expect(try await eventually { !place.exists })
            }
        }
    }
}

func format16(_ id: UInt64) -> String {
    let text = String(id, radix: 16)
    return "~" + String(repeating: "0", count: 16 - text.utf8.count) + text
}
