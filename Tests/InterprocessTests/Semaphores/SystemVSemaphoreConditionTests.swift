// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import InterprocessTestKit
import SystemPackage
import Testing

/// Through the call itself, where the library gives an outcome that is no error.
private func operate(_ id: Int32, _ operations: [SystemVSemaphoreSet.Operation], until: UInt64? = nil) throws(Errno) {
    try operations.span.withUnsafeBytes { (bytes) throws(Errno) in
        try sysSemaphoreOperate(id, bytes, untilNanoseconds: until)
    }
}

private let opening: [ConditionCase] = [
    .row("semget", "no set for key, no IPC_CREAT") {
        Expect.failure(.noSuchFileOrDirectory, .notFound, hint: ".openOrCreate") {
            _ = try SystemVSemaphoreSet(key: ScratchSemaphores().key())
        }
    },
    .row("semget", "nsems larger than existing set") {
        let key = ScratchSemaphores().key()
        let set = try SystemVSemaphoreSet(
            key: key, mode: .createExclusive, values: [1, 1], lifetime: .removeOnClose)
        Expect.failure(.invalidArgument, .invalidArgument, hint: "fewer than 3 semaphores") {
            _ = try SystemVSemaphoreSet(key: key, values: [1, 1, 1])
        }
        #expect(set.count == 2)
    },
    .row("semget", "kernel.sem SEMMNI reached") {
        await #expect(processExitsWith: .success) {
            try TestSyscalls.leaveIPCNamespace()
            try Checkout.write("10 100 5 2\n", to: "/proc/sys/kernel/sem")
            let limits = try #require(SystemVSemaphoreLimits.current)
            #expect(limits.semaphoresPerSet == 10 && limits.semaphores == 100)
            #expect(limits.operationsPerGroup == 5 && limits.sets == 2)
            let first = try scratchSet([1])
            let second = try scratchSet([1])
            Expect.failure(.noSpace, .limitReached, hint: "2 sets (SEMMNI)") { _ = try scratchSet([1]) }
            try second.close()
            Expect.failure(.invalidArgument, .invalidArgument, hint: "10 (SEMMSL)") {
                _ = try scratchSet([Int](repeating: 1, count: 11))
            }
            Expect.failure(.argListTooLong, .limitReached, hint: "kernel.sem allows 5 (SEMOPM)") {
                try first.perform([SystemVSemaphoreSet.Operation](repeating: .post(0), count: 6))
            }
            // Values for more semaphores than a group may have operations.
            #expect(try scratchSet([1, 2, 3, 4, 5, 6, 7]).values() == [1, 2, 3, 4, 5, 6, 7])
        }
    },
    .row("semget", "no permission") {
        let key = ScratchSemaphores().key()
        let set = try SystemVSemaphoreSet(key: key, mode: .createExclusive, values: [1], lifetime: .removeOnClose)
        await #expect(processExitsWith: .success) { [key = key.number as Int32, id = set.id as Int32] in
            try ProcessState.becomeNobody()
            Expect.errno(.permissionDenied) { _ = try sysSemaphoreSetGet(key, count: 1, mode: 0o600) }
            Expect.failure(.permissionDenied, .permissionDenied, hint: "user 65534") {
                _ = try SystemVSemaphoreSet(key: .number(key))
            }
            Expect.failure(.permissionDenied, .permissionDenied, hint: "user 65534") {
                _ = try SystemVSemaphoreSet(id: id)
            }
            #expect(try SystemVSemaphoreSet.exists(key: .number(key)))
        }
    },
]

private let operating: [ConditionCase] = [
    .row("semop IPC_NOWAIT", "wait-for-zero on non-zero") {
        let set = try scratchSet([1])
        #expect(try !set.tryPerform([.waitForZero()]))
        Expect.errno(.wouldBlock) { try operate(set.id, [.waitForZero(0, noWait: true)]) }
        #expect(try set.tryPerform([.wait(), .waitForZero()]))
    },
    .row("semtimedop", "timeout passes") {
        let set = try scratchSet([0])
        Expect.errno(.wouldBlock) { try operate(set.id, [.wait()], until: sysMonotonicNanoseconds() + 1_000_000) }
        Expect.failure(.timedOut, .timedOut) { try set.perform([.wait()], until: .after(.milliseconds(1))) }
        let error = await #expect(throws: IPCError.self) { try await set.wait(until: .after(.milliseconds(1))) }
        #expect(error?.code == .timedOut && error?.call == "semtimedop")
    },
    .row("semop", "blocked, signal") {
        await #expect(processExitsWith: .success) {
            let set = try scratchSet([0])
            try SignalStorm.run {
                Expect.failure(.interrupted, .interrupted) { try set.wait(retryOnInterrupt: false) }
                Expect.failure(.interrupted, .interrupted) { try set.perform([.wait()], retryOnInterrupt: false) }
                Expect.failure(.interrupted, .interrupted) {
                    try set.wait(until: .after(.seconds(30)), retryOnInterrupt: false)
                }
                Expect.failure(.timedOut, .timedOut) { try set.wait(until: .after(.milliseconds(20))) }
            }
        }
    },
    .row("semop", "nsops > SEMOPM") {
        let set = try scratchSet([0])
        let most = try #require(SystemVSemaphoreLimits.current?.operationsPerGroup)
        let group = [SystemVSemaphoreSet.Operation](repeating: .post(), count: most + 1)
        Expect.failure(.argListTooLong, .limitReached, hint: "\(most) (SEMOPM)") { try set.perform(group) }
        Expect.failure(.argListTooLong, .limitReached) { _ = try set.tryPerform(group) }
        try await set.perform(Array(group.dropLast()))
        #expect(try set.value() == most)
        let error = await #expect(throws: IPCError.self) {
            try await set.perform(Array(group.dropLast()) + [.waitForZero()], until: .after(.seconds(60)))
        }
        #expect(error?.code == .limitReached)
    },
    .row("semop", "value would exceed SEMVMX(32767)") {
        let set = try scratchSet([32767, 0])
        Expect.failure(.outOfRange, .limitReached, hint: "32767 (SEMVMX)") { try set.post() }
        Expect.failure(.outOfRange, .limitReached) { try set.perform([.post(1), .post(0)]) }
        #expect(try set.values() == [32767, 0])
    },
    .row("semop", "id invalid / removed") {
        let set = try scratchSet([1])
        let id = set.id
        let waiting = try SystemVSemaphoreSet(id: id)
        try set.remove()
        Expect.failure(.invalidArgument, .removed, hint: "after it had been opened") { try waiting.wait() }
        Expect.failure(.invalidArgument, .removed) { _ = try waiting.tryWait() }
        Expect.failure(.invalidArgument, .removed) { try waiting.post() }
        Expect.failure(.invalidArgument, .removed) { _ = try waiting.status() }
        Expect.failure(.invalidArgument, .notFound) { _ = try SystemVSemaphoreSet(id: id) }
        let error = await #expect(throws: IPCError.self) { try await waiting.wait() }
        #expect(error?.code == .removed)
        Expect.errno(.invalidArgument) { try operate(id, [.wait()]) }
    },
    .row("semop", "no alter permission") {
        let set = try scratchSet([1, 0], [.ownerReadWrite, .groupRead, .otherRead])
        await #expect(processExitsWith: .success) { [id = set.id as Int32] in
            try ProcessState.becomeNobody()
            let set = try SystemVSemaphoreSet(id: id)
            Expect.failure(.permissionDenied, .permissionDenied, hint: "user 65534") { try set.wait() }
            Expect.failure(.permissionDenied, .permissionDenied) { try set.post() }
            Expect.failure(.permissionDenied, .permissionDenied) { try set.setValue(1) }
            try set.waitForZero(1)
            #expect(try set.values() == [1, 0])
        }
    },
    .row("semop", "2 ops, second would block (IPC_NOWAIT)") {
        let set = try scratchSet([1, 0])
        #expect(try !set.tryPerform([.wait(0), .wait(1)]))
        Expect.errno(.wouldBlock) { try operate(set.id, [.wait(0), .wait(1, noWait: true)]) }
        #expect(try set.values() == [1, 0])
    },
    .row("semctl SETVAL", "value <0 or >SEMVMX") {
        let set = try scratchSet([5])
        for wrong in [-1, 32768, .max, .min] {
            Expect.failure(.outOfRange, .invalidArgument, hint: "\(wrong) is not 0 to 32767") {
                try set.setValue(wrong)
            }
        }
        #expect(try set.value() == 5)
    },
    .row("semctl SETALL", "a value > SEMVMX") {
        let set = try scratchSet([5, 6])
        Expect.failure(.outOfRange, .invalidArgument, hint: "32768 is not") { try set.setValues([1, 32768]) }
        Expect.failure(.outOfRange, .invalidArgument, hint: "-1 is not") { try set.setValues([-1, 2]) }
        #expect(try set.values() == [5, 6])
    },
    .row("semctl IPC_RMID", "not owner") {
        let set = try scratchSet([1], [.ownerReadWrite, .groupReadWrite, .otherReadWrite])
        await #expect(processExitsWith: .success) { [id = set.id as Int32] in
            try ProcessState.becomeNobody()
            let set = try SystemVSemaphoreSet(id: id)
            Expect.failure(.notPermitted, .permissionDenied, hint: "owner") { try set.remove() }
            Expect.failure(.notPermitted, .permissionDenied) { try set.setPermissions(.ownerRead) }
            Expect.failure(.notPermitted, .permissionDenied) { try set.setOwner(user: 65534) }
            try set.wait()
        }
    },
    .row("semctl", "invalid command") {
        let set = try scratchSet([1])
        Expect.errno(.invalidArgument) { _ = try sysSemaphoreSetControl(set.id, command: 9999) }
    },
]

private let table = ConditionTable("sysv-sem", opening + operating)

@Suite(.bounded()) struct SystemVSemaphoreConditionTests {
    @Test(.requiresRoot, arguments: table.cases) func row(_ each: ConditionCase) async throws { try await each.check() }

    @Test func everyRowHasACase() { #expect(table.gaps == []) }

    @Test func aSemaphoreThatTheSetDoesNotHave() throws {
        let set = try scratchSet([1, 1])
        for wrong in [2, 65535, 70000, -1] {
            Expect.failure(.fileTooLarge, .invalidArgument, hint: "the set has 2, from 0") { try set.wait(wrong) }
            Expect.failure(.fileTooLarge, .invalidArgument) { try set.perform([.wait(0), .post(wrong)]) }
        }
        #expect(try set.values() == [1, 1])
        Expect.failure(.invalidArgument, .invalidArgument, hint: "one operation at least") { try set.perform([]) }
    }

    /// An id may mean another, larger set by the time it is used: what the handle believes of its size bounds nothing.
    @Test func aLargerSetUnderTheIdDoesNoHarm() throws {
        let set = try scratchSet([Int](repeating: 3, count: 200))
        #expect(try sysSemaphoreSetValues(set.id, count: 2) == [3, 3])
        try sysSemaphoreSetSetValues(set.id, [1, 2])
        #expect(try set.values() == [1, 2] + [Int](repeating: 0, count: 198))
    }

    @Test func removalReachesThreadsThatWait() throws {
        let set = try scratchSet([0, 1])
        let id = set.id
        let threads = [
            try BlockedThread { () throws(IPCError) in try SystemVSemaphoreSet(id: id).wait() },
            try BlockedThread { () throws(IPCError) in try SystemVSemaphoreSet(id: id).waitForZero(1) },
            try BlockedThread { () throws(IPCError) in
                try SystemVSemaphoreSet(id: id).wait(until: .after(.seconds(600)))
            },
        ]
        for thread in threads { thread.waitUntilBlocked() }
        try set.remove()
        for thread in threads {
            let error = thread.outcome()
            #expect(error?.errno == .identifierRemoved && error?.code == .removed, "\(String(describing: error))")
        }
    }
}
