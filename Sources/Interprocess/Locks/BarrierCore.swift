// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import SystemPackage

/// A barrier in shared memory: counters behind a robust mutex, a word to sleep on, and a seat for each party by which it is
/// seen whether it lives.
final class BarrierCore: Sendable {
    static let patience = Duration.milliseconds(100)

    let memory: LockMemory
    let arrived: SharedWord
    let broken: SharedWord
    let lane: WaiterThread
    private let generation: SharedWord
    private let gate: RobustSlot
    private let parties: Int
    private let offset: Int

    init(_ memory: LockMemory, _ offset: Int, _ parties: Int) throws(IPCError) {
        _ = try Self.header(parties).check(memory, offset)
        self.memory = memory
        self.parties = parties
        self.offset = offset
        generation = memory.word(at: offset + 40)
        arrived = memory.word(at: offset + 44)
        broken = memory.word(at: offset + 48)
        gate = try RobustSlot(openingIn: memory, at: offset + 64)
        lane = WaiterThread(subject: memory.subject)
    }

    private static func header(_ parties: Int) -> LockHeader {
        LockHeader(
            kind: .barrier, fingerprint: UInt64(parties), byteCount: SharedBarrier.byteCount(parties: parties))
    }

    static func prepare(_ memory: LockMemory, _ offset: Int, _ parties: Int) throws(IPCError) {
        _ = try RobustSlot(creatingIn: memory, at: offset + 64)
        for place in stride(from: 40, to: 52, by: 4) { memory.store(UInt32(0), at: offset + place) }
        for index in 0..<parties { memory.store(UInt64(0), at: offset + 128 + 16 * index) }
        header(parties).write(memory, offset)
    }

    // MARK: Seats

    func join() throws(IPCError) -> Int {
        try locked { () throws(IPCError) in
            try refuseIfBroken()
            for index in 0..<parties where seatProcess(index) == 0 {
                let own = sysProcessID()
                memory.store(ProcessAge.of(own) ?? 0, at: offset + 136 + 16 * index)
                memory.store(UInt64(UInt32(bitPattern: own)), at: offset + 128 + 16 * index)
                return index
            }
            if hasDeadParty() {
                breakDown()
                throw dead()
            }
            throw IPCError(
                code: .limitReached, subject: memory.subject, hint: "all \(parties) parties have joined already")
        }
    }

    func leave(_ index: Int) {
        _ = try? locked { memory.store(UInt64(0), at: offset + 128 + 16 * index) }
    }

    private func seatProcess(_ index: Int) -> Int32 {
        Int32(truncatingIfNeeded: memory.load64(at: offset + 128 + 16 * index))
    }

    private func hasDeadParty() -> Bool {
        (0..<parties).contains { index in
            let process = seatProcess(index)
            if process == 0 { return false }
            return ProcessAge.of(process) != memory.load64(at: offset + 136 + 16 * index)
        }
    }

    // MARK: Coming and going

    /// Nil if this was the last party: all go on.
    func arrive(until deadline: Deadline) throws(IPCError) -> UInt32? {
        try locked(until: deadline) { () throws(IPCError) in
            try refuseIfBroken()
            let count = arrived.load() &+ 1
            if count >= UInt32(parties) {
                release()
                return nil
            }
            arrived.store(count)
            return generation.load()
        }
    }

    func arriveLast() throws(IPCError) -> Bool {
        try locked { () throws(IPCError) in
            try refuseIfBroken()
            guard arrived.load() &+ 1 >= UInt32(parties) else { return false }
            release()
            return true
        }
    }

    /// Waits a moment; whether all have come.
    func hasPassed(_ arrival: UInt32, until deadline: Deadline, retryOnInterrupt: Bool) throws(IPCError) -> Bool {
        if generation.load() == arrival {
            let moment = min(deadline, .after(Self.patience))
            do throws(Errno) {
                try generation.wait(
                    arrival, untilNanoseconds: moment.monotonicNanoseconds, retryOnInterrupt: retryOnInterrupt)
            } catch {
                if error == .timedOut {
                    if generation.load() == arrival && hasDeadParty() {
                        try locked { if generation.load() == arrival { breakDown() } }
                    }
                } else if error != .wouldBlock {
                    throw IPCError(error, "futex", memory.subject)
                }
            }
        }
        if broken.load() != 0 { throw dead() }
        return generation.load() != arrival
    }

    /// Takes the coming back; false if all had come by then.
    func withdraw(_ arrival: UInt32) throws(IPCError) -> Bool {
        try locked { () throws(IPCError) in
            guard generation.load() == arrival else {
                try refuseIfBroken()
                return false
            }
            arrived.store(max(1, arrived.load()) - 1)
            return true
        }
    }

    func repair() throws(IPCError) {
        try locked {
            for index in 0..<parties {
                let process = seatProcess(index)
                if process != 0, ProcessAge.of(process) != memory.load64(at: offset + 136 + 16 * index) {
                    memory.store(UInt64(0), at: offset + 128 + 16 * index)
                }
            }
            guard broken.load() != 0 else { return }
            arrived.store(0)
            broken.store(0)
        }
    }

    func late() -> IPCError {
        let hint = "\(arrived.load()) of \(parties) parties have come"
        return IPCError(.timedOut, "futex", memory.subject, hint: hint)
    }

    // MARK: Internals

    private func release() {
        arrived.store(0)
        generation.advance()
        generation.wakeAll()
    }

    private func breakDown() {
        broken.store(1)
        generation.advance()
        generation.wakeAll()
    }

    private func refuseIfBroken() throws(IPCError) { if broken.load() != 0 { throw dead() } }

    private func dead() -> IPCError {
        IPCError(
            code: .ownerDied, subject: memory.subject, hint: "a party of the barrier died; repair() makes it whole")
    }

    /// Who dies in here leaves counters that nobody can trust: the barrier is broken then.
    private func locked<Result>(
        until deadline: Deadline = .never, _ body: () throws(IPCError) -> Result
    ) throws(IPCError) -> Result {
        guard let (hold, ownerDied) = try memory.interpret(gate.lock(until: deadline), "pthread_mutex_lock") else {
            throw late()
        }
        defer { gate.unlock(hold) }
        if ownerDied {
            breakDown()
            do throws(Errno) { try gate.makeConsistent() } catch {
                throw IPCError(error, "pthread_mutex_consistent", memory.subject)
            }
        }
        return try body()
    }
}

/// When a process began, which tells it from another that got its number later.
enum ProcessAge {
    /// Nil if there is no such process, or it has ended and nobody has asked how.
    static func of(_ process: Int32) -> UInt64? {
        guard let text = try? KernelLimit.contents("/proc/\(process)/stat"),
            let name = text.lastIndex(of: ")")
        else { return nil }
        let fields = text[text.index(after: name)...].split(separator: " ")
        guard fields.count > 19, fields[0] != "Z", fields[0] != "X" else { return nil }
        return UInt64(fields[19])
    }
}
