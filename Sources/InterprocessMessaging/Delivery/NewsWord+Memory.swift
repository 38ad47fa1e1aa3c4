// SPDX-License-Identifier: Apache-2.0
import Interprocess
package import InterprocessStructures
import InterprocessSyscalls

/// A word of this process: whether the attendant has news for a subscriber's owner. The owner looks at it with every message,
/// and sleeps on it while there is no publisher.
@safe
package final class NewsWord: @unchecked Sendable {
    private let memory: UnsafeMutableRawPointer
    /// 0: nothing.
    package let word: SharedWord
    /// Counts news.
    package let bell: SharedBell

    init() {
        // SAFETY: 64 bytes, zeroed, freed in deinit; whoever has the word has this.
        unsafe memory = .allocate(byteCount: 64, alignment: 64)
        unsafe memory.initializeMemory(as: UInt8.self, repeating: 0, count: 64)
        unsafe word = SharedWord(memory)
        unsafe bell = SharedBell(memory + 8)
    }

    deinit {
        // SAFETY: as above.
        unsafe memory.deallocate()
    }

    var isRaised: Bool { word.loadAcquire() != 0 }

    func raise() {
        word.storeRelease(1)
        bell.ring()
        // SAFETY: the word is there as long as this.
        _ = try? unsafe sysFutexWake(bell.futexAddress, count: .max, shared: false)
    }

    func lower() { word.storeRelease(0) }
}
