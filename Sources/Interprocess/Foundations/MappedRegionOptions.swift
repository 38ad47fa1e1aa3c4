// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls

extension MappedRegion {
    /// What the mapping allows.
    public enum Access: Sendable, Hashable {
        /// A store raises SIGSEGV; no API of this package stores.
        case readOnly
        case readWrite

        var protection: MapProtection { self == .readOnly ? .read : [.read, .write] }
    }

    /// Who sees what is written.
    public enum Sharing: Sendable, Hashable {
        /// Everybody who maps the object, and the object itself.
        case shared
        /// Nobody: a page is copied at the first store into it. Pages that were not stored into may still show what
        /// others write.
        case privateCopy
    }

    /// What else a mapping is asked for.
    public struct Options: OptionSet, Sendable, Hashable {
        /// The bits.
        public let rawValue: UInt32
        /// A set of these bits.
        public init(rawValue: UInt32) { self.rawValue = rawValue }
        /// Nothing.
        public init() { rawValue = 0 }

        /// Nothing.
        public static let none = Options()
        /// All pages are brought in at once, so that no first touch is slow (MAP_POPULATE). That some could not be is no
        /// error: ``MappedRegion/advise(_:range:)`` with `.populateForReading` says so.
        public static let populated = Options(rawValue: 1)
        /// The pages stay in memory and are never swapped out (MAP_LOCKED, then mlock); RLIMIT_MEMLOCK bounds it.
        public static let locked = Options(rawValue: 2)
        /// A child that is forked does not have the mapping: touching it there raises SIGSEGV (MADV_DONTFORK).
        public static let notInherited = Options(rawValue: 4)
        /// Swap space is not reserved (MAP_NORESERVE): a store may find no memory.
        public static let unreserved = Options(rawValue: 8)
        /// Memory of huge pages (MAP_HUGETLB); only for ``MappedRegion/anonymous(byteCount:sharing:options:)``. An object made of huge
        /// pages is mapped with them anyway.
        public static let hugePages = Options(rawValue: 16)
        /// Core dumps leave it out (MADV_DONTDUMP).
        public static let notDumped = Options(rawValue: 32)

        var flags: MapFlags {
            var flags = MapFlags.none
            if contains(.populated) { flags.insert(.populate) }
            if contains(.unreserved) { flags.insert(.noReserve) }
            if contains(.hugePages) { flags.insert(.hugePages) }
            return flags
        }
    }

    /// How a mapped file's changes reach the medium.
    public enum SynchronizationMode: Sendable, Hashable {
        /// The call returns when they are there (MS_SYNC).
        case synchronous
        /// The call begins it (MS_ASYNC). On Linux it does nothing: changes are written back sooner or later anyway.
        case asynchronous
        /// As `synchronous`, and other mappings of the file are told to look again (MS_SYNC | MS_INVALIDATE). On Linux all
        /// shared mappings show the same memory at all times; the call fails with EBUSY if the range is locked in memory.
        case invalidate

        var flags: CInt {
            switch self {
            case .synchronous: SynchronizeFlags.synchronous
            case .asynchronous: SynchronizeFlags.asynchronous
            case .invalidate: SynchronizeFlags.synchronous | SynchronizeFlags.invalidate
            }
        }
    }

    /// What the kernel is told about the use of memory.
    public enum Advice: Sendable, Hashable, CaseIterable {
        /// Nothing special (MADV_NORMAL).
        case normal
        /// Pages are used in no order: reading ahead is of no use (MADV_RANDOM).
        case random
        /// Pages are used once, in order (MADV_SEQUENTIAL).
        case sequential
        /// They are needed soon: read them in (MADV_WILLNEED).
        case willNeed
        /// They are not needed for now (MADV_DONTNEED). Shared memory keeps its contents; a private copy loses its changes.
        case notNeeded
        /// Their contents are not needed, here and in the object: they read as zero from now on, for everybody (MADV_REMOVE).
        case remove
        /// A child that is forked does not have the mapping (MADV_DONTFORK).
        case notInherited
        /// It does (MADV_DOFORK).
        case inherited
        /// A child that is forked finds zeros (MADV_WIPEONFORK); private memory without an object only.
        case wipedInChildren
        /// It finds what the parent had (MADV_KEEPONFORK).
        case keptInChildren
        /// Transparent huge pages are welcome (MADV_HUGEPAGE).
        case hugePages
        /// They are not (MADV_NOHUGEPAGE).
        case noHugePages
        /// Core dumps leave it out (MADV_DONTDUMP).
        case notDumped
        /// They do not (MADV_DODUMP).
        case dumped
        /// Take these pages first when memory is short (MADV_COLD).
        case cold
        /// Take them now (MADV_PAGEOUT).
        case pageOut
        /// Bring all pages in now, as if each were read; one that cannot be is ``IPCError/Code/truncated`` and no SIGBUS
        /// (MADV_POPULATE_READ; Linux 5.14).
        case populateForReading
        /// Bring all pages in now, as if each were written; a full file system is ``IPCError/Code/truncated`` and no SIGBUS
        /// (MADV_POPULATE_WRITE; Linux 5.14).
        case populateForWriting

        var number: CInt {
            switch self {
            case .normal: AdviceNumber.normal
            case .random: AdviceNumber.random
            case .sequential: AdviceNumber.sequential
            case .willNeed: AdviceNumber.willNeed
            case .notNeeded: AdviceNumber.dontNeed
            case .remove: AdviceNumber.remove
            case .notInherited: AdviceNumber.dontFork
            case .inherited: AdviceNumber.doFork
            case .wipedInChildren: AdviceNumber.wipeOnFork
            case .keptInChildren: AdviceNumber.keepOnFork
            case .hugePages: AdviceNumber.hugePages
            case .noHugePages: AdviceNumber.noHugePages
            case .notDumped: AdviceNumber.dontDump
            case .dumped: AdviceNumber.doDump
            case .cold: AdviceNumber.cold
            case .pageOut: AdviceNumber.pageOut
            case .populateForReading: AdviceNumber.populateRead
            case .populateForWriting: AdviceNumber.populateWrite
            }
        }
    }
}
