// SPDX-License-Identifier: Apache-2.0
import CSupport
import Interprocess

/// Compares this package with plain C; see README.md beside the package.
@main
enum Benchmarks {
    static func main() {
        do {
            if let worker = Worker(CommandLine.arguments) { return try worker.run() }
            try Options(CommandLine.arguments).run()
        } catch {
            print("benchmarks: \(error)")
            bench_fail()
        }
    }
}

struct Options {
    private let program: String
    private var effort = Effort.full
    private var json: String?
    private var only: String?
    private var control = false

    init(_ arguments: [String]) throws {
        program = arguments[0]
        var rest = arguments.dropFirst()
        while let argument = rest.popFirst() {
            switch argument {
            case "--quick": effort = .quick
            case "--control": control = true
            case "--json":
                guard let path = rest.popFirst() else { throw Failure(text: "--json needs a file") }
                json = path
            case "--only":
                guard let text = rest.popFirst() else { throw Failure(text: "--only needs a mechanism") }
                only = text
            default: throw Failure(text: "usage: run [--quick] [--json FILE] [--only MECHANISM] [--control]")
            }
        }
    }

    func run() throws {
        let limits = QueueLimits()
        print(Report.machine())
        print("\(effort.repetitions) turns each, \(effort.batchNanoseconds / 1_000_000) ms a turn, in alternation")
        for note in limits.notes { print(note) }
        if control { print("CONTROL: the C program takes the place of ours") }
        var measurements: [Measurement] = []
        for mode in [Workload.Mode.blocking, .async] {
            let workloads = Self.workloads(mode, limits).filter { only == nil || $0.name == only }
            if workloads.isEmpty { continue }
            print(
                mode == .blocking
                    ? "\nBlocking, one way (half a round trip)"
                    : "\nA task at one end, round trip; beside C that blocks")
            print(Report.heading)
            for workload in workloads {
                let measurement = try Measurement(workload, effort, program: program, control: control)
                for line in Report.lines(measurement) { print(line) }
                measurements.append(measurement)
            }
        }
        let semaphores = SemaphoreBenchmarks.workloads().filter {
            only == nil || only == "semaphores" || $0.name == only
        }
        if !semaphores.isEmpty {
            print(
                "\nSemaphores: an operation (half of taking and giving back), or a wake-up (half of waking and being woken)"
            )
            print(Report.heading)
        }
        for workload in semaphores {
            let measurement = try SemaphoreBenchmarks.measure(workload, effort, program: program, control: control)
            for line in Report.lines(measurement) { print(line) }
            measurements.append(measurement)
        }
        if let json, bench_write_file(json, Report.json(measurements)) != 0 {
            throw Failure(text: "cannot write \(json)")
        }
    }

    private static func workloads(_ mode: Workload.Mode, _ limits: QueueLimits) -> [Workload] {
        if mode == .async {
            return [("eventfd", 8), ("pipe", 64)].map { name, bytes in
                Workload(
                    name: name, bytes: bytes, mode: mode, placement: .oneCPU, subjects: [.interprocess, .c, .cEpoll])
            }
        }
        let placements: [Workload.Placement] = bench_first_cpu() == bench_last_cpu() ? [.oneCPU] : [.oneCPU, .twoCPUs]
        return ["pipe", "unix-seqpacket", "mq", "sysv-msg"].flatMap { name in
            [64, limits.largest(name)].flatMap { bytes in
                placements.map {
                    Workload(name: name, bytes: bytes, mode: mode, placement: $0, subjects: [.interprocess, .c])
                }
            }
        }
    }
}

/// Messages of 64 KiB need higher limits than usual. They are raised in an IPC namespace of our own, so nobody else sees
/// it and nothing needs to be put back; without the privilege for that, the largest message that is allowed is used.
struct QueueLimits {
    private static let wanted = 65536
    private static let paths = ["mq": "/proc/sys/fs/mqueue/msgsize_max", "sysv-msg": "/proc/sys/kernel/msgmax"]
    private var largest: [String: Int] = [:]

    init() {
        let isOwn = bench_own_namespace() == 0
        // What a System V queue holds in all; a queue takes the limit over when it is made.
        if isOwn { _ = bench_set_limit("/proc/sys/kernel/msgmnb", Self.wanted) }
        for (name, path) in Self.paths {
            if isOwn { _ = bench_set_limit(path, Self.wanted) }
            largest[name] = min(Self.wanted, max(64, bench_limit(path)))
        }
    }

    func largest(_ name: String) -> Int { largest[name] ?? Self.wanted }

    var notes: [String] {
        largest.filter { $0.value < Self.wanted }.map { name, value in
            "\(name): \(value) bytes instead of \(Self.wanted), the limit in \(Self.paths[name] ?? "") (more needs root)"
        }
    }
}
