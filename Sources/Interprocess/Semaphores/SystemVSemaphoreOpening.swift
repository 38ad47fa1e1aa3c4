// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import SystemPackage

/// Opening and creating a set such that nobody uses one without its values.
///
/// Stevens' rule: a set is ready when there was a `semop` on it, which `sem_otime` shows. A maker of this package gives all
/// values by one `semop` on the fresh zeroes: value and readiness come at once, and a maker that is killed has done all or
/// nothing. Who finds a set that is not ready waits for its maker; when that takes longer than any maker needs, the maker is
/// dead, and the set is removed by its id, an atomic step of which two that try it at once cannot do harm: the second one's
/// id is gone.
struct SystemVSemaphoreOpening {
    let key: SystemVKey
    let mode: CreationMode
    let values: [Int]
    let permissions: UInt32
    let initialization: SystemVSemaphoreSet.Initialization
    let lifetime: SystemVSemaphoreSet.Lifetime

    struct Opened: ~Copyable {
        var id: Int32
        var count: Int
        var wasCreated: Bool
        var use: SystemVUse?
    }

    private struct Found {
        var id: Int32
        var count: Int
        var wasCreated: Bool
    }

    private var subject: String { "sysv-sem:\(key)" }

    func open() throws(IPCError) -> Opened {
        try check()
        if case .whileUsed(let directory) = lifetime { _ = try SystemVUsed.semaphoreSet.removeUnused(in: directory) }
        while true {
            guard let found = try findOrMake() else { continue }
            guard case .whileUsed(let directory) = lifetime else {
                return Opened(id: found.id, count: found.count, wasCreated: found.wasCreated, use: nil)
            }
            let use = try SystemVUse.join(
                found.id, kind: .semaphoreSet, in: directory, isCreator: found.wasCreated, subject)
            // The last user may be leaving at this moment, and the set with it: then look again.
            switch consume use {
            case .some(let use):
                return Opened(id: found.id, count: found.count, wasCreated: found.wasCreated, use: use)
            case .none: continue
            }
        }
    }

    /// Nil if what was there has just gone, or somebody else was quicker.
    private func findOrMake() throws(IPCError) -> Found? {
        if mode == .openExisting || (mode == .openOrCreate && key.rawValue != 0), let id = try lookUp() {
            return try find(id)
        }
        guard let id = try create(), try make(id) else { return nil }
        return Found(id: id, count: values.count, wasCreated: true)
    }

    /// The id of the set that has the key; nil if there is none and it may be made.
    private func lookUp() throws(IPCError) -> Int32? {
        do throws(Errno) { return try sysSemaphoreSetGet(key.rawValue, count: values.count) } catch {
            if error == .noSuchFileOrDirectory && mode == .openOrCreate { return nil }
            throw failure(error)
        }
    }

    /// The id of a new set of zeroes; nil if somebody else has just made one that is as good.
    private func create() throws(IPCError) -> Int32? {
        do throws(Errno) {
            return try sysSemaphoreSetGet(
                key.rawValue, count: values.count, create: true, exclusive: true, mode: permissions)
        } catch {
            if error == .fileExists && mode == .openOrCreate { return nil }
            throw failure(error)
        }
    }

    private func check() throws(IPCError) {
        let isPrivate = key.rawValue == 0
        if isPrivate && (mode == .openExisting || key != .private) {
            throw IPCError(
                code: .invalidArgument, call: "semget", subject: subject,
                hint: "key 0 is IPC_PRIVATE, by which nothing is found: create with .private, open by id")
        }
        for (number, value) in values.enumerated() where !(0...SystemVSemaphoreSet.maximumValue).contains(value) {
            throw IPCError(
                code: .invalidArgument, call: "semctl", errno: .outOfRange, subject: subject,
                hint: "value \(value) of semaphore \(number) is not 0 to \(SystemVSemaphoreSet.maximumValue) (SEMVMX)")
        }
    }

    // MARK: Making

    /// Gives a fresh set its values; false if somebody took it for abandoned meanwhile.
    private func make(_ id: Int32) throws(IPCError) -> Bool {
        do throws(Errno) {
            let operations = values.enumerated().filter { $0.element > 0 }.map {
                SystemVSemaphoreSet.Operation.post($0.offset, by: $0.element)
            }
            let most = SystemVSemaphoreLimits.current?.operationsPerGroup ?? 32
            if operations.isEmpty {
                try SystemVSemaphoreCore.operate(id, [.waitForZero()])
            } else if operations.count <= most {
                try SystemVSemaphoreCore.operate(id, operations)
            } else {
                // More than one group can: all values by SETALL, then a group that changes nothing says that it is ready.
                try sysSemaphoreSetSetValues(id, values.map { UInt16($0) })
                let first = operations[0]
                try SystemVSemaphoreCore.operate(id, [first.inverse, first])
            }
            return true
        } catch  where error == .identifierRemoved || error == .invalidArgument {
            if mode == .openOrCreate { return false }
            throw failure(.identifierRemoved)
        } catch {
            try? sysSemaphoreSetRemove(id)
            throw failure(error)
        }
    }

    // MARK: Finding

    /// Waits until the set is ready; nil if it is gone meanwhile and a new attempt is due.
    private func find(_ id: Int32) throws(IPCError) -> Found? {
        guard let first = try unlessGone({ () throws(Errno) in try sysSemaphoreSetState(id) }) else { return nil }
        let found = Found(id: id, count: first.count, wasCreated: false)
        guard case .awaited(let patience) = initialization else { return found }
        let deadline = Deadline.after(patience)
        var pause: UInt64 = 50_000
        var state = first
        while state.operated == 0 {
            if deadline.hasPassed || isOlder(state, than: patience) { return try judge(id, found) }
            sysPause(nanoseconds: pause)
            pause = min(pause * 2, 5_000_000)
            guard let next = try unlessGone({ () throws(Errno) in try sysSemaphoreSetState(id) }) else { return nil }
            state = next
        }
        return found
    }

    /// Nobody has used the set since it was made or changed, long ago.
    private func judge(_ id: Int32, _ found: Found) throws(IPCError) -> Found? {
        for number in 0..<found.count {
            // Since Linux 4.6 setting a value notes the process, like an operation does.
            for which in [SystemVSemaphoreNumber.lastProcess, .value] {
                let known = try unlessGone { () throws(Errno) in try sysSemaphoreNumber(id, number: number, which) }
                guard let known else { return nil }
                if known != 0 { return found }
            }
        }
        guard mode == .openOrCreate else {
            throw IPCError(
                code: .timedOut, call: "semget", subject: subject,
                hint:
                    "the set (id \(id)) was made and never given values: its maker died or does not follow the rule of "
                    + "sem_otime; remove it (ipcrm -s \(id)), open it with .openOrCreate, or take it .asFound")
        }
        do throws(Errno) { try sysSemaphoreSetRemove(id) } catch {
            if error == .invalidArgument || error == .identifierRemoved { return nil }
            throw IPCError(
                error, "semctl", subject,
                hint:
                    "the set (id \(id)) was made and never given values: its maker died; only its owner may replace it")
        }
        return nil
    }

    private func unlessGone<Result>(_ body: () throws(Errno) -> Result) throws(IPCError) -> Result? {
        do throws(Errno) { return try body() } catch {
            if error == .invalidArgument || error == .identifierRemoved { return nil }
            throw failure(error)
        }
    }

    /// By the wall clock, which is what the kernel notes; whole seconds, so one more than asked for.
    private func isOlder(_ state: SystemVSemaphoreState, than patience: Duration) -> Bool {
        let now = Int(sysRealtimeNanoseconds() / 1_000_000_000)
        return now - state.changed > Int(clamping: patience.components.seconds) + 1
    }

    // MARK: Failures

    private func failure(_ error: Errno) -> IPCError {
        let limits = SystemVSemaphoreLimits.current
        let hint: String
        switch error {
        case .noSuchFileOrDirectory: hint = "no set has that key; .createExclusive or .openOrCreate makes one"
        case .fileExists: hint = "a set has that key; .openExisting or .openOrCreate opens it"
        case .noSpace:
            hint =
                limits.map {
                    "kernel.sem allows \($0.sets) sets (SEMMNI) and \($0.semaphores) semaphores in all (SEMMNS), "
                        + "and so many exist; remove some or raise it"
                } ?? "the system's limit of sets or semaphores is reached"
        case .invalidArgument:
            let most = limits?.semaphoresPerSet ?? 32000
            if values.isEmpty {
                hint = "a set that is created needs a value for each of its semaphores, one at least"
            } else if values.count > most {
                hint = "\(values.count) semaphores are more than kernel.sem allows a set, \(most) (SEMMSL)"
            } else {
                hint = "the set that has this key has fewer than \(values.count) semaphores"
            }
        case .permissionDenied:
            hint = "the set's owner and mode do not allow this to user \(sysEffectiveUserID())"
        case .identifierRemoved: hint = "the set was removed while it was made"
        default: hint = ""
        }
        return IPCError(error, "semget", subject, hint: hint)
    }
}
