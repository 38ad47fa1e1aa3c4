// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessMessaging
import InterprocessSyscalls
import InterprocessTestKit
import SystemPackage
import Testing

@Suite("Ends that are noticed", .bounded()) struct DeathTests {
    @Test("a reader whose forked child holds its socket has left when it dies", .requires("python3"))
    func childOfTheReader() async throws {
        let place = try Place()
        let host = NotingHost()
        let door = try place.door(host)
        let peer = try Stranger.python(
            """
            s = connect(sys.argv[1]); s.send(hello()); kind(s); s.send(READY)
            child = os.fork()
            if child == 0:
                os.close(1); time.sleep(100)
            print(child)
            sys.stdin.readline()
            os.kill(os.getpid(), 9)
            """, [place.directory.appending(SocketName.listening(door.publisherID)).string])
        let child = try #require(try peer.readLine().flatMap { Int32($0) })
        #expect(try await eventually { host.counts == [1, 1, 0] })
        try peer.send("die")
        #expect(try await eventually { host.counts == [1, 1, 1] })
        #expect(try peer.wait() == .signaled(9))
        let process = OwnedDescriptor(adopting: try sysOpenProcess(child))
        try sysSignalProcess(process.rawValue, 9)
    }

    @Test("a publisher whose forked child holds its sockets has left when it dies", .requires("python3"))
    func childOfThePublisher() async throws {
        let place = try Place()
        try place.makeDirectory()
        let peer = try Stranger.python(
            """
            l = listen(sys.argv[1], 1); print('up')
            c, _ = l.accept(); kind(c); send(c, welcome(), 2); kind(c)
            child = os.fork()
            if child == 0:
                os.close(1); time.sleep(100)
            print(child)
            os.kill(os.getpid(), 9)
            """, [place.directory.string])
        try peer.expect("up")
        let guest = NotingGuest()
        let search = try place.search(guest)
        let child = try #require(try peer.readLine().flatMap { Int32($0) })
        #expect(try await eventually { guest.accepted.count == 1 && guest.left == 1 })
        let process = OwnedDescriptor(adopting: try sysOpenProcess(child))
        try sysSignalProcess(process.rawValue, 9)
        withExtendedLifetime(search) {}
    }

    @Test("a forked child of ours keeps nobody alive, and what it drops removes nothing") func childOfOurs() async {
        await #expect(processExitsWith: .success) {
            try await Watchdog.bound(.seconds(60)) {
                let place = try Place()
                let (host, guest) = (NotingHost(), NotingGuest())
                var door: DoorKeeper? = try place.door(host)
                var search: Search? = try place.search(guest)
                #expect(try await eventually { guest.accepted.count == 1 && host.counts == [1, 1, 0] })
                let (sockets, id) = (guest.accepted + host.state.withLock { $0.joined }, door?.publisherID ?? 0)
                let name = place.directory.appending(SocketName.listening(id))
                let child = try TestSyscalls.forkChild {
                    // None of the sockets has a peer here.
                    let heard = sockets.contains { (try? $0.socket.trySend([1])) == true }
                    let connected = (try? SequencedPacketSocket.tryConnect(to: .path(name))) != nil
                    door?.close()
                    search?.cancel()
                    door = nil
                    search = nil
                    return heard || !connected || (try? sysStatus(name)) == nil ? 8 : 7
                }
                #expect(try sysWait(child) == .exited(7))
                try await Task.sleep(for: .milliseconds(50))
                #expect(host.counts == [1, 1, 0] && guest.left == 0)
                #expect(place.entries.count == 1)
                withExtendedLifetime((door, search)) {}
            }
        }
    }

    @Test("a forked child that begins anew is told to call exec") func childBeginsAnew() async {
        await #expect(processExitsWith: .success) {
            let place = try Place()
            let (host, other) = (NotingHost(), NotingHost())
            let door = try place.door(host)
            try await Task.sleep(for: .milliseconds(20))
            let child = try TestSyscalls.forkChild {
                do throws(IPCError) {
                    _ = try place.door(other)
                    return 8
                } catch {
                    return error.code == .unsupported && error.hint.contains("exec") ? 7 : 9
                }
            }
            #expect(try sysWait(child) == .exited(7))
            withExtendedLifetime(door) {}
        }
    }

    /// A process of its own for each step: in a forked child two threads cannot contend for a `Mutex` of Swift's, which knows
    /// them by the numbers that they had in the parent.
    @Test(
        "killed at each step of opening and closing: at most names are left, and the next sees nothing of it",
        .enabled(if: FaultPlan.isAvailable))
    func killed() async throws {
        let place = try Place()
        let directory = place.rendezvous.directory.string
        var left = 0
        for number in 0..<75 {
            await #expect(processExitsWith: .signal(9)) { [directory = directory as String, number = number as Int] in
                let rendezvous = try Rendezvous(directory: FilePath(directory))
                let host = NotingHost()
                let name = try ChannelName("camera/front")
                Faults.kill(number: number)
                let door = try DoorKeeper(
                    rendezvous: rendezvous, kind: .topic, name: name, policy: AccessPolicy(), host: host)
                door.close()
                TestSyscalls.killSelf()
            }
            left += place.entries.isEmpty ? 0 : 1
            // A name that was not finished stays for some seconds; the others go.
            let door = try place.door(NotingHost())
            #expect(
                place.entries.filter { !$0.hasPrefix(".~") } == [format16(door.publisherID)], "after \(number) calls")
            door.close()
            for name in place.entries { try sysUnlink(place.directory.appending(name)) }
        }
        #expect(left > 5, "the steps at which something is left were among them")
    }

    @Test("each system call of opening and closing fails once", .enabled(if: FaultPlan.isAvailable)) func faults() async
    {
        await #expect(processExitsWith: .success) {
            let place = try Place()
            let report = try FaultPlan.sweep {
                let host = NotingHost()
                let door = try place.door(host)
                door.close()
            }
            #expect(report.problems.isEmpty, "\(report)")
        }
    }

    @Test(
        "where the kernel gives no peer as a pidfd, its number is opened, and its end noticed all the same",
        .requires("python3"), .enabled(if: FaultPlan.isAvailable))
    func withoutPeerPidfd() async {
        await #expect(processExitsWith: .success) {
            try await Watchdog.bound(.seconds(60)) {
                let place = try Place()
                try place.makeDirectory()
                let peer = try Stranger.python(
                    """
                    l = listen(sys.argv[1], 1); print('up')
                    c, _ = l.accept(); kind(c); send(c, welcome(), 2); kind(c)
                    child = os.fork()
                    if child == 0:
                        os.close(1); sys.stdin.read(); os._exit(0)
                    sys.stdin.readline()
                    os.kill(os.getpid(), 9)
                    """, [place.directory.string])
                try peer.expect("up")
                let guest = NotingGuest()
                // The first asks for the credentials, the second for the process.
                Faults.fail("getsockopt", number: 1, with: .protocolNotAvailable)
                let search = try place.search(guest)
                #expect(try await eventually { guest.accepted.count == 1 })
                #expect(guest.left == 0)
                try peer.send("die")
                #expect(try await eventually { guest.left == 1 })
                peer.closeInput()
                withExtendedLifetime(search) {}
            }
        }
    }

    @Test(
        "each system call of a search fails once: the publisher is found all the same, or the search says why not",
        .enabled(if: FaultPlan.isAvailable))
    func faultsOfSearching() async {
        await #expect(processExitsWith: .success) {
            let place = try Place()
            let host = NotingHost()
            let limits = HandshakeLimits(patience: .milliseconds(100), secondTry: .milliseconds(10))
            let door = try place.door(host, AccessPolicy(), limits)
            func meet() async throws {
                let guest = NotingGuest()
                let search = try place.search(guest, AccessPolicy(), limits)
                guard try await eventually(.seconds(10), { !guest.accepted.isEmpty || !guest.errors.isEmpty }) else {
                    throw Stuck()
                }
                search.cancel()
                guard try await eventually(.seconds(10), { guest.left == guest.accepted.count }) else { throw Stuck() }
            }
            for _ in 0..<3 { try await meet() }
            Faults.startRecording()
            try await meet()
            let calls = Faults.stopRecording()
            #expect(calls.count > 40)
            host.forget()
            let check = LeakCheck()
            for (number, call) in calls.enumerated() where !FaultPlan.exempt.contains(call) {
                Faults.fail(number: number, except: FaultPlan.exempt, with: FaultPlan.plausible(call))
                do { try await Watchdog.bound(.seconds(40), "\(call), call \(number)") { try await meet() } } catch {
                    #expect(error is IPCError, "\(call), call \(number): \(error)")
                }
                Faults.clear()
                host.forget()
            }
            // The host notes the links that have ended, and keeps them: the last may end a little later.
            let isClean = try await eventually(.seconds(10)) {
                host.forget()
                return (try? check.verify(patience: .zero)) != nil
            }
            if !isClean { try check.verify() }
            withExtendedLifetime(door) {}
        }
    }
}

/// Nothing happened in time.
private struct Stuck: Error {}
