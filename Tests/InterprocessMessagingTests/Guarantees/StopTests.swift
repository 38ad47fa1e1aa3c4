// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessMessaging
import InterprocessSyscalls
import InterprocessTestKit
import Testing
import messaging_peer

private let (stop, goOn): (CInt, CInt) = (19, 18)

@Suite("A stopped or forked process holds nobody else up", .bounded())
struct StopTests {
    let arena = Arena()

    @Test(
        "a stopped subscriber is put out in time and learns it; the others lose nothing", arguments: ProofKind.allCases)
    func subscriber(kind: ProofKind) throws {
        var sender: (any ProofSender)? = try kind.sender(
            arena.directory, 1, PublisherOptions(waiting: .blocking, stallLimit: .milliseconds(300)))
        let survivor = try arena.subscriber(kind)
        let victim = try arena.subscriber(kind, "waiting=spinning")
        #expect(try sender?.waitForSubscribers(2, until: .after(.seconds(20))) == true)
        #expect(try sender?.send(0, until: .after(.seconds(10))) == true)
        try victim.expect("first")
        victim.kill(stop)
        for number in 1..<400 as Range<UInt64> {
            #expect(try sender?.send(number, until: .after(.seconds(10))) == true)
        }
        victim.kill(goOn)
        let text = try victim.finish().text
        #expect(text.contains("ended \(IPCError.Code.evicted)") && !text.contains("VIOLATION"), "\(text)")
        sender = nil
        #expect(try survivor.finish().text.contains("received 1 0 400 400\n"))
    }

    @Test("a stopped publisher: deadlines hold, and what others send arrives", arguments: ProofKind.allCases)
    func publisher(kind: ProofKind) async throws {
        let receiver = try kind.receiver(arena.directory, SubscriberOptions(waiting: .blocking))
        let steady = try kind.sender(arena.directory, 1)
        let victim = try arena.publisher(kind, "id=2", "subscribers=1")
        var ledger = Ledger(isLossless: true)
        try ledger.note(try #require(try receiver.receive(until: .after(.seconds(10)))))
        victim.kill(stop)
        while let stamp = try receiver.receive(until: .after(.milliseconds(100))) { try ledger.note(stamp) }
        for number in 0..<20 as Range<UInt64> {
            #expect(try steady.send(number, until: .after(.seconds(5))))
            try ledger.note(try #require(try receiver.receive(until: .after(.seconds(5)))))
        }
        await #expect { _ = try await receiver.next(until: .after(.milliseconds(50))) } throws: {
            ($0 as? IPCError)?.code == .timedOut
        }
        #expect(receiver.publishers.count == 2)
        let before = ledger.lines[2]?.next ?? 0
        victim.kill(goOn)
        for _ in 0..<20 { try ledger.note(try #require(try receiver.receive(until: .after(.seconds(5))))) }
        #expect(ledger.lines[2]?.next == before + 20)
    }

    @Test("a publisher's death is seen though a child that it forked lives", arguments: ProofKind.allCases)
    func forkedPublisher(kind: ProofKind) throws {
        let receiver = try kind.receiver(arena.directory)
        let victim = try arena.publisher(kind, "id=2", "subscribers=1", "count=5", "fork", "stay")
        try victim.expect("sent 5")
        victim.kill()
        try victim.wait()
        for number in 0..<5 as Range<UInt64> {
            #expect(try receiver.receive(until: .after(.seconds(2))) == Stamp(sender: 2, number: number))
        }
        var hasDied = false
        let deadline = Deadline.after(.seconds(2))
        while !hasDied, !deadline.hasPassed {
            #expect(try receiver.receive(until: .after(.milliseconds(10))) == nil)
            hasDied = receiver.takeNotices().contains { if case .died = $0 { true } else { false } }
        }
        #expect(hasDied)
    }

    @Test("what a subscriber held is free though a child that it forked lives", arguments: ProofKind.allCases)
    func forkedSubscriber(kind: ProofKind) throws {
        let sender = try kind.sender(
            arena.directory, 1, PublisherOptions(waiting: .blocking, stallLimit: .seconds(60)))
        let victim = try arena.subscriber(kind, "fork", "style=hold")
        #expect(try sender.waitForSubscribers(1, until: .after(.seconds(20))))
        #expect(try sender.send(0, until: .immediately))
        try victim.expect("holds")
        while try sender.send(0, until: .immediately) {}
        victim.kill()
        try victim.wait()
        #expect(try sender.send(0, until: .after(.seconds(2))))
    }

    @Test("a child's handles refuse, the parent's go on", arguments: ProofKind.allCases)
    func child(kind: ProofKind) async {
        await #expect(processExitsWith: .success) { [kind] in
            let arena = Arena()
            let sender = try kind.sender(arena.directory, 1)
            let receiver = try kind.receiver(arena.directory)
            #expect(try sender.send(0, until: .after(.seconds(5))))
            let child = try TestSyscalls.forkChild {
                func refuses(_ body: () throws(IPCError) -> Void) -> Bool {
                    do throws(IPCError) { try body() } catch { return error.code == .unsupported }
                    return false
                }
                let all = [
                    refuses { () throws(IPCError) in _ = try sender.send(1, until: .immediately) },
                    refuses { () throws(IPCError) in _ = try receiver.receive(until: .immediately) },
                    refuses { () throws(IPCError) in _ = try receiver.copy() },
                    refuses { () throws(IPCError) in _ = try receiver.copyNext() },
                    refuses { () throws(IPCError) in _ = try receiver.waitForPublishers(1, until: .immediately) },
                    refuses { () throws(IPCError) in _ = try sender.waitForSubscribers(2, until: .immediately) },
                ]
                return Int32(all.firstIndex(of: false) ?? 77)
            }
            #expect(try sysWait(child) == .exited(77))
            for number in 1..<100 as Range<UInt64> {
                #expect(try receiver.receive(until: .after(.seconds(5))) == Stamp(sender: 1, number: number - 1))
                #expect(try sender.send(number, until: .after(.seconds(5))))
            }
        }
    }
}
