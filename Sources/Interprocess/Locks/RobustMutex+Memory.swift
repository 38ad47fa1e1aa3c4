// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls

/// Where a mutex and its value lie. Whoever has one keeps the memory.
@frozen @usableFromInline @safe
struct RobustPlace: @unchecked Sendable {
    @usableFromInline let slot: RobustSlot
    // SAFETY: the memory outlives the value: it stands beside a reference to it.
    @unsafe @usableFromInline let state: UnsafeMutableRawPointer

    init(_ memory: LockMemory, _ slot: RobustSlot, _ stateOffset: Int) {
        self.slot = slot
        // SAFETY: the caller has checked the range.
        unsafe state = memory.pointer(stateOffset)
    }

    func initialize<State: SharedPayload>(_ value: State) {
        // SAFETY: within the range that was checked, aligned, and nobody else knows of it yet.
        unsafe state.storeBytes(of: value, as: State.self)
    }

    /// The value in place, for who holds the lock.
    @inlinable
    func withState<State: SharedPayload, Result: ~Copyable, Failure: Error>(
        _ type: State.Type, _ body: (inout State) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        // SAFETY: as above; every pattern of bits is a value, and others do not touch it unless they break the rules of the
        // lock.
        try body(&(unsafe state.assumingMemoryBound(to: State.self)).pointee)
    }
}

extension RobustMutex {
    /// The recovery without the type of the value.
    static func erased(_ recovery: Recovery, _ place: RobustPlace) -> (@Sendable () -> Bool)? {
        guard recovery.keeps else { return nil }
        guard let action = recovery.action else { return { true } }
        return { place.withState(State.self) { action(&$0) } }
    }
}
