// SPDX-License-Identifier: Apache-2.0
import Interprocess
import SystemPackage

/// Turns rows of the tables and descriptors into objects.
struct InternetSocketObjects {
    let rows: [InternetSocketRow]
    let scan: DescriptorScan
    let accounts: Accounts

    /// A listener, or the only one there, is called by its endpoint; the connections of one port by inode.
    func objects() -> [InspectedObject] {
        var named: [Address: Int] = [:]
        var counts: [Address: Int] = [:]
        for (index, row) in rows.enumerated() {
            guard let address = endpointAddress(row) else { continue }
            counts[address, default: 0] += 1
            if let known = named[address], !isBetter(row, than: rows[known]) { continue }
            named[address] = index
        }
        return rows.enumerated().map { index, row in
            let endpoint = endpointAddress(row)
            let isNamed = endpoint.map { named[$0] == index && (counts[$0] == 1 || !isConnection(row)) } ?? false
            return object(row, isNamed: isNamed || row.inode == 0)
        }
    }

    private func isConnection(_ row: InternetSocketRow) -> Bool { row.remote.port != 0 }

    private func isBetter(_ row: InternetSocketRow, than other: InternetSocketRow) -> Bool {
        row.isListening && !other.isListening || !isConnection(row) && isConnection(other)
    }

    private func endpointAddress(_ row: InternetSocketRow) -> Address? {
        try? Address(kind: row.kind, name: .endpoint(host: row.local.host, port: row.local.port))
    }

    func object(_ row: InternetSocketRow, isNamed: Bool) -> InspectedObject {
        let byInode = UnixSocketObjects.byInode(row.inode, row.kind)
        let byName = endpointAddress(row) ?? byInode
        let details = InternetSocketDetails(
            inode: row.inode, state: state(row), local: row.local, remote: isConnection(row) ? row.remote : nil,
            receiveQueueBytes: row.isListening ? nil : row.receiveQueue,
            sendQueueBytes: row.isListening ? nil : row.sendQueue,
            pendingConnections: row.isListening ? row.receiveQueue : nil,
            backlog: row.isListening && row.knowsBacklog ? row.sendQueue : nil)
        var object = InspectedObject(address: isNamed ? byName : byInode, details: .internet(details))
        object.otherAddresses = row.inode == 0 ? [] : [isNamed ? byInode : byName]
        object.owner = accounts.account(row.user)
        object.usedBytes = details.receiveQueueBytes
        object.usedCount = details.pendingConnections
        object.limitCount = details.backlog
        if row.inode != 0 { object.holders = scan.found[.socket(row.inode)]?.holders ?? [] }
        object.holdersAreComplete = scan.isComplete
        return object
    }

    private func state(_ row: InternetSocketRow) -> InternetSocketDetails.State {
        if row.kind == .udp { return row.state == 1 ? .established : .unconnected }
        let states: [InternetSocketDetails.State] = [
            .unknown, .established, .synSent, .synReceived, .finWait1, .finWait2, .timeWait, .closed, .closeWait,
            .lastAck, .listening, .closing, .synReceived,
        ]
        return Int(row.state) < states.count ? states[Int(row.state)] : .unknown
    }

    // MARK: Look-up

    /// The rows at an endpoint, listeners first; where none is at that very address, those that listen on all.
    func rows(at host: String, _ port: UInt16, _ kind: Address.Kind) -> [InternetSocketRow] {
        let host = InternetHost.normalized(host)
        let here = rows.filter { $0.kind == kind && $0.local.port == port }
        let exact = here.filter { $0.local.host == host }
        let everywhere = here.filter { !isConnection($0) && ($0.local.host == "0.0.0.0" || $0.local.host == "::") }
        let listening = exact.filter { !isConnection($0) }
        if !listening.isEmpty { return listening + exact.filter { isConnection($0) } }
        return everywhere + exact
    }
}
