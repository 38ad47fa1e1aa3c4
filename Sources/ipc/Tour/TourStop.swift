// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import SystemPackage

/// One stop of the tour: makes the object, starts the other process, sends, and takes all away again.
struct TourStop {
    let mechanism: TourMechanism
    let file: TourFile
    /// A directory of our own, for what needs a path.
    let directory: FilePath
    let rounds: Int
    let progress: (Double) -> Void

    func run() -> TourResult {
        var result: TourResult
        do { result = try visit() } catch { result = failed(Failure.describe(error)) }
        result.expectedChecksum = file.checksum
        return result
    }

    private func failed(_ reason: String) -> TourResult { TourResult(mechanism: mechanism, reason: reason) }

    private func visit() throws -> TourResult {
        switch mechanism {
        case .pipe: return try throughPipe()
        case .mq: return try throughQueue()
        case .sysvMsg: return try throughSystemVQueue()
        case .file:
            let path = directory.appending("file")
            let address = try Address(kind: .file, name: .path(path))
            _ = try Objects.create(address, CreationPlan(permissions: .ownerOnly, exclusive: true))
            defer { try? sysUnlink(path) }
            return try through(address)
        case .unix, .unixDatagram, .unixSeqpacket:
            guard let kind = Address.Kind(rawValue: mechanism.rawValue) else { throw Failure("no kind of that name") }
            return try through(.unix(directory.appending("socket"), kind: kind))
        case .tcp: return try through(.tcp(host: "127.0.0.1", port: 0))
        case .udp: return try through(.udp(host: "127.0.0.1", port: 0))
        case .descriptor: return try throughDescriptor()
        case .fifo:
            let pipe = NamedPipe(directory.appending("fifo"))
            try pipe.create()
            defer { _ = try? pipe.remove() }
            return try through(.fifo(pipe.path))
        case .pipeWriters: return try throughPipeOfSeveral()
        case .splice: return try throughSplice()
        case .shm: return try throughSharedMemory()
        case .mappedFile: return try throughMappedFile()
        case .memfd: return try throughSealedMemory()
        case .topic: return try throughTopic()
        case .signal: return try throughSignals()
        case .control: return try throughControl()
        }
    }

    func peer(_ address: String, descriptor: CInt? = nil, onEnd: @escaping @Sendable () -> Void = {}) throws -> TourPeer
    {
        try TourPeer(
            ["receive", mechanism.rawValue, String(file.size), String(rounds), address], descriptor: descriptor,
            onEnd: onEnd)
    }

    func sender(_ peer: TourPeer) -> TourSender {
        TourSender(file: file, control: peer.control, mechanism: mechanism, rounds: rounds, progress: progress)
    }

    /// By address: the other process opens (or binds) it, tells where it is, and is sent to.
    func through(_ address: Address, onEnd: @escaping @Sendable () -> Void = {}) throws -> TourResult {
        let peer = try peer("\(address)", onEnd: onEnd)
        defer { peer.end() }
        let words = try peer.control.hear()
        guard words.count == 2, words[0] == "ready" else { throw Failure("the other process said \(words)") }
        let sink = try Carriers.sink(try Address(words[1]), SinkPlan(deadline: .after(.seconds(10))))
        return try sender(peer).send(through: sink)
    }

    /// Not the bytes but the open file itself goes to the other process, which reads it.
    private func throughDescriptor() throws -> TourResult {
        let peer = try peer("\(Address.unix(directory.appending("socket")))")
        defer { peer.end() }
        _ = try peer.control.hear()
        let sink = try Carriers.sink(.unix(directory.appending("socket")), SinkPlan(deadline: .after(.seconds(10))))
        let open = try file.open()
        let start = sysMonotonicNanoseconds()
        try sink.send(Parcel(bytes: [0], descriptors: [open.rawValue]), until: .never)
        let sender = sender(peer)
        var result = try sender.outcome(start: start)
        try sender.ping(&result) { try sink.send(Parcel(bytes: $0, descriptors: [open.rawValue]), until: .never) }
        return result
    }

    private func throughPipe() throws -> TourResult {
        let pair = try sysPlainPipe()
        let sink = try PipeSink(adopting: pair.writing)
        let peer = try peer("-", descriptor: pair.reading)
        defer { peer.end() }
        try sysClose(pair.reading)
        _ = try peer.control.hear()
        return try sender(peer).send(through: sink)
    }

    private func throughQueue() throws -> TourResult {
        let name = try ObjectName("/ipc-tour-\(sysProcessID())")
        let address = Address.messageQueue(name)
        var plan = CreationPlan(permissions: .ownerOnly, exclusive: true)
        plan.messageSize = min(mechanism.pieceBytes, MessageQueue.Limits.systemDefault.messageSizeBytes)
        _ = try Objects.create(address, plan)
        Cleaning.add { try? MessageQueue.unlink(name) }
        defer { try? MessageQueue.unlink(name) }
        return try through(address)
    }

    private func throughSystemVQueue() throws -> TourResult {
        let plan = CreationPlan(permissions: .ownerOnly, exclusive: true)
        let address = try Objects.create(try Address("sysv-msg:private"), plan)
        let remove: @Sendable () -> Void = { try? Objects.remove(address) }
        Cleaning.add(remove)
        defer { remove() }
        // A queue has no other side that could close it: when the receiver is gone, the queue goes, and the
        // sender that waits for room is told.
        return try through(address, onEnd: remove)
    }
}
