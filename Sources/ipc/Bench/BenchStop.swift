// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import SystemPackage

/// One line of the table: starts the other process, measures, and takes all away again.
struct BenchStop {
    let plan: BenchCase
    /// A directory of our own, where topics meet.
    let directory: FilePath

    func run() -> BenchResult {
        do { return try measure() } catch {
            var result = BenchResult(plan: plan)
            result.reason = Failure.describe(error)
            return result
        }
    }

    private func measure() throws -> BenchResult {
        if let processors = plan.processors { try sysRun(on: processors.ours) }
        if plan.subject == .topic { return try measureTopic() }
        let back = try KernelChannel(plan)
        let there = try KernelChannel(plan)
        let peer = try BenchStop.peer(plan, directory, descriptor: there.reading, another: back.writing)
        defer { peer.end() }
        try sysClose(there.reading)
        try sysClose(back.writing)
        var end = try KernelEnd(plan, reading: back.reading, writing: there.writing)
        return try run(peer, &end)
    }

    private func measureTopic() throws -> BenchResult {
        let publisher = try TopicEnd.publisher(plan, in: directory, isFirst: true)
        let peer = try BenchStop.peer(plan, directory)
        defer { peer.end() }
        var end = try TopicEnd(plan, in: directory, isFirst: true, publisher: publisher)
        guard try end.meet() else { throw Failure("the two processes did not meet") }
        return try run(peer, &end)
    }

    private func run<End: BenchEnd & ~Copyable>(_ peer: TourPeer, _ end: inout End) throws -> BenchResult {
        guard try peer.control.hear() == ["ready"] else { throw Failure("the other process was not ready") }
        return try BenchRun(plan: plan, peer: peer.control).measure(&end)
    }

    /// The other process. It is gone when this thread is, and this process does not wait for one that has gone.
    private static func peer(
        _ plan: BenchCase, _ directory: FilePath, descriptor: CInt? = nil, another: CInt? = nil
    ) throws -> TourPeer {
        let words = [
            "bench", plan.subject.rawValue, String(plan.payloadBytes), plan.mode.rawValue,
            String(plan.processors?.theirs ?? -1), "\(directory)",
        ]
        BenchWatch.begin(plan)
        let begun = BenchWatch.current
        return try TourPeer(words, descriptor: descriptor, another: another, diesWithUs: true) {
            BenchWatch.peerEnded(begun)
        }
    }
}

/// Ends the command if the other process goes, or nothing goes on: a wait for a message has no end of its own.
enum BenchWatch {
    private struct State {
        var number = 0
        var isOver = true
        var deadline = Deadline.never
    }

    private static let state = Shared(State())

    static var current: Int { state.withLock { $0.number } }

    /// A measurement begins.
    static func begin(_ plan: BenchCase) {
        state.withLock {
            $0.number += 1
            $0.isOver = false
            $0.deadline = .after(.seconds(30) + plan.duration * 20)
        }
    }

    /// It is done: what the other process does now is no matter.
    static func end() {
        state.withLock {
            $0.isOver = true
            $0.deadline = .never
        }
    }

    static func peerEnded(_ number: Int) {
        // It may have told why, and this process be about to say it.
        Patience.pause(nanoseconds: 500_000_000, until: .never)
        if state.withLock({ $0.number == number && !$0.isOver }) { Main.end(Failure("the other process ended")) }
    }

    /// From now on.
    static func start() throws {
        try sysStartThread(named: "ipc-bench") {
            while true {
                Patience.pause(nanoseconds: 200_000_000, until: .never)
                if state.withLock({ $0.deadline.hasPassed }) {
                    Main.end(Failure("the two processes made no progress", exitCode: 4))
                }
            }
        }
    }
}

/// The hidden verb's other half.
enum BenchPeerMain {
    /// - Parameter words: `bench`, subject, payload, mode, processor or -1, directory.
    static func run(_ words: [String], _ control: TourControl) throws {
        guard words.count == 6, let subject = BenchSubject(rawValue: words[1]), let payload = Int(words[2]),
            let mode = BenchMode(rawValue: words[3]), let processor = Int32(words[4])
        else { throw Failure("this verb is the bench's own") }
        let plan = BenchCase(
            subject: subject, workload: .latency, payloadBytes: payload, mode: mode, duration: .zero)
        if processor >= 0 { try sysRun(on: processor) }
        if subject == .topic {
            let directory = FilePath(words[5])
            let publisher = try TopicEnd.publisher(plan, in: directory, isFirst: false)
            var end = try TopicEnd(plan, in: directory, isFirst: false, publisher: publisher)
            guard try end.meet() else { throw Failure("the two processes did not meet") }
            try control.say("ready")
            return try BenchPeer.serve(control, &end)
        }
        for descriptor: CInt in [5, 6] { try sysSetCloseOnExec(descriptor, true) }
        var end = try KernelEnd(plan, reading: 5, writing: 6)
        try control.say("ready")
        try BenchPeer.serve(control, &end)
    }
}
