// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import SystemPackage

/// A line of `/proc/sysvipc/sem`.
struct SystemVSemaphoreRow: Equatable {
    var key: Int32
    var id: Int32
    var permissions: UInt32
    var count: Int
    var user: UInt32
    var group: UInt32
    var creator: UInt32
    var creatorGroup: UInt32
    var operatedAt: Int64
    var changedAt: Int64

    /// nil for the heading and whatever else is no such line.
    init?(_ line: ArraySlice<UInt8>) {
        let line = TextLine(line)
        guard line.words.count >= 10, let key = line.number(0, as: Int64.self),
            let id = line.number(1, as: Int32.self), id >= 0,
            let permissions = line.number(2, radix: 8, as: UInt32.self), let count = line.number(3, as: Int.self),
            (0...65_535).contains(count), let user = line.number(4, as: UInt32.self),
            let group = line.number(5, as: UInt32.self), let creator = line.number(6, as: UInt32.self),
            let creatorGroup = line.number(7, as: UInt32.self), let operatedAt = line.number(8, as: Int64.self),
            let changedAt = line.number(9, as: Int64.self)
        else { return nil }
        self.key = Int32(truncatingIfNeeded: key)
        (self.id, self.permissions, self.count) = (id, permissions & 0o777, count)
        (self.user, self.group, self.creator, self.creatorGroup) = (user, group, creator, creatorGroup)
        (self.operatedAt, self.changedAt) = (operatedAt, changedAt)
    }
}

/// System V semaphore sets. As with queues, nobody has one "open"; the kernel knows who changed each semaphore last, how
/// many wait, and `/proc` shows who they are.
struct SystemVSemaphores {
    let rows: [SystemVSemaphoreRow]
    let isReadable: Bool
    private let table: ProcessTable
    private let accounts: Accounts
    private(set) var waiters: [Int32: [Holder]] = [:]
    private var hidesProcesses = false

    init(_ table: ProcessTable, _ accounts: Accounts, findsWaiters: Bool) {
        self.table = table
        self.accounts = accounts
        let text = table.read("sysvipc/sem", limit: 64 << 20)
        isReadable = text != nil
        rows = Self.rows(text ?? [])
        if findsWaiters, !rows.isEmpty { findWaiters() }
    }

    static func rows(_ bytes: [UInt8]) -> [SystemVSemaphoreRow] {
        TextLine.lines(of: bytes).compactMap { SystemVSemaphoreRow($0) }
    }

    var missing: [MissingPart] {
        if !isReadable {
            return [
                MissingPart(
                    what: "System V semaphore sets", remedy: "a readable /proc/sysvipc/sem", kinds: [.sysvSem])
            ]
        }
        guard hidesProcesses else { return [] }
        return [
            MissingPart(
                what: "who waits for System V semaphores, as /proc hides processes (hidepid)",
                remedy: "CAP_SYS_PTRACE, or the group that /proc is mounted with (gid=)", kinds: [.sysvSem])
        ]
    }

    /// What is missing of these sets: as a whole, and the values that may not be read.
    func missing(of rows: [SystemVSemaphoreRow]) -> [MissingPart] {
        let denied = rows.filter { row in
            do throws(Errno) {
                _ = try sysInspectSemaphoreValues(row.id, count: row.count)
                return false
            } catch { return error == .permissionDenied }
        }
        guard let first = denied.first else { return missing }
        let what =
            denied.count == 1
            ? "the values of \(Address(systemV: .sysvSem, .id(first.id)))"
            : "the values of \(denied.count) System V semaphore sets"
        return missing + [MissingPart(what: what, remedy: "read permission", kinds: [.sysvSem])]
    }

    func object(_ row: SystemVSemaphoreRow) -> InspectedObject {
        let key: SystemVKey = row.key == 0 ? .private : .number(row.key)
        let values = try? sysInspectSemaphoreValues(row.id, count: row.count)
        let uses = (0..<row.count).compactMap { try? sysInspectSemaphore(row.id, number: $0) }
        let knowsUses = uses.count == row.count
        let details = SystemVSemaphoresDetails(
            key: key, id: row.id, count: row.count, values: values,
            waitingForMore: knowsUses ? uses.map(\.waitingForMore) : nil,
            waitingForZero: knowsUses ? uses.map(\.waitingForZero) : nil,
            lastProcesses: knowsUses ? uses.map(\.lastProcess) : nil, creator: accounts.account(row.creator),
            creatorGroupID: row.creatorGroup, operatedAt: row.operatedAt > 0 ? row.operatedAt : nil,
            changedAt: row.changedAt)
        let byID = Address(systemV: .sysvSem, .id(row.id))
        let address = row.key == 0 ? byID : Address(systemV: .sysvSem, .key(key))
        var object = InspectedObject(address: address, details: .systemVSemaphores(details))
        if address != byID { object.otherAddresses = [byID] }
        object.owner = accounts.account(row.user)
        object.groupID = row.group
        object.permissions = FilePermissions(rawValue: row.permissions)
        object.lastChange = max(row.operatedAt, row.changedAt)
        object.holders = waiters[row.id] ?? []
        for process in Set(uses.map(\.lastProcess)).sorted() where process > 0 {
            let time = max(row.operatedAt, row.changedAt)
            object.holders.append(table.pastHolder(process, .lastUser, asOf: time, accounts))
        }
        object.holdersAreComplete = false
        return object
    }

    private mutating func findWaiters() {
        let namespace = try? sysReadLink(table.path("self/ns/ipc"))
        let ids = Set(rows.map(\.id))
        let processes = table.processIDs().sorted()
        hidesProcesses = !processes.contains(1)
        for process in processes {
            var told: Set<Int32> = []
            for call in ThreadCalls.of(process, table) {
                guard let id = call.semaphoreSet, ids.contains(id), told.insert(id).inserted,
                    (try? sysReadLink(table.path("\(process)/ns/ipc"))) == namespace
                else { continue }
                waiters[id, default: []].append(table.holder(process, .waits, accounts))
            }
        }
    }
}
