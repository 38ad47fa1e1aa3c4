// SPDX-License-Identifier: Apache-2.0
import CSupport
import Glibc
import Interprocess

/// Semaphores beside plain C: alone (take and give back, nobody else there), contended (two processes do so on two CPUs),
/// wake-up (two processes that wake one another).
enum SemaphoreBenchmarks {
    static let names = ["sem-alone", "sem-contended", "sem-wakeup", "sysv-sem-alone", "sysv-sem-wakeup"]

    static func workloads() -> [Workload] {
        let placements: [Workload.Placement] = bench_first_cpu() == bench_last_cpu() ? [.oneCPU] : [.oneCPU, .twoCPUs]
        let tasks = ["sem-wakeup", "sysv-sem-wakeup"].map {
            Workload(name: $0, bytes: 0, mode: .async, placement: .oneCPU, subjects: [.interprocess, .c])
        }
        return tasks
            + names.flatMap { name in
                let fitting = placements.filter {
                    name.hasSuffix("alone") ? $0 == .oneCPU : name.hasSuffix("contended") ? $0 == .twoCPUs : true
                }
                return fitting.map {
                    Workload(name: name, bytes: 0, mode: .blocking, placement: $0, subjects: [.interprocess, .c])
                }
            }
    }

    static func measure(
        _ workload: Workload, _ effort: Effort, program: String, control: Bool
    ) throws -> Measurement {
        let ours = try SemaphoreSide(workload, control ? Side.programOfC(beside: program) : program)
        let c = try SemaphoreSide(workload, Side.programOfC(beside: program))
        var rounds: UInt64 = 16
        var nanoseconds = try c.run(rounds)
        while nanoseconds <= effort.batchNanoseconds / 3 {
            rounds *= 2
            nanoseconds = try c.run(rounds)
        }
        rounds = max(8, rounds * effort.batchNanoseconds / nanoseconds)
        var samples = [Samples(subject: .interprocess), Samples(subject: .c)]
        _ = try (ours.run(rounds), c.run(rounds))
        for repetition in 0..<effort.repetitions {
            for index in repetition.isMultiple(of: 2) ? [0, 1] : [1, 0] {
                let nanoseconds = try index == 0 ? ours.run(rounds) : c.run(rounds)
                samples[index].values.append(Double(nanoseconds) / (Double(rounds) * workload.waysPerSample))
            }
        }
        return Measurement(workload: workload, samples: samples)
    }

    // MARK: As one of the processes that are measured

    static func work(_ worker: Worker) throws(IPCError) {
        if worker.role == "async" { return try workInATask(worker) }
        if worker.workload.hasPrefix("sysv") {
            let mine = try SystemVSemaphoreSet(id: Int32(worker.receive) ?? -1)
            let theirs = try SystemVSemaphoreSet(id: Int32(worker.send) ?? -1)
            switch worker.role {
            case "alone": try alone(mine)
            case "ping": try ping(mine, theirs)
            default: try echo(mine, theirs)
            }
        } else {
            let mine = try NamedSemaphore(ObjectName(worker.receive))
            let theirs = try NamedSemaphore(ObjectName(worker.send))
            switch worker.role {
            case "alone": try alone(mine)
            case "ping": try ping(mine, theirs)
            default: try echo(mine, theirs)
            }
        }
    }
}

extension SemaphoreBenchmarks {
    /// The waits of one side are those of a task; its peer is a C process that blocks.
    private static func workInATask(_ worker: Worker) throws(IPCError) {
        let reactor = try Reactor(name: "benchmark")
        if worker.workload.hasPrefix("sysv") {
            let mine = try SystemVSemaphoreSet(id: Int32(worker.receive) ?? -1)
            let theirs = try SystemVSemaphoreSet(id: Int32(worker.send) ?? -1)
            Task(executorPreference: reactor) { [mine = consume mine, theirs = consume theirs] in
                do throws(IPCError) { try await pingAsync(mine, theirs) } catch { print(error) }
                bench_end()
            }
        } else {
            let mine = try NamedSemaphore(ObjectName(worker.receive))
            let theirs = try NamedSemaphore(ObjectName(worker.send))
            Task(executorPreference: reactor) { [mine = consume mine, theirs = consume theirs] in
                do throws(IPCError) { try await pingAsync(mine, theirs) } catch { print(error) }
                bench_end()
            }
        }
        bench_wait_for_end()
    }
}

/// What the loops need; specialised by the compiler for each kind.
private protocol Counted: ~Copyable {
    func take() throws(IPCError)
    func takeInATask() async throws(IPCError)
    func give() throws(IPCError)
}

extension NamedSemaphore: Counted {
    @inline(__always) fileprivate func take() throws(IPCError) { try wait() }
    @inline(__always) fileprivate func takeInATask() async throws(IPCError) { try await wait() }
    @inline(__always) fileprivate func give() throws(IPCError) { try post() }
}

extension SystemVSemaphoreSet: Counted {
    @inline(__always) fileprivate func take() throws(IPCError) { try wait() }
    @inline(__always) fileprivate func takeInATask() async throws(IPCError) { try await wait() }
    @inline(__always) fileprivate func give() throws(IPCError) { try post() }
}

private func alone<Kind: Counted & ~Copyable>(_ one: borrowing Kind) throws(IPCError) {
    while true {
        let rounds = bench_next()
        if rounds == 0 { return }
        let start = bench_now()
        for _ in 0..<rounds {
            try one.take()
            try one.give()
        }
        bench_report(bench_now() - start)
    }
}

private func ping<Kind: Counted & ~Copyable>(_ mine: borrowing Kind, _ theirs: borrowing Kind) throws(IPCError) {
    while true {
        let rounds = bench_next()
        if rounds == 0 { return }
        let start = bench_now()
        for _ in 0..<rounds {
            try theirs.give()
            try mine.take()
        }
        bench_report(bench_now() - start)
    }
}

private func pingAsync<Kind: Counted & ~Copyable>(
    _ mine: borrowing Kind, _ theirs: borrowing Kind
) async throws(IPCError) {
    while true {
        let rounds = bench_next()
        if rounds == 0 { return }
        let start = bench_now()
        for _ in 0..<rounds {
            try theirs.give()
            try await mine.takeInATask()
        }
        bench_report(bench_now() - start)
    }
}

private func echo<Kind: Counted & ~Copyable>(_ mine: borrowing Kind, _ theirs: borrowing Kind) throws(IPCError) {
    while true {
        try mine.take()
        try theirs.give()
    }
}

/// One or two processes of one program, and the semaphores between them, which go at the end.
private struct SemaphoreSide: ~Copyable {
    private let first: bench_worker
    private let second: bench_worker?
    private let isContended: Bool
    private let named: [ObjectName]
    private let sets: [Int32]

    init(_ workload: Workload, _ program: String) throws {
        let isPair = workload.name.hasSuffix("wakeup")
        let isContended = workload.name.hasSuffix("contended")
        var (named, sets): ([ObjectName], [Int32]) = ([], [])
        for value in isPair ? [0, 0] : [1] {
            if workload.name.hasPrefix("sysv") {
                sets.append(try SystemVSemaphoreSet(key: .private, mode: .createExclusive, values: [value]).id)
            } else {
                let name = try ObjectName("/benchmark-\(bench_now())")
                try NamedSemaphore(name, mode: .createExclusive, initialValue: value).close()
                named.append(name)
            }
        }
        let names = named.map(\.description) + sets.map { "\($0)" }
        let far = workload.placement == .oneCPU ? bench_first_cpu() : bench_last_cpu()
        let (one, other) = (names[0], names[names.count - 1])
        let second =
            isPair
            ? try Self.start(
                workload.mode == .async ? Side.programOfC(beside: program) : program, "echo", workload, other, one, far)
            : isContended ? try Self.start(program, "alone", workload, one, other, far) : nil
        let isC = program == Side.programOfC(beside: program)
        let role = !isPair ? "alone" : workload.mode == .async && !isC ? "async" : "ping"
        let first = try Self.start(program, role, workload, one, other, bench_first_cpu())
        (self.first, self.second, self.isContended, self.named, self.sets) = (first, second, isContended, named, sets)
    }

    private static func start(
        _ program: String, _ role: String, _ workload: Workload, _ mine: String, _ theirs: String, _ cpu: CInt
    ) throws -> bench_worker {
        var worker = bench_worker()
        let failure = bench_start(&worker, program, role, workload.name, 0, mine, theirs, cpu, -1, -1)
        if failure != 0 { throw Failure(text: "cannot start \(program): errno \(failure)") }
        return worker
    }

    deinit {
        for var worker in [first, second].compactMap({ $0 }) { bench_stop(&worker) }
        for name in named { try? NamedSemaphore.unlink(name) }
        for id in sets { try? SystemVSemaphoreSet(id: id, lifetime: .removeOnClose).close() }
    }

    /// Makes so many rounds; nanoseconds for all. Who contends makes as many at the same time.
    func run(_ rounds: UInt64) throws -> UInt64 {
        var (order, ignored) = (rounds, UInt64(0))
        if isContended, let second { _ = unsafe write(second.commands, &order, 8) }
        var worker = first
        let nanoseconds = bench_run(&worker, rounds)
        if isContended, let second { _ = unsafe read(second.results, &ignored, 8) }
        if nanoseconds == 0 { throw Failure(text: "a process that is measured has ended") }
        return nanoseconds
    }
}

extension Measurement {
    init(workload: Workload, samples: [Samples]) {
        self.workload = workload
        self.samples = samples
    }
}
