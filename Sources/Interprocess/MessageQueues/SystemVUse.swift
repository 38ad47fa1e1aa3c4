// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
public import SystemPackage

/// What is counted: the objects of either kind have ids of their own.
enum SystemVUsed: String, Sendable {
    case messageQueue = "sysv-msg"
    case semaphoreSet = "sysv-sem"

    func remove(_ id: Int32) throws(Errno) {
        switch self {
        case .messageQueue: try sysMessageQueueRemove(id)
        case .semaphoreSet: try sysSemaphoreSetRemove(id)
        }
    }

    /// Not being allowed to look at it is no sign that it is gone.
    func isThere(_ id: Int32) -> Bool {
        do throws(Errno) {
            switch self {
            case .messageQueue: _ = try sysMessageQueueState(id)
            case .semaphoreSet: _ = try sysSemaphoreSetState(id)
            }
        } catch {
            return error != .invalidArgument && error != .identifierRemoved
        }
        return true
    }
}

/// One use of a System V queue or set: a shared lock on a small file named after the object's id.
///
/// Who can take the lock alone is the only one: at the end that is the last user, who removes the queue; at
/// the start it is who finds a file that killed users left behind. The kernel drops the locks of a process
/// that dies. A file is only removed by who holds its lock alone, and whoever got a lock makes sure afterwards
/// that the file still has its name.
struct SystemVUse: ~Copyable, Sendable {
    private let file: OwnedDescriptor
    private let path: FilePath
    private let id: Int32
    private let kind: SystemVUsed

    /// Becomes a user.
    ///
    /// - Parameter isCreator: that this process has just made the queue, so whatever a file of that name says is of an
    ///   earlier queue.
    /// - Returns: nil if the queue is gone, which includes that its last user was killed and it has been removed now.
    static func join(
        _ id: Int32, kind: SystemVUsed = .messageQueue, in directory: FilePath?, isCreator: Bool, _ subject: String
    ) throws(IPCError) -> SystemVUse? {
        let directory = try SystemVUseDirectory.open(directory)
        let path = directory.appending(SystemVUseDirectory.fileName(id, kind))
        do throws(Errno) {
            while true {
                let file = try openFile(path)
                if try lockAlone(file.rawValue) {
                    guard isNamed(file.rawValue, path) else { continue }
                    if !isCreator, try sysStatus(file.rawValue).size > 0 {
                        discard(id, kind, path)
                        return nil
                    }
                    try mark(file.rawValue, id, kind)
                } else {
                    try sysDescriptionLock(file.rawValue, .shared, wait: true)
                    guard isNamed(file.rawValue, path) else { continue }
                    if try sysStatus(file.rawValue).size == 0 {
                        // Who was to write it died on the way: whoever gets the lock alone begins anew.
                        try sysDescriptionLock(file.rawValue, .none, wait: false)
                        sysYield()
                        continue
                    }
                }
                try sysDescriptionLock(file.rawValue, .shared, wait: false)
                let use = SystemVUse(file: file, path: path, id: id, kind: kind)
                if kind.isThere(id) { return use }
                use.leave()
                return nil
            }
        } catch {
            if isCreator { try? kind.remove(id) }
            throw IPCError(error, "fcntl", subject, hint: "its users are counted in \(path)")
        }
    }

    /// Stops being a user, and removes the queue if this was the last.
    consuming func leave() {
        // First the own lock goes, then the attempt to be alone: of two who leave at once the later one succeeds.
        try? sysDescriptionLock(file.rawValue, .none, wait: false)
        guard (try? Self.lockAlone(file.rawValue)) == true, Self.isNamed(file.rawValue, path) else { return }
        Self.discard(id, kind, path)
    }

    /// Removes the object that a file stands for, if nobody uses it any more.
    static func removeIfUnused(_ id: Int32, _ kind: SystemVUsed, _ path: FilePath) -> Bool {
        guard let number = try? sysUseFileOpen(path, create: false) else { return false }
        let file = OwnedDescriptor(adopting: number)
        guard (try? lockAlone(file.rawValue)) == true, isNamed(file.rawValue, path),
            let size = try? sysStatus(file.rawValue).size, size > 0
        else { return false }
        discard(id, kind, path)
        return true
    }

    // MARK: Steps

    private static func openFile(_ path: FilePath) throws(Errno) -> OwnedDescriptor {
        while true {
            do throws(Errno) { return OwnedDescriptor(adopting: try sysUseFileOpen(path, create: false)) } catch
                where
                error == .noSuchFileOrDirectory
            {}
            do throws(Errno) {
                let file = OwnedDescriptor(adopting: try sysUseFileOpen(path, create: true, mode: 0o600))
                // Who may come into the directory may count himself, whatever the umask says.
                try sysChangeMode(file.rawValue, 0o666)
                return file
            } catch  where error == .fileExists {}
        }
    }

    private static func lockAlone(_ descriptor: CInt) throws(Errno) -> Bool {
        do throws(Errno) { try sysDescriptionLock(descriptor, .exclusive, wait: false) } catch
            where
            error == .wouldBlock || error == .permissionDenied
        {
            return false
        }
        return true
    }

    private static func mark(_ descriptor: CInt, _ id: Int32, _ kind: SystemVUsed) throws(Errno) {
        try sysUseFileClear(descriptor)
        let text = Array("\(kind.rawValue):id=\(id) pid=\(sysProcessID())\n".utf8)
        _ = try sysWrite(descriptor, text.span)
    }

    private static func isNamed(_ descriptor: CInt, _ path: FilePath) -> Bool {
        guard let open = try? sysStatus(descriptor), let named = try? sysStatus(path) else { return false }
        return open.device == named.device && open.inode == named.inode
    }

    /// The file stays if the object does: somebody who may remove it will find it.
    private static func discard(_ id: Int32, _ kind: SystemVUsed, _ path: FilePath) {
        do throws(Errno) { try kind.remove(id) } catch  where error == .notPermitted { return } catch {}
        try? sysUnlink(path)
    }
}

/// Where the files are that count users.
enum SystemVUseDirectory {
    static func open(_ chosen: FilePath?) throws(IPCError) -> FilePath {
        if let chosen { return chosen }
        let user = sysEffectiveUserID()
        let path = FilePath("/dev/shm/interprocess-\(user)")
        do throws(Errno) {
            do throws(Errno) { try sysUseDirectoryMake(path) } catch  where error == .fileExists {}
            let status = try sysStatus(path)
            guard status.kind == .directory, status.user == user else { throw Errno.permissionDenied }
        } catch {
            throw IPCError(
                error, "mkdir", "\(path)", hint: "the directory must belong to user \(user); another one can be named")
        }
        return path
    }

    /// Ids mean something in one IPC namespace only.
    static func fileName(_ id: Int32, _ kind: SystemVUsed) -> String { prefix(kind) + "\(id)" }

    private static func prefix(_ kind: SystemVUsed) -> String {
        let namespace = (try? sysStatus("/proc/self/ns/ipc", followLinks: true))?.inode ?? 0
        return "\(kind.rawValue)-\(namespace)-"
    }

    /// The ids that files stand for.
    static func entries(_ directory: FilePath, _ kind: SystemVUsed) throws(Errno) -> [(id: Int32, path: FilePath)] {
        let prefix = prefix(kind)
        return try sysUseDirectoryNames(directory).compactMap { name in
            guard name.hasPrefix(prefix), let id = Int32(name.dropFirst(prefix.count)) else { return nil }
            return (id, directory.appending(name))
        }
    }
}

extension SystemVUsed {
    /// Removes the objects of this kind whose users were all killed; how many.
    func removeUnused(in directory: FilePath?) throws(IPCError) -> Int {
        let directory = try SystemVUseDirectory.open(directory)
        do throws(Errno) {
            var count = 0
            for (id, path) in try SystemVUseDirectory.entries(directory, self)
            where SystemVUse.removeIfUnused(id, self, path) {
                count += 1
            }
            return count
        } catch {
            throw IPCError(error, "opendir", "\(directory)")
        }
    }
}

extension SystemVMessageQueue {
    /// Removes the queues whose users were all killed, of those that were opened with ``Lifetime/whileUsed(in:)``.
    ///
    /// Opening a queue in that way does so too.
    ///
    /// - Parameter directory: as there.
    /// - Returns: how many were removed.
    /// - Throws: ``IPCError/Code/notFound``, ``IPCError/Code/permissionDenied`` if the directory cannot be read.
    @discardableResult
    public static func removeUnused(in directory: FilePath? = nil) throws(IPCError) -> Int {
        try SystemVUsed.messageQueue.removeUnused(in: directory)
    }
}
