// SPDX-License-Identifier: Apache-2.0
@testable import Interprocess
import InterprocessSyscalls
import InterprocessTestKit
import SystemPackage
import Testing

@Suite(.bounded()) struct LeaseTests {
    @Test func oneHoldsAndTheTokenGrows() throws {
        let scratch = ScratchName()
        let path = scratch.path()
        let lease = try Lease(path, term: .seconds(60))
        let other = try Lease(path, term: .seconds(60))
        let none = lease.lastToken
        #expect(none == nil)
        let first = try lease.acquire()
        let token = first.token
        #expect(token == FencingToken(rawValue: 1))
        let busy = other.tryAcquire() == nil
        #expect(busy)
        #expect(other.holder == PeerCredentials.own.processID)
        let renewed = first.renew()
        #expect(renewed)
        expectRefusal(.timedOut, .timedOut, hint: "process \(PeerCredentials.own.processID)") {
            _ = try other.acquire(until: .after(.milliseconds(5)))
        }
        first.release()
        let second = try other.acquire(until: .now)
        let later = second.token
        #expect(later > token)
        expectRefusal(nil, .malformed) { _ = try Lease(path, term: .seconds(61)) }
    }

    @Test func anExpiredLeaseIsLostEvenIfNobodyTookIt() throws {
        let scratch = ScratchName()
        let lease = try Lease(scratch.path(), term: .milliseconds(5))
        let held = try lease.acquire()
        while held.isCurrent { TestSyscalls.sleep(nanoseconds: 1_000_000) }
        let renewed = held.renew()
        #expect(!renewed)
        let next = try lease.acquire(until: .after(.seconds(30)))
        let (token, old) = (next.token, held.token)
        #expect(token > old)
        // What the old one gives back is not the new one's.
        held.release()
        let last = lease.lastToken
        #expect(last == token)
    }

    @Test func tasksWaitForAReleaseAndCanBeCancelled() async throws {
        let scratch = ScratchName()
        let path = scratch.path()
        let lease = try Lease(path, term: .seconds(60))
        let held = try await lease.acquire()
        let waiting = Task { [path] in try await Lease(path, term: .seconds(60)).acquire().token }
        let cancelled = Task { [path] in try await Lease(path, term: .seconds(60)).acquire().token }
        try await Task.sleep(for: .milliseconds(20))
        cancelled.cancel()
        let error = await #expect(throws: IPCError.self) { _ = try await cancelled.value }
        #expect(error?.code == .cancelled)
        held.release()
        #expect(try await waiting.value == FencingToken(rawValue: 2))
    }

    /// The holder is stopped in the middle: others get on, and it finds out.
    @Test func aStoppedHolderLosesIt() async {
        await #expect(processExitsWith: .success) {
            let scratch = ScratchName()
            let path = scratch.path()
            let memory = try LockMemory(byteCount: 64)
            let child = try TestSyscalls.fork()
            if child == 0 {
                if let lease = try? Lease(path, term: .milliseconds(100)), let held = try? lease.acquire() {
                    memory.store(UInt32(1), at: 0)
                    while held.renew() { TestSyscalls.sleep(nanoseconds: 2_000_000) }
                    memory.store(UInt32(2), at: 0)
                }
                TestLocks.sleepForEver()
            }
            while memory.load32(at: 0) == 0 { TestSyscalls.sleep(nanoseconds: 1_000_000) }
            let lease = try Lease(path, term: .milliseconds(100))
            try sysKill(child, 19)
            let second = try lease.acquire(until: .after(.seconds(30)))
            let token = second.token
            #expect(token.rawValue >= 2)
            try sysKill(child, 18)
            while memory.load32(at: 0) != 2 { TestSyscalls.sleep(nanoseconds: 1_000_000) }
            try sysKill(child, 9)
            _ = try sysWait(child)
            _ = consume scratch
        }
    }

    /// N processes take it in turns, some are killed: no token is given out twice.
    @Test func noTokenComesTwice() async {
        await #expect(processExitsWith: .success) {
            let scratch = ScratchName()
            let path = scratch.path()
            let memory = try LockMemory(byteCount: 65536)
            try TestLocks.run(5, killing: 2) { worker in
                let lease = try Lease(path, term: .milliseconds(20))
                for _ in 0..<200 {
                    let held = try lease.acquire()
                    memory.word(at: 4 * Int(held.token.rawValue)).advance()
                    held.release()
                }
            }
            let last = Int(try Lease(path, term: .milliseconds(20)).lastToken?.rawValue ?? 0)
            #expect(last >= 600)
            for token in 1...last { #expect(memory.load32(at: 4 * token) <= 1) }
            _ = consume scratch
        }
    }

    /// An expiry that no clock of this boot can have made.
    @Test func whatAnotherBootLeftDoesNotHoldForEver() throws {
        let scratch = ScratchName()
        let path = scratch.path()
        let lease = try Lease(path, term: .milliseconds(50))
        _ = try lease.acquire()
        let file = try FileDescriptor.open(path, .readWrite)
        defer { try? file.close() }
        let future: [UInt8] = [9, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 127]
        _ = try file.writeAll(toAbsoluteOffset: 64, future)
        let next = lease.tryAcquire()?.token
        #expect(next == FencingToken(rawValue: 10))
    }
}
