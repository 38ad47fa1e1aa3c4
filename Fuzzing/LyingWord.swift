// SPDX-License-Identifier: Apache-2.0
// Stands in for the sources' SharedWord.swift: between any two loads of what another process can write, that process may
// have written. A load of a word costs one decision of the input.

/// Decides what a load finds.
enum Liar {
    nonisolated(unsafe) static var input: Input?
    /// Memory that the other process can write.
    nonisolated(unsafe) static var memory: [Range<UInt>] = []
    /// Which of its words are lied about: all, or the headers of records, whose bodies are copied word by word.
    nonisolated(unsafe) static var isHeader: (UInt) -> Bool = { _ in true }

    static func load(_ address: UnsafeMutablePointer<UInt64>) -> UInt64 {
        let truth = address.pointee
        let number = UInt(bitPattern: address)
        guard input != nil, memory.contains(where: { $0.contains(number) }), isHeader(number) else { return truth }
        guard input!.byte() & 7 == 7 else { return truth }
        let lie = input!.word(near: truth)
        if lie & 64 == 0 { address.pointee = lie }
        return lie
    }
}

@usableFromInline
package struct SharedWord: @unchecked Sendable {
    let address: UnsafeMutablePointer<UInt64>

    @usableFromInline package init(_ address: UnsafeMutableRawPointer) {
        self.address = address.assumingMemoryBound(to: UInt64.self)
    }

    @usableFromInline package func loadRelaxed() -> UInt64 { Liar.load(address) }
    @usableFromInline package func loadAcquire() -> UInt64 { Liar.load(address) }
    @usableFromInline package func storeRelaxed(_ value: UInt64) { address.pointee = value }
    @usableFromInline package func storeRelease(_ value: UInt64) { address.pointee = value }
    @usableFromInline package func loadAfterStores() -> UInt64 { Liar.load(address) }
}

@usableFromInline
package struct SharedBell: @unchecked Sendable {
    let address: UnsafeMutablePointer<UInt32>

    @usableFromInline package init(_ address: UnsafeMutableRawPointer) {
        self.address = address.assumingMemoryBound(to: UInt32.self)
    }

    @usableFromInline package var futexAddress: UnsafeRawPointer { UnsafeRawPointer(address) }
    @usableFromInline package func read() -> UInt32 { address.pointee }
    @usableFromInline package func ring() { address.pointee &+= 1 }
}

@usableFromInline
package enum SharedFence {
    @usableFromInline package static func acquire() {}
    @usableFromInline package static func release() {}
    @usableFromInline package static func full() {}
}
