// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import Synchronization
import SystemPackage

extension SystemVSharedMemory {
    /// When the segment goes.
    ///
    /// The kernel itself keeps a segment until somebody removes it or the machine is restarted. A segment that is removed
    /// while it is attached lives on without a key until the last process detaches it.
    public enum Lifetime: Sendable, Hashable {
        /// It stays until somebody removes it.
        case untilRemoved
        /// It is removed with this handle; who has it attached keeps it, and nobody finds it any more.
        case removeOnClose
        /// It is removed as soon as this handle has attached it: it goes with its last attachment, even if all processes are
        /// killed. Its key is gone from then on; others attach it by its ``SystemVSharedMemory/id`` while anybody has
        /// it attached. Between creation and first attachment, some microseconds, a killed creator leaves it behind.
        case whileAttached
    }

    /// What else a segment that is created is asked for.
    public struct Options: OptionSet, Sendable, Hashable {
        /// The bits.
        public let rawValue: UInt32
        /// A set of these bits.
        public init(rawValue: UInt32) { self.rawValue = rawValue }
        /// Nothing.
        public init() { rawValue = 0 }

        /// Nothing.
        public static let none = Options()
        /// It is made of huge pages, which must have been set aside (`vm.nr_hugepages`; SHM_HUGETLB).
        public static let hugePages = Options(rawValue: 1)
        /// Swap space is not reserved for it (SHM_NORESERVE).
        public static let unreserved = Options(rawValue: 2)
    }
}

/// What happens at the end of a handle, once.
struct SystemVSegmentEnding: ~Copyable, Sendable {
    private let id: Int32
    private let subject: String
    private let armed: Atomic<Bool>

    init(_ id: Int32, armed: Bool, _ subject: String) {
        self.id = id
        self.subject = subject
        self.armed = Atomic(armed)
    }

    deinit {
        // There is nobody to tell here; `close()` is for those who want to know.
        try? perform()
    }

    func perform() throws(IPCError) {
        guard armed.exchange(false, ordering: .relaxed) else { return }
        do throws(Errno) { try sysSegmentRemove(id) } catch {
            if error == .invalidArgument || error == .identifierRemoved { return }
            throw IPCError(error, "shmctl", subject, hint: "only the segment's owner and creator may remove it")
        }
    }
}
