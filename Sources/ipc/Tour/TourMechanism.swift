// SPDX-License-Identifier: Apache-2.0

/// The stops of the tour.
enum TourMechanism: String, CaseIterable, Sendable {
    case pipe
    case pipeWriters = "pipe-writers"
    case splice
    case fifo
    case unix
    case unixDatagram = "unix-datagram"
    case unixSeqpacket = "unix-seqpacket"
    case tcp
    case udp
    case mq
    case sysvMsg = "sysv-msg"
    case shm
    case mappedFile = "mapped-file"
    case memfd
    case topic
    case signal
    case control = "process-control"
    case file
    case descriptor

    var title: String {
        switch self {
        case .pipe: "pipe"
        case .pipeWriters: "pipe, 3 writers"
        case .splice: "pipe, spliced"
        case .fifo: "named pipe"
        case .unix: "unix stream"
        case .unixDatagram: "unix datagram"
        case .unixSeqpacket: "unix seqpacket"
        case .tcp: "tcp"
        case .udp: "udp"
        case .mq: "POSIX queue"
        case .sysvMsg: "System V queue"
        case .shm: "shared memory"
        case .mappedFile: "mapped file"
        case .memfd: "sealed memory"
        case .topic: "topic"
        case .signal: "signals"
        case .control: "process control"
        case .file: "file + inotify"
        case .descriptor: "descriptor"
        }
    }

    var goodFor: String {
        switch self {
        case .pipe: "a parent and its child; the shell's |"
        case .pipeWriters: "many writers, one reader: messages stay whole, nobody locks"
        case .splice: "files into pipes and sockets without a copy in the program"
        case .fifo: "programs that know a path and nothing of each other"
        case .unix: "a server and its clients on one host; knows who connects"
        case .unixDatagram: "messages to one receiver, none lost, no connection"
        case .unixSeqpacket: "a connection that keeps messages apart: the best default"
        case .tcp: "the same on other machines"
        case .udp: "many small messages to other machines, where a loss is no harm"
        case .mq: "messages by priority that outlive both programs"
        case .sysvMsg: "messages by type, each reader takes its own; the oldest programs know it"
        case .shm: "large data at the speed of memory, with semaphores for order: nothing is copied twice"
        case .mappedFile: "the same, and it stays when everybody has gone"
        case .memfd: "memory without a name, passed over a socket; its seals make it safe to read"
        case .topic: "many readers of one memory, written and read in place: no copy, and no call while they are awake"
        case .signal: "to announce an event with a number, in order; four bytes at a time"
        case .control: "a debugger's way: stop the other, write into its memory, let it go on"
        case .file: "a journal that stays, read at leisure; the oldest way of all"
        case .descriptor: "hand over the open file itself; no bytes cross at all"
        }
    }

    /// The largest piece that is sent at once.
    var pieceBytes: Int {
        switch self {
        case .udp, .mq, .sysvMsg: 8192
        case .unixDatagram, .unixSeqpacket: 32768
        case .memfd: 1 << 20
        case .signal: TourSignals.bytesPerSignal
        default: 65536
        }
    }

    /// Datagrams that may be on their way before the other side says that it has them; nil where the kernel waits.
    var window: Int? {
        switch self {
        case .udp: 8
        case .signal: 512
        default: nil
        }
    }

    /// How much of a file of `size` bytes is passed: by signals, which carry a word each, not more than takes a second or two.
    func share(of size: Int) -> Int { self == .signal ? min(size, 1 << 20) : size }
}

/// What a stop of the tour showed.
struct TourResult: Sendable {
    var mechanism: TourMechanism
    var bytes: Int = 0
    var expectedChecksum: UInt32 = 0
    var checksum: UInt32?
    var nanoseconds: UInt64 = 0
    var medianNanoseconds: UInt64 = 0
    var p99Nanoseconds: UInt64 = 0
    /// Why it could not be done.
    var reason: String?

    var verified: Bool { reason == nil && checksum == expectedChecksum }
    var bytesPerSecond: Double { nanoseconds == 0 ? 0 : Double(bytes) * 1e9 / Double(nanoseconds) }

    var json: JSON {
        var members: [(String, JSON)] = [
            ("schema", .integer(1)), ("mechanism", .string(mechanism.rawValue)), ("verified", .bool(verified)),
            ("bytes", .integer(Int64(bytes))), ("bytesPerSecond", .integer(Int64(bytesPerSecond))),
            ("latencyMedianNanoseconds", .unsigned(medianNanoseconds)),
            ("latencyP99Nanoseconds", .unsigned(p99Nanoseconds)),
        ]
        if let checksum { members.append(("checksum", .string(CRC32.text(checksum)))) }
        members.append(("goodFor", .string(mechanism.goodFor)))
        if let reason { members.append(("reason", .string(reason))) }
        return .object(members)
    }
}
