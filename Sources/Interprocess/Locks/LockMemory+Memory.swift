// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import Synchronization
import SystemPackage

/// The first 64 bytes of every lock in shared memory: what it is, so that nobody takes it for something else.
struct LockHeader {
    enum Kind: UInt32 { case mutex = 1, readWrite, condition, barrier, once, lease }

    static let sizeBytes = 64
    /// `IPCLOCK1` in memory.
    static let magic: UInt64 = 0x314b_434f_4c43_5049

    var kind: Kind
    /// Of the value that it guards, or what else both sides must agree on.
    var fingerprint: UInt64
    /// Including the header.
    var byteCount: Int
    var parameter: UInt32 = 0

    /// Writes the header at `offset`; the magic last, so that a reader who sees it sees all.
    func write(_ memory: LockMemory, _ offset: Int) {
        memory.store(UInt32(kind.rawValue), at: offset + 8)
        memory.store(parameter, at: offset + 12)
        memory.store(fingerprint, at: offset + 16)
        memory.store(UInt64(byteCount), at: offset + 24)
        memory.store(Self.magic, at: offset)
    }

    /// Checks that the lock at `offset` is this one; returns its parameter.
    func check(_ memory: LockMemory, _ offset: Int) throws(IPCError) -> UInt32 {
        func refuse(_ hint: String) -> IPCError { IPCError(code: .malformed, subject: memory.subject, hint: hint) }
        guard memory.load64(at: offset) == Self.magic else {
            throw refuse("there is no lock of this library at byte \(offset)")
        }
        guard memory.load32(at: offset + 8) == kind.rawValue else {
            throw refuse("the lock there is of another kind, not \(kind)")
        }
        guard memory.load64(at: offset + 16) == fingerprint else {
            throw refuse("it guards a value of another type or version than this program's")
        }
        guard memory.load64(at: offset + 24) == UInt64(byteCount) else {
            throw refuse("its size is not that of this program's")
        }
        return memory.load32(at: offset + 12)
    }
}

extension LockMemory {
    /// That `byteCount` bytes at `offset` are there, and aligned for a lock.
    func require(_ byteCount: Int, at offset: Int) throws(IPCError) {
        guard offset >= 0, offset % 64 == 0, byteCount <= self.byteCount, offset <= self.byteCount - byteCount else {
            throw IPCError(
                code: .invalidArgument, subject: subject,
                hint:
                    "a lock of \(byteCount) bytes at byte \(offset) does not fit into \(self.byteCount) bytes at a multiple of 64"
            )
        }
    }

    /// A place within the memory.
    @unsafe
    func pointer(_ offset: Int) -> UnsafeMutableRawPointer {
        // SAFETY: every caller has checked the range with `require`.
        unsafe region.base + offset
    }

    /// A word for atomic use and for futex(2); it lives as long as this memory.
    func word(at offset: Int) -> SharedWord {
        // SAFETY: within the range that was checked, aligned to 4 as all offsets of words are.
        unsafe SharedWord(pointer(offset).assumingMemoryBound(to: Atomic<UInt32>.self))
    }

    func store(_ value: UInt32, at offset: Int) { word(at: offset).store(value) }
    func load32(at offset: Int) -> UInt32 { word(at: offset).load() }

    func store(_ value: UInt64, at offset: Int) {
        // SAFETY: as for words, aligned to 8.
        unsafe pointer(offset).assumingMemoryBound(to: Atomic<UInt64>.self).pointee.store(value, ordering: .releasing)
    }

    func load64(at offset: Int) -> UInt64 {
        // SAFETY: as for words, aligned to 8.
        unsafe pointer(offset).assumingMemoryBound(to: Atomic<UInt64>.self).pointee.load(ordering: .acquiring)
    }
}

/// A word of 32 bits in shared memory. Whoever has one keeps the memory.
@safe struct SharedWord: @unchecked Sendable {
    // SAFETY: the memory outlives the value: it stands beside a reference to it.
    @unsafe private let word: UnsafeMutablePointer<Atomic<UInt32>>

    @unsafe init(_ word: UnsafeMutablePointer<Atomic<UInt32>>) {
        // SAFETY: see above.
        unsafe self.word = word
    }

    @inline(__always) func load() -> UInt32 {
        // SAFETY: see above; all patterns of bits are values.
        unsafe word.pointee.load(ordering: .acquiring)
    }

    @inline(__always) func store(_ value: UInt32) {
        // SAFETY: see above.
        unsafe word.pointee.store(value, ordering: .releasing)
    }

    /// Adds one and wraps.
    func advance() {
        // SAFETY: see above.
        _ = unsafe word.pointee.wrappingAdd(1, ordering: .acquiringAndReleasing)
    }

    /// Sleeps while the word is `expected`; spurious returns are possible.
    func wait(_ expected: UInt32, untilNanoseconds deadline: UInt64, retryOnInterrupt: Bool) throws(Errno) {
        // SAFETY: see above.
        try unsafe sysFutexWait(
            UnsafeRawPointer(word), expected: expected, shared: true, deadlineNanoseconds: deadline,
            retryOnInterrupt: retryOnInterrupt)
    }

    func wakeAll() {
        // SAFETY: see above. A mapped and aligned word cannot be refused.
        _ = try? unsafe sysFutexWake(UnsafeRawPointer(word), count: .max, shared: true)
    }
}

/// A robust mutex in shared memory, by address and kind. Whoever has one keeps the memory.
@frozen @usableFromInline @safe
struct RobustSlot: @unchecked Sendable {
    // SAFETY: the memory outlives the value: it stands beside a reference to it.
    @unsafe @usableFromInline let mutex: UnsafeMutableRawPointer
    @usableFromInline let kind: Int32

    /// Makes the mutex at `offset`.
    init(creatingIn memory: LockMemory, at offset: Int, recursive: Bool = false) throws(IPCError) {
        do throws(Errno) {
            // SAFETY: the caller has checked the range, of which 64 bytes are the mutex's.
            unsafe try sysMutexInitialize(memory.pointer(offset), recursive: recursive)
        } catch { throw IPCError(error, "pthread_mutex_init", memory.subject) }
        try self.init(openingIn: memory, at: offset)
    }

    /// Takes the mutex at `offset` as it is, if it is one.
    init(openingIn memory: LockMemory, at offset: Int) throws(IPCError) {
        // SAFETY: as above.
        unsafe mutex = memory.pointer(offset)
        guard let kind = unsafe sysMutexKind(memory.pointer(offset)) else {
            throw IPCError(
                code: .malformed, subject: memory.subject,
                hint: "what lies at byte \(offset) is not a robust mutex that is shared between processes")
        }
        self.kind = kind
    }

    @inline(__always) func lock() -> RobustHold {
        // SAFETY: see above, for this and the others.
        unsafe sysMutexLock(mutex, kind: kind)
    }
    @inline(__always) func tryLock() -> RobustHold {
        // SAFETY: see above.
        unsafe sysMutexTryLock(mutex, kind: kind)
    }
    func lock(until deadline: Deadline) -> RobustHold {
        // SAFETY: see above.
        if deadline == .never {
            unsafe sysMutexLock(mutex, kind: kind)
        } else {
            unsafe sysMutexLock(mutex, kind: kind, untilNanoseconds: deadline.monotonicNanoseconds)
        }
    }
    func makeConsistent() throws(Errno) {
        // SAFETY: see above.
        try unsafe sysMutexConsistent(mutex)
    }
    /// Releases; 0, or what is wrong with the mutex.
    @inline(__always) @discardableResult func unlock(_ hold: RobustHold) -> CInt {
        // SAFETY: see above.
        unsafe sysMutexUnlock(mutex, hold, kind: kind)
    }
}

extension LockMemory {
    /// Locks what lies over the mutex of a lock of ours; the one place that says what the outcomes mean.
    ///
    /// - Returns: the hold, and whether the last owner died; nil if busy (not to wait) or late.
    func interpret(_ hold: RobustHold, _ call: String) throws(IPCError) -> (hold: RobustHold, ownerDied: Bool)? {
        switch hold.result {
        case 0: return (hold, false)
        case RobustHold.ownerDied: return (hold, true)
        case RobustHold.busy, RobustHold.late: return nil
        default: throw failure(hold.result, call)
        }
    }

    func failure(_ result: CInt, _ call: String) -> IPCError {
        let hint =
            switch result {
            case RobustHold.corrupted: "somebody has written over the lock"
            case RobustHold.notRecoverable:
                "an owner died, and whoever came next gave up: remove the lock and what it guards, and make both anew"
            case RobustHold.deadlock: "this thread holds the lock already"
            default: ""
            }
        return IPCError(Errno(rawValue: result), call, subject, hint: hint)
    }
}
