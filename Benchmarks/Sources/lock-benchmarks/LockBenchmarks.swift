// SPDX-License-Identifier: Apache-2.0
import CLocks
import Interprocess

/// Locks beside the same loops in plain C, in turns: ours, C, C, ours, …
@main
struct LockBenchmarks {
    static func main() throws {
        let turns = CommandLine.arguments.contains("--quick") ? 41 : 201
        print("nanoseconds for one lock and unlock, medians of \(turns) turns in alternation; \(lock_cpus()) CPUs")
        print("what                                     ours        C    ratio   of minima")
        let ours = try Ours()
        guard let plain = lock_make() else { return }
        let (file, other) = (lock_open_scratch(), lock_open_scratch())
        try compare("robust mutex, uncontended", turns, 20000, { try ours.mutexLoop($0) }) {
            lock_mutex_loop(plain, $0)
        }
        try compare("read lock, uncontended", turns, 10000, { try ours.readLoop($0) }) { lock_read_loop(plain, $0) }
        try compare("file lock of the open file", turns, 4000, { try ours.fileLoop($0) }) { lock_file_loop(file, $0) }
        try compare("file lock, flock", turns, 4000, { try ours.flockLoop($0) }) { lock_flock_loop(other, $0) }
        if lock_cpus() > 1 {
            try compare("robust mutex, 2 processes on 2 CPUs", turns / 4, 40000) {
                try together(cpus: (0, 1), $0) { _, rounds in try ours.mutexLoop(rounds) }
            } _: {
                try together(cpus: (0, 1), $0) { _, rounds in lock_mutex_loop(plain, rounds) }
            }
        }
        try compare("robust mutex, 2 processes on 1 CPU", turns / 4, 40000) {
            try together(cpus: (0, 0), $0) { _, rounds in try ours.mutexLoop(rounds) }
        } _: {
            try together(cpus: (0, 0), $0) { _, rounds in lock_mutex_loop(plain, rounds) }
        }
        try compare("a turn handed over, 1 CPU (condition)", turns / 4, 3000) {
            try together(cpus: (0, 0), $0) { me, rounds in try ours.turnLoop(me, rounds) }
        } _: {
            try together(cpus: (0, 0), $0) { me, rounds in lock_turn_loop(plain, Int32(me), rounds) }
        }
    }

    /// A child and this process run `body` at once; the time until both are done.
    private static func together(
        cpus: (Int32, Int32), _ rounds: UInt64, _ body: (Int, UInt64) throws -> UInt64
    ) throws -> UInt64 {
        let start = lock_now()
        let child = lock_fork()
        if child == 0 {
            lock_pin(cpus.1)
            _ = try? body(1, rounds)
            lock_end_child()
        }
        lock_pin(cpus.0)
        _ = try body(0, rounds)
        lock_wait_child(child)
        lock_unpin()
        return lock_now() - start
    }

    private static func compare(
        _ name: String, _ turns: Int, _ rounds: UInt64, _ ours: (UInt64) throws -> UInt64,
        _ plain: (UInt64) throws -> UInt64
    ) throws {
        _ = try ours(rounds)
        _ = try plain(rounds)
        var (left, right): ([Double], [Double]) = ([], [])
        for turn in 0..<turns {
            if turn.isMultiple(of: 2) { left.append(Double(try ours(rounds)) / Double(rounds)) }
            right.append(Double(try plain(rounds)) / Double(rounds))
            if !turn.isMultiple(of: 2) { left.append(Double(try ours(rounds)) / Double(rounds)) }
        }
        left.sort()
        right.sort()
        let (a, b) = (left[left.count / 2], right[right.count / 2])
        print(
            "\(pad(name, 36)) \(number(a)) \(number(b))    \(ratio(a / b))   \(ratio(left[0] / right[0]))")
    }

    private static func pad(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }
    private static func number(_ value: Double) -> String {
        let text = "\((value * 10).rounded() / 10)"
        return String(repeating: " ", count: max(0, 8 - text.count)) + text
    }
    private static func ratio(_ value: Double) -> String { "\((value * 1000).rounded() / 1000)" }
}

/// The loops with this package.
final class Ours {
    private let mutex: RobustMutex<Int>
    private let readers: SharedReadWriteLock<Int>
    private let changed: SharedCondition
    private let file: FileLock
    private let flock: FileLock

    init() throws {
        let memory = try LockMemory(byteCount: 8192)
        mutex = try RobustMutex(creatingIn: memory, initial: 0, recovery: .giveUp)
        readers = try SharedReadWriteLock(creatingIn: memory, atByte: 1024, initial: 0, recovery: .giveUp)
        changed = try SharedCondition(creatingIn: memory, atByte: 4096)
        file = FileLock(adopting: OwnedDescriptor(adopting: lock_open_scratch()))
        flock = FileLock(adopting: OwnedDescriptor(adopting: lock_open_scratch()), kind: .flock)
    }

    func mutexLoop(_ rounds: UInt64) throws -> UInt64 {
        let start = lock_now()
        for _ in 0..<rounds { try mutex.withLock { $0 &+= 1 } }
        return lock_now() - start
    }

    func readLoop(_ rounds: UInt64) throws -> UInt64 {
        var seen = 0
        let start = lock_now()
        for _ in 0..<rounds { seen ^= try readers.withReadLock { $0 } }
        let time = lock_now() - start
        return seen == .min ? 0 : time
    }

    func fileLoop(_ rounds: UInt64) throws -> UInt64 {
        let start = lock_now()
        for _ in 0..<rounds {
            try file.lock()
            try file.unlock()
        }
        return lock_now() - start
    }

    func flockLoop(_ rounds: UInt64) throws -> UInt64 {
        let start = lock_now()
        for _ in 0..<rounds {
            try flock.lock()
            try flock.unlock()
        }
        return lock_now() - start
    }

    func turnLoop(_ me: Int, _ rounds: UInt64) throws -> UInt64 {
        let start = lock_now()
        for _ in 0..<rounds {
            try mutex.withLock(waitingOn: changed, until: { $0 & 1 == me }) { $0 &+= 1 }
            changed.notifyAll()
        }
        return lock_now() - start
    }
}
