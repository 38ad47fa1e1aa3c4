// SPDX-License-Identifier: Apache-2.0
import Interprocess
import SystemPackage

/// One thing known about an object, for those who show objects of every kind alike.
public struct Fact: Sendable, Hashable {
    /// What a fact says.
    public indirect enum Value: Sendable, Hashable {
        /// Words.
        case text(String)
        /// A count.
        case number(UInt64)
        /// A number of bytes.
        case bytes(UInt64)
        /// Yes or no.
        case flag(Bool)
        /// Seconds since 1970.
        case time(Int64)
        /// Several, in order.
        case list([Value])
        /// Several, each with its name.
        case group([Fact])
    }

    /// The name, stable, in the manner of JSON keys: `"maxMessages"`.
    public var key: String
    /// What it says.
    public var value: Value
}

extension InspectedObject {
    /// What only objects of this kind have, as a list in a stable order; what is unknown is left out.
    public var facts: [Fact] {
        var list = FactList()
        switch details {
        case .pipe(let pipe): pipe.add(to: &list)
        case .unix(let socket): socket.add(to: &list)
        case .internet(let socket): socket.add(to: &list)
        case .messageQueue(let queue): queue.add(to: &list)
        case .systemVQueue(let queue): queue.add(to: &list)
        case .eventCounter(let counter):
            list.add("id", number: counter.id)
            list.add("count", number: counter.count)
            list.add("isSemaphore", flag: counter.isSemaphore)
        case .sharedMemory(let memory): memory.add(to: &list)
        case .systemVSegment(let segment): segment.add(to: &list)
        case .semaphore(let semaphore): semaphore.add(to: &list)
        case .systemVSemaphores(let set): set.add(to: &list)
        case .file(let file): file.add(to: &list)
        case .process(let process): process.add(to: &list)
        }
        return list.facts
    }
}

struct FactList {
    var facts: [Fact] = []

    mutating func add(_ key: String, text: String?) {
        if let text { facts.append(Fact(key: key, value: .text(text))) }
    }
    mutating func add(_ key: String, number: (some BinaryInteger)?) {
        if let number { facts.append(Fact(key: key, value: .number(UInt64(clamping: number)))) }
    }
    mutating func add(_ key: String, bytes: (some BinaryInteger)?) {
        if let bytes { facts.append(Fact(key: key, value: .bytes(UInt64(clamping: bytes)))) }
    }
    mutating func add(_ key: String, flag: Bool?) {
        if let flag { facts.append(Fact(key: key, value: .flag(flag))) }
    }
    mutating func add(_ key: String, time: Int64?) {
        if let time { facts.append(Fact(key: key, value: .time(time))) }
    }
    mutating func add(_ key: String, numbers: [some BinaryInteger]?) {
        if let numbers {
            facts.append(Fact(key: key, value: .list(numbers.map { .number(UInt64(clamping: $0)) })))
        }
    }
    mutating func add(_ key: String, texts: [String]?) {
        if let texts { facts.append(Fact(key: key, value: .list(texts.map { .text($0) }))) }
    }
    mutating func add(_ key: String, groups: [[Fact]]) {
        facts.append(Fact(key: key, value: .list(groups.map { .group($0) })))
    }
}

extension PipeDetails {
    func add(to list: inout FactList) {
        list.add("inode", number: inode)
        list.add("device", number: device)
        list.add("isLinked", flag: isLinked)
        list.add("readers", number: readers)
        list.add("writers", number: writers)
    }
}

extension UnixSocketDetails {
    func add(to list: inout FactList) {
        list.add("inode", number: inode == 0 ? nil : inode)
        list.add("state", text: state.rawValue)
        list.add("peer", text: peer?.description)
        list.add("receiveQueueBytes", bytes: receiveQueueBytes)
        list.add("sendQueueBytes", bytes: sendQueueBytes)
        list.add("pendingConnections", number: pendingConnections)
        list.add("backlog", number: backlog)
    }
}

extension InternetSocketDetails {
    func add(to list: inout FactList) {
        list.add("inode", number: inode == 0 ? nil : inode)
        list.add("state", text: state.rawValue)
        list.add("local", text: local.description)
        list.add("remote", text: remote?.description)
        list.add("receiveQueueBytes", bytes: receiveQueueBytes)
        list.add("sendQueueBytes", bytes: sendQueueBytes)
        list.add("pendingConnections", number: pendingConnections)
        list.add("backlog", number: backlog)
    }
}

extension MessageQueueDetails {
    func add(to list: inout FactList) {
        list.add("inode", number: inode)
        list.add("messages", number: messages)
        list.add("maxMessages", number: maxMessages)
        list.add("messageSizeBytes", bytes: messageSizeBytes)
        list.add("notifiedProcess", number: notifiedProcess)
        list.add("notificationSignal", number: notificationSignal)
        list.add("isLinked", flag: isLinked)
    }
}

extension SystemVQueueDetails {
    func add(to list: inout FactList) {
        list.add("key", text: key.description)
        list.add("id", number: id)
        list.add("creator", text: creator.description)
        list.add("creatorID", number: creator.id)
        list.add("creatorGroupID", number: creatorGroupID)
        list.add("lastSender", number: lastSender)
        list.add("lastReceiver", number: lastReceiver)
        list.add("sentAt", time: sentAt)
        list.add("receivedAt", time: receivedAt)
        list.add("changedAt", time: changedAt)
    }
}
