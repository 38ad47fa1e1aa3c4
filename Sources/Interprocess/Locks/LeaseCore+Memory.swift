// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import Synchronization
import SystemPackage

/// Token and expiry, 16 bytes that change in one step.
@safe final class LeaseCore: @unchecked Sendable {
    static let byteCount = 128
    private static let stateOffset = 64
    private static let newsOffset = 80
    private static let processOffset = 84

    struct State: Equatable {
        var token: UInt64
        /// Nanoseconds of CLOCK_MONOTONIC; 0 is released.
        var expiry: UInt64
    }

    let lane: WaiterThread
    private let memory: LockMemory
    private let term: UInt64
    private let news: SharedWord
    // SAFETY: it lies in `memory`, which this object keeps.
    @unsafe private let state: UnsafeMutablePointer<Atomic<WordPair>>

    init(_ memory: LockMemory, _ term: Duration) throws(IPCError) {
        _ = try Self.header(term).check(memory, 0)
        self.memory = memory
        self.term = term.clampedNanoseconds
        news = memory.word(at: Self.newsOffset)
        lane = WaiterThread(subject: memory.subject)
        // SAFETY: within the object, whose size was checked, and aligned to 16.
        unsafe state = memory.pointer(Self.stateOffset).assumingMemoryBound(to: Atomic<WordPair>.self)
    }

    private static func header(_ term: Duration) -> LockHeader {
        LockHeader(kind: .lease, fingerprint: term.clampedNanoseconds, byteCount: byteCount)
    }

    static func prepare(_ memory: LockMemory, _ term: Duration) { header(term).write(memory, 0) }

    var process: Int32 { Int32(bitPattern: memory.load32(at: Self.processOffset)) }

    func load() -> State {
        // SAFETY: see above.
        let pair = unsafe state.pointee.load(ordering: .acquiring)
        return State(token: UInt64(pair.first), expiry: UInt64(pair.second))
    }

    private func exchange(_ old: State, _ new: State) -> Bool {
        // SAFETY: see above.
        unsafe state.pointee.compareExchange(
            expected: WordPair(first: UInt(old.token), second: UInt(old.expiry)),
            desired: WordPair(first: UInt(new.token), second: UInt(new.expiry)),
            ordering: .acquiringAndReleasing
        ).exchanged
    }

    /// An expiry further away than a term is of another boot, or nonsense.
    func isHeld(_ state: State) -> Bool {
        let now = sysMonotonicNanoseconds()
        return state.expiry > now && state.expiry - now <= term
    }

    func isCurrent(_ token: UInt64) -> Bool {
        let state = load()
        return state.token == token && isHeld(state)
    }

    func tryTake() -> UInt64? {
        while true {
            let old = load()
            if isHeld(old) { return nil }
            // Tokens never come again, whatever somebody has written there.
            guard old.token < .max else { return nil }
            let new = State(token: old.token + 1, expiry: sysMonotonicNanoseconds() + term)
            if exchange(old, new) {
                memory.store(UInt32(bitPattern: sysProcessID()), at: Self.processOffset)
                return new.token
            }
        }
    }

    /// Takes it, or waits once until it is released, expires, or the deadline comes; nil then.
    func take(untilAMomentBefore deadline: Deadline, retryOnInterrupt: Bool) throws(IPCError) -> UInt64? {
        let seen = news.load()
        if let token = tryTake() { return token }
        let old = load()
        let ends = isHeld(old) ? old.expiry : sysMonotonicNanoseconds()
        do throws(Errno) {
            try news.wait(
                seen, untilNanoseconds: min(deadline.monotonicNanoseconds, ends), retryOnInterrupt: retryOnInterrupt)
        } catch {
            if error != .timedOut && error != .wouldBlock { throw IPCError(error, "futex", memory.subject) }
        }
        return nil
    }

    func renew(_ token: UInt64) -> Bool {
        while true {
            let old = load()
            guard old.token == token, isHeld(old) else { return false }
            if exchange(old, State(token: token, expiry: sysMonotonicNanoseconds() + term)) { return true }
        }
    }

    func giveBack(_ token: UInt64) {
        while true {
            let old = load()
            guard old.token == token, old.expiry != 0 else { return }
            if exchange(old, State(token: token, expiry: 0)) { break }
        }
        news.advance()
        news.wakeAll()
    }

    func late() -> IPCError {
        IPCError(.timedOut, "futex", memory.subject, hint: "process \(process) holds the lease and renews it")
    }
}
