// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
public import SystemPackage

/// A lock file that says who holds it: for programs of which only one may run, or tools that take turns.
///
/// ```swift
/// guard let lock = try LockFile.tryAcquire("/run/backup.lock", label: "nightly backup") else {
///     print("already running: \(try LockFile.holder(of: "/run/backup.lock")!)")
///     return
/// }
/// ```
///
/// What decides is a lock of the kernel on the file (``FileLock/Kind/openFile``), never that the file exists or what it
/// says: a file that a killed process has left behind is simply free. The text in it is for people, and for
/// ``holder(of:)``, which believes it only while the lock is held.
///
/// Ownership: the value is the lock; its end releases it.
///
/// If a process dies: the lock is free at once, unless a child that it forked, without `exec`, lives on.
///
/// The corresponding C function is `fcntl(2)` with `F_OFD_SETLK`.
public struct LockFile: ~Copyable, Sendable {
    /// Where it lies.
    public let path: FilePath
    // In this order: what is done to the file at the end is done before the lock goes.
    private let removal: LockFileRemoval
    private let lock: FileLock

    private init(_ path: FilePath, _ lock: consuming FileLock, removeOnClose: Bool) {
        self.path = path
        removal = LockFileRemoval(path, lock.rawValue, removes: removeOnClose)
        self.lock = lock
    }

    /// Takes the lock if it is free.
    ///
    /// - Parameters:
    ///   - path: the file; it is made if it is not there, and its contents are replaced. A symbolic link is refused.
    ///   - label: what ``Holder/label`` shows others; the program's name unless given. Of several lines, the first.
    ///   - removeOnClose: whether the end removes the file. It is nicer to look at; nothing depends on it.
    ///   - permissions: of a file that is made.
    /// - Returns: nil if somebody else holds it.
    /// - Throws: ``IPCError/Code/permissionDenied``, ``IPCError/Code/notFound`` if the folder is not there,
    ///   ``IPCError/Code/limitReached``, ``IPCError/Code/invalidName`` for a link.
    public static func tryAcquire(
        _ path: FilePath, label: String? = nil, removeOnClose: Bool = false, permissions: FilePermissions = .ownerOnly
    ) throws(IPCError) -> LockFile? {
        while true {
            let lock = try open(path, permissions)
            guard try lock.tryLock() else { return nil }
            if let held = try finish(lock, path, label, removeOnClose) { return held }
        }
    }

    /// Takes the lock; the thread waits while somebody else holds it, at most until `deadline`.
    ///
    /// - Throws: ``IPCError/Code/timedOut`` with the holder in the hint; as
    ///   ``tryAcquire(_:label:removeOnClose:permissions:)``.
    ///
    /// Blocking: the thread.
    public static func acquire(
        _ path: FilePath, label: String? = nil, removeOnClose: Bool = false, permissions: FilePermissions = .ownerOnly,
        until deadline: Deadline = .never
    ) throws(IPCError) -> LockFile {
        while true {
            let lock = try open(path, permissions)
            if deadline == .never { try lock.lock() } else { try lock.lock(until: deadline) }
            if let held = try finish(lock, path, label, removeOnClose) { return held }
        }
    }

    /// Takes the lock; the task is suspended while somebody else holds it.
    ///
    /// - Throws: ``IPCError/Code/cancelled``, ``IPCError/Code/timedOut``; as
    ///   ``tryAcquire(_:label:removeOnClose:permissions:)``.
    public static func acquire(
        _ path: FilePath, label: String? = nil, removeOnClose: Bool = false, permissions: FilePermissions = .ownerOnly,
        until deadline: Deadline = .never
    ) async throws(IPCError) -> LockFile {
        while true {
            let lock = try open(path, permissions)
            try await lock.lock(until: deadline)
            if let held = try finish(lock, path, label, removeOnClose) { return held }
        }
    }

    /// Releases the lock, and removes the file if `removeOnClose` was asked for.
    public consuming func close() throws(IPCError) {
        removal.perform()
        try lock.close()
    }

    // MARK: Internals

    private static func open(_ path: FilePath, _ permissions: FilePermissions) throws(IPCError) -> FileLock {
        let subject = "\(Address.file(path))"
        let descriptor = try FileLock.open(
            path, .openOrCreate, .readWrite, permissions, subject, followLinks: false)
        return FileLock(adopting: descriptor, subject: subject)
    }

    /// Writes who holds it; nil if the file was removed while we waited for it, so that others would lock another.
    private static func finish(
        _ lock: consuming FileLock, _ path: FilePath, _ label: String?, _ removeOnClose: Bool
    ) throws(IPCError) -> LockFile? {
        do throws(Errno) {
            let ours = try sysStatus(lock.rawValue)
            do throws(Errno) {
                let named = try sysStatus(path)
                if named.inode != ours.inode || named.device != ours.device { return nil }
            } catch  where error == .noSuchFileOrDirectory { return nil }
            try Holder(own: label).write(lock.rawValue)
        } catch { throw IPCError(error, "pwrite", lock.subject) }
        return LockFile(path, lock, removeOnClose: removeOnClose)
    }
}

/// What the end of a lock file does to the file while the lock is still held.
final class LockFileRemoval: Sendable {
    private let path: FilePath
    private let descriptor: CInt
    private let removes: Bool
    private let process = sysProcessID()
    private let ending = Once()

    init(_ path: FilePath, _ descriptor: CInt, removes: Bool) {
        self.path = path
        self.descriptor = descriptor
        self.removes = removes
    }

    deinit { perform() }

    /// The text goes in any case: what is free should not name a holder.
    func perform() {
        guard ending.first(), sysProcessID() == process else { return }
        if removes { try? sysUnlink(path) }
        try? sysTruncate(descriptor, 0)
    }
}
