// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import InterprocessTestKit
import SystemPackage
import Testing

@Suite(.bounded()) struct POSIXSemaphoreTests {
    private static func count(_ semaphore: borrowing some POSIXSemaphore & ~Copyable) throws {
        #expect(semaphore.value == 2)
        try semaphore.wait()
        #expect(try semaphore.tryWait())
        #expect(try !semaphore.tryWait())
        Expect.failure(.timedOut, .timedOut, hint: "no permit came") {
            try semaphore.wait(until: .after(.milliseconds(2)))
        }
        Expect.failure(.timedOut, .timedOut) { try semaphore.wait(until: .now) }
        try semaphore.post()
        try semaphore.wait(until: .now)
        try semaphore.post()
        try semaphore.post()
        #expect(semaphore.value == 2)
        #expect(semaphore.waitingCount == 0)
        #expect(try semaphore.withPermit { semaphore.value } == 1)
        #expect(throws: Errno.ioError) { try semaphore.withPermit { throw Errno.ioError } }
        #expect(semaphore.value == 2)
    }

    @Test func allThreeCount() throws {
        let scratch = ScratchSemaphores()
        try Self.count(try PrivateSemaphore(initialValue: 2))
        try Self.count(try scratchShared(2))
        try Self.count(try scratch.semaphore(2))
    }

    /// The library's own fast paths and the C library's functions work on the same word.
    @Test func theCLibraryAgrees() throws {
        #expect(sysSemaphoreHasWord)
        let region = try MappedRegion.anonymous(byteCount: 4096)
        let place = SemaphorePlace(region.base)
        try sysSemaphoreInitialize(place, shared: true, value: 3)
        let semaphore = try SharedSemaphore(attachingTo: region)
        try semaphore.wait()
        #expect(sysSemaphoreValue(place) == 2)
        try sysSemaphoreWait(place)
        #expect(semaphore.value == 1)
        try semaphore.post()
        try sysSemaphorePost(place)
        #expect(semaphore.value == 3)
        _ = consume semaphore
    }

    @Test func aPostWakesAThread() throws {
        let semaphore = Kept(try PrivateSemaphore())
        let thread = try BlockedThread { () throws(IPCError) in try semaphore.value.wait() }
        Expect.eventually { semaphore.value.waitingCount == 1 }
        #expect(!thread.isDone)
        try semaphore.value.post()
        #expect(thread.outcome() == nil)
        #expect(semaphore.value.value == 0)
        #expect(semaphore.value.waitingCount == 0)
    }

    /// What the system call is asked for: a point of the monotonic clock, which nobody can set.
    @Test func deadlinesAreOfTheMonotonicClock() throws {
        let semaphore = Kept(try scratchShared())
        let thread = try BlockedThread { () throws(IPCError) in try semaphore.value.wait(until: .after(.seconds(600))) }
        Expect.eventually { TestSyscalls.waitsByMonotonicClock(thread.systemCall) != nil }
        #expect(TestSyscalls.waitsByMonotonicClock(thread.systemCall) == true)
        try semaphore.value.post()
        #expect(thread.outcome() == nil)
    }

    @Test func manyThreadsLoseNothing() throws {
        let semaphore = Kept(try PrivateSemaphore(initialValue: 3))
        let threads = try (0..<8).map { _ in
            try BlockedThread { () throws(IPCError) in
                for _ in 0..<2000 {
                    try semaphore.value.wait()
                    try semaphore.value.post()
                }
            }
        }
        for thread in threads { #expect(thread.outcome() == nil) }
        #expect(semaphore.value.value == 3)
        #expect(semaphore.value.waitingCount == 0)
    }

    @Test func aFullOneCannotBePosted() throws {
        let semaphore = try PrivateSemaphore(initialValue: PrivateSemaphore.maximumValue - 1)
        try semaphore.post()
        Expect.failure(.overflow, .limitReached, hint: "SEM_VALUE_MAX") { try semaphore.post() }
        #expect(semaphore.value == PrivateSemaphore.maximumValue)
        try semaphore.wait()
        #expect(semaphore.value == PrivateSemaphore.maximumValue - 1)
    }

    @Test func aSignalEndsAWaitOnlyIfAsked() async {
        await #expect(processExitsWith: .success) {
            let semaphore = try PrivateSemaphore()
            try SignalStorm.run {
                Expect.failure(.interrupted, .interrupted) { try semaphore.wait(retryOnInterrupt: false) }
                Expect.failure(.interrupted, .interrupted) {
                    try semaphore.wait(until: .after(.seconds(30)), retryOnInterrupt: false)
                }
                Expect.failure(.timedOut, .timedOut) { try semaphore.wait(until: .after(.milliseconds(20))) }
            }
            #expect(semaphore.waitingCount == 0)
        }
    }

    @Test func aForkSharesWhatLiesInSharedMemory() async {
        await #expect(processExitsWith: .success) {
            let scratch = ScratchSemaphores()
            let shared = try scratchShared()
            let alone = try PrivateSemaphore()
            let named = Kept(try scratch.semaphore())
            let child = try TestSyscalls.forkChild {
                guard (try? shared.post()) != nil, (try? alone.post()) != nil, (try? named.value.post()) != nil else {
                    return 1
                }
                return alone.value == 1 ? 0 : 2
            }
            try shared.wait(until: .after(.seconds(30)))
            try named.value.wait(until: .after(.seconds(30)))
            var status: InterprocessSyscalls.ExitStatus?
            while status == nil { status = try sysWait(child) }
            #expect(status == .exited(0))
            #expect(alone.value == 0)
        }
    }
}

@Suite(.bounded()) struct SharedSemaphoreTests {
    private func memory(_ size: Int = 4096) throws -> OwnedDescriptor {
        let descriptor = OwnedDescriptor(adopting: try TestSyscalls.anonymousFile())
        try sysTruncate(descriptor.rawValue, size)
        return descriptor
    }

    @Test func severalInOneMemory() throws {
        let memory = try memory(3 * 65536)
        let first = try SharedSemaphore(initializing: memory, at: 0, initialValue: 1)
        let second = try SharedSemaphore(initializing: memory, at: 65536 + 64, initialValue: 0)
        #expect(second.offsetBytes == 64)
        let again = try SharedSemaphore(attachingTo: memory, at: 65536 + 64)
        try first.wait()
        try again.post()
        try second.wait(until: .now)
        #expect(first.value == 0)
        #expect(again.value == 0)
    }

    /// Memory that cannot be cut off behind the mapping: nothing that others do raises SIGBUS here.
    @Test func inSealedMemory() throws {
        let memory = try SealedMemory(byteCount: 8192)
        let made = try SharedSemaphore(initializing: memory, at: 4096 + 8, initialValue: 1)
        let found = try SharedSemaphore(attachingTo: memory, at: 4096 + 8)
        #expect(made.offsetBytes == 8)
        try found.wait()
        #expect(made.value == 0)
        Expect.failure(nil, .invalidArgument, hint: "do not fit") {
            _ = try SharedSemaphore(attachingTo: memory, at: 8192 - 24)
        }
        Expect.failure(nil, .malformed) { _ = try SharedSemaphore(attachingTo: memory, at: 64) }
    }

    @Test func theRestOfTheMemoryIsStillThere() throws {
        let region = try MappedRegion(memory(), byteCount: 4096, subject: "memory")
        let semaphore = try SharedSemaphore(initializing: region, at: 64, initialValue: 7)
        #expect(semaphore.region.bytes[64] == 7)
        #expect(semaphore.region.byteCount == 4096)
    }

    @Test func whatIsNoSemaphoreIsRefused() throws {
        let memory = try memory()
        Expect.failure(nil, .malformed, hint: "was made there") { _ = try SharedSemaphore(attachingTo: memory) }
        Expect.failure(nil, .malformed) {
            let alone = try MappedRegion.anonymous(byteCount: 4096)
            try sysSemaphoreInitialize(SemaphorePlace(alone.base), shared: false, value: 1)
            _ = try SharedSemaphore(attachingTo: alone)
        }
        Expect.failure(nil, .invalidArgument, hint: "multiple of 8") {
            _ = try SharedSemaphore(initializing: memory, at: 12, initialValue: 0)
        }
        for wrong in [-8, 4096 - 24, 4096, Int.max - 7] {
            Expect.failure(nil, .invalidArgument, hint: "do not fit") {
                _ = try SharedSemaphore(attachingTo: memory, at: wrong)
            }
        }
        Expect.failure(nil, .invalidArgument, hint: "reading only") {
            let readOnly = try MappedRegion(memory, byteCount: 4096, access: .readOnly, subject: "memory")
            _ = try SharedSemaphore(attachingTo: readOnly)
        }
    }

    /// Another process may write anything: the count is wrong then, and nothing worse.
    @Test func bytesThatSomebodySpoiledDoNoHarm() throws {
        let memory = try memory()
        let semaphore = try SharedSemaphore(initializing: memory, initialValue: 1)
        try FileDescriptor(rawValue: memory.rawValue).writeAll(toAbsoluteOffset: 0, [UInt8](repeating: 0xff, count: 8))
        #expect(semaphore.value == -1 || semaphore.value == PrivateSemaphore.maximumValue)
        _ = try semaphore.tryWait()
        _ = try? semaphore.post()
        try FileDescriptor(rawValue: memory.rawValue).writeAll(toAbsoluteOffset: 0, [UInt8](repeating: 0, count: 8))
        #expect(try !semaphore.tryWait())
    }
}
