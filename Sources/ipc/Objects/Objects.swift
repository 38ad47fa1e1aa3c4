// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import SystemPackage

/// What `create` was asked for.
struct CreationPlan: Sendable {
    var permissions: FilePermissions
    var exclusive: Bool
    var maxMessages: Int?
    var messageSize: Int?
    /// Bytes of memory or of a file.
    var size: Int?
    /// Of a semaphore, or of each of a set.
    var value: Int?
    /// How many semaphores a set has.
    var count: Int?
    /// Of each semaphore of a set.
    var values: [Int]?

    var mode: CreationMode { exclusive ? .createExclusive : .openOrCreate }
}

/// Objects as such, whatever goes through them: made, removed, given other modes and owners.
enum Objects {
    /// Makes it and returns the address by which `list` knows it.
    static func create(_ address: Address, _ plan: CreationPlan) throws -> Address {
        switch (address.kind, address.name) {
        case (.file, .path(let path)):
            if let size = plan.size {
                try createFile(address, path, size: size, plan)
            } else {
                try createFile(address, path, plan)
            }
            return canonical(address)
        case (.fifo, .path(let path)):
            try NamedPipe(path).create(plan.mode, permissions: plan.permissions)
            return canonical(address)
        case (.mq, .object(let name)): return try createQueue(name, plan)
        case (.sysvMsg, _): return try createSystemVQueue(address, plan)
        case (.sem, .object(let name)): return try createSemaphore(name, plan)
        case (.sysvSem, _): return try createSemaphoreSet(address, plan)
        case (.shm, .object(let name)): return try createMemory(name, plan)
        case (.sysvShm, _): return try createSegment(address, plan)
        case (.memfd, _):
            throw Failure.unfit(
                address, "memory without a name lives only in the processes that have it open; use shm:/name")
        case (.pid, _): throw Failure.unfit(address, "a process is started, not created")
        case (.unix, _), (.unixDatagram, _), (.unixSeqpacket, _), (.tcp, _), (.udp, _):
            throw Failure.unfit(address, "a socket is made by listening: ipc receive \(address) --listen")
        case (.topic, _): throw topicIsMadeByUsing(address)
        default: throw notBuilt(address, "create")
        }
    }

    static func remove(_ address: Address) throws {
        switch (address.kind, address.name) {
        case (_, .path(let path)):
            try PathObject(address, path).verify()
            try rethrow(address, "unlink") { () throws(Errno) in try sysUnlink(path) }
        case (.mq, .object(let name)): try MessageQueue.unlink(name)
        case (.sysvMsg, _): try openSystemVQueue(address).remove()
        case (.sem, .object(let name)): try NamedSemaphore.unlink(name)
        case (.sysvSem, _): try openSemaphoreSet(address).remove()
        case (.shm, .object(let name)): try SharedMemoryObject.unlink(name)
        case (.sysvShm, _): try openSegment(address).remove()
        case (.topic, _): try removeTopic(address)
        case (.pid, _): throw Failure.unfit(address, "a process is ended, not removed: ipc signal \(address) TERM")
        case (.unix, _), (.unixDatagram, _), (.unixSeqpacket, _), (.tcp, _), (.udp, _):
            throw Failure.unfit(
                address, "it has no name in the file system; it goes when the program that holds it closes it")
        default: throw notBuilt(address, "remove")
        }
    }

    /// Fails if the object is not there, or is not what its address says.
    static func verify(_ address: Address) throws {
        switch (address.kind, address.name) {
        case (_, .path(let path)): try PathObject(address, path).verify()
        case (.mq, .object(let name)):
            if try !MessageQueue.exists(name) { throw IPCError(.noSuchFileOrDirectory, "mq_unlink", "\(address)") }
        case (.sysvMsg, _): try openSystemVQueue(address).close()
        case (.sem, .object), (.shm, .object): try MemoryFile(address).verify()
        case (.sysvSem, _): try openSemaphoreSet(address).close()
        case (.sysvShm, _): try openSegment(address).close()
        case (.topic, _): try verifyTopic(address)
        default: throw notBuilt(address, "remove")
        }
    }

    static func changeMode(_ address: Address, _ text: String) throws {
        switch (address.kind, address.name) {
        case (_, .path(let path)):
            let object = PathObject(address, path)
            let now = FilePermissions(rawValue: CInterop.Mode(try object.verify().permissions))
            let mode = try Quantity.permissions(text, current: now)
            try rethrow(address, "chmod") { () throws(Errno) in
                try sysChangeMode(at: object.directory, path, mode.rawValue)
            }
        case (.mq, .object(let name)):
            let queue = try MessageQueue(name, access: .receiveOnly)
            try queue.setPermissions(try Quantity.permissions(text, current: queue.status().permissions))
        case (.sysvMsg, _):
            let queue = try openSystemVQueue(address)
            try queue.setPermissions(try Quantity.permissions(text, current: queue.status().permissions))
        case (.sem, .object), (.shm, .object): try MemoryFile(address).changeMode(text)
        case (.sysvSem, _):
            let set = try openSemaphoreSet(address)
            try set.setPermissions(try Quantity.permissions(text, current: set.status().permissions))
        case (.sysvShm, _):
            let segment = try openSegment(address)
            try segment.setPermissions(try Quantity.permissions(text, current: segment.status().permissions))
        case (.topic, _): throw topicHasNoMode(address, "chmod")
        default: throw notBuilt(address, "chmod")
        }
    }

    static func changeOwner(_ address: Address, user: UInt32?, group: UInt32?) throws {
        switch (address.kind, address.name) {
        case (_, .path(let path)):
            try PathObject(address, path).verify()
            try rethrow(address, "chown") { () throws(Errno) in
                try sysChangeOwner(path, user: user ?? .max, group: group ?? .max)
            }
        case (.mq, .object(let name)): try MessageQueue(name, access: .receiveOnly).setOwner(user: user, group: group)
        case (.sysvMsg, _): try openSystemVQueue(address).setOwner(user: user, group: group)
        case (.sem, .object), (.shm, .object): try MemoryFile(address).changeOwner(user, group)
        case (.sysvSem, _): try openSemaphoreSet(address).setOwner(user: user, group: group)
        case (.sysvShm, _): try openSegment(address).setOwner(user: user, group: group)
        case (.topic, _): throw topicHasNoMode(address, "chown")
        default: throw notBuilt(address, "chown")
        }
    }

    private static func createFile(_ address: Address, _ path: FilePath, _ plan: CreationPlan) throws {
        let exclusively: FileDescriptor.OpenOptions = plan.exclusive ? [.create, .exclusiveCreate] : []
        let flags = FileSink.flags(writing: true) | exclusively.rawValue
        do throws(Errno) {
            if !plan.exclusive {
                do throws(Errno) {
                    let existing = OwnedDescriptor(adopting: try sysOpen(path, flags: flags))
                    return try FileSink.verify(existing.rawValue, address)
                } catch  where error == .noSuchFileOrDirectory {}
            }
            let options: FileDescriptor.OpenOptions = [.create, .exclusiveCreate]
            let file = OwnedDescriptor(adopting: try sysOpen(path, flags: flags | options.rawValue))
            try sysChangeMode(file.rawValue, plan.permissions.rawValue)
        } catch {
            throw IPCError(error, "open", address.description, hint: FileSink.hint(error))
        }
    }

    /// The address that `list` prints: absolute paths without links, keys as numbers.
    static func canonical(_ address: Address) -> Address {
        switch address.name {
        case .path(let path):
            guard let real = try? sysRealPath(path), let canonical = try? Address(kind: address.kind, name: .path(real))
            else { return address }
            return canonical
        case .projectFile(let path, let project):
            guard let key = try? SystemVKey.path(path, project: project),
                let canonical = try? Address(kind: address.kind, name: .key(key))
            else { return address }
            return canonical
        default: return address
        }
    }

    static func notBuilt(_ address: Address, _ verb: String) -> Failure {
        if case .number = address.name {
            return .unfit(address, "what has no name can only be looked at: ipc show \(address)")
        }
        if case .key(.private) = address.name {
            return .unfit(address, "private is for create; use the id= address that it printed")
        }
        if address.kind == .pid {
            return .unfit(address, "a process has no \(verb == "chown" ? "owner" : "mode") to change")
        }
        return .unfit(address, "\(verb) for a \(address.kind.title) is not built yet")
    }

    static func rethrow<T>(_ address: Address, _ call: String, _ body: () throws(Errno) -> T) throws(IPCError) -> T {
        do throws(Errno) { return try body() } catch { throw IPCError(error, call, address.description) }
    }
}

/// What has a path: it must be what its address says before anything is done to it.
struct PathObject {
    let address: Address
    let path: FilePath

    init(_ address: Address, _ path: FilePath) {
        self.address = address
        self.path = path
    }

    /// AT_FDCWD, where paths that do not start with a slash begin.
    var directory: CInt { -100 }

    @discardableResult
    func verify() throws(IPCError) -> FileStatus {
        let status = try Objects.rethrow(address, "stat") { () throws(Errno) in try sysStatus(path) }
        let fits: Bool =
            switch address.kind {
            case .fifo: status.kind == .fifo
            case .file: status.kind == .regular
            default: status.kind == .socket
            }
        if fits { return status }
        throw IPCError(
            code: .wrongKind, subject: address.description, hint: "that path is \(words(status.kind)); it is left alone"
        )
    }

    private func words(_ kind: FileStatus.Kind) -> String {
        switch kind {
        case .fifo: "a named pipe (fifo:)"
        case .socket: "a socket (unix:)"
        case .regular: "an ordinary file (file:)"
        case .directory: "a directory"
        case .link: "a symbolic link"
        case .character: "a device"
        case .other: "something else"
        }
    }
}
