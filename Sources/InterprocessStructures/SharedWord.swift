// SPDX-License-Identifier: Apache-2.0
public import Synchronization

/// A word of 64 bits in memory that other processes map as well.
///
/// Each load fetches the word exactly once; what it returns is a copy that nobody changes any more. Nothing traps, whatever
/// another process stores.
///
/// Ownership: borrows the memory; whoever makes one keeps it mapped, for writing if it stores, for as long as the word is
/// used.
@safe @frozen @usableFromInline
package struct SharedWord: @unchecked Sendable {
    @usableFromInline let address: UnsafeMutablePointer<Atomic<UInt64>>

    /// - Safety: `address` is mapped, aligned to 8 bytes, and stays so while the word is used.
    @unsafe @inlinable
    package init(_ address: UnsafeMutableRawPointer) {
        // SAFETY: the caller promises place and alignment; an atomic has the layout of its value.
        unsafe self.address = unsafe address.assumingMemoryBound(to: Atomic<UInt64>.self)
    }

    @inlinable @inline(__always)
    package func loadRelaxed() -> UInt64 {
        // SAFETY: mapped and aligned, says whoever made this.
        unsafe address.pointee.load(ordering: .relaxed)
    }

    @inlinable @inline(__always)
    package func loadAcquire() -> UInt64 {
        // SAFETY: mapped and aligned, says whoever made this.
        unsafe address.pointee.load(ordering: .acquiring)
    }

    @inlinable @inline(__always)
    package func storeRelaxed(_ value: UInt64) {
        // SAFETY: mapped for writing and aligned, says whoever made this.
        unsafe address.pointee.store(value, ordering: .relaxed)
    }

    @inlinable @inline(__always)
    package func storeRelease(_ value: UInt64) {
        // SAFETY: mapped for writing and aligned, says whoever made this.
        unsafe address.pointee.store(value, ordering: .releasing)
    }

    /// A load that the compiler leaves behind the stores before it.
    ///
    /// On arm64 the processor does so too, behind a releasing store. On x86-64 it is a plain load: the sleeper's
    /// `membarrier(2)` does the rest.
    @inlinable @inline(__always)
    package func loadAfterStores() -> UInt64 {
        #if arch(x86_64)
            // No instruction, a barrier for the compiler.
            atomicMemoryFence(ordering: .acquiringAndReleasing)
            return loadRelaxed()
        #else
            // SAFETY: mapped and aligned, says whoever made this.
            return unsafe address.pointee.load(ordering: .sequentiallyConsistent)
        #endif
    }
}

/// A word of 32 bits in memory that other processes map as well, of the size that `futex(2)` waits on.
///
/// Ownership: borrows the memory, like ``SharedWord``.
@safe @frozen @usableFromInline
package struct SharedBell: @unchecked Sendable {
    @usableFromInline let address: UnsafeMutablePointer<Atomic<UInt32>>

    /// - Safety: `address` is mapped for writing, aligned to 4 bytes, and stays so while the bell is used.
    @unsafe @inlinable
    package init(_ address: UnsafeMutableRawPointer) {
        // SAFETY: the caller promises place and alignment; an atomic has the layout of its value.
        unsafe self.address = unsafe address.assumingMemoryBound(to: Atomic<UInt32>.self)
    }

    /// What `futex(2)` takes.
    @unsafe @inlinable
    package var futexAddress: UnsafeRawPointer {
        // SAFETY: the address only; nothing is read.
        unsafe UnsafeRawPointer(address)
    }

    /// Before anything that the sleeper looks at.
    @inlinable
    package func read() -> UInt32 {
        // SAFETY: mapped and aligned, says whoever made this.
        unsafe address.pointee.load(ordering: .acquiring)
    }

    /// One more: an atomic addition, because the sleeper's own process rings too.
    @inlinable
    package func ring() {
        // SAFETY: mapped for writing and aligned, says whoever made this.
        unsafe address.pointee.wrappingAdd(1, ordering: .acquiringAndReleasing)
    }
}

/// Fences between accesses to shared memory.
@frozen @usableFromInline
package enum SharedFence {
    /// What was loaded before is ordered before what is loaded and stored after.
    @inlinable @inline(__always)
    package static func acquire() { atomicMemoryFence(ordering: .acquiring) }

    /// What was loaded and stored before is ordered before what is stored after.
    @inlinable @inline(__always)
    package static func release() { atomicMemoryFence(ordering: .releasing) }

    /// Everything before is ordered before everything after, stores before loads included.
    @inlinable @inline(__always)
    package static func full() { atomicMemoryFence(ordering: .sequentiallyConsistent) }
}
