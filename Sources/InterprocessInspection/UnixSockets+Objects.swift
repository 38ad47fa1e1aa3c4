// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import SystemPackage

/// Turns rows of the table, socket files and descriptors into objects.
struct UnixSocketObjects {
    let rows: [UnixSocketRow]
    let scan: DescriptorScan
    let accounts: Accounts
    /// Socket files that a search found; they tell the real path of what was bound by another.
    let files: [FoundFile]

    private var addresses: [UInt64: Address] = [:]
    private var boundPaths: [UInt64: FilePath] = [:]

    init(_ rows: [UnixSocketRow], _ scan: DescriptorScan, _ accounts: Accounts, files: [FoundFile]) {
        self.rows = rows
        self.scan = scan
        self.accounts = accounts
        self.files = files
        nameAll()
    }

    /// Every socket, and every socket file to which none is bound.
    func objects(kinds: Set<Address.Kind>) -> [InspectedObject] {
        var objects = rows.filter { kinds.contains($0.kind) }.map { object($0) }
        if kinds.contains(.unix) {
            objects += files.filter { isStale($0) }.map { staleObject($0) }
        }
        return objects
    }

    func object(_ row: UnixSocketRow) -> InspectedObject {
        let peer = row.peerInode.flatMap { $0 == 0 ? nil : $0 }
        let state: UnixSocketDetails.State =
            switch row.state {
            case 10: .listening
            case 1: .connected
            case 7: peer == nil ? .unconnected : .connected
            default: .unknown
            }
        let details = UnixSocketDetails(
            inode: row.inode, state: state, peerInode: peer,
            peer: peer.map { addresses[$0] ?? Self.byInode($0, row.kind) },
            receiveQueueBytes: row.isListening ? nil : row.receiveQueue,
            sendQueueBytes: row.isListening ? nil : row.sendQueue,
            pendingConnections: row.isListening ? row.receiveQueue : nil,
            backlog: row.isListening ? row.sendQueue : nil)
        let inodeAddress = Self.byInode(row.inode, row.kind)
        let address = addresses[row.inode] ?? inodeAddress
        var object = InspectedObject(address: address, details: .unix(details))
        if address != inodeAddress {
            object.otherAddresses = [inodeAddress]
        } else if let name = nameAddress(row) {
            object.otherAddresses = [name]
        }
        object.owner = accounts.account(row.user)
        object.usedBytes = details.receiveQueueBytes
        object.usedCount = details.pendingConnections
        object.limitCount = details.backlog
        if let path = boundPaths[row.inode], let status = try? sysCachedStatus(path, followLinks: false) {
            object.permissions = FilePermissions(rawValue: UInt32(status.permissions))
            object.groupID = status.group
            object.owner = accounts.account(status.user)
            object.lastChange = status.modified
        }
        let found = scan.found[.socket(row.inode)]
        object.holders = found?.holders ?? []
        object.holdersAreComplete = scan.isComplete
        if object.owner == nil { object.owner = object.holders.first?.user }
        return object
    }

    static func byInode(_ inode: UInt64, _ kind: Address.Kind) -> Address {
        // Never refused: every kind of socket has the form [inode].
        (try? Address(kind: kind, name: .number(inode))) ?? .pipe(inode: inode)
    }

    // MARK: Names

    /// A listener, or the only one that bears it, is called by its name; accepted connections, which bear
    /// their listener's, by inode.
    private mutating func nameAll() {
        var bearers: [Address: [UnixSocketRow]] = [:]
        for row in rows {
            guard let name = nameAddress(row) else { continue }
            if case .path(let path) = name.name { boundPaths[row.inode] = path }
            bearers[name, default: []].append(row)
        }
        for (name, rows) in bearers {
            let owner =
                rows.first(where: \.isListening) ?? rows.first { $0.state != 1 } ?? (rows.count == 1 ? rows[0] : nil)
            if let owner { addresses[owner.inode] = name }
        }
    }

    private func nameAddress(_ row: UnixSocketRow) -> Address? {
        switch row.name {
        case nil: return nil
        case .abstract(let name): return .unix(abstract: name, kind: row.kind)
        case .path(let bytes):
            if let file = file(of: row) { return .unix(file.path, kind: row.kind) }
            // Relative to a directory that only the process that bound it knows.
            guard bytes.first == UInt8(ascii: "/") else {
                return resolved(bytes, row).map { .unix($0, kind: row.kind) }
            }
            return .unix(FilePath(bytes: bytes), kind: row.kind)
        }
    }

    private func file(of row: UnixSocketRow) -> FoundFile? {
        guard let inode = row.fileInode, let device = row.fileDevice else { return nil }
        return files.first {
            UInt32(truncatingIfNeeded: $0.status.inode) == inode && $0.status.kernelDevice == device
        }
    }

    private func resolved(_ relative: [UInt8], _ row: UnixSocketRow) -> FilePath? {
        for holder in scan.found[.socket(row.inode)]?.holders ?? [] {
            guard let directory = try? sysReadLink(FilePath("/proc/\(holder.processID)/cwd")) else { continue }
            let path = FilePath(bytes: directory + [UInt8(ascii: "/")] + relative)
            guard let status = try? sysCachedStatus(path, followLinks: false), status.kind == .socket else { continue }
            if row.fileInode == nil || UInt32(truncatingIfNeeded: status.inode) == row.fileInode { return path }
        }
        return nil
    }

    // MARK: Look-up

    /// The socket that is bound to a file.
    func row(boundTo path: FilePath, _ status: FileStatus) -> UnixSocketRow? {
        let bytes = path.bytes
        let candidates = rows.filter { row in
            let isSameFile =
                row.fileInode == UInt32(truncatingIfNeeded: status.inode) && row.fileDevice == status.kernelDevice
            return isSameFile
                || (row.fileDevice == nil || row.fileInode == UInt32(truncatingIfNeeded: status.inode))
                    && row.name == .path(bytes)
        }
        return candidates.first(where: \.isListening) ?? candidates.first { $0.state != 1 } ?? candidates.first
    }

    // MARK: Stale paths

    private func isStale(_ file: FoundFile) -> Bool {
        file.status.kind == .socket && row(boundTo: file.path, file.status) == nil && Self.nobodyIsBound(to: file.path)
    }

    /// Asks the kernel; sockets of other network namespaces are in none of our tables, but are bound all the same.
    static func nobodyIsBound(to path: FilePath) -> Bool {
        if sysProbeUnixPath(path) == .connectionRefused { return true }
        guard path.bytes.count >= 108, let place = try? sysOpen(path, flags: InspectionOpen.locationNoFollow) else {
            return false
        }
        defer { try? sysClose(place) }
        return sysProbeUnixPath(FilePath("/proc/self/fd/\(place)")) == .connectionRefused
    }

    func staleObject(_ file: FoundFile) -> InspectedObject {
        let details = UnixSocketDetails(inode: 0, state: .stale)
        var object = InspectedObject(address: .unix(file.path), details: .unix(details))
        object.owner = accounts.account(file.status.user)
        object.groupID = file.status.group
        object.permissions = FilePermissions(rawValue: UInt32(file.status.permissions))
        object.lastChange = file.status.modified
        return object
    }
}
