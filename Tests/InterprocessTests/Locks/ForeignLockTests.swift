// SPDX-License-Identifier: Apache-2.0
@testable import Interprocess
import InterprocessSyscalls
import InterprocessTestKit
import Synchronization
import SystemPackage
import Testing

/// A C program that knows nothing of this package: it maps a file and uses the pthread_mutex_t in it.
private let program = """
    #define _GNU_SOURCE
    #include <errno.h>
    #include <fcntl.h>
    #include <pthread.h>
    #include <signal.h>
    #include <stdio.h>
    #include <stdlib.h>
    #include <string.h>
    #include <sys/mman.h>
    #include <unistd.h>
    int main(int count, char **arguments) {
        int fd = atoi(arguments[1]) ? atoi(arguments[1]) : open(arguments[1], O_RDWR);
        char *base = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        pthread_mutex_t *mutex = (pthread_mutex_t *)(base + atoi(arguments[2]));
        long *value = (long *)(base + atoi(arguments[3]));
        char line[64];
        setvbuf(stdout, 0, _IOLBF, 0);
        while (fgets(line, sizeof line, stdin)) {
            int result = 0;
            if (!strncmp(line, "make", 4)) {
                pthread_mutexattr_t a;
                pthread_mutexattr_init(&a);
                pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
                pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
                result = pthread_mutex_init(mutex, &a);
            } else if (!strncmp(line, "lock", 4)) {
                result = pthread_mutex_lock(mutex);
                if (result == EOWNERDEAD) pthread_mutex_consistent(mutex);
            } else if (!strncmp(line, "try", 3)) result = pthread_mutex_trylock(mutex);
            else if (!strncmp(line, "unlock", 6)) result = pthread_mutex_unlock(mutex);
            else if (!strncmp(line, "set", 3)) *value = atol(line + 4);
            else if (!strncmp(line, "get", 3)) { printf("%ld\\n", *value); continue; }
            else if (!strncmp(line, "die", 3)) kill(getpid(), SIGKILL);
            else if (!strncmp(line, "add", 3)) {
                for (int i = 0; i < atoi(line + 4); i++) {
                    int r = pthread_mutex_lock(mutex);
                    if (r == EOWNERDEAD) pthread_mutex_consistent(mutex);
                    ++*value;
                    pthread_mutex_unlock(mutex);
                }
            }
            printf("%d\\n", result);
        }
    }
    """

private func compiled(_ scratch: ScratchName) throws -> String {
    let path = scratch.path("locker").string
    let compiler = try Peer(["gcc", "-O1", "-pthread", "-o", path, "-x", "c", "-"])
    try compiler.write(Array(program.utf8))
    let outcome = try compiler.finish()
    if outcome.status != .exited(0) { throw IPCError(code: .system, subject: "gcc", hint: outcome.errorText) }
    return path
}

extension Peer {
    fileprivate func ask(_ command: String, _ answer: Int32 = 0) throws {
        try send(command)
        #expect(try readLine() == "\(answer)", "\(command)")
    }
}

@Suite(.bounded(), .requires("gcc")) struct ForeignLockTests {
    private static let offsets = ["\(RobustMutex<Int>.mutexOffsetBytes)", "\(RobustMutex<Int>.stateOffsetBytes)"]

    @Test func aCProgramSharesOurMutexByName() throws {
        let scratch = ScratchName()
        let name = scratch.objectName("mutex")
        defer { try? LockMemory.unlink(name) }
        let mutex = try RobustMutex(
            name, initial: 5,
            recovery: .repair {
                $0 = -$0; return true
            })
        let peer = try Peer([try compiled(scratch), "/dev/shm\(name)"] + Self.offsets)
        try peer.ask("get", 5)
        try peer.ask("lock")
        #expect(try mutex.tryWithLock { $0 } == nil)
        expectRefusal(.timedOut, .timedOut) { try mutex.withLock(until: .after(.milliseconds(5))) { _ in } }
        try peer.ask("set 8")
        try peer.ask("unlock")
        #expect(try mutex.withLock { $0 } == 8)
        try mutex.withLock { value in
            value = 9
            try peer.ask("try", 16)
        }
        try peer.ask("add 1000")
        #expect(try mutex.withLock { $0 } == 1009)
        // It dies with the lock held: we are told, and repair.
        try peer.ask("lock")
        try peer.send("die")
        try peer.wait()
        #expect(try mutex.withLock { $0 } == -1009)
    }

    @Test func weShareTheMutexOfACProgram() async throws {
        let scratch = ScratchName()
        let memory = try LockMemory(byteCount: 4096)
        let passed = try #require(try memory.duplicateDescriptor()?.release())
        defer { try? sysClose(passed) }
        // A struct of its own making: the value first, the mutex behind it, no header.
        let peer = try Peer([try compiled(scratch), "5", "8", "0"], descriptors: [5: passed])
        try peer.ask("make")
        try peer.ask("set 3")
        try Self.share(memory, peer)
    }

    private static func share(_ memory: LockMemory, _ peer: Peer) throws {
        let mutex = try RobustMutex<Int>(
            adopting: memory, mutexOffsetBytes: 8, stateOffsetBytes: 0, recovery: .reset(to: 0))
        #expect(
            try mutex.withLock {
                $0 += 1; return $0
            } == 4)
        try peer.ask("get", 4)
        // A thread of ours ends with the lock held: C is told, as with any robust mutex.
        let done = Flag()
        try TestSyscalls.startThread("abandons") {
            TestLocks.abandon(memory, at: 8)
            done.set()
        }
        while !done.isSet { TestSyscalls.sleep(nanoseconds: 100_000) }
        try peer.ask("lock", 130)
        try peer.ask("unlock")
        #expect(try mutex.withLock { $0 } == 4)
        try peer.ask("lock")
        peer.kill()
        try peer.wait()
        #expect(try mutex.withLock { $0 } == 0)
    }

    /// Many C programs and threads of ours add to one value; some are killed.
    @Test func addingTogether() throws {
        let scratch = ScratchName()
        let name = scratch.objectName("mutex")
        defer { try? LockMemory.unlink(name) }
        let mutex = try RobustMutex(name, initial: 0, recovery: .keep)
        let path = try compiled(scratch)
        let peers = try (0..<4).map { _ in try Peer([path, "/dev/shm\(name)"] + Self.offsets) }
        for peer in peers { try peer.send("add 20000") }
        for _ in 0..<20000 { try mutex.withLock { $0 += 1 } }
        for peer in peers { #expect(try peer.readLine() == "0") }
        #expect(try mutex.withLock { $0 } == 100_000)
        for peer in peers { try peer.send("add 100000000") }
        for peer in peers {
            TestSyscalls.sleep(nanoseconds: UInt64.random(in: 0...3_000_000))
            peer.kill()
            try peer.wait()
            let before = try mutex.withLock(until: .after(.seconds(30))) { $0 }
            #expect(before >= 100_000)
        }
        let last = try mutex.withLock { $0 }
        #expect(
            try mutex.withLock {
                $0 += 1; return $0
            } == last + 1)
    }

    @Test func aStoppedHolderIsWaitedForUntilTheDeadline() throws {
        let scratch = ScratchName()
        let name = scratch.objectName("mutex")
        defer { try? LockMemory.unlink(name) }
        let mutex = try RobustMutex(name, initial: 0, recovery: .giveUp)
        let peer = try Peer([try compiled(scratch), "/dev/shm\(name)"] + Self.offsets)
        try peer.ask("lock")
        peer.kill(19)
        expectRefusal(.timedOut, .timedOut) { try mutex.withLock(until: .after(.milliseconds(20))) { _ in } }
        peer.kill(18)
        try peer.ask("unlock")
        try mutex.withLock(until: .after(.seconds(30))) { _ in }
    }
}

/// Somebody writes over the lock.
@Suite(.bounded()) struct OverwrittenLockTests {
    /// Every single word of the mutex, and all of it, overwritten with this and that, while it is free and while it is held: it
    /// may fail, it may be late, but it comes back.
    @Test(arguments: [UInt32(0), .max, 0x4141_4141, 0x8000_0000, 0x4000_0001])
    func nothingCrashesAndWaitsEnd(_ pattern: UInt32) async {
        await #expect(processExitsWith: .success) { [pattern = pattern as UInt32] in
            for held in [false, true] {
                for place in Array(stride(from: 64, to: 128, by: 4)) + [0] {
                    let memory = try LockMemory(byteCount: 4096)
                    let mutex = try RobustMutex(creatingIn: memory, initial: 0, recovery: .keep)
                    func scribble() {
                        if place > 0 { return memory.store(pattern, at: place) }
                        for each in stride(from: 0, to: 128, by: 4) { memory.store(pattern, at: each) }
                    }
                    if !held { scribble() }
                    _ = try? mutex.withLock(until: .after(.milliseconds(2))) { _ in if held { scribble() } }
                    _ = try? mutex.withLock(until: .after(.milliseconds(2))) { $0 += 1 }
                    _ = try? mutex.tryWithLock { $0 += 1 }
                    _ = try? RobustMutex<Int>(openingIn: memory, recovery: .keep).tryWithLock { $0 += 1 }
                    // Other mutexes of this thread work on.
                    let other = try RobustMutex(creatingIn: memory, atByte: 1024, initial: 0, recovery: .keep)
                    #expect(
                        try other.withLock(until: .after(.seconds(10))) {
                            $0 += 1; return $0
                        } == 1)
                }
            }
        }
    }

    @Test func theReadWriteLockToo() async {
        await #expect(processExitsWith: .success) {
            for place in stride(from: 0, to: 448, by: 4) {
                let memory = try LockMemory(byteCount: 4096)
                let lock = try SharedReadWriteLock(creatingIn: memory, initial: 0, readerSeats: 4, recovery: .keep)
                memory.store(UInt32(0x4141_4141), at: place)
                _ = try? lock.withReadLock(until: .after(.milliseconds(1))) { $0 }
                _ = try? lock.withWriteLock(until: .after(.milliseconds(1))) { $0 += 1 }
                _ = try? lock.tryWithReadLock { $0 }
            }
        }
    }

    @Test func theClockIsMonotonic() throws {
        let shared = SharedMutex(try RobustMutex(creatingIn: LockMemory(byteCount: 4096), initial: 0, recovery: .keep))
        let release = Flag()
        try shared.holdOnAThread(until: release)
        let waiter = Number()
        try TestSyscalls.startThread("waits") {
            waiter.set(sysThreadID())
            shared.waitOneMinute()
        }
        // The futex operation of a wait by the wall clock has the bit 0x100; the time is absolute.
        var operation: UInt?
        while operation == nil {
            let text = (try? Checkout.text(of: FilePath("/proc/self/task/\(waiter.value)/syscall"))) ?? ""
            let words = text.split(separator: " ")
            if words.count > 3, words[0] == "202" || words[0] == "98" {
                operation = UInt(words[2].dropFirst(2), radix: 16)
            }
        }
        #expect((operation ?? 0) & 0x100 == 0)
        #expect((operation ?? 0) & 0x7f == 9)
        release.set()
    }
}

extension SharedMutex {
    func waitOneMinute() { _ = try? mutex.withLock(until: .after(.seconds(60))) { _ in } }
}

/// A number that threads share.
final class Number: Sendable {
    private let word = Cell()
    private final class Cell: Sendable {
        let value = Mutex<Int32>(0)
    }
    func set(_ value: Int32) { word.value.withLock { $0 = value } }
    var value: Int32 { word.value.withLock { $0 } }
}
