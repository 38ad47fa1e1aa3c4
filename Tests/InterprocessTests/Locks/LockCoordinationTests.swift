// SPDX-License-Identifier: Apache-2.0
@testable import Interprocess
import InterprocessSyscalls
import InterprocessTestKit
import SystemPackage
import Testing

/// What every worker adds to; whoever dies may leave the two out of step.
struct Tally: SharedPayload {
    var total = 0
    var parts = InlineArray<8, Int>(repeating: 0)

    mutating func add(_ worker: Int) {
        total += 1
        parts[worker] += 1
    }

    var sum: Int { parts.indices.reduce(0) { $0 + parts[$1] } }

    mutating func repair() -> Bool {
        total = sum
        return true
    }
}

private let workers = 6
private let victims = 3
private let rounds = 2000

/// Each worker's progress lies at 64 × its number, behind the lock.
private func work(_ memory: LockMemory, _ progress: Int, _ worker: Int, _ add: () throws -> Void) throws {
    let own = memory.word(at: progress + 64 * worker)
    for _ in 0..<rounds {
        try add()
        own.advance()
    }
}

private func check(_ tally: Tally, _ memory: LockMemory, _ progress: Int) {
    #expect(tally.total == tally.sum)
    for worker in 0..<workers {
        let done = Int(memory.load32(at: progress + 64 * worker))
        if worker >= victims { #expect(done == rounds && tally.parts[worker] == rounds) }
        #expect(tally.parts[worker] == done || worker < victims && tally.parts[worker] == done + 1)
    }
}

/// N processes add to a shared counter; some are killed at any moment. What each has added is known by a word of its own, written
/// after the lock is released: so the sum is exact, but for one addition of each that was killed.
@Suite(.bounded()) struct LockCoordinationTests {
    @Test(arguments: 0..<4) func aRobustMutex(_ seed: Int) async {
        await #expect(processExitsWith: .success) {
            let memory = try LockMemory(byteCount: 4096)
            let mutex = try RobustMutex(
                creatingIn: memory, atByte: 1024, initial: Tally(), recovery: .repair { $0.repair() })
            try TestLocks.run(workers, killing: victims) { worker in
                try work(memory, 0, worker) { try mutex.withLock { $0.add(worker) } }
            }
            check(try mutex.withLock { $0 }, memory, 0)
        }
    }

    @Test(arguments: 0..<4) func aReadWriteLock(_ seed: Int) async {
        await #expect(processExitsWith: .success) {
            let memory = try LockMemory(byteCount: 8192)
            let lock = try SharedReadWriteLock(
                creatingIn: memory, atByte: 1024, initial: Tally(), readerSeats: 3, recovery: .repair { $0.repair() })
            try TestLocks.run(workers, killing: victims) { worker in
                try work(memory, 0, worker) {
                    try lock.withWriteLock { $0.add(worker) }
                    try lock.withReadLock { tally in
                        if tally.total != tally.sum {
                            throw IPCError(code: .malformed, subject: "a torn value was read")
                        }
                    }
                }
            }
            check(try lock.withReadLock { $0 }, memory, 0)
        }
    }

    @Test(arguments: [FileLock.Kind.openFile, .flock, .process]) func aFileLock(_ kind: FileLock.Kind) async {
        let name = kind == .openFile ? 0 : kind == .flock ? 1 : 2
        await #expect(processExitsWith: .success) { [name = name as Int] in
            let scratch = ScratchName()
            let path = scratch.path()
            let kind = [FileLock.Kind.openFile, .flock, .process][name]
            let memory = try LockMemory(byteCount: 4096)
            let total = memory.word(at: 2048)
            try TestLocks.run(workers, killing: victims) { worker in
                // A handle that was open before the fork would be the same for all.
                let lock = try FileLock(path, kind: kind)
                try work(memory, 0, worker) { try lock.withLock { total.store(total.load() + 1) } }
            }
            let done = (0..<workers).reduce(0) { $0 + Int(memory.load32(at: 64 * $1)) }
            #expect((done...done + victims).contains(Int(total.load())))
            #expect(done >= (workers - victims) * rounds)
            _ = consume scratch
        }
    }

    @Test func onceIsOnceWhoeverDies() async {
        await #expect(processExitsWith: .success) {
            for _ in 0..<20 {
                let memory = try LockMemory(byteCount: 4096)
                let once = try SharedOnce<Tally>(creatingIn: memory, atByte: 1024)
                let counter = memory.word(at: 0)
                try TestLocks.run(workers, killing: victims) { worker in
                    let value = try once.value {
                        counter.advance()
                        TestSyscalls.sleep(nanoseconds: 300_000)
                        var tally = Tally()
                        tally.add(worker)
                        return tally
                    }
                    if value.total != 1 { throw IPCError(code: .malformed, subject: "a half computed value") }
                }
                let total = once.valueIfDone?.total
                #expect(total == 1)
                #expect((1...UInt32(1 + victims)).contains(counter.load()))
            }
        }
    }

    @Test func aProducerAndConsumersMeet() async {
        await #expect(processExitsWith: .success) {
            let memory = try LockMemory(byteCount: 4096)
            let mutex = try RobustMutex(creatingIn: memory, atByte: 1024, initial: Pair(), recovery: .keep)
            let changed = try SharedCondition(creatingIn: memory, atByte: 512)
            // The first three consume and are killed; two more consume their share; the last one produces until they have.
            try TestLocks.run(6, killing: 3) { worker in
                if worker == 5 {
                    while memory.load32(at: 0) < 2 {
                        try mutex.withLock(waitingOn: changed, until: { $0.left < 10 || memory.load32(at: 0) == 2 }) {
                            $0.left += 1
                        }
                        changed.notifyAll()
                    }
                    return
                }
                for _ in 0..<300 {
                    try mutex.withLock(waitingOn: changed, until: { $0.left > 0 }) {
                        $0.left -= 1
                        $0.right += 1
                    }
                    changed.notifyAll()
                }
                if worker < 3 { TestLocks.sleepForEver() }
                memory.word(at: 0).advance()
                changed.notifyAll()
            }
            let pair = try mutex.withLock { $0 }
            #expect(pair.right >= 600)
            #expect(pair.left >= 0 && pair.left <= 11)
        }
    }

    @Test func aBarrierHoldsAllBack() async {
        await #expect(processExitsWith: .success) {
            let memory = try LockMemory(byteCount: 4096)
            try BarrierCore.prepare(memory, 1024, 4)
            try TestLocks.run(4, killing: 0) { worker in
                let barrier = try SharedBarrier(openingIn: memory, atByte: 1024, parties: 4)
                for round in 1...200 {
                    memory.store(UInt32(round), at: 64 * worker)
                    try barrier.wait()
                    for other in 0..<4 where Int(memory.load32(at: 64 * other)) < round {
                        throw IPCError(code: .malformed, subject: "party \(other) was not there in round \(round)")
                    }
                    try barrier.wait()
                }
                barrier.close()
            }
        }
    }

    @Test func aPartyThatDiesBreaksTheBarrier() async {
        await #expect(processExitsWith: .success) {
            let memory = try LockMemory(byteCount: 4096)
            let barrier = try SharedBarrier(creatingIn: memory, atByte: 1024, parties: 3)
            try TestLocks.run(2, killing: 0) { worker in
                let own = try SharedBarrier(openingIn: memory, atByte: 1024, parties: 3)
                // One never comes and is killed, the other waits.
                if worker == 0 { TestSyscalls.killSelf() }
                do throws(IPCError) { try own.wait() } catch {
                    if error.code != .ownerDied { throw error }
                    own.close()
                    return
                }
                throw IPCError(code: .malformed, subject: "went on without all")
            }
            expectRefusal(nil, .ownerDied, hint: "repair()") { try barrier.wait() }
            let isBroken = barrier.isBroken
            #expect(isBroken)
            try barrier.repair()
            let last = try barrier.tryWait()
            #expect(!last)
            expectRefusal(.timedOut, .timedOut, hint: "of 3") { try barrier.wait(until: .after(.milliseconds(5))) }
            let waiting = barrier.waitingCount
            #expect(waiting == 0)
        }
    }
}
