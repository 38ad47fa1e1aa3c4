// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import InterprocessTestKit
import SystemPackage
import Testing

@Suite(.bounded()) struct SystemVSemaphoreSetTests {
    @Test func oneSemaphoreCounts() throws {
        let set = try scratchSet([2])
        try set.wait()
        #expect(try set.tryWait())
        #expect(try !set.tryWait())
        Expect.failure(.timedOut, .timedOut) { try set.wait(until: .after(.milliseconds(2))) }
        Expect.failure(.timedOut, .timedOut) { try set.wait(until: .now) }
        try set.post(by: 5)
        #expect(try set.value() == 5)
        try set.wait(by: 4, until: .now)
        #expect(try !set.tryWait(by: 2))
        #expect(try set.withPermit { try set.value() } == 0)
        try set.post()
        Expect.failure(.timedOut, .timedOut) { try set.waitForZero(until: .after(.milliseconds(1))) }
        try set.setValue(0)
        try set.waitForZero(until: .now)
        try set.post()
        #expect(throws: Errno.ioError) { try set.withPermit(undo: false, until: .now) { throw Errno.ioError } }
    }

    @Test func aGroupHappensAsAWhole() throws {
        let set = try scratchSet([1, 0, 5])
        #expect(try set.tryPerform([.wait(0), .waitForZero(1), .post(2, by: 2)]))
        #expect(try set.values() == [0, 0, 7])
        #expect(try !set.tryPerform([.wait(2), .wait(0)]))
        #expect(try set.values() == [0, 0, 7])
        Expect.failure(.timedOut, .timedOut) { try set.perform([.post(1), .wait(0)], until: .after(.milliseconds(2))) }
        #expect(try set.values() == [0, 0, 7])
        // The same one more than once, in order.
        try set.perform([.post(0, by: 3), .wait(0, by: 2), .wait(0), .waitForZero(0), .post(0)])
        #expect(try set.values() == [1, 0, 7])
        Expect.failure(.wouldBlock, .wouldBlock, hint: "not to wait") {
            try set.perform([.wait(2), .waitForZero(0, noWait: true)])
        }
        Expect.failure(.wouldBlock, .wouldBlock) {
            try set.perform([.wait(1, noWait: true)], until: .after(.seconds(60)))
        }
    }

    @Test func aGroupThatWaitsTakesNothingInAdvance() throws {
        let set = try scratchSet([1, 0])
        let id = set.id
        let thread = try BlockedThread { () throws(IPCError) in
            try SystemVSemaphoreSet(id: id).perform([.wait(0), .wait(1)])
        }
        thread.waitUntilBlocked()
        Expect.eventually { (try? set.status(of: 1).waitingForMoreCount) == 1 }
        #expect(try set.tryWait(0))
        try set.post(1)
        #expect(try set.values() == [0, 1])
        try set.post(0)
        #expect(thread.outcome() == nil)
        #expect(try set.values() == [0, 0])
    }

    @Test func onesThatWaitAreCounted() throws {
        let set = try scratchSet([0, 1])
        let id = set.id
        let more = try BlockedThread { () throws(IPCError) in try SystemVSemaphoreSet(id: id).wait(0) }
        let zero = try BlockedThread { () throws(IPCError) in try SystemVSemaphoreSet(id: id).waitForZero(1) }
        try Expect.eventually { try set.status(of: 0).waitingForMoreCount == 1 }
        try Expect.eventually { try set.status(of: 1).waitingForZeroCount == 1 }
        #expect(try set.status(of: 0).waitingForZeroCount == 0)
        try set.setValues([1, 0])
        #expect(more.outcome() == nil && zero.outcome() == nil)
        #expect(try set.status(of: 0).lastProcess == sysProcessID())
    }

    @Test func statusTellsWhatIsThere() throws {
        let scratch = ScratchSemaphores()
        let key = scratch.key()
        let set = try SystemVSemaphoreSet(
            key: key, mode: .createExclusive, values: [0, 3], permissions: [.ownerReadWrite, .groupRead],
            lifetime: .removeOnClose)
        let status = try set.status()
        #expect(status.key == key && status.id == set.id && status.count == 2)
        #expect(status.permissions.rawValue == 0o640)
        #expect(status.lastOperated != nil)
        #expect(status.creatorUser == sysEffectiveUserID() && status.ownerGroup == sysEffectiveGroupID())
        #expect(try set.status(of: 1).value == 3)
        #expect(try set.status(of: 1).lastProcess == sysProcessID())
        try set.setPermissions(.ownerReadWrite)
        #expect(try set.status().permissions == .ownerReadWrite)
        try set.setValue(9, of: 0)
        #expect(try set.values() == [9, 3])
        try set.setValues([1, 2])
        #expect(try set.values() == [1, 2])
        Expect.failure(nil, .invalidArgument, hint: "the set has 2") { try set.setValues([1]) }
        Expect.failure(nil, .invalidArgument, hint: "no semaphore 2") { _ = try set.status(of: 2) }
        Expect.failure(nil, .invalidArgument) { try set.setValue(1, of: -1) }
    }

    @Test func openingFindsWhatCreatingMade() throws {
        let scratch = ScratchSemaphores()
        let key = scratch.key()
        #expect(try !SystemVSemaphoreSet.exists(key: key))
        let made = try SystemVSemaphoreSet(
            key: key, mode: .openOrCreate, values: [4, 5], lifetime: .removeOnClose)
        #expect(made.wasCreated == true)
        let found = try SystemVSemaphoreSet(key: key, mode: .openOrCreate, values: [1, 1])
        #expect(found.wasCreated == false)
        #expect(found.id == made.id && found.count == 2)
        #expect(try found.values() == [4, 5])
        #expect(try SystemVSemaphoreSet(key: key).count == 2)
        #expect(try SystemVSemaphoreSet(id: made.id).values() == [4, 5])
        Expect.failure(.fileExists, .alreadyExists) {
            _ = try SystemVSemaphoreSet(key: key, mode: .createExclusive, values: [1])
        }
        try made.close()
        #expect(try !SystemVSemaphoreSet.exists(key: key))
        Expect.failure(.invalidArgument, .removed) { try found.wait() }
        Expect.failure(.invalidArgument, .removed) { _ = try found.values() }
        Expect.failure(.invalidArgument, .removed) { try found.remove() }
    }

    @Test func aFileAndAProjectMakeAKey() throws {
        let scratch = ScratchSemaphores()
        let path = scratch.directory.appending("ftok")
        try Checkout.write("", to: path)
        let key = try SystemVKey.path(path, project: 7)
        let set = try SystemVSemaphoreSet(key: key, mode: .createExclusive, values: [1], lifetime: .removeOnClose)
        #expect(try SystemVSemaphoreSet(key: key).id == set.id)
        try SystemVSemaphoreSet.remove(key: key)
        #expect(try !SystemVSemaphoreSet.exists(key: key))
    }

    @Test(.requiresRoot) func itCanBeGivenAway() throws {
        let set = try scratchSet([1])
        try set.setOwner(user: 65534)
        #expect(try set.status().ownerUser == 65534)
        #expect(try set.status().creatorUser == sysEffectiveUserID())
        try set.setOwner(group: 65534)
        #expect(try set.status().ownerGroup == 65534)
    }

    @Test func aForkHasTheSetAndNotTheUndo() async {
        await #expect(processExitsWith: .success) {
            let set = try scratchSet([2])
            try await set.wait(undo: true)
            // The child takes one with undo of its own, which comes back at its end; its parent's does not.
            let child = try TestSyscalls.forkChild { (try? set.wait(undo: true)) == nil ? 1 : 0 }
            var status: InterprocessSyscalls.ExitStatus?
            while status == nil { status = try sysWait(child) }
            #expect(status == .exited(0))
            #expect(try set.value() == 1)
        }
    }

    @Test func keysAndValuesThatCannotBe() {
        Expect.failure(nil, .invalidArgument, hint: "IPC_PRIVATE") {
            _ = try SystemVSemaphoreSet(key: .number(0), mode: .createExclusive, values: [1])
        }
        Expect.failure(nil, .invalidArgument) { _ = try SystemVSemaphoreSet(key: .private) }
        Expect.failure(.invalidArgument, .invalidArgument, hint: "a value for each") { _ = try scratchSet([]) }
        Expect.failure(.outOfRange, .invalidArgument, hint: "value 32768 of semaphore 1") {
            _ = try scratchSet([0, 32768])
        }
        Expect.failure(.outOfRange, .invalidArgument) { _ = try scratchSet([-1]) }
    }

    @Test func aLargeSetIsMadeReadyToo() throws {
        let count = 700  // more than one group can have operations
        let set = try scratchSet((0..<count).map { $0 % 3 })
        #expect(set.count == count)
        #expect(try set.values() == (0..<count).map { $0 % 3 })
        #expect(try set.status().lastOperated != nil)
        #expect(try scratchSet([0, 0]).status().lastOperated != nil)
    }

    @Test func limitsAreThoseOfTheKernel() throws {
        let limits = try #require(SystemVSemaphoreLimits.current)
        #expect(
            limits.semaphoresPerSet > 0 && limits.sets > 0 && limits.operationsPerGroup > 0 && limits.semaphores > 0)
    }

    @Test func operationsAreWhatCHas() {
        #expect(MemoryLayout<SystemVSemaphoreSet.Operation>.size == 6)
        let operation = SystemVSemaphoreSet.Operation.wait(3, by: 7, undo: true, noWait: true)
        #expect(operation.number == 3 && operation.change == -7 && operation.hasUndo && operation.failsInsteadOfWaiting)
        #expect(withUnsafeBytes(of: operation) { Array($0) } == [3, 0, 0xf9, 0xff, 0, 0x18])
    }
}

/// Sets that go with their last user.
@Suite(.bounded()) struct SystemVSemaphoreLifetimeTests {
    @Test func theSetGoesWithItsLastUser() throws {
        let scratch = ScratchSemaphores()
        let (key, directory) = (scratch.key(), scratch.directory)
        func open() throws(IPCError) -> SystemVSemaphoreSet {
            try SystemVSemaphoreSet(key: key, mode: .openOrCreate, values: [1], lifetime: .whileUsed(in: directory))
        }
        let first = try open()
        let second = try open()
        let third = try SystemVSemaphoreSet(id: first.id, lifetime: .whileUsed(in: directory))
        try first.close()
        try third.wait()
        try third.close()
        #expect(try second.value() == 0)
        #expect(try SystemVSemaphoreSet.exists(key: key))
        try second.close()
        #expect(try !SystemVSemaphoreSet.exists(key: key))
        #expect(try TestSyscalls.entries(of: directory) == [])
    }

    @Test func whatKilledUsersLeftIsRemovedByTheNext() async throws {
        let scratch = ScratchSemaphores()
        let (key, directory) = (scratch.key(), scratch.directory)
        for round in 0..<2 {
            await #expect(processExitsWith: .signal(9)) {
                [key = key.number as Int32, path = directory.string as String] in
                let set = try SystemVSemaphoreSet(
                    key: .number(key), mode: .openOrCreate, values: [1], lifetime: .whileUsed(in: FilePath(path)))
                try set.setValue(9)
                try signalSelf(9)
            }
            #expect(try SystemVSemaphoreSet.exists(key: key))
            if round == 0 {
                let set = try SystemVSemaphoreSet(
                    key: key, mode: .openOrCreate, values: [1], lifetime: .whileUsed(in: directory))
                #expect(set.wasCreated == true)
                #expect(try set.value() == 1)
            } else {
                #expect(try SystemVSemaphoreSet.removeUnused(in: directory) == 1)
            }
        }
        #expect(try !SystemVSemaphoreSet.exists(key: key))
    }

    @Test func usersThatComeAndGoNeverMeetASetThatIsGone() async throws {
        let scratch = ScratchSemaphores()
        let (key, directory) = (scratch.key(), scratch.directory)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<4 {
                group.addTask {
                    for _ in 0..<50 {
                        let set = try SystemVSemaphoreSet(
                            key: key, mode: .openOrCreate, values: [4], lifetime: .whileUsed(in: directory))
                        try await set.wait()
                        try set.post()
                        try set.close()
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(try !SystemVSemaphoreSet.exists(key: key))
    }
}

/// Who meets a set that somebody is making.
@Suite(.bounded()) struct SystemVSemaphoreCreationTests {
    /// A maker that died between `semget` and giving values.
    private func abandoned(_ key: SystemVKey, count: Int = 2) throws {
        _ = try sysSemaphoreSetGet(key.number, count: count, create: true, exclusive: true, mode: 0o600)
    }

    @Test func nobodyEverSeesOneWithoutValues() async throws {
        let scratch = ScratchSemaphores()
        for _ in 0..<30 {
            let key = scratch.key()
            let made = try await withThrowingTaskGroup(of: Bool.self) { group in
                for _ in 0..<6 {
                    group.addTask {
                        let set = try SystemVSemaphoreSet(key: key, mode: .openOrCreate, values: [6, 6])
                        // With values this never waits; a set without would.
                        try set.perform([.wait(0), .wait(1)], until: .now)
                        return set.wasCreated
                    }
                }
                return try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
            }
            #expect(made == 1)
            #expect(try SystemVSemaphoreSet(key: key).values() == [0, 0])
        }
    }

    @Test func whatADeadMakerLeftIsReplaced() async throws {
        let scratch = ScratchSemaphores()
        let key = scratch.key()
        try abandoned(key)
        let made = try await withThrowingTaskGroup(of: Bool.self) { group in
            for _ in 0..<6 {
                group.addTask {
                    let set = try SystemVSemaphoreSet(
                        key: key, mode: .openOrCreate, values: [6],
                        initialization: .awaited(patience: .milliseconds(50)))
                    try set.wait(until: .now)
                    return set.wasCreated
                }
            }
            return try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        #expect(made == 1)
        let set = try SystemVSemaphoreSet(key: key)
        #expect(try set.values() == [0])
    }

    @Test func whoMayNotReplaceItIsTold() async throws {
        let scratch = ScratchSemaphores()
        let key = scratch.key()
        try abandoned(key)
        Expect.failure(nil, .timedOut, hint: "never given values") {
            _ = try SystemVSemaphoreSet(key: key, initialization: .awaited(patience: .milliseconds(10)))
        }
        Expect.failure(.fileExists, .alreadyExists) {
            _ = try SystemVSemaphoreSet(key: key, mode: .createExclusive, values: [1])
        }
        #expect(try SystemVSemaphoreSet(key: key, initialization: .asFound).values() == [0, 0])
        try SystemVSemaphoreSet(key: key, initialization: .asFound).setPermissions([.ownerReadWrite, .otherReadWrite])
        if sysEffectiveUserID() != 0 { return }
        await #expect(processExitsWith: .success) { [key = key.number as Int32] in
            try ProcessState.becomeNobody()
            Expect.failure(.notPermitted, .permissionDenied, hint: "only its owner may replace it") {
                _ = try SystemVSemaphoreSet(
                    key: .number(key), mode: .openOrCreate, values: [1, 1],
                    initialization: .awaited(patience: .milliseconds(10)))
            }
        }
        try SystemVSemaphoreSet.remove(key: key)
    }

    @Test func aMakerThatIsAtItIsWaitedFor() throws {
        let scratch = ScratchSemaphores()
        let key = scratch.key()
        try abandoned(key, count: 1)
        let thread = try BlockedThread { () throws(IPCError) in
            let set = try SystemVSemaphoreSet(key: key, initialization: .awaited(patience: .seconds(600)))
            try set.wait(until: .now)
        }
        let maker = try SystemVSemaphoreSet(key: key, initialization: .asFound)
        try maker.setValue(1)
        TestSyscalls.sleep(nanoseconds: 10_000_000)
        #expect(!thread.isDone)
        // Its last step is an operation, and from then on the set is ready.
        try maker.perform([.wait(0), .post(0)])
        #expect(thread.outcome() == nil)
        #expect(try maker.value() == 0)
    }

    @Test func aMakerThatDoesNotKnowTheRuleIsUnderstood() throws {
        let scratch = ScratchSemaphores()
        let key = scratch.key()
        try abandoned(key)
        try SystemVSemaphoreSet(key: key, initialization: .asFound).setValues([0, 4])
        let set = try SystemVSemaphoreSet(
            key: key, mode: .openOrCreate, values: [9], initialization: .awaited(patience: .milliseconds(10)))
        #expect(set.wasCreated == false)
        #expect(try set.values() == [0, 4])
        try set.remove()
    }

    @Test func aSetThatGoesWhileOneWaitsForItsMakerIsMadeAnew() throws {
        let scratch = ScratchSemaphores()
        let key = scratch.key()
        try abandoned(key)
        let thread = try BlockedThread { () throws(IPCError) in
            let set = try SystemVSemaphoreSet(
                key: key, mode: .openOrCreate, values: [1], initialization: .awaited(patience: .seconds(600)))
            try set.wait(until: .now)
        }
        TestSyscalls.sleep(nanoseconds: 5_000_000)
        try SystemVSemaphoreSet.remove(key: key)
        #expect(thread.outcome() == nil)
        #expect(try SystemVSemaphoreSet(key: key).values() == [0])
    }

    /// A maker's steps are `semget` and `semop`: killed after the first it has done nothing, after the second everything.
    @Test(arguments: [false, true]) func aMakerThatIsKilledAtAStepDoesNoHarm(_ isDone: Bool) async throws {
        let scratch = ScratchSemaphores()
        let key = scratch.key()
        await #expect(processExitsWith: .signal(9)) { [key = key.number as Int32, isDone = isDone as Bool] in
            if isDone {
                _ = try SystemVSemaphoreSet(key: .number(key), mode: .createExclusive, values: [3, 0])
            } else {
                _ = try sysSemaphoreSetGet(key, count: 2, create: true, exclusive: true, mode: 0o600)
            }
            try signalSelf(9)
        }
        let set = try SystemVSemaphoreSet(
            key: key, mode: .openOrCreate, values: [3, 0], initialization: .awaited(patience: .milliseconds(20)))
        #expect(set.wasCreated == !isDone)
        #expect(try set.values() == [3, 0])
    }

    /// The maker of a set is stopped for longer than anybody has patience: it finds its set gone, and takes the new one.
    @Test(.enabled(if: FaultPlan.isAvailable, "faults exist in debug builds only"))
    func aMakerThatWasTakenForDeadTakesTheNewSet() async {
        await #expect(processExitsWith: .success) {
            let scratch = ScratchSemaphores()
            let key = scratch.key()
            Faults.fail("semop", with: .identifierRemoved)
            let error = #expect(throws: IPCError.self) {
                _ = try SystemVSemaphoreSet(key: key, mode: .createExclusive, values: [1])
            }
            #expect(error?.code == .removed)
            try SystemVSemaphoreSet.remove(key: key)
            Faults.fail("semop", with: .identifierRemoved)
            // What it made is still there, as a set without values that a second maker would leave.
            let set = try SystemVSemaphoreSet(
                key: key, mode: .openOrCreate, values: [1], initialization: .awaited(patience: .milliseconds(10)))
            #expect(try set.value() == 1)
        }
    }
}
