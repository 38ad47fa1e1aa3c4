// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
public import Synchronization

/// What the uncontended paths work on: the 64-bit word at the start of a `sem_t`, the value in its low half, the number of
/// waiters in its high half.
///
/// The GNU C library works on it in the same way, in this process and in others, so either may meet the other in any
/// state of the word. Whatever is not a plain change of the value (to wait, to wake) is left to its functions.
@safe
@frozen
@usableFromInline
struct SemaphoreWord: @unchecked Sendable {
    // SAFETY: the owner of the semaphore keeps the memory as long as this value is used; it is accessed atomically only.
    @usableFromInline let word: UnsafeMutablePointer<Atomic<UInt64>>?

    /// - Safety: `base` is where a `sem_t` lies.
    @unsafe init(_ base: UnsafeMutableRawPointer) {
        // SAFETY: an `Atomic<UInt64>` has the layout of the word. Nil where the C library keeps its value in another way:
        // then every call goes to its functions.
        unsafe word = sysSemaphoreHasWord ? base.assumingMemoryBound(to: Atomic<UInt64>.self) : nil
    }

    /// Takes a permit if there is one.
    @inlinable
    @inline(__always)
    func tryTake() -> Bool {
        // SAFETY: the memory is there, see above; a failing exchange changes nothing.
        guard let word = unsafe word else { return false }
        var seen = unsafe word.pointee.load(ordering: .relaxed)
        while seen & 0xffff_ffff != 0 {
            let (isDone, now) = unsafe word.pointee.weakCompareExchange(
                expected: seen, desired: seen &- 1, successOrdering: .acquiring, failureOrdering: .relaxed)
            if isDone { return true }
            seen = now
        }
        return false
    }

    /// Gives a permit back if nobody has to be woken for it and the value stays below its limit.
    @inlinable
    @inline(__always)
    func tryGive() -> Bool {
        // SAFETY: as above.
        guard let word = unsafe word else { return false }
        var seen = unsafe word.pointee.load(ordering: .relaxed)
        while seen < 0x7fff_ffff {
            let (isDone, now) = unsafe word.pointee.weakCompareExchange(
                expected: seen, desired: seen &+ 1, successOrdering: .releasing, failureOrdering: .relaxed)
            if isDone { return true }
            seen = now
        }
        return false
    }

    /// How many wait, as the C library counts them; nil where it does not show it.
    var waitingCount: Int? {
        // SAFETY: as above.
        guard let word = unsafe word else { return nil }
        return unsafe Int(word.pointee.load(ordering: .relaxed) >> 32)
    }
}

/// Memory of this process that one semaphore lies in.
@safe
final class SemaphoreHeap: @unchecked Sendable {
    // SAFETY: allocated here, freed in deinit; whoever uses it keeps a reference to this object.
    private let base: UnsafeMutableRawPointer

    init() {
        // SAFETY: as above.
        unsafe base = UnsafeMutableRawPointer.allocate(
            byteCount: SemaphorePlace.byteCount, alignment: max(SemaphorePlace.alignment, 64))
        unsafe base.initializeMemory(as: UInt8.self, repeating: 0, count: SemaphorePlace.byteCount)
    }

    deinit {
        // SAFETY: nobody can wait any more: waiting needs the handle, which holds this.
        unsafe base.deallocate()
    }

    func core(subject: String) -> SemaphoreCore {
        // SAFETY: the memory is large enough and aligned; the core belongs to the handle that holds this object.
        unsafe SemaphoreCore(SemaphorePlace(base), SemaphoreWord(base), subject: subject)
    }
}

extension MappedRegion {
    /// The semaphore at an offset that has been checked.
    func semaphore(at offsetBytes: Int, subject: String) -> SemaphoreCore {
        // SAFETY: the caller owns the region for longer than the core, and has checked that 32 bytes fit there.
        let place = unsafe base + offsetBytes
        return unsafe SemaphoreCore(SemaphorePlace(place), SemaphoreWord(place), subject: subject)
    }

    /// The bytes at an offset, each read once.
    func copyBytes(at offsetBytes: Int, count: Int) -> [UInt8] {
        precondition(offsetBytes >= 0 && count >= 0 && offsetBytes <= byteCount - count, "within the region")
        // SAFETY: within the region, as just checked; bytes have no invalid value.
        return (0..<count).map { unsafe base.load(fromByteOffset: offsetBytes + $0, as: UInt8.self) }
    }
}
