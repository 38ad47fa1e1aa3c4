// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import SystemPackage

/// A line of `/proc/sysvipc/shm`.
struct SystemVSegmentRow: Equatable {
    var key: Int32
    var id: Int32
    var permissions: UInt32
    var size: UInt64
    var creatorProcess: Int32
    var lastProcess: Int32
    var attachments: UInt64
    var user: UInt32
    var group: UInt32
    var creator: UInt32
    var creatorGroup: UInt32
    var attachedAt: Int64
    var detachedAt: Int64
    var changedAt: Int64
    var resident: UInt64
    var swapped: UInt64

    /// nil for the heading and whatever else is no such line.
    init?(_ line: ArraySlice<UInt8>) {
        let line = TextLine(line)
        guard line.words.count >= 14, let key = line.number(0, as: Int64.self),
            let id = line.number(1, as: Int32.self), id >= 0,
            let permissions = line.number(2, radix: 8, as: UInt32.self), let size = line.number(3, as: UInt64.self),
            let creatorProcess = line.number(4, as: Int32.self), let lastProcess = line.number(5, as: Int32.self),
            let attachments = line.number(6, as: UInt64.self),
            let user = line.number(7, as: UInt32.self), let group = line.number(8, as: UInt32.self),
            let creator = line.number(9, as: UInt32.self), let creatorGroup = line.number(10, as: UInt32.self),
            let attachedAt = line.number(11, as: Int64.self), let detachedAt = line.number(12, as: Int64.self),
            let changedAt = line.number(13, as: Int64.self)
        else { return nil }
        self.key = Int32(truncatingIfNeeded: key)
        (self.id, self.permissions, self.size) = (id, permissions, size)
        (self.creatorProcess, self.lastProcess, self.attachments) = (creatorProcess, lastProcess, attachments)
        (self.user, self.group, self.creator, self.creatorGroup) = (user, group, creator, creatorGroup)
        (self.attachedAt, self.detachedAt, self.changedAt) = (attachedAt, detachedAt, changedAt)
        // Since Linux 2.6.
        resident = line.number(14) ?? 0
        swapped = line.number(15) ?? 0
    }
}

/// System V segments and who is attached to them.
struct SystemVSegments {
    let rows: [SystemVSegmentRow]
    let isReadable: Bool
    private let table: ProcessTable
    private let accounts: Accounts
    private let mappings: MappingScan

    init(_ table: ProcessTable, _ accounts: Accounts, _ mappings: MappingScan) {
        self.table = table
        self.accounts = accounts
        self.mappings = mappings
        let text = table.read("sysvipc/shm", limit: 64 << 20)
        isReadable = text != nil
        rows = Self.rows(text ?? [])
    }

    static func rows(_ bytes: [UInt8]) -> [SystemVSegmentRow] {
        TextLine.lines(of: bytes).compactMap { SystemVSegmentRow($0) }
    }

    var missing: [MissingPart] {
        isReadable
            ? []
            : [MissingPart(what: "System V segments", remedy: "a readable /proc/sysvipc/shm", kinds: [.sysvShm])]
    }

    func object(_ row: SystemVSegmentRow) -> InspectedObject {
        let key: SystemVKey = row.key == 0 ? .private : .number(row.key)
        func time(_ seconds: Int64) -> Int64? { seconds > 0 ? seconds : nil }
        let details = SystemVSegmentDetails(
            key: key, id: row.id, sizeBytes: row.size, allocatedBytes: row.resident + row.swapped,
            attachments: row.attachments, isRemoved: row.permissions & 0o1000 != 0,
            isLocked: row.permissions & 0o2000 != 0, creator: accounts.account(row.creator),
            creatorGroupID: row.creatorGroup, creatorProcess: row.creatorProcess > 0 ? row.creatorProcess : nil,
            lastProcess: row.lastProcess > 0 ? row.lastProcess : nil, attachedAt: time(row.attachedAt),
            detachedAt: time(row.detachedAt), changedAt: row.changedAt)
        let byID = Address(systemV: .sysvShm, .id(row.id))
        let address = row.key == 0 ? byID : Address(systemV: .sysvShm, .key(key))
        var object = InspectedObject(address: address, details: .systemVSegment(details))
        if address != byID { object.otherAddresses = [byID] }
        object.owner = accounts.account(row.user)
        object.groupID = row.group
        object.permissions = FilePermissions(rawValue: row.permissions & 0o777)
        object.usedBytes = row.size
        object.lastChange = max(row.attachedAt, row.detachedAt, row.changedAt)
        object.holders = mappings.holders(.segment(row.id), .attached, waits: true)
        if let creator = details.creatorProcess {
            object.holders.append(table.pastHolder(creator, .creator, asOf: row.changedAt, accounts))
        }
        if let last = details.lastProcess {
            let time = max(row.attachedAt, row.detachedAt)
            object.holders.append(table.pastHolder(last, .lastUser, asOf: time, accounts))
        }
        object.holdersAreComplete = mappings.isComplete
        return object
    }
}

extension Address {
    /// Of what the kernel's tables tell: never refused.
    init(systemV kind: Kind, _ name: Name) { self.init(unchecked: kind, name) }
}

extension ProcessTable {
    /// Who did something then. A process that started later has only the number in common.
    func pastHolder(_ process: Int32, _ relation: Holder.Relation, asOf time: Int64, _ accounts: Accounts) -> Holder {
        let holder = holder(process, relation, accounts)
        guard holder.isAlive, let start = startTime(process), start > time + 1 else { return holder }
        return Holder(
            processID: process, command: nil, user: nil, relation: relation, descriptors: [], isAlive: false)
    }
}
