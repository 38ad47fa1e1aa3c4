// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import InterprocessTestKit
import SystemPackage
import Testing

private func unlinkingAsSomebodyElse() async throws {
    let scratch = ScratchSemaphores()
    let open = try scratch.semaphore(permissions: [.ownerReadWrite, .groupReadWrite, .otherReadWrite])
    let closed = try scratch.semaphore()
    await #expect(processExitsWith: .success) {
        [open = open.name.description as String, closed = closed.name.description as String] in
        try refusals(open, closed)
    }
}

private func refusals(_ open: String, _ closed: String) throws {
    try ProcessState.becomeNobody()
    let error = #expect(throws: IPCError.self) { try NamedSemaphore.unlink(ObjectName(open)) }
    #expect(error?.code == .permissionDenied)
    let semaphore = try NamedSemaphore(ObjectName(open))
    Expect.failure(.notPermitted, .permissionDenied) { try semaphore.setPermissions(.ownerRead) }
    Expect.failure(.notPermitted, .permissionDenied) { try semaphore.setOwner(user: 65534) }
    Expect.failure(.permissionDenied, .permissionDenied, hint: "user 65534") {
        _ = try NamedSemaphore(ObjectName(closed))
    }
    // Making one needs no privilege.
    try NamedSemaphore(ScratchSemaphores().name(), mode: .createExclusive, removeOnClose: true).close()
    let exists = try NamedSemaphore.exists(ObjectName(closed))
    #expect(exists)
}

private func holderIsKilled() async throws {
    let semaphore = try ScratchSemaphores().semaphore(1)
    await #expect(processExitsWith: .signal(9)) { [name = semaphore.name.description as String] in
        try dieWithin(name)
    }
    #expect(semaphore.value == 0)
    #expect(try !semaphore.tryWait())
}

private func dieWithin(_ name: String) throws {
    try NamedSemaphore(ObjectName(name)).withPermit { try signalSelf(9) }
}

private let cases: [ConditionCase] = [
    .row("sem_open", "does not exist") {
        Expect.failure(.noSuchFileOrDirectory, .notFound, hint: ".openOrCreate") {
            _ = try NamedSemaphore(ScratchSemaphores().name())
        }
    },
    .row("sem_open", "value > SEM_VALUE_MAX") {
        let name = ScratchSemaphores().name()
        for wrong in [2_147_483_648, -1, .max] {
            Expect.failure(.invalidArgument, .invalidArgument, hint: "the initial value is \(wrong)") {
                _ = try NamedSemaphore(name, mode: .createExclusive, initialValue: wrong)
            }
        }
        let exists = try NamedSemaphore.exists(name)
        #expect(!exists)
    },
    .row("sem_open", "name too long") {
        let name = try ObjectName("/" + String(repeating: "n", count: 252))
        for mode in [CreationMode.openExisting, .createExclusive, .openOrCreate] {
            Expect.failure(.fileNameTooLong, .invalidName, hint: "251 bytes") {
                _ = try NamedSemaphore(name, mode: mode)
            }
        }
        Expect.failure(.fileNameTooLong, .invalidName) { _ = try NamedSemaphore.exists(name) }
        let longest = try ObjectName("/swift-ipc-test-" + String(repeating: "n", count: 251 - 15))
        try NamedSemaphore(longest, mode: .createExclusive, removeOnClose: true).close()
    },
    .row("sem_trywait", "value 0") {
        let semaphore = try PrivateSemaphore()
        #expect(try !semaphore.tryWait())
        let memory = UnsafeMutableRawPointer.allocate(byteCount: 32, alignment: 8)
        try sysSemaphoreInitialize(SemaphorePlace(memory), shared: false, value: 0)
        Expect.errno(.wouldBlock) { try sysSemaphoreTryWait(SemaphorePlace(memory)) }
        memory.deallocate()
    },
    .unreachable(
        "sem_timedwait", "invalid nsec and would block", because: "a deadline is a number of nanoseconds, divided here"),
    .row("sem_timedwait", "available and deadline past") {
        let semaphore = try PrivateSemaphore(initialValue: 1)
        try await semaphore.wait(until: .now)
        #expect(semaphore.value == 0)
    },
    .row("sem_post", "value at SEM_VALUE_MAX") {
        let semaphore = try ScratchSemaphores().semaphore(2_147_483_647)
        Expect.failure(.overflow, .limitReached, hint: "posts without having waited") { try semaphore.post() }
        #expect(semaphore.value == 2_147_483_647)
    },
    .row("sem_init", "value > SEM_VALUE_MAX") {
        for wrong in [2_147_483_648, -1] {
            Expect.failure(.invalidArgument, .invalidArgument, hint: "\(wrong)") {
                _ = try PrivateSemaphore(initialValue: wrong)
            }
            Expect.failure(.invalidArgument, .invalidArgument, hint: "\(wrong)") { _ = try scratchShared(wrong) }
        }
    },
    .row("sem_unlink", "not owner") {
        try await unlinkingAsSomebodyElse()
    },
    .row("holder SIGKILLed", "POSIX sem has no owner") {
        try await holderIsKilled()
    },
]

private let table = ConditionTable("posix-sem", cases)

@Suite(.bounded()) struct POSIXSemaphoreConditionTests {
    @Test(.requiresRoot, arguments: table.cases) func row(_ each: ConditionCase) async throws { try await each.check() }

    @Test func everyRowHasACase() { #expect(table.gaps == []) }
}
