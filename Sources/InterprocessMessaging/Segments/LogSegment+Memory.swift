// SPDX-License-Identifier: Apache-2.0
package import Interprocess
package import InterprocessStructures
import InterprocessSyscalls

/// The memory of one publisher's log, in its own process: the only writable mapping that there will ever be.
///
/// Ownership: owns descriptor and mapping. The memory goes with the last process that maps it.
package final class LogSegment: Sendable {
    package let layout: LogLayout
    let memory: SealedMemory
    let region: MappedRegion

    /// Makes the memory, maps it, and seals it against every other writer, against truncation and against punching.
    ///
    /// - Throws: `IPCError.Code.outOfMemory` and `IPCError.Code.limitReached`, now and never later.
    package init(_ layout: LogLayout, name: String) throws(IPCError) {
        self.layout = layout
        memory = try SealedMemory(name: String(name.prefix(200)), byteCount: layout.regionBytes, seals: .fixedSize)
        region = try memory.map(options: [.notInherited])
        try memory.seal([.futureWrite, .seal])
    }

    /// A log over it. Once.
    package func makeLog(maximumReaders: Int, isFenced: Bool) -> BroadcastLog {
        // SAFETY: the region is mapped for writing, page-aligned, zeroed and of this size; nobody knows of it yet. Whoever holds
        // the log holds this segment.
        unsafe BroadcastLog(
            formatting: region.base, layout, maximumReaders: maximumReaders, isFenced: isFenced)
    }

    /// For a reader.
    package func descriptor() throws(IPCError) -> OwnedDescriptor { try memory.duplicate() }
}

/// Another process's log, mapped for reading.
package final class RemoteLog: Sendable {
    package let layout: LogLayout
    let region: MappedRegion

    /// Looks at the seals first, then at size and layout, then maps; the descriptor is closed.
    package init(adopting descriptor: consuming OwnedDescriptor, regionBytes: Int) throws(IPCError) {
        guard regionBytes >= LogLayout.ringOffset, regionBytes <= LogLayout.largestRegion else {
            throw IPCError(
                code: .malformed, subject: "log", hint: "a log of \(regionBytes) bytes was announced")
        }
        let memory = try SealedMemory(
            adopting: descriptor, requiring: [.shrink, .grow, .futureWrite], atLeast: regionBytes)
        region = try memory.map(byteCount: regionBytes, access: .readOnly, options: [.notInherited])
        do throws(LogLayoutError) {
            // SAFETY: `regionBytes` are mapped and cannot go away; nothing is believed before it is checked.
            layout = try unsafe LogLayout(reading: region.base, byteCount: regionBytes)
        } catch {
            throw IPCError(code: .malformed, subject: memory.subject, hint: "its header is \(error): not a log of ours")
        }
    }

    /// A place in it. Nil for a position that cannot be.
    package func makeCursor(
        _ page: PairPage, isLossless: Bool, position: UInt64, sequence: UInt64, isFenced: Bool
    ) -> ReaderCursor? {
        // SAFETY: the layout was read from this region; whoever holds the cursor holds this log and the page's mapping.
        unsafe ReaderCursor(
            region.base, layout, page, isLossless: isLossless, position: position, sequence: sequence,
            isFenced: isFenced)
    }
}
