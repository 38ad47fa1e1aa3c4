// SPDX-License-Identifier: Apache-2.0
public import Interprocess
import InterprocessSyscalls
public import SystemPackage

/// The objects of this host and the processes that use them, as far as this process may see.
///
/// Nothing is held open, nothing is changed, and nothing that another process does while it is read makes it
/// fail: processes and objects that vanish are left out. What could not be seen is named in ``missing``.
///
/// Limits: objects of other network and IPC namespaces are not listed. Processes that a security module shields even
/// from CAP_SYS_PTRACE are counted in ``shieldedProcesses`` and do not make the view partial, for no privilege
/// would make it fuller.
public struct HostView: Sendable {
    /// The objects, by kind and then by address.
    public var objects: [InspectedObject]
    /// What could not be seen, and what would show it; empty if all was seen.
    public var missing: [MissingPart]

    /// Processes whose descriptors stay hidden although this process has CAP_SYS_PTRACE.
    public var shieldedProcesses = 0

    /// Whether something could not be seen.
    public var isPartial: Bool { !missing.isEmpty }

    /// The kinds that can be looked at.
    public static let kinds: Set<Address.Kind> = [
        .pipe, .fifo, .unix, .unixDatagram, .unixSeqpacket, .tcp, .udp, .mq, .sysvMsg, .eventfd, .shm, .sysvShm, .memfd,
        .sem, .sysvSem, .file, .pid,
    ]

    /// What to look at, and where.
    public struct Options: Sendable {
        /// The kinds wanted; kinds that cannot be looked at are left out in silence.
        public var kinds: Set<Address.Kind>
        /// Whether to find out who has each object open. It costs a look at every descriptor of every process,
        /// and pipes, event counters and named pipes outside ``directories`` are found in no other way.
        public var findsHolders: Bool
        /// Where to search for named pipes and socket paths that nobody has open.
        public var directories: [FilePath]
        /// How far down to search; 1 is the directory itself.
        public var depth: Int
        /// The most directory entries to look at; beyond them the view is partial.
        public var entryLimit: Int

        /// All kinds, with holders, searching ``defaultDirectories`` two levels deep.
        public init(
            kinds: Set<Address.Kind> = HostView.kinds, findsHolders: Bool = true,
            directories: [FilePath] = Options.defaultDirectories, depth: Int = 2, entryLimit: Int = 20_000
        ) {
            self.kinds = kinds
            self.findsHolders = findsHolders
            self.directories = directories
            self.depth = depth
            self.entryLimit = entryLimit
        }

        /// Where programs put such things: `/tmp`, `/run`, `/var/run`, `/var/tmp`, `/dev/shm`, and this user's
        /// directory in `/run/user`.
        public static var defaultDirectories: [FilePath] {
            ["/tmp", "/run", "/var/run", "/var/tmp", "/dev/shm", FilePath("/run/user/\(sysEffectiveUserID())")]
        }
    }
}

/// A part of the host that this process could not see.
public struct MissingPart: Sendable, Hashable, CustomStringConvertible {
    /// What is missing: `"the open files of 12 processes of other users"`.
    public var what: String
    /// What would show it: `"CAP_SYS_PTRACE, or run as the same user"`.
    public var remedy: String
    /// The kinds of object that may be missing, or lack holders, because of it.
    public var kinds: Set<Address.Kind>

    /// Both in a sentence.
    public var description: String { "\(what) (needs \(remedy))" }
}
