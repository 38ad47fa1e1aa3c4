// SPDX-License-Identifier: Apache-2.0

/// The instruction that traps, and what is to be known of the one in its place.
enum BreakpointInstruction {
    #if arch(x86_64)
        /// int3.
        static let bytes: [UInt8] = [0xcc]
        /// How far behind the instruction the thread stands when it has trapped.
        static let advance: UInt64 = 1
        /// syscall, sysenter, int 0x80.
        static func isSystemCall(_ word: UInt64) -> Bool {
            let pair = UInt16(truncatingIfNeeded: word)
            return pair == 0x050f || pair == 0x340f || pair == 0x80cd
        }
    #elseif arch(arm64)
        /// brk #0.
        static let bytes: [UInt8] = [0x00, 0x00, 0x20, 0xd4]
        static let advance: UInt64 = 0
        /// svc.
        static func isSystemCall(_ word: UInt64) -> Bool {
            UInt32(truncatingIfNeeded: word) & 0xffe0_001f == 0xd400_0001
        }
    #endif

    /// `word` with the trapping instruction at its beginning.
    static func planted(in word: UInt64) -> UInt64 { word & ~mask | pattern }

    /// `word` with the beginning of `original`.
    static func restored(_ original: UInt64, in word: UInt64) -> UInt64 { word & ~mask | original & mask }

    static func isPlanted(in word: UInt64) -> Bool { word & mask == pattern }

    /// The bits of a little-endian word that the instruction takes.
    static let mask = UInt64(1) << UInt64(8 * bytes.count) &- 1
    private static let pattern = bytes.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
}
