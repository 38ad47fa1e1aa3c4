// SPDX-License-Identifier: Apache-2.0
public import Interprocess
public import InterprocessStructures

/// Where a record's payload lies: the one place where memory of a log becomes a value of a type.
///
/// Ownership: borrows the log; whoever has one keeps that mapped and the record claimed or taken.
@safe @frozen @usableFromInline
package struct RecordPlace {
    @usableFromInline let address: UnsafeMutableRawPointer
    /// Of the payload.
    @usableFromInline package let byteCount: Int

    /// - Safety: `byteCount` bytes at `address` lie within a record of a log that stays mapped while this is used.
    @unsafe @inlinable @inline(__always)
    init(_ address: UnsafeMutableRawPointer, _ byteCount: Int) {
        // SAFETY: kept, not used.
        unsafe self.address = address
        self.byteCount = byteCount
    }

    /// The payload as a value; writing is for claimed records only.
    @inlinable
    package subscript<Payload: SharedPayload>(as type: Payload.Type) -> Payload {
        // Addresses: a payload of a megabyte is not copied to be looked at.
        @inline(__always) unsafeAddress {
            // SAFETY: the layouts were compared when the two sides met; every pattern of bits is a value.
            unsafe UnsafePointer(address.assumingMemoryBound(to: Payload.self))
        }
        @inline(__always) nonmutating _modify {
            // SAFETY: as above, and nobody reads a claimed record.
            yield unsafe &address.assumingMemoryBound(to: Payload.self).pointee
        }
    }

    /// The payload as bytes that stay.
    @inlinable @inline(__always)
    package func withBytes<Result, Failure: Error>(
        _ body: (Span<UInt8>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        // SAFETY: the bytes are there while the body runs; who reads them treats them as data of somebody else.
        let bytes = unsafe UnsafeRawBufferPointer(start: address, count: byteCount)
        return try body(unsafe Span(_unsafeBytes: bytes))
    }

    /// The payload as bytes, for as long as the place is borrowed by who keeps the log.
    @inlinable
    package var bytes: Span<UInt8> {
        @_lifetime(borrow self)
        get {
            // SAFETY: as above; the log is kept by whoever lends this place.
            let bytes = unsafe UnsafeRawBufferPointer(start: address, count: byteCount)
            let span = unsafe Span<UInt8>(_unsafeBytes: bytes)
            return unsafe _overrideLifetime(span, borrowing: self)
        }
    }

    /// A copy of the payload.
    var copy: [UInt8] {
        unsafe [UInt8](unsafeUninitializedCapacity: byteCount) { buffer, count in
            // SAFETY: the buffer has room for all of it.
            unsafe UnsafeMutableRawBufferPointer(buffer).copyMemory(
                from: UnsafeRawBufferPointer(start: address, count: byteCount))
            count = byteCount
        }
    }

    /// The payload of a claimed record, to be written.
    @inlinable @inline(__always)
    package func fill<Failure: Error>(
        _ body: (inout OutputSpan<UInt8>) throws(Failure) -> Void
    ) throws(Failure) -> Int {
        // SAFETY: a claimed record of that many bytes, which nobody reads.
        let buffer = unsafe UnsafeMutableBufferPointer(
            start: address.assumingMemoryBound(to: UInt8.self), count: byteCount)
        var output = unsafe OutputSpan(buffer: buffer, initializedCount: 0)
        try body(&output)
        return unsafe output.finalize(for: buffer)
    }

    /// Copies bytes into a claimed record: no more than it has.
    @inlinable @inline(__always)
    package func copy(_ bytes: Span<UInt8>) {
        precondition(bytes.count <= byteCount, "what fits into the claim")
        // SAFETY: the claim has so many bytes, and does not overlap what is borrowed.
        unsafe bytes.withUnsafeBytes { source in
            if let base = source.baseAddress { unsafe address.copyMemory(from: base, byteCount: source.count) }
        }
    }

    /// A field that lies so many bytes in front of the payload.
    func word(at offset: Int) -> UInt64 {
        // SAFETY: an offset of the field layout, which was compared with the log's.
        unsafe address.load(fromByteOffset: offset, as: UInt64.self)
    }

    func store(_ word: UInt64, at offset: Int) {
        // SAFETY: as above, in a claimed record.
        unsafe address.storeBytes(of: word, toByteOffset: offset, as: UInt64.self)
    }

    /// The field of so many bytes that begins at `offset` from the payload.
    func field(at offset: Int, _ byteCount: Int) -> RecordPlace {
        // SAFETY: as above.
        unsafe RecordPlace(address + offset, byteCount)
    }

    func clear() {
        // SAFETY: as above.
        unsafe address.initializeMemory(as: UInt8.self, repeating: 0, count: byteCount)
    }
}

extension BroadcastLog {
    /// A place for a payload of the topic's one size.
    @inlinable @inline(__always)
    mutating func claimPlace() -> RecordPlace? {
        guard let address = unsafe claim() else { return nil }
        // SAFETY: the claim is of so many bytes.
        return unsafe RecordPlace(address, largestPayloadBytes)
    }

    /// A place for a payload of so many bytes.
    @inlinable @inline(__always)
    mutating func claimPlace(byteCount: Int) -> RecordPlace? {
        guard let address = unsafe claim(byteCount: byteCount) else { return nil }
        // SAFETY: the claim is of so many bytes.
        return unsafe RecordPlace(address, byteCount)
    }
}

extension ReaderCursor {
    /// The next record of a log of one size, for a lossless reader.
    @inlinable @inline(__always)
    mutating func nextPlace(byteCount: Int) -> RecordPlace? {
        guard let address = unsafe next() else { return nil }
        // SAFETY: records of that size; nothing is written through it.
        return unsafe RecordPlace(UnsafeMutableRawPointer(mutating: address), byteCount)
    }

    /// The next record of any log, for any reader that reads in place.
    mutating func nextPlace(isLossless: Bool, _ layout: LogLayout) -> RecordPlace? {
        if layout.isFixed {
            if isLossless { return nextPlace(byteCount: layout.payloadBytes) }
            guard let address = unsafe pinNext() else { return nil }
            // SAFETY: as above.
            return unsafe RecordPlace(UnsafeMutableRawPointer(mutating: address), layout.payloadBytes)
        }
        guard let view = isLossless ? nextRecord() : pinNextRecord() else { return nil }
        // SAFETY: the cursor has bounded it.
        return unsafe RecordPlace(UnsafeMutableRawPointer(mutating: view.start), view.byteCount)
    }

    /// A copy of the next record into `target`.
    mutating func copyNext(into target: inout MutableSpan<UInt8>) -> Copy {
        unsafe target.withUnsafeMutableBytes { buffer in
            // SAFETY: the caller's own memory, not a log's.
            unsafe copyNext(into: buffer)
        }
    }
}

extension InboxSet {
    /// A copy of the next message that holds no publisher up; nil: there is none.
    @usableFromInline
    package func copyNext<Payload: SharedPayload>(as type: Payload.Type) throws(IPCError) -> Payload? {
        try unsafe withUnsafeTemporaryAllocation(of: Payload.self, capacity: 1) { (buffer) throws(IPCError) in
            // SAFETY: room for one payload, of which every byte is written before it is read; every pattern of bits is a value.
            let bytes = UnsafeMutableRawBufferPointer(buffer)
            unsafe bytes.initializeMemory(as: UInt8.self, repeating: 0)
            var target = unsafe MutableSpan<UInt8>(
                _unsafeElements: bytes.assumingMemoryBound(to: UInt8.self).extracting(0..<MemoryLayout<Payload>.size))
            guard case .copied = try copyNext(into: &target) else { return nil }
            return unsafe buffer[0]
        }
    }
}
