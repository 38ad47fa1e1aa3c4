// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import SystemPackage

/// Memory, semaphores, files and processes by their addresses.
extension HostReader {
    private func mappings() -> MappingScan { MappingScan(table, accounts, isWanted: true) }

    func memoryObject(_ address: Address) throws(IPCError) -> (InspectedObject, [MissingPart]) {
        guard let path = SharedMemoryObjects.path(of: address) else { throw notFound(address, "") }
        let status = try status(path, address)
        guard status.kind == .regular else { throw wrongKind(address, "\(path) is \(status.kind.words)") }
        let (scan, mappings) = (scan(), mappings())
        let memory = SharedMemoryObjects(scan: scan, mappings: mappings, accounts: accounts, kinds: kinds)
        return (
            memory.object(address, status, isLinked: true), scan.missing(for: kinds) + mappings.missing(for: kinds)
        )
    }

    func namelessMemory(_ address: Address) throws(IPCError) -> (InspectedObject, [MissingPart]) {
        let (scan, mappings) = (scan(), mappings())
        let memory = SharedMemoryObjects(scan: scan, mappings: mappings, accounts: accounts, kinds: kinds)
        guard let object = memory.objects().first(where: { $0.address == address }) else {
            throw notFound(address, "no process that we may look at has it")
        }
        return (object, scan.missing(for: kinds) + mappings.missing(for: kinds))
    }

    func segment(_ address: Address) throws(IPCError) -> (InspectedObject, [MissingPart]) {
        let mappings = mappings()
        let segments = SystemVSegments(table, accounts, mappings)
        let row = try row(address, segments.rows, id: \.id, key: \.key)
        return (segments.object(row), segments.missing + mappings.missing(for: kinds))
    }

    func semaphoreSet(_ address: Address) throws(IPCError) -> (InspectedObject, [MissingPart]) {
        let sets = SystemVSemaphores(table, accounts, findsWaiters: true)
        let row = try row(address, sets.rows, id: \.id, key: \.key)
        return (sets.object(row), sets.missing(of: [row]))
    }

    /// The row of a table of System V objects.
    func row<Row>(
        _ address: Address, _ rows: [Row], id: (Row) -> Int32, key: (Row) -> Int32
    ) throws(IPCError) -> Row {
        let row: Row?
        switch address.name {
        case .id(let wanted): row = rows.first { id($0) == wanted }
        case .key(.number(let wanted)): row = rows.first { key($0) == wanted }
        case .projectFile(let path, let project):
            let wanted = try SystemVKey.path(path, project: project)
            row = rows.first { key($0) == wanted.rawValue }
        default:
            throw IPCError(
                code: .invalidArgument, subject: address.description,
                hint: "private is for creating; one that exists is \(address.kind.rawValue):id=NUMBER")
        }
        guard let row else {
            throw notFound(
                address, "no \(address.kind.title) has that key or id; ipc list \(address.kind.rawValue) shows all")
        }
        return row
    }

    func file(_ address: Address) throws(IPCError) -> (InspectedObject, [MissingPart]) {
        guard case .path(let path) = address.name else { throw notFound(address, "") }
        let status = try status(path, address)
        guard status.kind == .regular else { throw wrongKind(address, "it is \(status.kind.words)") }
        let files = LockedFiles(table, accounts, isWanted: true)
        let mappings = mappings()
        var wanted = DescriptorScan.Wanted(kinds)
        wanted.files = [FileKey(status)]
        let scan = DescriptorScan(table, wanted, accounts)
        let object = files.object(path, status, isLinked: true, scan, mappings)
        return (object, scan.missing(for: kinds) + mappings.missing(for: kinds))
    }

    func process(_ address: Address) throws(IPCError) -> (InspectedObject, [MissingPart]) {
        guard case .process(let process) = address.name,
            var object = ProcessObjects(table: table, accounts: accounts).object(process)
        else {
            throw IPCError(.noSuchProcess, "kill", address.description, hint: "no process has that number")
        }
        let others = HostView.kinds.subtracting([.pid])
        let view = HostView.read(HostView.Options(kinds: others, directories: []))
        if case .process(var details) = object.details {
            details.objects = view.objects.filter { other in
                other.holders.contains { $0.processID == process && $0.relation.isPresent }
            }.map(\.address)
            object.details = .process(details)
        }
        let isShown =
            (try? sysOpen(table.path("\(process)/fd"), flags: InspectionOpen.directory)).map {
                try? sysClose($0)
            } != nil
        object.holdersAreComplete = isShown
        return (object, view.missing.map { MissingPart(what: $0.what, remedy: $0.remedy, kinds: [.pid]) })
    }
}

extension Holder.Relation {
    /// Whether it tells of now, not of what once was.
    var isPresent: Bool {
        switch self {
        case .lastSender, .lastReceiver, .lastUser, .creator: false
        default: true
        }
    }
}
