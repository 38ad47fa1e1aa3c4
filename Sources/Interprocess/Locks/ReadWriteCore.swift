// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import Synchronization
import SystemPackage

/// The gate, the seats, and the word that says that a writer is at work.
///
/// Who sits sees no living writer, for a living writer holds every seat. So whoever has a seat and sees the word set knows that the
/// writer died at work.
final class ReadWriteCore: Sendable {
    static let writingOffset = 40
    static let gateOffset = 64
    static func seatOffset(_ index: Int) -> Int { 128 + 64 * index }
    static func stateOffset(seats: Int) -> Int { 128 + 64 * seats }

    struct Seat {
        let index: Int
        let hold: RobustHold
    }

    /// What a writer holds.
    struct AllSeats {
        let gate: RobustHold
        var seats: [RobustHold]
    }

    let memory: LockMemory
    let gate: RobustSlot
    let seats: [RobustSlot]
    let writing: SharedWord
    let recovery: (@Sendable () -> Bool)?
    let lane: WaiterThread
    private let turn = Atomic<Int>(0)

    private static let idle: UInt32 = 0
    private static let atWork: UInt32 = 1
    private static let ruined: UInt32 = 2

    init(
        _ memory: LockMemory, _ offset: Int, _ gate: RobustSlot, _ seats: [RobustSlot],
        _ recovery: (@Sendable () -> Bool)?
    ) {
        self.memory = memory
        self.gate = gate
        self.seats = seats
        self.recovery = recovery
        writing = memory.word(at: offset + Self.writingOffset)
        lane = WaiterThread(subject: memory.subject)
    }

    func late() -> IPCError {
        IPCError(.timedOut, "pthread_mutex_clocklock", memory.subject, hint: "others hold the lock")
    }

    // MARK: Readers

    /// Takes a seat; nil if it is late, or, without a deadline, if a writer is there.
    func sit(until deadline: Deadline?) throws(IPCError) -> Seat? {
        while true {
            guard let seat = try trySit(until: deadline) else { return nil }
            switch writing.load() {
            case Self.idle: return seat
            case Self.ruined:
                leave(seat)
                throw ruin()
            default:
                // A writer died at work. Alone behind the gate this is put right, or found to be so already.
                leave(seat)
                guard let all = try close(until: deadline) else { return nil }
                open(all)
            }
        }
    }

    private func trySit(until deadline: Deadline?) throws(IPCError) -> Seat? {
        guard let gateHold = try acquire(gate, deadline) else { return nil }
        gate.unlock(gateHold)
        let start = turn.wrappingAdd(1, ordering: .relaxed).oldValue & Int.max
        for step in seats.indices {
            let index = (start + step) % seats.count
            if let hold = try acquire(seats[index], nil) { return Seat(index: index, hold: hold) }
        }
        guard let deadline else { return nil }
        let index = start % seats.count
        guard let hold = try acquire(seats[index], deadline) else { return nil }
        return Seat(index: index, hold: hold)
    }

    func leave(_ seat: Seat) { seats[seat.index].unlock(seat.hold) }

    // MARK: Writers

    /// Takes the gate and every seat; nil if it is late, or, without a deadline, if anybody is there.
    func close(until deadline: Deadline?) throws(IPCError) -> AllSeats? {
        guard let gateHold = try acquire(gate, deadline) else { return nil }
        var all = AllSeats(gate: gateHold, seats: [])
        all.seats.reserveCapacity(seats.count)
        for seat in seats {
            do throws(IPCError) {
                guard let hold = try acquire(seat, deadline) else {
                    release(all)
                    return nil
                }
                all.seats.append(hold)
            } catch {
                release(all)
                throw error
            }
        }
        switch writing.load() {
        case Self.idle: break
        case Self.ruined:
            release(all)
            throw ruin()
        default:
            if recovery?() != true {
                writing.store(Self.ruined)
                release(all)
                throw IPCError(
                    Errno(rawValue: RobustHold.ownerDied), "pthread_mutex_lock", memory.subject,
                    hint: "a writer died in the middle of its work, and what it wrote could not be repaired")
            }
        }
        writing.store(Self.atWork)
        return all
    }

    func open(_ all: AllSeats) {
        writing.store(Self.idle)
        release(all)
    }

    /// In the order in which the thread's list of mutexes likes it: the last one first.
    private func release(_ all: AllSeats) {
        for index in all.seats.indices.reversed() { seats[index].unlock(all.seats[index]) }
        gate.unlock(all.gate)
    }

    // MARK: Internals

    /// That an owner died says nothing yet: only a writer leaves something to be repaired, and the word tells.
    private func acquire(_ slot: RobustSlot, _ deadline: Deadline?) throws(IPCError) -> RobustHold? {
        let hold = deadline.map { slot.lock(until: $0) } ?? slot.tryLock()
        if hold.result == 0 { return hold }
        guard let (held, ownerDied) = try memory.interpret(hold, "pthread_mutex_lock") else { return nil }
        if ownerDied {
            do throws(Errno) { try slot.makeConsistent() } catch {
                slot.unlock(held)
                throw IPCError(error, "pthread_mutex_consistent", memory.subject)
            }
        }
        return held
    }

    private func ruin() -> IPCError { memory.failure(RobustHold.notRecoverable, "pthread_mutex_lock") }
}
