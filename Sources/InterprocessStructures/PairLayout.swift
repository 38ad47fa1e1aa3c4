// SPDX-License-Identifier: Apache-2.0

/// How the page is laid out that one publisher and one reader share.
///
/// ```
/// what the reader writes for every record, at 64 × stagger
///   0  released   UInt64   position up to which a lossless reader has done
///   8  pin        UInt64   position that a lossy reader reads in place; all ones: none
/// what it writes when it sleeps or wakes, at 1024 + 64 × stagger
///   0  sleeps     UInt64   a count, odd while the reader sleeps
///   8  spaceBell  UInt32   rung when the reader has made room
///  16  sleepMode  UInt64   how it wants to be woken: a `WaitMode`, stored before `sleeps` becomes odd
///  24  missed     UInt64   how many records a lossy reader has missed in all: a claim, for whoever asks how the log fares
/// what the publisher writes, at 2048 + 64 × stagger
///   0  waits      UInt64   a count, odd while the publisher waits for room
///   8  evicted    UInt64   1 once the reader is put out
///  16  doorbell   UInt32   rung when there is something to read
///  24  waitMode   UInt64   how it wants to be woken: a `WaitMode`, stored before `waits` becomes odd
/// ```
///
/// The publisher looks at `sleeps` after every commit: its line is not the one that the reader writes for every record.
///
/// Each side writes its own lines and reads the other's; neither ever reads back what it has written itself, since the
/// other could have changed it. The stagger spreads the lines of different readers over the sets of the cache.
@frozen @usableFromInline
package struct PairLayout: Sendable, Equatable {
    /// Of the region.
    package static let regionBytes = 4096
    /// How many different places there are.
    package static let staggers = 16
    /// No position: positions are multiples of 64.
    @inlinable package static var noPin: UInt64 { .max }

    static let releasedOffset = 0
    static let pinOffset = 8
    static let sleepLineOffset = 1024
    static let sleepsOffset = 0
    static let spaceBellOffset = 8
    static let sleepModeOffset = 16
    static let missedOffset = 24
    static let publisherLineOffset = 2048
    static let waitsOffset = 0
    static let evictedOffset = 8
    static let doorbellOffset = 16
    static let waitModeOffset = 24

    @usableFromInline package let stagger: Int

    /// Nil for a stagger that cannot be: it may come from another process.
    package init?(stagger: Int) {
        guard stagger >= 0, stagger < Self.staggers else { return nil }
        self.stagger = stagger
    }

    var readerLine: Int { stagger * 64 }
    var sleepLine: Int { Self.sleepLineOffset + stagger * 64 }
    var publisherLine: Int { Self.publisherLineOffset + stagger * 64 }
}

/// The words of the page that one publisher and one reader share.
///
/// Ownership: borrows the memory; whoever makes one keeps it mapped while it is used.
@frozen @usableFromInline
package struct PairPage: Sendable {
    @usableFromInline package let released: SharedWord
    @usableFromInline package let pin: SharedWord
    @usableFromInline package let sleeps: SharedWord
    @usableFromInline package let spaceBell: SharedBell
    @usableFromInline package let sleepMode: SharedWord
    @usableFromInline package let missed: SharedWord
    @usableFromInline package let waits: SharedWord
    @usableFromInline package let evicted: SharedWord
    @usableFromInline package let doorbell: SharedBell
    @usableFromInline package let waitMode: SharedWord

    /// - Safety: `PairLayout.regionBytes` bytes at `region` are mapped for writing, aligned to 64 bytes, while this is used.
    @unsafe
    package init(_ region: UnsafeMutableRawPointer, _ layout: PairLayout) {
        // SAFETY: every offset lies within the region for every stagger.
        let reader = unsafe region + layout.readerLine
        let sleep = unsafe region + layout.sleepLine
        let publisher = unsafe region + layout.publisherLine
        unsafe released = SharedWord(reader + PairLayout.releasedOffset)
        unsafe pin = SharedWord(reader + PairLayout.pinOffset)
        unsafe sleeps = SharedWord(sleep + PairLayout.sleepsOffset)
        unsafe spaceBell = SharedBell(sleep + PairLayout.spaceBellOffset)
        unsafe sleepMode = SharedWord(sleep + PairLayout.sleepModeOffset)
        unsafe missed = SharedWord(sleep + PairLayout.missedOffset)
        unsafe waits = SharedWord(publisher + PairLayout.waitsOffset)
        unsafe evicted = SharedWord(publisher + PairLayout.evictedOffset)
        unsafe doorbell = SharedBell(publisher + PairLayout.doorbellOffset)
        unsafe waitMode = SharedWord(publisher + PairLayout.waitModeOffset)
    }
}
