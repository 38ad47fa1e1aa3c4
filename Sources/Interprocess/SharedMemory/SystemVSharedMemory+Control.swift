// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
public import SystemPackage

extension SystemVSharedMemory {
    /// Changes who may attach the segment; only reading and writing count.
    ///
    /// - Throws: ``IPCError/Code/permissionDenied`` (EPERM) for who is neither owner nor creator; ``IPCError/Code/removed``.
    ///
    /// The corresponding C function is `shmctl(2)` with `IPC_SET`.
    public func setPermissions(_ permissions: FilePermissions) throws(IPCError) {
        do throws(Errno) { try sysSegmentChange(id, permissions: UInt32(permissions.rawValue)) } catch {
            throw changeFailure(error)
        }
    }

    /// Gives the segment to another user or group; nil leaves it as it is. The creator keeps its rights.
    ///
    /// - Throws: ``IPCError/Code/permissionDenied`` (EPERM) for who is neither owner nor creator; ``IPCError/Code/removed``.
    ///
    /// The corresponding C function is `shmctl(2)` with `IPC_SET`.
    public func setOwner(user: UInt32? = nil, group: UInt32? = nil) throws(IPCError) {
        do throws(Errno) { try sysSegmentChange(id, user: user, group: group) } catch { throw changeFailure(error) }
    }

    /// Keeps the whole segment from being swapped out, for all who attach it, until it is unlocked or gone.
    ///
    /// Pages that are not in memory yet are not brought in, and stay when they come.
    ///
    /// - Throws: ``IPCError/Code/permissionDenied`` (EPERM) for who is neither owner nor creator, or without a right to lock memory;
    ///   ``IPCError/Code/outOfMemory`` (ENOMEM) beyond RLIMIT_MEMLOCK; ``IPCError/Code/removed``.
    ///
    /// The corresponding C function is `shmctl(2)` with `SHM_LOCK`.
    public func lockInMemory() throws(IPCError) {
        do throws(Errno) { try sysSegmentLock(id, true) } catch { throw changeFailure(error) }
    }

    /// Lets the segment be swapped out again.
    ///
    /// The corresponding C function is `shmctl(2)` with `SHM_UNLOCK`.
    public func unlockFromMemory() throws(IPCError) {
        do throws(Errno) { try sysSegmentLock(id, false) } catch { throw changeFailure(error) }
    }

    /// Removes the segment: its key is free, and it goes when nobody has it attached any more.
    ///
    /// - Throws: ``IPCError/Code/permissionDenied`` (EPERM) for who is neither owner nor creator; ``IPCError/Code/removed``
    ///   if it is gone already.
    ///
    /// The corresponding C function is `shmctl(2)` with `IPC_RMID`.
    public func remove() throws(IPCError) {
        do throws(Errno) { try sysSegmentRemove(id) } catch { throw changeFailure(error) }
    }

    /// Removes a segment by its key.
    ///
    /// - Throws: ``IPCError/Code/notFound``; as ``remove()``.
    public static func remove(key: SystemVKey) throws(IPCError) {
        try SystemVSharedMemory(key: key).remove()
    }

    /// Whether a segment has that key.
    ///
    /// The corresponding C function is `shmget(2)`.
    public static func exists(key: SystemVKey) throws(IPCError) -> Bool {
        if key.rawValue == 0 { return false }
        do throws(Errno) { _ = try sysSegmentGet(key.rawValue) } catch  where error == .noSuchFileOrDirectory {
            return false
        } catch {
            throw openFailure(error, key, .openExisting, 0)
        }
        return true
    }

    // MARK: Failures

    private func changeFailure(_ error: Errno) -> IPCError {
        switch error {
        case .notPermitted:
            IPCError(error, "shmctl", subject, hint: "only the segment's owner, its creator and the superuser may")
        case .noMemory:
            IPCError(
                error, "shmctl", subject,
                hint: "RLIMIT_MEMLOCK is \(sysMemoryLimit(.lockedMemory).map { "\($0) bytes" } ?? "unlimited")")
        default: failure(error, "shmctl")
        }
    }

    /// What is common to all calls: the segment is gone, or it is somebody else's.
    func failure(_ error: Errno, _ call: String) -> IPCError {
        switch error {
        case .identifierRemoved, .invalidArgument:
            IPCError(
                code: .removed, call: call, errno: error, subject: subject,
                hint: "the segment was removed after it had been opened")
        case .permissionDenied:
            IPCError(
                error, call, subject,
                hint: "the segment's owner and mode do not allow this to user \(sysEffectiveUserID())")
        case .noMemory:
            IPCError(
                error, call, subject,
                hint: "RLIMIT_AS is \(sysMemoryLimit(.addressSpace).map { "\($0) bytes" } ?? "unlimited")")
        default: IPCError(error, call, subject)
        }
    }

    /// Why opening failed, with the limit that is in the way and what it is now.
    static func openFailure(_ error: Errno, _ key: SystemVKey, _ mode: CreationMode, _ byteCount: Int) -> IPCError {
        let hint: String
        switch error {
        case .noSuchFileOrDirectory: hint = "no segment has that key; .createExclusive or .openOrCreate makes one"
        case .fileExists: hint = "a segment has that key; .openExisting or .openOrCreate opens it"
        case .invalidArgument: hint = sizeHint(key, byteCount)
        case .noSpace:
            hint = "\(KernelLimit.sentence("kernel/shmmni")) segments, \(KernelLimit.sentence("kernel/shmall")) pages"
        case .noMemory: hint = "\(byteCount) bytes do not fit; huge pages must have been set aside (vm.nr_hugepages)"
        case .permissionDenied: hint = "the segment's owner and mode do not allow this to user \(sysEffectiveUserID())"
        case .notPermitted: hint = "huge pages need CAP_IPC_LOCK or the group of vm.hugetlb_shm_group"
        default: hint = ""
        }
        return IPCError(error, "shmget", "sysv-shm:\(key)", hint: hint)
    }

    private static func sizeHint(_ key: SystemVKey, _ byteCount: Int) -> String {
        if key.rawValue != 0, let id = try? sysSegmentGet(key.rawValue), let state = try? sysSegmentState(id) {
            return "the segment has \(state.byteCount) bytes, and \(byteCount) were asked for"
        }
        if byteCount < 1 { return "\(byteCount) bytes were asked for; a segment has at least one" }
        return "\(byteCount) bytes were asked for, and \(KernelLimit.sentence("kernel/shmmax"))"
    }
}
