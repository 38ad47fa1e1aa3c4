// SPDX-License-Identifier: Apache-2.0
public import Interprocess
import InterprocessSyscalls
import SystemPackage

extension HostView {
    /// Looks at one object and at who uses it.
    ///
    /// - Parameter address: a named pipe or unix socket by path, a socket by name, endpoint or inode, a queue by
    ///   name, key or id, a pipe by inode, an event counter by id.
    /// - Returns: the object; where several share the address (connections of one port), the listener, else the first.
    /// - Throws: `IPCError.Code.notFound`; `IPCError.Code.wrongKind` if there is something else at that path;
    ///   `IPCError.Code.permissionDenied`; `IPCError.Code.unsupported` for kinds that cannot be looked at.
    ///
    /// Blocking: reads `/proc` and asks the kernel; some milliseconds per thousand open descriptors.
    public static func lookUp(_ address: Address) throws(IPCError) -> InspectedObject {
        try lookUpWithMissing(address).object
    }

    /// Like ``lookUp(_:)``, and says what could not be seen on the way: holders in processes of other users.
    ///
    /// - Parameter address: as for ``lookUp(_:)``.
    /// - Returns: the object, and what is missing in its picture; empty if nothing is.
    /// - Throws: as ``lookUp(_:)``.
    public static func lookUpWithMissing(
        _ address: Address
    ) throws(IPCError) -> (object: InspectedObject, missing: [MissingPart]) {
        try HostReader(Options(kinds: [address.kind], directories: [])).lookUp(address)
    }
}

extension HostReader {
    func lookUp(_ address: Address) throws(IPCError) -> (object: InspectedObject, missing: [MissingPart]) {
        switch address.kind {
        case .fifo: try fifo(address)
        case .unix, .unixDatagram, .unixSeqpacket: try unixSocket(address)
        case .tcp, .udp: try internetSocket(address)
        case .mq: try posixQueue(address)
        case .sysvMsg: try systemVQueue(address)
        case .pipe, .eventfd: try byNumber(address)
        case .shm, .sem: try memoryObject(address)
        case .memfd: try namelessMemory(address)
        case .sysvShm: try segment(address)
        case .sysvSem: try semaphoreSet(address)
        case .file: try file(address)
        case .pid: try process(address)
        default:
            throw IPCError(
                code: .unsupported, subject: address.description,
                hint: "a \(address.kind.title) cannot be looked at; these can: "
                    + Address.Kind.allCases.filter { HostView.kinds.contains($0) }.map(\.rawValue).joined(
                        separator: ", "))
        }
    }

    func scan() -> DescriptorScan { DescriptorScan(table, DescriptorScan.Wanted(kinds), accounts) }

    func notFound(_ address: Address, _ hint: String) -> IPCError {
        IPCError(code: .notFound, errno: .noSuchFileOrDirectory, subject: address.description, hint: hint)
    }

    /// What is at a path; a symbolic link is followed, as every user of the path would.
    func status(_ path: FilePath, _ address: Address) throws(IPCError) -> FileStatus {
        do throws(Errno) { return try sysStatus(path, followLinks: true) } catch {
            throw IPCError(error, "stat", address.description)
        }
    }

    func wrongKind(_ address: Address, _ hint: String) -> IPCError {
        IPCError(code: .wrongKind, subject: address.description, hint: hint)
    }

    // MARK: Paths

    private func fifo(_ address: Address) throws(IPCError) -> (InspectedObject, [MissingPart]) {
        guard case .path(let path) = address.name else { throw notFound(address, "") }
        let status = try status(path, address)
        guard status.kind == .fifo else { throw wrongKind(address, "it is \(status.kind.words)") }
        let scan = scan()
        return (Pipes.object(at: path, status, scan, accounts), scan.missing(for: kinds))
    }

    private func unixSocket(_ address: Address) throws(IPCError) -> (InspectedObject, [MissingPart]) {
        let scan = scan()
        let (rows, missing) = UnixSocketTable.read(table)
        let all = scan.missing(for: kinds) + missing
        let sockets: UnixSocketObjects
        let row: UnixSocketRow?
        switch address.name {
        case .path(let path):
            let file: FileStatus
            do throws(IPCError) { file = try status(path, address) } catch {
                // The path may be gone and the socket not.
                sockets = UnixSocketObjects(rows, scan, accounts, files: [])
                guard error.code == .notFound,
                    let row = rows.first(where: { $0.name == .path(path.bytes) && $0.kind == address.kind })
                else { throw error }
                return (sockets.object(row), all)
            }
            guard file.kind == .socket else { throw wrongKind(address, "it is \(file.kind.words)") }
            let found = FoundFile(path: path, status: file)
            sockets = UnixSocketObjects(rows, scan, accounts, files: [found])
            row = sockets.row(boundTo: path, file)
            if row == nil { return (sockets.staleObject(found), all) }
        case .abstract(let name):
            sockets = UnixSocketObjects(rows, scan, accounts, files: [])
            let bearers = rows.filter { $0.name == .abstract(name) }
            let fitting = bearers.filter { $0.kind == address.kind }
            row =
                fitting.first(where: \.isListening) ?? fitting.first { $0.state != 1 } ?? fitting.first ?? bearers.first
        case .number(let inode):
            sockets = UnixSocketObjects(rows, scan, accounts, files: [])
            row = rows.first { $0.inode == inode }
        default:
            throw notFound(address, "")
        }
        guard let row else { throw notFound(address, "no socket has that name") }
        guard row.kind == address.kind else {
            throw wrongKind(
                address, "it is a \(row.kind.title): \(row.kind.rawValue):\(address.name.text(for: row.kind))")
        }
        return (sockets.object(row), all)
    }

    // MARK: Tables

    private func internetSocket(_ address: Address) throws(IPCError) -> (InspectedObject, [MissingPart]) {
        let scan = scan()
        let (rows, missing) = InternetSocketTable.read(table, kinds: kinds)
        let sockets = InternetSocketObjects(rows: rows, scan: scan, accounts: accounts)
        let all = scan.missing(for: kinds) + missing
        switch address.name {
        case .number(let inode):
            guard
                let object = sockets.objects().first(where: {
                    if case .internet(let details) = $0.details { inode != 0 && details.inode == inode } else { false }
                })
            else { throw notFound(address, "no socket has that inode") }
            return (object, all)
        case .endpoint(let host, let port):
            guard let row = sockets.rows(at: host, port, address.kind).first else {
                throw notFound(
                    address, "no \(address.kind.title) of this host is there; remote ends cannot be looked at")
            }
            return (sockets.object(row, isNamed: true), all)
        default:
            throw notFound(address, "")
        }
    }

    private func posixQueue(_ address: Address) throws(IPCError) -> (InspectedObject, [MissingPart]) {
        guard case .object(let name) = address.name else { throw notFound(address, "") }
        let scan = scan()
        do throws(Errno) {
            let queue = try sysInspectOpenQueue(String(name.description.dropFirst()))
            defer { try? sysClose(queue) }
            let status = try sysStatus(queue)
            let object = PosixQueues.object(name, status, queue, isLinked: true, scan, accounts)
            return (object, scan.missing(for: kinds))
        } catch  where error == .permissionDenied {
            // We may not read it; where the directory is to be had, its owner and mode are.
            let (objects, missing) = PosixQueues.objects(table, scan, accounts)
            guard let object = objects.first(where: { $0.address == address }) else {
                throw IPCError(error, "mq_open", address.description, hint: "its mode does not let you read it")
            }
            let part = MissingPart(what: "limits and content of \(address)", remedy: "read permission", kinds: [.mq])
            return (object, scan.missing(for: kinds) + missing + [part])
        } catch {
            throw IPCError(error, "mq_open", address.description)
        }
    }

    private func systemVQueue(_ address: Address) throws(IPCError) -> (InspectedObject, [MissingPart]) {
        let queues = SystemVQueues(table, accounts, findsWaiters: true)
        let row: SystemVQueueRow?
        switch address.name {
        case .id(let id): row = queues.rows.first { $0.id == id }
        case .key(.number(let key)): row = queues.rows.first { $0.key == key }
        case .projectFile(let path, let project):
            let key = try SystemVKey.path(path, project: project)
            row = queues.rows.first { $0.key == key.rawValue }
        default:
            throw IPCError(
                code: .invalidArgument, subject: address.description,
                hint: "private is for creating; one that exists is sysv-msg:id=NUMBER")
        }
        guard let row else {
            throw notFound(address, "no System V message queue has that key or id; ipc list sysv-msg shows all")
        }
        return (queues.object(row), queues.missing)
    }

    private func byNumber(_ address: Address) throws(IPCError) -> (InspectedObject, [MissingPart]) {
        let scan = scan()
        let objects =
            address.kind == .pipe
            ? Pipes.objects(scan, accounts, kinds: kinds) : EventCounters.objects(scan, table)
        guard let object = objects.first(where: { $0.address == address }) else {
            throw notFound(address, "no process that we may look at has it open")
        }
        return (object, scan.missing(for: kinds))
    }
}

extension FileStatus.Kind {
    var words: String {
        switch self {
        case .fifo: "a named pipe"
        case .socket: "a socket"
        case .regular: "an ordinary file"
        case .directory: "a directory"
        case .link: "a symbolic link"
        case .character: "a character device"
        case .other: "something else"
        }
    }
}
