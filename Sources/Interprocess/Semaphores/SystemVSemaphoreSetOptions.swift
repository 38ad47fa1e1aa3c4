// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
public import SystemPackage

extension SystemVSemaphoreSet {
    /// One step of a group that is done as a whole or not at all: to take from one semaphore of the set, to add to it, or to wait
    /// until it is 0.
    ///
    /// ```swift
    /// try forks.perform([.wait(left, undo: true), .wait(right, undo: true)])     // both or none
    /// ```
    ///
    /// The corresponding C structure is `struct sembuf`, which it has the layout of.
    @frozen
    public struct Operation: Sendable, Hashable, BitwiseCopyable {
        let rawNumber: UInt16
        let rawChange: Int16
        let rawFlags: Int16

        @inline(__always)
        init(_ number: Int, _ change: Int, undo: Bool, noWait: Bool) {
            // A number that no set can have stays one.
            rawNumber = UInt16(truncatingIfNeeded: min(UInt(bitPattern: number), 65535))
            rawChange = Int16(truncatingIfNeeded: change)
            // SEM_UNDO and IPC_NOWAIT.
            rawFlags = (undo ? 0x1000 : 0) | (noWait ? 0x800 : 0)
        }

        /// As one number, the way one operation alone goes to the kernel.
        @inline(__always)
        var packed: UInt64 {
            UInt64(rawNumber) | UInt64(UInt16(bitPattern: rawChange)) << 16
                | UInt64(UInt16(bitPattern: rawFlags)) << 32
        }

        /// Takes from a semaphore; has to wait while it has less (P).
        ///
        /// - Parameters:
        ///   - number: which of the set, from 0.
        ///   - amount: how much, 1 to 32767.
        ///   - undo: whether the kernel gives it back when this process ends, in whatever way (SEM_UNDO).
        ///   - noWait: whether the group fails instead of waiting for this (IPC_NOWAIT).
        @inline(__always)
        public static func wait(
            _ number: Int = 0, by amount: Int = 1, undo: Bool = false, noWait: Bool = false
        ) -> Operation {
            precondition((1...32767).contains(amount), "an amount is 1 to 32767")
            return Operation(number, -amount, undo: undo, noWait: noWait)
        }

        /// Adds to a semaphore, which never has to wait (V).
        ///
        /// - Parameters:
        ///   - number: which of the set, from 0.
        ///   - amount: how much, 1 to 32767.
        ///   - undo: whether the kernel takes it back when this process ends; for what was taken with undo.
        @inline(__always)
        public static func post(_ number: Int = 0, by amount: Int = 1, undo: Bool = false) -> Operation {
            precondition((1...32767).contains(amount), "an amount is 1 to 32767")
            return Operation(number, amount, undo: undo, noWait: false)
        }

        /// Has to wait while a semaphore is not 0; changes nothing.
        ///
        /// - Parameters:
        ///   - number: which of the set, from 0.
        ///   - noWait: whether the group fails instead of waiting for this (IPC_NOWAIT).
        public static func waitForZero(_ number: Int = 0, noWait: Bool = false) -> Operation {
            Operation(number, 0, undo: false, noWait: noWait)
        }

        /// Which semaphore of the set, from 0.
        public var number: Int { Int(rawNumber) }
        /// What is added: negative to take, 0 to wait for zero.
        public var change: Int { Int(rawChange) }
        /// Whether the kernel undoes it when the process ends (SEM_UNDO).
        public var hasUndo: Bool { rawFlags & 0x1000 != 0 }
        /// Whether the group fails instead of waiting for this (IPC_NOWAIT).
        public var failsInsteadOfWaiting: Bool { rawFlags & 0x800 != 0 }

        /// What takes it back, without undo.
        var inverse: Operation { Operation(number, -change, undo: false, noWait: false) }
        /// The same without undo.
        var withoutUndo: Operation { Operation(number, change, undo: false, noWait: failsInsteadOfWaiting) }
    }

    /// When the set goes.
    ///
    /// The kernel itself keeps it until somebody removes it or the machine is restarted.
    public enum Lifetime: Sendable, Hashable {
        /// It stays until somebody removes it.
        case untilRemoved
        /// It goes with this handle, whoever else uses it: they get ``IPCError/Code/removed``.
        case removeOnClose
        /// It goes with the last of those who opened it in this way, even if users are killed.
        ///
        /// As ``SystemVMessageQueue/Lifetime/whileUsed(in:)``: each user holds a lock on a small file, which the kernel drops with
        /// the process; what the last one left who was killed, the next one who opens a set in this way removes, and so does
        /// ``SystemVSemaphoreSet/removeUnused(in:)``.
        ///
        /// - Parameter directory: where the files are; all users of a set must name the same. Nil is
        ///   `/dev/shm/interprocess-UID`.
        case whileUsed(in: FilePath? = nil)
    }

    /// What opening does about a set that has no values yet.
    ///
    /// `semget(2)` makes a set and `semctl(2)` or `semop(2)` gives it values: two steps, between which others may find
    /// it, and in whose middle the maker may die. The rule that programs follow since Stevens wrote it down: the
    /// maker's last step is a `semop(2)`, and a set on which there never was one (`sem_otime` is 0) is not ready.
    public enum Initialization: Sendable, Hashable {
        /// Waits until the set is ready by that rule, for a maker that is at it.
        ///
        /// A set that is older than `patience` and still not ready: if somebody has given it values, it counts as ready
        /// (its maker does not know the rule). If nobody has, its maker died in between: `.openOrCreate` removes it and makes
        /// a new one, `.openExisting` fails with ``IPCError/Code/timedOut`` and says so.
        case awaited(patience: Duration = .seconds(2))
        /// Takes the set as it is.
        case asFound
    }

    /// The largest value of a semaphore: 32 767 (SEMVMX).
    public static let maximumValue = 32767
}

/// What the kernel allows in this IPC namespace: `kernel.sem`.
public struct SystemVSemaphoreLimits: Sendable, Hashable {
    /// How many semaphores a set may have (SEMMSL).
    public var semaphoresPerSet: Int
    /// How many semaphores all sets together may have (SEMMNS).
    public var semaphores: Int
    /// How many operations one group may have (SEMOPM).
    public var operationsPerGroup: Int
    /// How many sets there may be (SEMMNI).
    public var sets: Int

    /// The limits now; nil if they cannot be read.
    public static var current: SystemVSemaphoreLimits? {
        guard let text = try? KernelLimit.contents("/proc/sys/kernel/sem") else { return nil }
        let numbers = text.split(whereSeparator: { $0.isWhitespace }).compactMap { Int($0) }
        guard numbers.count >= 4 else { return nil }
        return SystemVSemaphoreLimits(
            semaphoresPerSet: numbers[0], semaphores: numbers[1], operationsPerGroup: numbers[2], sets: numbers[3])
    }
}
