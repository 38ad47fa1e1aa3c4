// SPDX-License-Identifier: Apache-2.0

/// How a sleeper wants to be woken. What a word says that is neither is taken for ``futex``.
@frozen @usableFromInline
package enum WaitMode: UInt64, Sendable {
    /// `FUTEX_WAKE` on the bell.
    case futex = 0
    /// A datagram on the pair's socket, where a thread must not block.
    case datagram = 1

    package init(_ word: SharedWord) { self = WaitMode(rawValue: word.loadRelaxed()) ?? .futex }
}

/// The sleeper's half of the sleep protocol.
///
/// ```
/// wait.prepare(…)       reads the bell, says that it sleeps, fence          (or: the caller's membarrier(2))
/// look again            something there: wait.leave(), done
/// FUTEX_WAIT(bell, d)   the caller's system call
/// wait.leave()          on every way out; another wait begins with prepare again
/// ```
///
/// What only this process knows (a peer's death, a cancellation) is stored before the bell is rung and tested after
/// ``prepare(isFenced:)``.
@frozen @usableFromInline
package struct SleepingSide: ~Copyable, Sendable {
    /// Odd while this side sleeps; this side stores, the other loads.
    @usableFromInline package let count: SharedWord
    /// Rung by the other side; this side loads, and rings it for itself.
    @usableFromInline package let bell: SharedBell
    /// How this side wants to be woken; this side stores, the other loads.
    @usableFromInline let mode: SharedWord?
    /// What is in `count`, unless the other side spoilt it.
    @usableFromInline var own: UInt64

    /// - Parameters:
    ///   - mode: without one, a `FUTEX_WAKE` is all that wakes.
    ///   - start: where counting begins; its lowest bit is taken off. Random where one who rings could take this side for
    ///     another that slept in the same place before: it rings once for each value.
    package init(count: SharedWord, bell: SharedBell, mode: SharedWord? = nil, start: UInt64 = 0) {
        self.count = count
        self.bell = bell
        self.mode = mode
        own = start & ~1
    }

    /// What to do after ``prepare(isFenced:)`` and before looking again.
    package struct Preparation: Sendable, Equatable {
        /// What the wait expects to find in the bell.
        package let expected: UInt32
        /// Whether `membarrier(2)` is to be called before looking again.
        package let needsProcessBarrier: Bool
    }

    package var isPrepared: Bool { own & 1 == 1 }

    /// Announces the sleep. Whatever is looked at from now on (after the process barrier where one is needed) is either seen
    /// or rung for.
    ///
    /// - Parameters:
    ///   - isFenced: whether the other side has a fence between its news and its look at the count.
    ///   - waking: how this sleep is to be ended. Whoever sees the count odd sees this.
    package mutating func prepare(isFenced: Bool, waking: WaitMode = .futex) -> Preparation {
        // A wait again at the same odd value would lose the next ring.
        leave()
        let expected = bell.read()
        mode?.storeRelease(waking.rawValue)
        own &+= 1
        count.storeRelease(own)
        SharedFence.full()
        return Preparation(expected: expected, needsProcessBarrier: !isFenced)
    }

    /// Does not sleep any more, whatever ended it.
    package mutating func leave() {
        guard isPrepared else { return }
        own &+= 1
        count.storeRelease(own)
    }
}

/// The other half: who has news and rings for a sleeper, once for each sleep.
@frozen @usableFromInline
package struct RingingSide: Sendable {
    /// The sleeper's count.
    @usableFromInline let count: SharedWord
    /// The sleeper's bell.
    @usableFromInline package let bell: SharedBell
    /// The sleep that was rung for last: a sleeper that is stopped or dead costs two system calls, not one a message.
    @usableFromInline var rung: UInt64 = 0

    @inlinable
    package init(count: SharedWord, bell: SharedBell) {
        self.count = count
        self.bell = bell
    }

    /// Whether to wake the sleeper: `FUTEX_WAKE` on the bell, which has been rung, or what its ``WaitMode`` asks for. Called
    /// after every piece of news; in the fenced mode after ``SharedFence/full()``.
    @inlinable @inline(__always)
    package mutating func mustWake() -> Bool {
        let seen = count.loadAfterStores()
        if _fastPath(seen & 1 == 0) { return false }
        return mustWake(seen)
    }

    @inlinable @inline(never)
    mutating func mustWake(_ seen: UInt64) -> Bool {
        if seen == rung { return false }
        rung = seen
        bell.ring()
        // The mode that is read from now on is that of this sleep, or of a later one.
        SharedFence.acquire()
        return true
    }
}
