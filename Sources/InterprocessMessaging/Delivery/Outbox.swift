// SPDX-License-Identifier: Apache-2.0
package import Interprocess
public import InterprocessStructures
import InterprocessSyscalls

/// What the verbs of a publisher touch for every message.
@frozen @usableFromInline
package struct OutboxCore: ~Copyable {
    @usableFromInline package var log: BroadcastLog
    /// 0 in a forked child.
    @usableFromInline package let alive: SharedWord
    /// A claim is open.
    @usableFromInline package var isClaimed = false
    /// The publisher has gone, and the open claim keeps the outbox.
    @usableFromInline package var isOrphaned = false
    @usableFromInline package let fields: FieldLayout

    init(log: consuming BroadcastLog, alive: SharedWord, fields: FieldLayout) {
        self.log = log
        self.alive = alive
        self.fields = fields
    }
}

/// A publisher without a type: its log, its readers, and what waits.
///
/// Ownership: owns log, door and pages. Ends the log when it goes; what was sent stays with those who read it.
///
/// Concurrency: one owner at a time; the attendant uses ``desk`` only.
@usableFromInline
package final class Outbox {
    @usableFromInline package let core: Cell<OutboxCore>
    package let desk: OutboxDesk
    package let subject: String
    let strategy: WaitStrategy
    let stallNanoseconds: UInt64
    private var door: DoorKeeper?
    /// Since when the open need for room has not been met; 0: it is.
    private var stalledSince: UInt64 = 0
    /// When it was last asked for, or a sleep for it ended.
    var lastAttempt: UInt64 = 0
    /// A task waits for room.
    var isAwaited = false

    package init(
        _ layout: LogLayout, fields: FieldLayout, payload: PayloadDescription, subject: String, maximumReaders: Int,
        strategy: WaitStrategy, stallLimit: Duration
    ) throws(IPCError) {
        self.subject = subject
        self.strategy = strategy
        stallNanoseconds = stallLimit.clampedNanoseconds
        let alive = try ForkGuard.word()
        let isFenced = !ProcessBarrier.isAvailable
        let segment = try LogSegment(layout, name: "interprocess-\(subject)")
        let shelf = try PageShelf(count: maximumReaders)
        let log = segment.makeLog(maximumReaders: maximumReaders, isFenced: isFenced)
        desk = OutboxDesk(segment, log.roster, shelf, payload: payload, fields: fields, isFenced: isFenced)
        core = Cell(OutboxCore(log: log, alive: alive, fields: fields))
    }

    /// From now on readers may come.
    package func open(_ door: DoorKeeper) { self.door = door }

    deinit {
        if core.value.alive.loadRelaxed() != 0 {
            core.value.log.end()
            door?.close()
            desk.close()
        }
        core.free()
    }

    // MARK: Room

    /// What a claim needs.
    @frozen @usableFromInline
    package enum Need: Sendable {
        case records(Int)
        case bytes(Int)
    }

    /// Room, or who holds it.
    enum Attempt {
        case ready
        case held(by: Int)
    }

    /// One look; puts out whoever has stalled for too long.
    func attempt(_ need: Need) throws(IPCError) -> Attempt {
        try checkProcess()
        while true {
            let room =
                switch need {
                case .records(let count): core.value.log.makeRoom(records: count)
                case .bytes(let count): core.value.log.makeRoom(byteCount: count)
                }
            hangUpOnEvicted()
            switch room {
            case .ready:
                stalledSince = 0
                return .ready
            case .tooLarge: throw tooLarge(need)
            case .held(let index):
                let now = sysMonotonicNanoseconds()
                // A publisher that has not asked for so long has not waited meanwhile.
                if stalledSince == 0 || now &- lastAttempt > stallNanoseconds { stalledSince = now }
                lastAttempt = now
                guard now &- stalledSince >= stallNanoseconds else { return .held(by: index) }
                // One that came while others held up the claim has its own time.
                if let entered = desk.evict(index, unlessEnteredAfter: now &- stallNanoseconds) {
                    stalledSince = entered
                    return .held(by: index)
                }
            }
        }
    }

    /// In a forked child nobody would ever end a wait.
    func checkProcess() throws(IPCError) {
        guard core.value.alive.loadRelaxed() != 0 else { throw ForkGuard.failure(subject) }
    }

    /// When the reader that holds up the open claim is put out.
    var stallDeadline: Deadline {
        let (sum, overflow) = stalledSince.addingReportingOverflow(stallNanoseconds)
        return overflow ? .never : Deadline(monotonicNanoseconds: sum)
    }

    private func hangUpOnEvicted() {
        while let index = core.value.log.nextEvicted() { desk.hangUp(index) }
    }

    private func tooLarge(_ need: Need) -> IPCError {
        let largest = core.value.log.largestPayloadBytes
        let hint =
            switch need {
            case .records(let count): "\(count) records at once are more than a quarter of the log"
            case .bytes(let count):
                "\(count) bytes, and at most \(largest) fit; open the publisher with a larger capacity"
            }
        return IPCError(code: .messageTooLarge, subject: subject, hint: hint)
    }

    // MARK: Sending

    /// Wakes those who sleep, from `first` on, whose bell has been rung.
    @usableFromInline @inline(never)
    package func wakeSleepers(from first: Int) {
        var index = first
        while index >= 0 {
            desk.wake(index)
            index = core.value.log.nextSleeper(from: index + 1)
        }
    }
}
