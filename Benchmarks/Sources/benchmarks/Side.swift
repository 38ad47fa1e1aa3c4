// SPDX-License-Identifier: Apache-2.0
import CSupport
import Interprocess

/// One row's two or three contestants.
enum Subject: String {
    case interprocess
    case c
    case cEpoll = "c-epoll"
}

/// What is compared.
struct Workload {
    enum Mode: String { case blocking, async }
    enum Placement: String {
        case oneCPU = "one-cpu"
        case twoCPUs = "two-cpus"
    }

    let name: String
    let bytes: Int
    let mode: Mode
    let placement: Placement
    let subjects: [Subject]

    /// A blocking exchange is reported as one way (half a round trip), as a message takes it; with a task at one end
    /// the two ways differ, and the round trip is reported.
    var waysPerSample: Double { mode == .blocking ? 2 : 1 }

    /// What our figure may be of C's.
    var goal: Double? { mode == .async ? 1.5 : bytes <= 64 ? 1.05 : nil }
}

/// Two processes that play ping-pong, and what lies between them.
struct Side: ~Copyable {
    private let pinger: bench_worker
    private let echoer: bench_worker?
    private let queues: Queues

    static func programOfC(beside program: String) -> String {
        let directory = program.split(separator: "/", omittingEmptySubsequences: false).dropLast()
        return directory.joined(separator: "/") + "/c-side"
    }

    /// - Parameter program: the path of this program.
    init(_ subject: Subject, _ workload: Workload, program: String, control: Bool) throws {
        let c = Self.programOfC(beside: program)
        let isOurs = subject == .interprocess && !control
        let cpu = (
            first: bench_first_cpu(), second: workload.placement == .oneCPU ? bench_first_cpu() : bench_last_cpu()
        )
        let queues = try Queues(workload)
        let line = try Line(workload)
        let role = workload.mode == .blocking ? "ping" : isOurs ? "async" : subject == .cEpoll ? "epoll" : "ping"
        var echoer: bench_worker?
        // With a task at our end the other end is plain C; over our own counters the task's process starts it.
        if !isOurs || workload.name != "eventfd" {
            echoer = try Self.start(
                isOurs && workload.mode == .blocking ? program : c, "echo", workload, queues.there, queues.back,
                cpu.second,
                line.there.receive, line.back.send)
        }
        let pinger = try Self.start(
            isOurs ? program : c, role, workload, queues.back, queues.there, cpu.first, line.back.receive,
            line.there.send)
        self.queues = queues
        self.echoer = echoer
        self.pinger = pinger
    }

    private static func start(
        _ program: String, _ role: String, _ workload: Workload, _ receive: String, _ send: String, _ cpu: CInt,
        _ receiveDescriptor: CInt, _ sendDescriptor: CInt
    ) throws -> bench_worker {
        var worker = bench_worker()
        let failure = bench_start(
            &worker, program, role, workload.name, workload.bytes, receive, send, cpu, receiveDescriptor, sendDescriptor
        )
        if failure != 0 { throw Failure(text: "cannot start \(program): errno \(failure)") }
        return worker
    }

    deinit {
        for var worker in [pinger, echoer].compactMap({ $0 }) { bench_stop(&worker) }
    }

    /// Makes so many round trips; nanoseconds for all.
    func run(_ rounds: UInt64) throws -> UInt64 {
        var worker = pinger
        let nanoseconds = bench_run(&worker, rounds)
        if nanoseconds == 0 { throw Failure(text: "a process that is measured has ended") }
        return nanoseconds
    }
}

struct Failure: Error, CustomStringConvertible {
    let text: String
    var description: String { text }
}

/// The descriptors of both ways; closed here once the processes have them.
private struct Line: ~Copyable {
    var there: (receive: CInt, send: CInt) = (-1, -1)
    var back: (receive: CInt, send: CInt) = (-1, -1)

    init(_ workload: Workload) throws {
        switch workload.name {
        case "pipe":
            if bench_make_pair(0, &there.receive, &there.send) != 0
                || bench_make_pair(0, &back.receive, &back.send) != 0
            {
                throw Failure(text: "no pipe")
            }
        case "unix-seqpacket":
            var (near, far): (CInt, CInt) = (-1, -1)
            if bench_make_pair(1, &near, &far) != 0 { throw Failure(text: "no socket") }
            (there, back) = ((far, near), (near, far))
        case "eventfd":
            let (one, other) = (bench_make_counter(), bench_make_counter())
            (there, back) = ((one, one), (other, other))
        default: break
        }
    }

    deinit {
        for number in Set([there.receive, there.send, back.receive, back.send]) where number >= 0 {
            bench_close(number)
        }
    }
}

/// The queues of both ways, removed at the end.
private struct Queues: ~Copyable {
    private var posix: [ObjectName] = []
    private var systemV: [Int32] = []
    private(set) var there = ""
    private(set) var back = ""

    init(_ workload: Workload) throws {
        switch workload.name {
        case "mq":
            there = try posixQueue(workload.bytes)
            back = try posixQueue(workload.bytes)
        case "sysv-msg":
            there = try systemVQueue(workload.bytes)
            back = try systemVQueue(workload.bytes)
        default: break
        }
    }

    private mutating func posixQueue(_ size: Int) throws -> String {
        let name = try ObjectName("/benchmark-\(bench_now())")
        let limits = MessageQueue.Limits(maxMessages: 1, messageSizeBytes: size)
        try MessageQueue(name, mode: .createExclusive, limits: limits).close()
        posix.append(name)
        return "\(name)"
    }

    private mutating func systemVQueue(_ size: Int) throws -> String {
        let queue = try SystemVMessageQueue(key: .private, mode: .createExclusive)
        systemV.append(queue.id)
        if try queue.status().capacityBytes < size { try queue.setCapacity(size) }
        return "\(queue.id)"
    }

    deinit {
        for name in posix { try? MessageQueue.unlink(name) }
        for id in systemV { try? SystemVMessageQueue(id: id, lifetime: .removeOnClose).close() }
    }
}
