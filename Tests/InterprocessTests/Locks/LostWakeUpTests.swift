// SPDX-License-Identifier: Apache-2.0
@testable import Interprocess
import InterprocessSyscalls
import InterprocessTestKit
import Testing

@Suite(.bounded()) struct LostWakeUpTests {
    /// A waiter that was woken and killed before it took the mutex leaves others asleep, if somebody else has taken it in between
    /// without the mark that they wait. What that looks like is made here by taking the mark away.
    @Test func whoSleepsWithoutAMarkIsNotForgotten() throws {
        let memory = try LockMemory(byteCount: 4096)
        let shared = SharedMutex(try RobustMutex(creatingIn: memory, initial: 0, recovery: .keep))
        let release = Flag()
        try shared.holdOnAThread(until: release)
        let word = memory.word(at: RobustMutex<Int>.mutexOffsetBytes)
        let done = Flag()
        try TestSyscalls.startThread("waiter") {
            try? Self.count(shared)
            done.set()
        }
        while word.load() & 0x8000_0000 == 0 { TestSyscalls.sleep(nanoseconds: 100_000) }
        // Once it sleeps nobody but this test changes the word; the holder lets go without looking up.
        TestSyscalls.sleep(nanoseconds: 5_000_000)
        word.store(word.load() & 0x7fff_ffff)
        release.set()
        while !done.isSet { TestSyscalls.sleep(nanoseconds: 200_000) }
        #expect(try shared.mutex.withLock { $0 } == 1)
    }

    private static func count(_ shared: SharedMutex<Int>) throws { try shared.mutex.withLock { $0 += 1 } }
}
