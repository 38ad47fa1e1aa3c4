// SPDX-License-Identifier: Apache-2.0
import Interprocess
import SystemPackage

/// The way from an address to what carries parcels.
enum Carriers {
    static func source(_ address: Address, _ plan: SourcePlan) throws -> any Source {
        switch (address.kind, address.name) {
        case (.file, .path(let path)): return try FileSource(address, path, follow: plan.follow)
        case (.fifo, .path(let path)): return try FIFOSource(address, NamedPipe(path), plan)
        case (.mq, .object(let name)): return try MessageQueueSource(address, name)
        case (.sysvMsg, _): return try SystemVQueueSource(address)
        case (.topic, _): return try TopicSource(address, plan)
        case (.unix, _), (.unixSeqpacket, _), (.tcp, _): return try duplex(address, plan)
        case (.unixDatagram, _), (.udp, _):
            if plan.listen || plan.listenIfNobodyDoes { return try DatagramSource(address) }
            throw Failure.unfit(address, "who receives datagrams must be bound: add --listen")
        default: throw unfit(address, "receive from")
        }
    }

    static func sink(_ address: Address, _ plan: SinkPlan) throws -> any Sink {
        switch (address.kind, address.name) {
        case (.file, .path(let path)): return try FileSink(address, path, create: plan.create)
        case (.fifo, .path(let path)): return try FIFOSink(address, NamedPipe(path), plan)
        case (.mq, .object(let name)): return try MessageQueueSink(address, name, create: plan.create)
        case (.sysvMsg, _): return try SystemVQueueSink(address, create: plan.create)
        case (.topic, _): return try TopicSink(address, plan)
        case (.unix, _), (.unixSeqpacket, _), (.tcp, _):
            return try duplex(address, SourcePlan(deadline: plan.deadline, noWait: plan.noWait))
        case (.unixDatagram, _), (.udp, _): return try DatagramSink(address)
        default: throw unfit(address, "send to")
        }
    }

    /// A connection, for both ways.
    static func duplex(_ address: Address, _ plan: SourcePlan) throws -> any Duplex {
        guard address.kind.hasConnections else { throw unfit(address, "relay both ways with") }
        if plan.listen { return try SocketOpening.listen(address, plan) }
        guard plan.listenIfNobodyDoes else { return try SocketOpening.connect(address, plan) }
        do {
            return try SocketOpening.connect(address, plan)
        } catch let error as IPCError where error.errno == .connectionRefused || error.errno == .noSuchFileOrDirectory {
            return try SocketOpening.listen(address, plan)
        }
    }

    /// Why nothing can be done with this address.
    static func unfit(_ address: Address, _ verb: String) -> Failure {
        if case .number = address.name {
            return .unfit(address, "what has no name can only be looked at: ipc show \(address)")
        }
        if case .key(.private) = address.name {
            return .unfit(address, "private makes a new queue: ipc create \(address) prints its id= address")
        }
        switch address.kind {
        case .sem, .sysvSem: return .unfit(address, "a semaphore carries no data; its verbs are wait and post")
        case .shm, .sysvShm: return .unfit(address, "memory carries no messages; its verbs are read and write")
        case .pid, .signal: return .unfit(address, "signals are sent so: ipc signal pid:812 USR1")
        default: return .unfit(address, "to \(verb) a \(address.kind.title) is not built yet")
        }
    }
}

extension Address {
    /// Whether messages keep their borders.
    var keepsBoundaries: Bool {
        switch kind {
        case .fifo, .unix, .tcp, .file, .pipe: false
        default: true
        }
    }
}

extension Address.Kind {
    var hasConnections: Bool { self == .unix || self == .unixSeqpacket || self == .tcp }
}
