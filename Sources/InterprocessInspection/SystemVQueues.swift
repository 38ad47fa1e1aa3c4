// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import SystemPackage

/// A line of `/proc/sysvipc/msg`.
struct SystemVQueueRow: Equatable {
    var key: Int32
    var id: Int32
    var permissions: UInt32
    var bytes: UInt64
    var messages: UInt64
    var lastSender: Int32
    var lastReceiver: Int32
    var user: UInt32
    var group: UInt32
    var creator: UInt32
    var creatorGroup: UInt32
    var sentAt: Int64
    var receivedAt: Int64
    var changedAt: Int64

    /// nil for the heading and whatever else is no such line.
    init?(_ line: ArraySlice<UInt8>) {
        let line = TextLine(line)
        guard line.words.count >= 14, let key = line.number(0, as: Int64.self),
            let id = line.number(1, as: Int32.self), id >= 0,
            let permissions = line.number(2, radix: 8, as: UInt32.self),
            let bytes = line.number(3, as: UInt64.self), let messages = line.number(4, as: UInt64.self),
            let lastSender = line.number(5, as: Int32.self), let lastReceiver = line.number(6, as: Int32.self),
            let user = line.number(7, as: UInt32.self), let group = line.number(8, as: UInt32.self),
            let creator = line.number(9, as: UInt32.self), let creatorGroup = line.number(10, as: UInt32.self),
            let sentAt = line.number(11, as: Int64.self), let receivedAt = line.number(12, as: Int64.self),
            let changedAt = line.number(13, as: Int64.self)
        else { return nil }
        self.key = Int32(truncatingIfNeeded: key)
        (self.id, self.permissions, self.bytes, self.messages) = (id, permissions & 0o777, bytes, messages)
        (self.lastSender, self.lastReceiver, self.user, self.group) = (lastSender, lastReceiver, user, group)
        (self.creator, self.creatorGroup) = (creator, creatorGroup)
        (self.sentAt, self.receivedAt, self.changedAt) = (sentAt, receivedAt, changedAt)
    }
}

/// System V queues. The kernel does not know who has one "open": nobody does. It knows who was last, and `/proc`
/// shows which threads wait in msgsnd(2) and msgrcv(2).
struct SystemVQueues {
    let rows: [SystemVQueueRow]
    let isReadable: Bool
    private let table: ProcessTable
    private let accounts: Accounts
    private(set) var waiters: [Int32: [Holder]] = [:]
    /// Processes whose threads we may not look at.
    private(set) var unreadable = 0

    init(_ table: ProcessTable, _ accounts: Accounts, findsWaiters: Bool) {
        self.table = table
        self.accounts = accounts
        let text = table.read("sysvipc/msg", limit: 64 << 20)
        isReadable = text != nil
        rows = Self.rows(text ?? [])
        if findsWaiters, !rows.isEmpty { findWaiters() }
    }

    static func rows(_ bytes: [UInt8]) -> [SystemVQueueRow] {
        TextLine.lines(of: bytes).compactMap { SystemVQueueRow($0) }
    }

    var missing: [MissingPart] {
        if !isReadable {
            return [
                MissingPart(what: "System V message queues", remedy: "a readable /proc/sysvipc/msg", kinds: [.sysvMsg])
            ]
        }
        guard unreadable > 0 else { return [] }
        let processes = unreadable == 1 ? "1 process" : "\(unreadable) processes"
        return [
            MissingPart(
                what: "which of \(processes) of other users wait on System V queues", remedy: "CAP_SYS_PTRACE, or root",
                kinds: [.sysvMsg])
        ]
    }

    // MARK: Objects

    func object(_ row: SystemVQueueRow) -> InspectedObject {
        let key: SystemVKey = row.key == 0 ? .private : .number(row.key)
        let details = SystemVQueueDetails(
            key: key, id: row.id, creator: accounts.account(row.creator), creatorGroupID: row.creatorGroup,
            lastSender: row.lastSender > 0 ? row.lastSender : nil,
            lastReceiver: row.lastReceiver > 0 ? row.lastReceiver : nil, sentAt: row.sentAt > 0 ? row.sentAt : nil,
            receivedAt: row.receivedAt > 0 ? row.receivedAt : nil, changedAt: row.changedAt)
        let byID = Address.systemVMessageQueue(id: row.id)
        let address = row.key == 0 ? byID : .systemVMessageQueue(key)
        var object = InspectedObject(address: address, details: .systemVQueue(details))
        if address != byID { object.otherAddresses = [byID] }
        object.owner = accounts.account(row.user)
        object.groupID = row.group
        object.permissions = FilePermissions(rawValue: row.permissions)
        object.usedBytes = row.bytes
        object.usedCount = row.messages
        object.limitBytes = try? sysInspectSystemVQueueLimit(row.id)
        object.lastChange = max(row.sentAt, row.receivedAt, row.changedAt)
        object.holders = waiters[row.id] ?? []
        if let sender = details.lastSender { object.holders.append(last(sender, .lastSender, row.sentAt)) }
        if let receiver = details.lastReceiver { object.holders.append(last(receiver, .lastReceiver, row.receivedAt)) }
        object.holdersAreComplete = false
        return object
    }

    /// Who was last. A process that started later has only the number in common.
    private func last(_ process: Int32, _ relation: Holder.Relation, _ time: Int64) -> Holder {
        let holder = table.holder(process, relation, accounts)
        guard holder.isAlive, let start = table.startTime(process), start > time + 1 else { return holder }
        return Holder(
            processID: process, command: nil, user: nil, relation: relation, descriptors: [], isAlive: false)
    }

    // MARK: Who waits

    private mutating func findWaiters() {
        let namespace = try? sysReadLink(table.path("self/ns/ipc"))
        let ids = Set(rows.map(\.id))
        for process in table.processIDs().sorted() {
            var wasRefused = false
            for task in table.entries(of: "\(process)/task") {
                let name = String(decoding: task.name, as: UTF8.self)
                do throws(Errno) {
                    let text = try sysReadFile(table.path("\(process)/task/\(name)/syscall"), limit: 256)
                    guard let (id, relation) = Self.wait(syscall: text), ids.contains(id),
                        (try? sysReadLink(table.path("\(process)/ns/ipc"))) == namespace
                    else { continue }
                    add(process, relation, to: id)
                } catch {
                    if error == .permissionDenied || error == .notPermitted { wasRefused = true }
                    break
                }
            }
            if wasRefused, table.hasDescriptors(process) { unreadable += 1 }
        }
        // What even CAP_SYS_PTRACE may not see, no privilege would show.
        if unreadable > 0, table.mayTrace() { unreadable = 0 }
    }

    private mutating func add(_ process: Int32, _ relation: Holder.Relation, to id: Int32) {
        // Several threads of a process in the same call are one user.
        if waiters[id]?.contains(where: { $0.processID == process && $0.relation == relation }) == true { return }
        waiters[id, default: []].append(table.holder(process, relation, accounts))
    }

    /// The queue that a thread waits on, from its line `70 0x8001 …` in `/proc/PID/task/TID/syscall`.
    static func wait(syscall bytes: [UInt8]) -> (id: Int32, relation: Holder.Relation)? {
        let line = TextLine(bytes.prefix { $0 != 0x0a })
        guard let number = line.number(0, as: Int.self), line.words.count > 1,
            line.words[1].starts(with: Array("0x".utf8)),
            let argument = parseNumber(line.words[1].dropFirst(2), radix: 16, as: UInt64.self)
        else { return nil }
        let id = Int32(truncatingIfNeeded: argument)
        if number == numberOfMessageSend { return (id, .waitsToSend) }
        if number == numberOfMessageReceive { return (id, .waitsToReceive) }
        return nil
    }
}
