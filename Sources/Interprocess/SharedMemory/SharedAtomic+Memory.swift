// SPDX-License-Identifier: Apache-2.0
// swift-format-ignore-file: AllPublicDeclarationsHaveDocumentation
public import Synchronization

/// An integer that can be read, written and changed in one piece, in place, in memory that processes share.
///
/// Raw integers only: `Atomic` of an enumeration would trap on a number that a peer made up. 8, 16, 32 and 64 bits are
/// lock-free on every processor that this package supports, so they work between processes.
///
/// The requirements take an address that is mapped, for writing but for the load, and aligned to the integer's size;
/// ``MappedRegion/atomicLoad(_:at:)`` and its sisters check that.
public protocol SharedAtomicInteger: SharedPayload, FixedWidthInteger {
    @unsafe static func loadInPlace(_ address: UnsafeMutableRawPointer) -> Self
    @unsafe static func storeInPlace(_ address: UnsafeMutableRawPointer, _ value: Self)
    @unsafe static func addInPlace(_ address: UnsafeMutableRawPointer, _ operand: Self) -> Self
    @unsafe static func exchangeInPlace(_ address: UnsafeMutableRawPointer, _ value: Self) -> Self
    @unsafe static func compareExchangeInPlace(
        _ address: UnsafeMutableRawPointer, expected: Self, desired: Self
    ) -> (exchanged: Bool, original: Self)
}

extension MappedRegion {
    @inlinable
    func atomicAddress(_ size: Int, _ offset: Int) -> UnsafeMutableRawPointer {
        precondition(
            offset & (size - 1) == 0 && contains(byteCount: size, at: offset),
            "an atomic integer lies within the region, at a multiple of its size")
        // SAFETY: the place lies in the mapping, which begins at a page: it is aligned.
        return unsafe base + offset
    }

    @inlinable
    func checkWritable() { precondition(access == .readWrite, "the region is mapped read-only") }

    /// Loads an integer in one piece; what its writer stored before it is visible after this (acquire).
    ///
    /// - Parameters:
    ///   - type: 8, 16, 32 or 64 bits.
    ///   - offset: a multiple of its size, within the region; that is a precondition.
    @inlinable
    public func atomicLoad<Integer: SharedAtomicInteger>(_ type: Integer.Type = Integer.self, at offset: Int) -> Integer
    {
        // SAFETY: the address is checked; a load needs no right to write.
        unsafe Integer.loadInPlace(atomicAddress(MemoryLayout<Integer>.size, offset))
    }

    /// Stores an integer in one piece; what was stored before it is visible to who loads it (release).
    ///
    /// The place, as in ``atomicLoad(_:at:)``, and that the region is not read-only are preconditions.
    @inlinable
    public func atomicStore<Integer: SharedAtomicInteger>(_ value: Integer, at offset: Int) {
        checkWritable()
        // SAFETY: the address is checked, the region writable.
        unsafe Integer.storeInPlace(atomicAddress(MemoryLayout<Integer>.size, offset), value)
    }

    /// Adds in one step, wrapping around; acquires and releases.
    ///
    /// - Returns: what was there before.
    @inlinable @discardableResult
    public func atomicAdd<Integer: SharedAtomicInteger>(_ operand: Integer, at offset: Int) -> Integer {
        checkWritable()
        // SAFETY: the address is checked, the region writable.
        return unsafe Integer.addInPlace(atomicAddress(MemoryLayout<Integer>.size, offset), operand)
    }

    /// Stores an integer and returns what was there before, in one step; acquires and releases.
    @inlinable
    public func atomicExchange<Integer: SharedAtomicInteger>(_ value: Integer, at offset: Int) -> Integer {
        checkWritable()
        // SAFETY: the address is checked, the region writable.
        return unsafe Integer.exchangeInPlace(atomicAddress(MemoryLayout<Integer>.size, offset), value)
    }

    /// Stores `desired` if `expected` is there, in one step; acquires and releases.
    ///
    /// - Returns: whether it was stored, and what was there before.
    @inlinable @discardableResult
    public func atomicCompareExchange<Integer: SharedAtomicInteger>(
        expected: Integer, desired: Integer, at offset: Int
    ) -> (exchanged: Bool, original: Integer) {
        checkWritable()
        // SAFETY: the address is checked, the region writable.
        return unsafe Integer.compareExchangeInPlace(
            atomicAddress(MemoryLayout<Integer>.size, offset), expected: expected, desired: desired)
    }
}

// The operations of Atomic are declared type by type; so are these.

extension Int8: SharedAtomicInteger {
    // SAFETY, of all: the caller promises the place; every pattern of bits is an integer.
    @unsafe @inlinable public static func loadInPlace(_ address: UnsafeMutableRawPointer) -> Self {
        // SAFETY: as above.
        unsafe address.assumingMemoryBound(to: Atomic<Int8>.self).pointee.load(ordering: .acquiring)
    }
    @unsafe @inlinable public static func storeInPlace(_ address: UnsafeMutableRawPointer, _ value: Self) {
        // SAFETY: as above.
        unsafe address.assumingMemoryBound(to: Atomic<Int8>.self).pointee.store(value, ordering: .releasing)
    }
    @unsafe @inlinable public static func addInPlace(_ address: UnsafeMutableRawPointer, _ operand: Self) -> Self {
        // SAFETY: as above.
        unsafe address.assumingMemoryBound(to: Atomic<Int8>.self).pointee
            .wrappingAdd(operand, ordering: .acquiringAndReleasing).oldValue
    }
    @unsafe @inlinable public static func exchangeInPlace(_ address: UnsafeMutableRawPointer, _ value: Self) -> Self {
        // SAFETY: as above.
        unsafe address.assumingMemoryBound(to: Atomic<Int8>.self).pointee.exchange(
            value, ordering: .acquiringAndReleasing)
    }
    @unsafe @inlinable public static func compareExchangeInPlace(
        _ address: UnsafeMutableRawPointer, expected: Self, desired: Self
    ) -> (exchanged: Bool, original: Self) {
        // SAFETY: as above.
        unsafe address.assumingMemoryBound(to: Atomic<Int8>.self).pointee
            .compareExchange(expected: expected, desired: desired, ordering: .acquiringAndReleasing)
    }
}

extension Int16: SharedAtomicInteger {
    // SAFETY, of all: the caller promises the place; every pattern of bits is an integer.
    @unsafe @inlinable public static func loadInPlace(_ address: UnsafeMutableRawPointer) -> Self {
        // SAFETY: as above.
        unsafe address.assumingMemoryBound(to: Atomic<Int16>.self).pointee.load(ordering: .acquiring)
    }
    @unsafe @inlinable public static func storeInPlace(_ address: UnsafeMutableRawPointer, _ value: Self) {
        // SAFETY: as above.
        unsafe address.assumingMemoryBound(to: Atomic<Int16>.self).pointee.store(value, ordering: .releasing)
    }
    @unsafe @inlinable public static func addInPlace(_ address: UnsafeMutableRawPointer, _ operand: Self) -> Self {
        // SAFETY: as above.
        unsafe address.assumingMemoryBound(to: Atomic<Int16>.self).pointee
            .wrappingAdd(operand, ordering: .acquiringAndReleasing).oldValue
    }
    @unsafe @inlinable public static func exchangeInPlace(_ address: UnsafeMutableRawPointer, _ value: Self) -> Self {
        // SAFETY: as above.
        unsafe address.assumingMemoryBound(to: Atomic<Int16>.self).pointee.exchange(
            value, ordering: .acquiringAndReleasing)
    }
    @unsafe @inlinable public static func compareExchangeInPlace(
        _ address: UnsafeMutableRawPointer, expected: Self, desired: Self
    ) -> (exchanged: Bool, original: Self) {
        // SAFETY: as above.
        unsafe address.assumingMemoryBound(to: Atomic<Int16>.self).pointee
            .compareExchange(expected: expected, desired: desired, ordering: .acquiringAndReleasing)
    }
}

extension Int32: SharedAtomicInteger {
    // SAFETY, of all: the caller promises the place; every pattern of bits is an integer.
    @unsafe @inlinable public static func loadInPlace(_ address: UnsafeMutableRawPointer) -> Self {
        // SAFETY: as above.
        unsafe address.assumingMemoryBound(to: Atomic<Int32>.self).pointee.load(ordering: .acquiring)
    }
    @unsafe @inlinable public static func storeInPlace(_ address: UnsafeMutableRawPointer, _ value: Self) {
        // SAFETY: as above.
        unsafe address.assumingMemoryBound(to: Atomic<Int32>.self).pointee.store(value, ordering: .releasing)
    }
    @unsafe @inlinable public static func addInPlace(_ address: UnsafeMutableRawPointer, _ operand: Self) -> Self {
        // SAFETY: as above.
        unsafe address.assumingMemoryBound(to: Atomic<Int32>.self).pointee
            .wrappingAdd(operand, ordering: .acquiringAndReleasing).oldValue
    }
    @unsafe @inlinable public static func exchangeInPlace(_ address: UnsafeMutableRawPointer, _ value: Self) -> Self {
        // SAFETY: as above.
        unsafe address.assumingMemoryBound(to: Atomic<Int32>.self).pointee.exchange(
            value, ordering: .acquiringAndReleasing)
    }
    @unsafe @inlinable public static func compareExchangeInPlace(
        _ address: UnsafeMutableRawPointer, expected: Self, desired: Self
    ) -> (exchanged: Bool, original: Self) {
        // SAFETY: as above.
        unsafe address.assumingMemoryBound(to: Atomic<Int32>.self).pointee
            .compareExchange(expected: expected, desired: desired, ordering: .acquiringAndReleasing)
    }
}

extension Int64: SharedAtomicInteger {
    // SAFETY, of all: the caller promises the place; every pattern of bits is an integer.
    @unsafe @inlinable public static func loadInPlace(_ address: UnsafeMutableRawPointer) -> Self {
        // SAFETY: as above.
        unsafe address.assumingMemoryBound(to: Atomic<Int64>.self).pointee.load(ordering: .acquiring)
    }
    @unsafe @inlinable public static func storeInPlace(_ address: UnsafeMutableRawPointer, _ value: Self) {
        // SAFETY: as above.
        unsafe address.assumingMemoryBound(to: Atomic<Int64>.self).pointee.store(value, ordering: .releasing)
    }
    @unsafe @inlinable public static func addInPlace(_ address: UnsafeMutableRawPointer, _ operand: Self) -> Self {
        // SAFETY: as above.
        unsafe address.assumingMemoryBound(to: Atomic<Int64>.self).pointee
            .wrappingAdd(operand, ordering: .acquiringAndReleasing).oldValue
    }
    @unsafe @inlinable public static func exchangeInPlace(_ address: UnsafeMutableRawPointer, _ value: Self) -> Self {
        // SAFETY: as above.
        unsafe address.assumingMemoryBound(to: Atomic<Int64>.self).pointee.exchange(
            value, ordering: .acquiringAndReleasing)
    }
    @unsafe @inlinable public static func compareExchangeInPlace(
        _ address: UnsafeMutableRawPointer, expected: Self, desired: Self
    ) -> (exchanged: Bool, original: Self) {
        // SAFETY: as above.
        unsafe address.assumingMemoryBound(to: Atomic<Int64>.self).pointee
            .compareExchange(expected: expected, desired: desired, ordering: .acquiringAndReleasing)
    }
}

extension Int: SharedAtomicInteger {
    // SAFETY, of all: the caller promises the place; every pattern of bits is an integer.
    @unsafe @inlinable public static func loadInPlace(_ address: UnsafeMutableRawPointer) -> Self {
        // SAFETY: as above.
        unsafe address.assumingMemoryBound(to: Atomic<Int>.self).pointee.load(ordering: .acquiring)
    }
    @unsafe @inlinable public static func storeInPlace(_ address: UnsafeMutableRawPointer, _ value: Self) {
        // SAFETY: as above.
        unsafe address.assumingMemoryBound(to: Atomic<Int>.self).pointee.store(value, ordering: .releasing)
    }
    @unsafe @inlinable public static func addInPlace(_ address: UnsafeMutableRawPointer, _ operand: Self) -> Self {
        // SAFETY: as above.
        unsafe address.assumingMemoryBound(to: Atomic<Int>.self).pointee
            .wrappingAdd(operand, ordering: .acquiringAndReleasing).oldValue
    }
    @unsafe @inlinable public static func exchangeInPlace(_ address: UnsafeMutableRawPointer, _ value: Self) -> Self {
        // SAFETY: as above.
        unsafe address.assumingMemoryBound(to: Atomic<Int>.self).pointee.exchange(
            value, ordering: .acquiringAndReleasing)
    }
    @unsafe @inlinable public static func compareExchangeInPlace(
        _ address: UnsafeMutableRawPointer, expected: Self, desired: Self
    ) -> (exchanged: Bool, original: Self) {
        // SAFETY: as above.
        unsafe address.assumingMemoryBound(to: Atomic<Int>.self).pointee
            .compareExchange(expected: expected, desired: desired, ordering: .acquiringAndReleasing)
    }
}

extension UInt8: SharedAtomicInteger {
    // SAFETY, of all: the caller promises the place; every pattern of bits is an integer.
    @unsafe @inlinable public static func loadInPlace(_ address: UnsafeMutableRawPointer) -> Self {
        // SAFETY: as above.
        unsafe address.assumingMemoryBound(to: Atomic<UInt8>.self).pointee.load(ordering: .acquiring)
    }
    @unsafe @inlinable public static func storeInPlace(_ address: UnsafeMutableRawPointer, _ value: Self) {
        // SAFETY: as above.
        unsafe address.assumingMemoryBound(to: Atomic<UInt8>.self).pointee.store(value, ordering: .releasing)
    }
    @unsafe @inlinable public static func addInPlace(_ address: UnsafeMutableRawPointer, _ operand: Self) -> Self {
        // SAFETY: as above.
        unsafe address.assumingMemoryBound(to: Atomic<UInt8>.self).pointee
            .wrappingAdd(operand, ordering: .acquiringAndReleasing).oldValue
    }
    @unsafe @inlinable public static func exchangeInPlace(_ address: UnsafeMutableRawPointer, _ value: Self) -> Self {
        // SAFETY: as above.
        unsafe address.assumingMemoryBound(to: Atomic<UInt8>.self).pointee.exchange(
            value, ordering: .acquiringAndReleasing)
    }
    @unsafe @inlinable public static func compareExchangeInPlace(
        _ address: UnsafeMutableRawPointer, expected: Self, desired: Self
    ) -> (exchanged: Bool, original: Self) {
        // SAFETY: as above.
        unsafe address.assumingMemoryBound(to: Atomic<UInt8>.self).pointee
            .compareExchange(expected: expected, desired: desired, ordering: .acquiringAndReleasing)
    }
}

extension UInt16: SharedAtomicInteger {
    // SAFETY, of all: the caller promises the place; every pattern of bits is an integer.
    @unsafe @inlinable public static func loadInPlace(_ address: UnsafeMutableRawPointer) -> Self {
        // SAFETY: as above.
        unsafe address.assumingMemoryBound(to: Atomic<UInt16>.self).pointee.load(ordering: .acquiring)
    }
    @unsafe @inlinable public static func storeInPlace(_ address: UnsafeMutableRawPointer, _ value: Self) {
        // SAFETY: as above.
        unsafe address.assumingMemoryBound(to: Atomic<UInt16>.self).pointee.store(value, ordering: .releasing)
    }
    @unsafe @inlinable public static func addInPlace(_ address: UnsafeMutableRawPointer, _ operand: Self) -> Self {
        // SAFETY: as above.
        unsafe address.assumingMemoryBound(to: Atomic<UInt16>.self).pointee
            .wrappingAdd(operand, ordering: .acquiringAndReleasing).oldValue
    }
    @unsafe @inlinable public static func exchangeInPlace(_ address: UnsafeMutableRawPointer, _ value: Self) -> Self {
        // SAFETY: as above.
        unsafe address.assumingMemoryBound(to: Atomic<UInt16>.self).pointee.exchange(
            value, ordering: .acquiringAndReleasing)
    }
    @unsafe @inlinable public static func compareExchangeInPlace(
        _ address: UnsafeMutableRawPointer, expected: Self, desired: Self
    ) -> (exchanged: Bool, original: Self) {
        // SAFETY: as above.
        unsafe address.assumingMemoryBound(to: Atomic<UInt16>.self).pointee
            .compareExchange(expected: expected, desired: desired, ordering: .acquiringAndReleasing)
    }
}

extension UInt32: SharedAtomicInteger {
    // SAFETY, of all: the caller promises the place; every pattern of bits is an integer.
    @unsafe @inlinable public static func loadInPlace(_ address: UnsafeMutableRawPointer) -> Self {
        // SAFETY: as above.
        unsafe address.assumingMemoryBound(to: Atomic<UInt32>.self).pointee.load(ordering: .acquiring)
    }
    @unsafe @inlinable public static func storeInPlace(_ address: UnsafeMutableRawPointer, _ value: Self) {
        // SAFETY: as above.
        unsafe address.assumingMemoryBound(to: Atomic<UInt32>.self).pointee.store(value, ordering: .releasing)
    }
    @unsafe @inlinable public static func addInPlace(_ address: UnsafeMutableRawPointer, _ operand: Self) -> Self {
        // SAFETY: as above.
        unsafe address.assumingMemoryBound(to: Atomic<UInt32>.self).pointee
            .wrappingAdd(operand, ordering: .acquiringAndReleasing).oldValue
    }
    @unsafe @inlinable public static func exchangeInPlace(_ address: UnsafeMutableRawPointer, _ value: Self) -> Self {
        // SAFETY: as above.
        unsafe address.assumingMemoryBound(to: Atomic<UInt32>.self).pointee.exchange(
            value, ordering: .acquiringAndReleasing)
    }
    @unsafe @inlinable public static func compareExchangeInPlace(
        _ address: UnsafeMutableRawPointer, expected: Self, desired: Self
    ) -> (exchanged: Bool, original: Self) {
        // SAFETY: as above.
        unsafe address.assumingMemoryBound(to: Atomic<UInt32>.self).pointee
            .compareExchange(expected: expected, desired: desired, ordering: .acquiringAndReleasing)
    }
}

extension UInt64: SharedAtomicInteger {
    // SAFETY, of all: the caller promises the place; every pattern of bits is an integer.
    @unsafe @inlinable public static func loadInPlace(_ address: UnsafeMutableRawPointer) -> Self {
        // SAFETY: as above.
        unsafe address.assumingMemoryBound(to: Atomic<UInt64>.self).pointee.load(ordering: .acquiring)
    }
    @unsafe @inlinable public static func storeInPlace(_ address: UnsafeMutableRawPointer, _ value: Self) {
        // SAFETY: as above.
        unsafe address.assumingMemoryBound(to: Atomic<UInt64>.self).pointee.store(value, ordering: .releasing)
    }
    @unsafe @inlinable public static func addInPlace(_ address: UnsafeMutableRawPointer, _ operand: Self) -> Self {
        // SAFETY: as above.
        unsafe address.assumingMemoryBound(to: Atomic<UInt64>.self).pointee
            .wrappingAdd(operand, ordering: .acquiringAndReleasing).oldValue
    }
    @unsafe @inlinable public static func exchangeInPlace(_ address: UnsafeMutableRawPointer, _ value: Self) -> Self {
        // SAFETY: as above.
        unsafe address.assumingMemoryBound(to: Atomic<UInt64>.self).pointee.exchange(
            value, ordering: .acquiringAndReleasing)
    }
    @unsafe @inlinable public static func compareExchangeInPlace(
        _ address: UnsafeMutableRawPointer, expected: Self, desired: Self
    ) -> (exchanged: Bool, original: Self) {
        // SAFETY: as above.
        unsafe address.assumingMemoryBound(to: Atomic<UInt64>.self).pointee
            .compareExchange(expected: expected, desired: desired, ordering: .acquiringAndReleasing)
    }
}

extension UInt: SharedAtomicInteger {
    // SAFETY, of all: the caller promises the place; every pattern of bits is an integer.
    @unsafe @inlinable public static func loadInPlace(_ address: UnsafeMutableRawPointer) -> Self {
        // SAFETY: as above.
        unsafe address.assumingMemoryBound(to: Atomic<UInt>.self).pointee.load(ordering: .acquiring)
    }
    @unsafe @inlinable public static func storeInPlace(_ address: UnsafeMutableRawPointer, _ value: Self) {
        // SAFETY: as above.
        unsafe address.assumingMemoryBound(to: Atomic<UInt>.self).pointee.store(value, ordering: .releasing)
    }
    @unsafe @inlinable public static func addInPlace(_ address: UnsafeMutableRawPointer, _ operand: Self) -> Self {
        // SAFETY: as above.
        unsafe address.assumingMemoryBound(to: Atomic<UInt>.self).pointee
            .wrappingAdd(operand, ordering: .acquiringAndReleasing).oldValue
    }
    @unsafe @inlinable public static func exchangeInPlace(_ address: UnsafeMutableRawPointer, _ value: Self) -> Self {
        // SAFETY: as above.
        unsafe address.assumingMemoryBound(to: Atomic<UInt>.self).pointee.exchange(
            value, ordering: .acquiringAndReleasing)
    }
    @unsafe @inlinable public static func compareExchangeInPlace(
        _ address: UnsafeMutableRawPointer, expected: Self, desired: Self
    ) -> (exchanged: Bool, original: Self) {
        // SAFETY: as above.
        unsafe address.assumingMemoryBound(to: Atomic<UInt>.self).pointee
            .compareExchange(expected: expected, desired: desired, ordering: .acquiringAndReleasing)
    }
}
