// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import SystemPackage

extension HostView {
    /// Looks at the host.
    ///
    /// - Parameter options: what to look at, and where.
    /// - Returns: every object that this process may see; ``missing`` says what it may not.
    ///
    /// Blocking: reads `/proc` and asks the kernel; some milliseconds per thousand open descriptors.
    public static func read(_ options: Options = Options()) -> HostView {
        HostReader(options).view()
    }
}

/// What one look at the host needs, read in one order: first who has what open, then the tables.
struct HostReader {
    let kinds: Set<Address.Kind>
    let options: HostView.Options
    let table: ProcessTable
    let accounts = Accounts.ofThisHost()

    init(_ options: HostView.Options, table: ProcessTable = ProcessTable()) {
        self.options = options
        self.table = table
        kinds = options.kinds.intersection(HostView.kinds)
    }

    func view() -> HostView {
        let memoryKinds: Set<Address.Kind> = [.shm, .sysvShm, .memfd, .sem, .file]
        let findable = options.findsHolders ? kinds : kinds.intersection([.pipe, .eventfd, .memfd])
        let mappings = MappingScan(table, accounts, isWanted: !findable.isDisjoint(with: memoryKinds))
        let files = LockedFiles(table, accounts, isWanted: findable.contains(.file))
        var wanted = DescriptorScan.Wanted(findable)
        wanted.files = files.files
        if findable.contains(.file) { wanted.files.formUnion(mappings.ordinaryFiles) }
        let scan = DescriptorScan(table, wanted, accounts)
        var view = HostView(objects: [], missing: wanted.isAnything ? scan.missing(for: kinds) : [])
        view.shieldedProcesses = scan.shielded
        let search = search()
        if let search { view.missing += search.missing(for: kinds, limit: options.entryLimit) }
        addPipes(to: &view, scan, search?.files ?? [])
        addSockets(to: &view, scan, search?.files ?? [])
        addQueues(to: &view, scan)
        addMemory(to: &view, scan, mappings, files)
        if kinds.contains(.pid) { view.objects += ProcessObjects(table: table, accounts: accounts).objects() }
        if kinds.contains(.eventfd) { view.objects += EventCounters.objects(scan, table) }
        if !options.findsHolders {
            for index in view.objects.indices { view.objects[index].holdersAreComplete = false }
        }
        view.sort()
        return view
    }

    private func search() -> FileSearch? {
        guard kinds.contains(where: { $0 == .fifo || $0.isUnix }), !options.directories.isEmpty else { return nil }
        return FileSearch(options.directories, depth: options.depth, entryLimit: options.entryLimit)
    }

    private func addPipes(to view: inout HostView, _ scan: DescriptorScan, _ files: [FoundFile]) {
        guard kinds.contains(.pipe) || kinds.contains(.fifo) else { return }
        view.objects += Pipes.objects(scan, accounts, kinds: kinds)
        guard kinds.contains(.fifo) else { return }
        for file in files where file.status.kind == .fifo {
            let isKnown = scan.found[.file(device: file.status.device, inode: file.status.inode)] != nil
            if !isKnown { view.objects.append(Pipes.object(at: file.path, file.status, scan, accounts)) }
        }
    }

    private func addSockets(to view: inout HostView, _ scan: DescriptorScan, _ files: [FoundFile]) {
        if kinds.contains(where: \.isUnix) {
            let (rows, missing) = UnixSocketTable.read(table)
            view.missing += missing
            let sockets = UnixSocketObjects(rows, scan, accounts, files: files.filter { $0.status.kind == .socket })
            view.objects += sockets.objects(kinds: kinds)
        }
        if kinds.contains(.tcp) || kinds.contains(.udp) {
            let (rows, missing) = InternetSocketTable.read(table, kinds: kinds)
            view.missing += missing
            view.objects += InternetSocketObjects(rows: rows, scan: scan, accounts: accounts).objects()
        }
    }

    private func addQueues(to view: inout HostView, _ scan: DescriptorScan) {
        if kinds.contains(.mq) {
            let (objects, missing) = PosixQueues.objects(table, scan, accounts)
            view.objects += objects
            view.missing += missing
        }
        if kinds.contains(.sysvMsg) {
            let queues = SystemVQueues(table, accounts, findsWaiters: options.findsHolders)
            view.objects += queues.rows.map { queues.object($0) }
            view.missing += queues.missing
        }
    }

    private func addMemory(
        to view: inout HostView, _ scan: DescriptorScan, _ mappings: MappingScan, _ files: LockedFiles
    ) {
        view.missing += mappings.missing(for: kinds)
        if kinds.contains(where: { $0 == .shm || $0 == .memfd || $0 == .sem }) {
            let memory = SharedMemoryObjects(scan: scan, mappings: mappings, accounts: accounts, kinds: kinds)
            view.objects += memory.objects()
        }
        if kinds.contains(.sysvShm) {
            let segments = SystemVSegments(table, accounts, mappings)
            view.objects += segments.rows.map { segments.object($0) }
            view.missing += segments.missing
        }
        if kinds.contains(.sysvSem) {
            let sets = SystemVSemaphores(table, accounts, findsWaiters: options.findsHolders)
            view.objects += sets.rows.map { sets.object($0) }
            view.missing += sets.missing(of: sets.rows)
        }
        if kinds.contains(.file), options.findsHolders { view.objects += files.objects(scan, mappings) }
    }
}

extension HostView {
    /// By kind in the order of the table of kinds, then by address; ids and inodes in the order of their numbers.
    mutating func sort() {
        let order = Dictionary(uniqueKeysWithValues: Address.Kind.allCases.enumerated().map { ($1, $0) })
        let keyed = objects.map {
            (rank: order[$0.kind] ?? .max, number: $0.address.sortNumber, text: $0.address.description, object: $0)
        }
        objects = keyed.sorted { left, right in
            if left.rank != right.rank { return left.rank < right.rank }
            if left.number != right.number { return left.number < right.number }
            return left.text < right.text
        }.map(\.object)
    }
}

extension Address {
    /// Named things first, in the order of their names; then ids and inodes.
    fileprivate var sortNumber: UInt64 {
        switch name {
        case .number(let number): number
        case .id(let id): UInt64(id)
        case .process(let id): UInt64(id)
        default: 0
        }
    }
}
