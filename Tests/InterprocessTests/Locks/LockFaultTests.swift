// SPDX-License-Identifier: Apache-2.0
@testable import Interprocess
import InterprocessSyscalls
import InterprocessTestKit
import SystemPackage
import Testing

@Suite(.bounded(), .enabled(if: FaultPlan.isAvailable, "faults exist in debug builds only")) struct LockFaultTests {
    @Test func everyCallOfTheFileLocksMayFailOnce() async {
        await #expect(processExitsWith: .success) {
            let scratch = ScratchName()
            let (path, other) = (scratch.path(), scratch.path())
            // What a fault leaves locked goes with the handle.
            let report = try FaultPlan.sweep {
                let lock = try FileLock(path)
                try lock.lock(.shared)
                _ = try lock.tryLock(.exclusive)
                _ = try lock.reopened().tryLock()
                _ = try lock.obstacle()
                try lock.unlock()
                if let file = try LockFile.tryAcquire(other, removeOnClose: true) { try file.close() }
            }
            #expect(report.problems.isEmpty, "\(report)")
            #expect(report.thrown > 8, "\(report)")
            _ = consume scratch
        }
    }

    @Test func everyCallOfTheSharedLocksMayFailOnce() async {
        await #expect(processExitsWith: .success) {
            let scratch = ScratchName()
            let name = scratch.objectName("mutex")
            let path = scratch.path()
            let report = try FaultPlan.sweep {
                defer { _ = try? LockMemory.unlink(name) }
                let mutex = try RobustMutex(name, mode: .openOrCreate, initial: 0, recovery: .keep)
                _ = try mutex.withLock { $0 += 1 }
                _ = try mutex.tryWithLock { $0 += 1 }
                _ = try mutex.withLock(until: .after(.seconds(5))) { $0 += 1 }
                let memory = try LockMemory(byteCount: 4096)
                let lock = try SharedReadWriteLock(creatingIn: memory, initial: 0, readerSeats: 2, recovery: .keep)
                try lock.withWriteLock { $0 += 1 }
                _ = try lock.withReadLock { $0 }
                let barrier = try SharedBarrier(creatingIn: memory, atByte: 1024, parties: 1)
                _ = try barrier.wait()
                barrier.close()
                _ = try Lease(path, term: .seconds(1)).tryAcquire()
            }
            #expect(report.problems.isEmpty, "\(report)")
            #expect(report.thrown > 20, "\(report)")
            _ = consume scratch
        }
    }

    /// A creator killed at each of its calls: whoever comes next makes or finds a whole lock.
    @Test func aNameIsWholeOrNotThere() async {
        await #expect(processExitsWith: .success) {
            let scratch = ScratchName()
            let name = scratch.objectName("mutex")
            defer { try? LockMemory.unlink(name) }
            let report = try KillPlan.sweep(prepare: { try? LockMemory.unlink(name) }) {
                let mutex = try RobustMutex(name, mode: .openOrCreate, initial: 4, recovery: .keep)
                try mutex.withLock { $0 = 5 }
                try mutex.withLock { _ in try sysStatus("/").inode == 0 ? () : TestLocks.touch() }
            } verify: { step in
                let mutex = try RobustMutex(name, mode: .openOrCreate, initial: 4, recovery: .keep)
                let value = try mutex.withLock(until: .after(.seconds(20))) { $0 }
                #expect(value == 4 || value == 5, "\(step)")
            }
            #expect(report.problems.isEmpty, "\(report)")
            #expect(report.killed > 10, "\(report)")
            _ = consume scratch
        }
    }

    /// The holder of each kind of lock killed at each of its calls.
    @Test func aKilledHolderLeavesNothingLocked() async {
        await #expect(processExitsWith: .success) {
            let scratch = ScratchName()
            let (path, file) = (scratch.path(), scratch.path())
            let memory = try LockMemory(byteCount: 4096)
            let lock = try SharedReadWriteLock(creatingIn: memory, initial: 0, readerSeats: 3, recovery: .keep)
            let once = try SharedOnce<Int>(creatingIn: memory, atByte: 1024)
            let report = try KillPlan.sweep {
                let ledger = try FileLock(path)
                try ledger.lock(.exclusive, .init(startBytes: 3, countBytes: 4))
                let pid = try LockFile.tryAcquire(file)
                _ = try once.value {
                    TestLocks.touch()
                    return 3
                }
                try lock.withReadLock { _ in TestLocks.touch() }
                try lock.withWriteLock { _ in TestLocks.touch() }
                _ = consume pid
                try ledger.unlock()
            } verify: { step in
                #expect(try FileLock(path).tryLock(), "\(step)")
                let free = try LockFile.tryAcquire(file) != nil
                #expect(free, "\(step)")
                #expect(try once.value(until: .after(.seconds(20))) { 3 } == 3, "\(step)")
                try lock.withWriteLock(until: .after(.seconds(20))) { $0 += 1 }
            }
            #expect(report.problems.isEmpty, "\(report)")
            #expect(report.killed > 15, "\(report)")
            _ = consume scratch
        }
    }

    @Test func aFullMemoryIsAnErrorAndNoSignal() async {
        await #expect(processExitsWith: .success) {
            let scratch = ScratchName()
            let folder = scratch.path("tmpfs")
            guard try Peer.shell("mkdir \(folder) && mount -t tmpfs -o size=4k tmpfs \(folder)").wait() == .exited(0)
            else { return }
            defer { _ = try? Peer.shell("umount \(folder)").wait() }
            try? Checkout.write(String(repeating: "x", count: 4096), to: folder.appending("full"))
            expectRefusal(.noSpace, .limitReached) { _ = try Lease(folder.appending("lease"), term: .seconds(1)) }
            _ = consume scratch
        }
    }
}
