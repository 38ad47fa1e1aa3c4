// SPDX-License-Identifier: Apache-2.0
import Interprocess
@testable import InterprocessMessaging
import InterprocessSyscalls
import InterprocessTestKit
import SystemPackage
import Testing
import messaging_peer

/// Memory and descriptors that are not there are clear errors when a publisher or subscriber is made, and never later; nothing is left behind.
@Suite("What the kernel does not give", .bounded())
struct ExhaustionTests {
    /// All of a life takes half a minute a kind, and is for long runs; an ordinary run has a publisher's birth and end.
    @Test(
        "each system call of a publisher's and a subscriber's life fails once",
        .enabled(if: FaultPlan.isAvailable, "the seam exists in debug builds only"), arguments: ProofKind.allCases)
    func faults(kind: ProofKind) async {
        await #expect(processExitsWith: .success) { [kind] in
            let arena = Arena()
            // The attendant and what it keeps are there before anything is counted.
            _ = try kind.receiver(arena.directory)
            // What the attendant's own thread waits with, and what says nothing of this scenario.
            let exempt = FaultPlan.exempt.union(["epoll_wait", "epoll_pwait2", "read", "write", "getpid", "shutdown"])
            let report = try FaultPlan.sweep(exempt: exempt) {
                let sender = try kind.sender(arena.directory, 1, PublisherOptions(waiting: .blocking))
                guard TestSyscalls.environmentVariable("INTERPROCESS_STRESS_SECONDS") != nil else { return }
                let receiver = try kind.receiver(arena.directory, SubscriberOptions(waiting: .blocking))
                guard try sender.waitForSubscribers(1, until: .after(.milliseconds(1500))) else { return }
                for number in 0..<4 as Range<UInt64> {
                    guard try sender.send(number, until: .after(.seconds(2))) else { throw Violation("no room") }
                }
                for number in 0..<4 as Range<UInt64> {
                    let stamp = try receiver.receive(until: .after(.seconds(2)))
                    guard stamp == Stamp(sender: 1, number: number) else {
                        throw Violation("\(stamp as Any) instead of \(number)")
                    }
                }
            }
            print("\(kind): \(report)")
            #expect(report.problems.isEmpty, "\(report)")
            #expect(report.thrown > 3, "\(report)")
        }
    }

    @Test(
        "a wait survives whatever its system calls say",
        arguments: [
            ("futex", Errno.interrupted), ("futex", .resourceTemporarilyUnavailable), ("futex_waitv", .interrupted),
            ("futex_waitv", .noFunction), ("futex_waitv", .notPermitted), ("membarrier", .notPermitted),
        ])
    func waits(call: String, error: Errno) async {
        await #expect(processExitsWith: .success) { [call = call as String, raw = error.rawValue as Int32] in
            let inboxes = try Meeting.inboxes(Proof.self)
            let outboxes = try (0..<2).map { _ in try Meeting.outbox(Proof.self, capacity: 8) }
            for outbox in outboxes { try Meeting.introduce(outbox.desk, inboxes.desk) }
            for number in 0..<100 { Faults.fail(call, number: number * 2, with: Errno(rawValue: raw)) }
            let outcome = try Meeting.onThread(outboxes) { outboxes in
                let senders = outboxes.enumerated().map { TypedSender(Publisher<Proof>($1), UInt64($0)) }
                for number in 0..<60 as Range<UInt64> {
                    for sender in senders {
                        guard try sender.send(number, until: .after(.seconds(10))) else { throw Violation("no room") }
                    }
                    if number % 16 == 0 { TestSyscalls.sleep(nanoseconds: 1_000_000) }
                }
            }
            let subscriber = Subscriber<Proof>(inboxes)
            var ledger = Ledger(isLossless: true)
            while ledger.total < 120 {
                guard let sample = try subscriber.receive(until: .after(.seconds(10))) else { break }
                try ledger.note(sample.payload.stamp)
                try sample.end()
                if ledger.total % 50 == 0 { TestSyscalls.sleep(nanoseconds: 2_000_000) }
            }
            #expect(ledger.total == 120)
            try outcome.wait()
        }
    }

    @Test("no memory left")
    func memory() async {
        await #expect(processExitsWith: .success) {
            let arena = Arena()
            let topic = try ByteTopic("large", in: Rendezvous(directory: FilePath(arena.directory)))
            _ = try topic.publisher()
            let check = LeakCheck()
            // The mapping fails, where the memory itself was had.
            let status = try Checkout.text(of: "/proc/self/statm")
            let pages = try #require(status.split(separator: " ").first.flatMap { Int($0) })
            try TestSyscalls.setMemoryLimit(.addressSpace, pages * 4096 + (16 << 20))
            do throws(IPCError) {
                _ = try topic.publisher(PublisherOptions(capacityBytes: 64 << 20))
                Issue.record("64 MiB of address space")
            } catch {
                #expect(error.code == .outOfMemory, "\(error)")
            }
            try TestSyscalls.setMemoryLimit(.addressSpace, 1 << 46)
            TestSyscalls.setIgnored(25, true)
            try TestSyscalls.setMemoryLimit(.fileSize, 1 << 20)
            do throws(IPCError) {
                _ = try topic.publisher(PublisherOptions(capacityBytes: 64 << 20))
                Issue.record("64 MiB of a file")
            } catch {
                #expect([.outOfMemory, .limitReached].contains(error.code), "\(error)")
            }
            try check.verify()
            _ = try topic.publisher(PublisherOptions(capacityBytes: 64 << 10))
        }
    }
}
