// SPDX-License-Identifier: Apache-2.0

extension SealedMemory {
    /// What memory is sealed against. A seal cannot be broken or taken away, by nobody, root included.
    ///
    /// What each prevents, for every descriptor and process:
    ///
    /// | seal | refused from now on | what it is good for |
    /// |---|---|---|
    /// | `shrink` | making it shorter (EPERM) | nobody who maps it gets SIGBUS |
    /// | `grow` | making it longer (EPERM) | its size can be trusted and its memory is bounded |
    /// | `write` | every write and writable mapping; setting it fails while one exists (EBUSY) | what was validated once stays valid |
    /// | `futureWrite` | writes, and writable mappings that do not exist yet | the maker writes on through his mapping, all others read |
    /// | `exec` | changing the executable bits of its mode (EPERM) | it cannot be made a program |
    /// | `seal` | adding seals (EPERM) | a peer cannot seal it against its owner |
    ///
    /// What none prevents: that who maps it for writing changes what others are reading; that a private copy is changed;
    /// that pages are given back by punching a hole (`write` and `futureWrite` do prevent that): the bytes then read as zero.
    ///
    /// The corresponding constants are `F_SEAL_SHRINK` and so on, see `fcntl(2)`.
    public struct Seals: OptionSet, Sendable, Hashable {
        /// The bits.
        public let rawValue: UInt32
        /// A set of these bits.
        public init(rawValue: UInt32) { self.rawValue = rawValue }

        /// No further seals (F_SEAL_SEAL).
        public static let seal = Seals(rawValue: 1)
        /// It does not become shorter (F_SEAL_SHRINK).
        public static let shrink = Seals(rawValue: 2)
        /// It does not become longer (F_SEAL_GROW).
        public static let grow = Seals(rawValue: 4)
        /// Its contents do not change (F_SEAL_WRITE).
        public static let write = Seals(rawValue: 8)
        /// Only through mappings that exist do its contents change (F_SEAL_FUTURE_WRITE; Linux 5.1).
        public static let futureWrite = Seals(rawValue: 16)
        /// It is not made executable (F_SEAL_EXEC; Linux 6.3). What this library makes has it, where the kernel does.
        public static let exec = Seals(rawValue: 32)

        /// `[.shrink, .grow]`: what a receiver needs to map it without fear.
        public static let fixedSize: Seals = [.shrink, .grow]
        /// Nothing about it changes ever again.
        public static let immutable: Seals = [.shrink, .grow, .write, .seal]
    }

    /// The pages that memory is made of.
    public struct PageSize: Sendable, Hashable {
        enum Kind: Hashable, Sendable {
            case ordinary
            case huge(shift: Int)
        }
        let kind: Kind

        /// Those of the processor, usually 4096 bytes.
        public static let ordinary = PageSize(kind: .ordinary)
        /// Huge pages of the machine's default size. They must have been set aside: `vm.nr_hugepages`.
        public static let huge = PageSize(kind: .huge(shift: 0))
        /// Huge pages of a size, which is a power of two and one of `/sys/kernel/mm/hugepages`.
        public static func huge(bytes: Int) -> PageSize {
            precondition(bytes > 0 && bytes & (bytes - 1) == 0, "the size of a page is a power of two")
            return PageSize(kind: .huge(shift: bytes.trailingZeroBitCount))
        }
    }
}

extension SealedMemory.Seals: CustomStringConvertible {
    /// `shrink, grow`; `nothing` if it is empty.
    public var description: String {
        let all: [(SealedMemory.Seals, String)] = [
            (.shrink, "shrink"), (.grow, "grow"), (.write, "write"), (.futureWrite, "future-write"), (.exec, "exec"),
            (.seal, "seal"),
        ]
        let names = all.filter { contains($0.0) }.map(\.1)
        return names.isEmpty ? "nothing" : names.joined(separator: ", ")
    }
}
