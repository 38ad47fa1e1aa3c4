// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import SystemPackage

extension FileLock {
    /// Locks; waits while others are in the way.
    ///
    /// Bytes that this handle has locked already change to `strength`: for `.openFile` in one step; to wait for an exclusive
    /// lock while holding a shared one ends only when all others let go, and if two do so, never.
    ///
    /// - Parameters:
    ///   - strength: shared or exclusive.
    ///   - range: which bytes; ``Kind/flock`` knows the whole file only.
    ///   - retryOnInterrupt: whether a signal handler that runs in this thread leaves the wait as it is.
    /// - Throws: ``IPCError/Code/badDescriptor`` (EBADF) for an exclusive lock through a file opened `.readOnly`;
    ///   ``IPCError/Code/deadlock`` (EDEADLK) for `.process`; ``IPCError/Code/interrupted``;
    ///   ``IPCError/Code/system`` (ENOLCK) if the kernel or a file server has no more room for locks.
    ///
    /// Blocking: the thread.
    ///
    /// The corresponding C functions are `fcntl(2)` with `F_OFD_SETLKW`, and `flock(2)`.
    public func lock(
        _ strength: Strength = .exclusive, _ range: ByteRange = .whole, retryOnInterrupt: Bool = true
    ) throws(IPCError) {
        try check(range)
        do throws(Errno) {
            try Self.apply(
                descriptor.rawValue, kind, strength.lock, range, wait: true, retryOnInterrupt: retryOnInterrupt)
        } catch { throw failure(error, strength) }
    }

    /// Locks if nobody is in the way.
    ///
    /// - Returns: whether the lock is held now. A change that fails leaves the lock as it was, but for ``Kind/flock``,
    ///   which loses it.
    /// - Throws: as ``lock(_:_:retryOnInterrupt:)``.
    ///
    /// The corresponding C functions are `fcntl(2)` with `F_OFD_SETLK`, and `flock(2)` with `LOCK_NB`.
    public func tryLock(_ strength: Strength = .exclusive, _ range: ByteRange = .whole) throws(IPCError) -> Bool {
        try check(range)
        do throws(Errno) {
            try Self.apply(descriptor.rawValue, kind, strength.lock, range, wait: false)
            return true
        } catch  where error == .wouldBlock || error == .permissionDenied {
            return false
        } catch { throw failure(error, strength) }
    }

    /// Locks; waits until `deadline` while others are in the way.
    ///
    /// No call of the kernel takes a time limit here: beyond the first attempt a waiter thread makes the call, and the calling
    /// thread waits for it.
    ///
    /// - Throws: ``IPCError/Code/timedOut``, and then nothing has changed; ``IPCError/Code/tooManyWaiters``; as
    ///   ``lock(_:_:retryOnInterrupt:)``.
    public func lock(
        _ strength: Strength = .exclusive, _ range: ByteRange = .whole, until deadline: Deadline
    ) throws(IPCError) {
        if try tryLock(strength, range) { return }
        if deadline.hasPassed { throw late() }
        let (number, kind, lock) = (descriptor.rawValue, kind, strength.lock)
        do throws(IPCError) {
            try WaiterThread(subject: subject).performBlocking(call: call, until: deadline) { () throws(Errno) in
                try Self.apply(number, kind, lock, range, wait: true, retryOnInterrupt: false)
            }
        } catch { throw refined(error, strength) }
    }

    /// Releases what this handle holds of `range`; nothing if it holds nothing.
    ///
    /// - Throws: ``IPCError/Code/system`` (ENOLCK) if a range in the middle of a lock is released, which makes two of
    ///   one, and there is no room.
    public func unlock(_ range: ByteRange = .whole) throws(IPCError) {
        try check(range)
        do throws(Errno) { try Self.apply(descriptor.rawValue, kind, .none, range, wait: false) } catch {
            throw IPCError(error, call, subject)
        }
    }

    // MARK: With a body

    // A closure that does not suspend fits the asynchronous form too, which is meant wherever one may suspend.
    /// Runs `body` with the lock held, and releases it.
    ///
    /// - Throws: ``IPCError`` as ``lock(_:_:until:)``, and then `body` has not run; what `body` throws.
    @_disfavoredOverload
    public func withLock<Result: ~Copyable>(
        _ strength: Strength = .exclusive, _ range: ByteRange = .whole, until deadline: Deadline = .never,
        _ body: () throws -> Result
    ) throws -> Result {
        if deadline == .never { try lock(strength, range) } else { try lock(strength, range, until: deadline) }
        defer { try? unlock(range) }
        return try body()
    }

    // MARK: Internals

    static func apply(
        _ number: CInt, _ kind: Kind, _ lock: DescriptionLock, _ range: ByteRange, wait: Bool,
        retryOnInterrupt: Bool = true
    ) throws(Errno) {
        switch kind {
        case .openFile:
            try sysRecordLock(
                number, lock, range.record, owner: .description, wait: wait, retryOnInterrupt: retryOnInterrupt)
        case .process:
            try sysRecordLock(
                number, lock, range.record, owner: .process, wait: wait, retryOnInterrupt: retryOnInterrupt)
        case .flock: try sysFlock(number, lock, wait: wait, retryOnInterrupt: retryOnInterrupt)
        }
    }

    func check(_ range: ByteRange) throws(IPCError) {
        if kind == .flock && range != .whole {
            throw IPCError(
                code: .invalidArgument, call: call, subject: subject,
                hint: "flock locks whole files; take .openFile for ranges")
        }
    }

    var call: String { kind == .flock ? "flock" : "fcntl" }

    func late() -> IPCError {
        let holder = (try? holders())?.first
        return IPCError(.timedOut, call, subject, hint: holder.map { "it is held: \($0)" } ?? "others hold the lock")
    }

    func failure(_ error: Errno, _ strength: Strength) -> IPCError {
        let hint =
            switch error {
            case .badFileDescriptor where strength == .exclusive: "an exclusive lock needs a file opened .readWrite"
            case .badFileDescriptor: "a shared lock needs a file that may be read"
            case .deadlock:
                "the processes that are in the way wait, directly or through others, for a lock of this one"
            default: ""
            }
        return IPCError(error, call, subject, hint: hint)
    }

    /// What a waiter thread failed with, in this object's own words.
    func refined(_ error: IPCError, _ strength: Strength) -> IPCError {
        if error.code == .timedOut { return late() }
        return error.errno.map { failure($0, strength) } ?? error
    }
}

extension FileLock.Strength {
    var lock: DescriptionLock { self == .shared ? .shared : .exclusive }
}
