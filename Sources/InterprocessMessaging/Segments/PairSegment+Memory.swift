// SPDX-License-Identifier: Apache-2.0
package import Interprocess
package import InterprocessStructures
import InterprocessSyscalls
import SystemPackage

/// The places where a publisher maps the pages that it shares with its readers: one for each number that a reader can have.
///
/// A place is always mapped. When a reader has gone, zeroes take its page's place: a send under way may look there once more, and
/// finds nobody asleep. So no send needs to tell anybody that it is under way.
///
/// Concurrency: the attendant fills and clears places.
package final class PageShelf: Sendable {
    package let count: Int
    private let region: MappedRegion

    /// Sets the addresses aside; memory comes with the readers.
    package init(count: Int) throws(IPCError) {
        self.count = count
        region = try MappedRegion.anonymous(
            byteCount: count * PairLayout.regionBytes, sharing: .privateCopy,
            options: [.notInherited, .unreserved])
    }

    /// Makes the page of reader `index` and returns it as a descriptor to send. The other side seals it once it has mapped it.
    package func makePage(_ index: Int) throws(IPCError) -> OwnedDescriptor {
        let memory = try SealedMemory(
            name: "interprocess-pair", byteCount: PairLayout.regionBytes, seals: .fixedSize)
        do throws(Errno) {
            // SAFETY: the place belongs to this shelf, and its users read and write words in it, whatever they find.
            try unsafe sysReplaceMapping(
                address(index), byteCount: PairLayout.regionBytes, with: memory.rawValue)
        } catch { throw IPCError(error, "mmap", memory.subject) }
        return memory.release()
    }

    /// Puts zeroes in the place of the page; its memory is the other side's alone from now on.
    package func clear(_ index: Int) {
        // If the kernel has no memory for it the page stays until another takes its place.
        // SAFETY: as in `makePage`.
        try? unsafe sysReplaceMapping(address(index), byteCount: PairLayout.regionBytes, with: nil)
    }

    /// The words of the page at `index`, whoever's they are.
    package func page(_ index: Int) -> PairPage {
        // SAFETY: the place is mapped as long as this shelf lives.
        unsafe PairPage(address(index), Self.layout(index))
    }

    /// Lines of different readers lie in different sets of the cache.
    package static func layout(_ index: Int) -> PairLayout {
        guard let layout = PairLayout(stagger: index % PairLayout.staggers) else {
            preconditionFailure("a remainder is a place")
        }
        return layout
    }

    @unsafe
    private func address(_ index: Int) -> UnsafeMutableRawPointer {
        precondition(index >= 0 && index < count, "a place of the shelf")
        // SAFETY: within the region.
        return unsafe region.base + index * PairLayout.regionBytes
    }
}

/// A reader's mapping of the page that it shares with a publisher.
package final class RemotePage: Sendable {
    package let page: PairPage
    private let region: MappedRegion

    /// Looks at the seals and the size, maps, and seals it against every further mapping; the descriptor is closed.
    package init(adopting descriptor: consuming OwnedDescriptor, stagger: Int) throws(IPCError) {
        guard let layout = PairLayout(stagger: stagger) else {
            throw IPCError(code: .malformed, subject: "page", hint: "it has no place \(stagger)")
        }
        let memory = try SealedMemory(
            adopting: descriptor, requiring: .fixedSize, atLeast: PairLayout.regionBytes)
        region = try memory.map(byteCount: PairLayout.regionBytes, options: [.notInherited])
        try memory.seal([.futureWrite, .seal])
        // SAFETY: mapped as long as this lives; whoever holds the page holds this.
        page = unsafe PairPage(region.base, layout)
    }
}

extension PairPage {
    /// Wakes whoever sleeps on the doorbell.
    func wakeReader() {
        // SAFETY: the page is mapped; the kernel uses the address only.
        _ = try? unsafe sysFutexWake(doorbell.futexAddress, count: .max, shared: true)
    }

    /// Wakes a publisher that sleeps until there is room.
    func wakePublisher() {
        // SAFETY: as above.
        _ = try? unsafe sysFutexWake(spaceBell.futexAddress, count: .max, shared: true)
    }
}

extension SharedBell {
    /// Sleeps while the bell says `expected`. Any way out is one.
    ///
    /// In a page that another process maps, no sleep is longer than a second: whoever can wait on a word can also move those who do to
    /// another (FUTEX_REQUEUE), where no ring is heard.
    func sleep(expected: UInt32, until deadline: Deadline, isShared: Bool = true) {
        let deadline = isShared ? min(deadline, .after(.seconds(1))) : deadline
        let limit = deadline == .never ? nil : deadline.monotonicNanoseconds
        // SAFETY: whoever made the bell keeps it mapped.
        try? unsafe sysFutexWait(
            futexAddress, expected: expected, shared: isShared, deadlineNanoseconds: limit, retryOnInterrupt: false)
    }

    /// As an entry of a wait for several.
    func futexWord(expected: UInt32, isShared: Bool) -> FutexWord {
        // SAFETY: whoever made the bell keeps it mapped while the wait lasts.
        unsafe FutexWord(futexAddress, expected: expected, shared: isShared)
    }
}
