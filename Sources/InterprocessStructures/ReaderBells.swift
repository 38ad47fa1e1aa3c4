// SPDX-License-Identifier: Apache-2.0

/// Which readers may sleep, in memory of the publisher's process: looked at after every commit.
///
/// ```
///   0  used     how many places have ever been in use, and the bit `fenced`
///   8  silence  always 0: the count of nobody, who never sleeps
///  64  places, of 32 bytes each
///      0  address of the reader's count of sleeps, or of `silence`
///      8  address of its bell
///     16  the sleep that was rung for last
/// ```
///
/// Concurrency: places are filled under the roster's mutex and read without; the address of the count is stored last. Only
/// the log's owner rings and silences, so whoever unmaps a page after silencing its place unmaps what nobody looks at.
@safe @frozen @usableFromInline
struct ReaderBells: @unchecked Sendable {
    @usableFromInline let base: UnsafeMutableRawPointer
    @usableFromInline let count: Int

    /// A full fence follows each commit.
    @inlinable static var fenced: UInt64 { 1 << 63 }

    init(count: Int, isFenced: Bool) {
        // SAFETY: zeroed before anybody sees it; freed by the roster.
        let bytes = 64 + 32 * count
        unsafe base = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 64)
        unsafe base.initializeMemory(as: UInt8.self, repeating: 0, count: bytes)
        self.count = count
        // A place is that of nobody until its reader is seen: `used` may be seen before the address is.
        for index in 0..<count { silence(index) }
        if isFenced { used.storeRelaxed(Self.fenced) }
    }

    func free() {
        // SAFETY: the roster calls this once, at its end.
        unsafe base.deallocate()
    }

    @inlinable @inline(__always)
    var used: SharedWord {
        // SAFETY: within the allocation.
        unsafe SharedWord(base)
    }

    @inlinable @inline(__always)
    func word(_ index: Int, _ field: Int) -> SharedWord {
        // SAFETY: an index below `count`, a field below 4.
        unsafe SharedWord(base + (64 &+ 32 &* index &+ 8 &* field))
    }

    /// The count of sleeps of the reader at `index`, or one that is always even.
    @inlinable @inline(__always)
    func sleeps(_ index: Int) -> SharedWord {
        // SAFETY: an address that was made from a pointer, to a page that is mapped until its place has been silenced.
        unsafe SharedWord(
            UnsafeMutableRawPointer(bitPattern: UInt(word(index, 0).loadAcquire())).unsafelyUnwrapped)
    }

    /// Rings for the sleep that shows in `seen`, unless that was done.
    @inlinable @inline(never)
    func ring(_ index: Int, _ seen: UInt64) -> Bool {
        let rung = word(index, 2)
        if rung.loadRelaxed() == seen { return false }
        rung.storeRelaxed(seen)
        bell(index).ring()
        // The mode that is read from now on is that of this sleep, or of a later one.
        SharedFence.acquire()
        return true
    }

    @inlinable
    func bell(_ index: Int) -> SharedBell {
        // SAFETY: stored before the address of the count, which the caller has loaded.
        unsafe SharedBell(UnsafeMutableRawPointer(bitPattern: UInt(word(index, 1).loadRelaxed())).unsafelyUnwrapped)
    }

    func hang(_ page: PairPage, at index: Int) {
        // SAFETY: addresses only.
        word(index, 1).storeRelaxed(unsafe UInt64(UInt(bitPattern: page.doorbell.address)))
        word(index, 2).storeRelaxed(0)
        word(index, 0).storeRelease(unsafe UInt64(UInt(bitPattern: page.sleeps.address)))
        let word = used.loadRelaxed()
        if word & ~Self.fenced <= UInt64(index) { used.storeRelease(word & Self.fenced | (UInt64(index) + 1)) }
    }

    /// Returns whether that is new.
    func beginFencing() -> Bool {
        let word = used.loadRelaxed()
        used.storeRelease(word | Self.fenced)
        return word & Self.fenced == 0
    }

    func silence(_ index: Int) {
        // SAFETY: the address of a word of this allocation.
        word(index, 0).storeRelease(unsafe UInt64(UInt(bitPattern: base + 8)))
    }
}
