// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import InterprocessTestKit
import SystemPackage
import Testing

@Suite(.bounded()) struct NamedSemaphoreTests {
    @Test func openingFindsWhatCreatingMade() throws {
        let scratch = ScratchSemaphores()
        let name = scratch.name()
        #expect(try !NamedSemaphore.exists(name))
        let made = try NamedSemaphore(name, mode: .openOrCreate, initialValue: 1)
        #expect(made.wasCreated == true)
        #expect(try NamedSemaphore.exists(name))
        let found = try NamedSemaphore(name, mode: .openOrCreate, initialValue: 5)
        #expect(found.wasCreated == false)
        #expect(found.value == 1)
        try found.wait()
        #expect(made.value == 0)
        Expect.failure(.fileExists, .alreadyExists) { _ = try NamedSemaphore(name, mode: .createExclusive) }
        try NamedSemaphore.unlink(name)
        #expect(try made.status().hasName == false)
        try made.post()
        #expect(found.value == 1)
    }

    @Test func itGoesWithTheHandleThatSaysSo() throws {
        let scratch = ScratchSemaphores()
        let name = scratch.name()
        try NamedSemaphore(name, mode: .createExclusive, removeOnClose: true).close()
        #expect(try !NamedSemaphore.exists(name))
        do { _ = try NamedSemaphore(name, mode: .createExclusive, removeOnClose: true) }
        #expect(try !NamedSemaphore.exists(name))

        // A name that means another semaphore by now stays.
        let old = try NamedSemaphore(name, mode: .createExclusive, removeOnClose: true)
        try NamedSemaphore.unlink(name)
        let new = try NamedSemaphore(name, mode: .createExclusive)
        try old.close()
        #expect(try NamedSemaphore.exists(name))
        #expect(try new.status().hasName)
    }

    @Test func theModeIsExact() async {
        await #expect(processExitsWith: .success) {
            ProcessState.setFileModeMask(0o077)
            let scratch = ScratchSemaphores()
            let semaphore = try scratch.semaphore(permissions: [.ownerReadWrite, .groupReadWrite, .otherRead])
            #expect(try semaphore.status().permissions.rawValue == 0o664)
            ProcessState.setFileModeMask(0)
            #expect(try scratch.semaphore().status().permissions.rawValue == 0o600)
            try semaphore.setPermissions(.ownerRead)
            #expect(try semaphore.status().permissions == .ownerRead)
        }
    }

    @Test func statusTellsWhatIsThere() throws {
        let semaphore = try ScratchSemaphores().semaphore(3)
        let status = try semaphore.status()
        #expect(status.value == 3)
        #expect(status.waitingCount == 0)
        #expect(status.ownerUser == sysEffectiveUserID())
        #expect(status.ownerGroup == sysEffectiveGroupID())
        #expect(status.permissions == .ownerOnly)
    }

    @Test(.requiresRoot) func itCanBeGivenAway() throws {
        let semaphore = try ScratchSemaphores().semaphore(1)
        try semaphore.setOwner(user: 65534)
        #expect(try semaphore.status().ownerUser == 65534)
        #expect(try semaphore.status().ownerGroup == sysEffectiveGroupID())
    }

    @Test func whatIsNoSemaphoreIsRefused() throws {
        let scratch = ScratchSemaphores()
        let name = scratch.name()
        let path = sysSemaphorePath(name.description)
        for text in ["", "short", String(repeating: "\0", count: 32), String(repeating: "long", count: 100)] {
            try Checkout.write(text, to: path)
            for mode in [CreationMode.openExisting, .openOrCreate] {
                Expect.failure(nil, .malformed, hint: "no semaphore of this C library") {
                    _ = try NamedSemaphore(name, mode: mode)
                }
            }
        }
        TestSyscalls.removeAll(path)
        try TestSyscalls.makeDirectory(path)
        Expect.failure(.isDirectory, .wrongKind) { _ = try NamedSemaphore(name) }
        #expect(try !NamedSemaphore.exists(name))
        TestSyscalls.removeAll(path)
    }

    @Test func noLinkIsFollowed() throws {
        let scratch = ScratchSemaphores()
        let name = scratch.name()
        let target = try scratch.semaphore(1)
        let path = sysSemaphorePath(name.description)
        let peer = try Peer(["ln", "-s", sysSemaphorePath(target.name.description).string, path.string])
        #expect(try peer.finish().status == .exited(0))
        Expect.failure(.tooManySymbolicLinkLevels, .invalidName, hint: "symbolic link") {
            _ = try NamedSemaphore(name)
        }
        TestSyscalls.removeAll(path)
    }

    @Test func manyMakeItAtOnceAndOneDid() async throws {
        let scratch = ScratchSemaphores()
        for _ in 0..<20 {
            let name = scratch.name()
            let made = try await withThrowingTaskGroup(of: Bool.self) { group in
                for _ in 0..<8 {
                    group.addTask {
                        let semaphore = try NamedSemaphore(name, mode: .openOrCreate, initialValue: 8)
                        #expect(semaphore.value > 0)
                        try await semaphore.wait()
                        return semaphore.wasCreated
                    }
                }
                return try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
            }
            #expect(made == 1)
            #expect(try NamedSemaphore(name).value == 0)
        }
    }

    @Test(.requiresRoot) func noRoomIsSaidWhenItIsMade() async {
        await #expect(processExitsWith: .success) {
            try TestSyscalls.useSmallSharedMemory(bytes: 4096)
            let scratch = ScratchSemaphores()
            let first = try scratch.semaphore(1)
            Expect.failure(.noSpace, .limitReached, hint: "/dev/shm is full") { _ = try scratch.semaphore(1) }
            #expect(try TestSyscalls.entries(of: "/dev/shm").count == 1)
            try first.wait()
        }
    }

    @Test func noDescriptorIsSaid() async {
        await #expect(processExitsWith: .success) {
            let scratch = ScratchSemaphores()
            let made = try scratch.semaphore()
            try ProcessState.limitDescriptors(40)
            let error = try Self.refusal { () throws(IPCError) in _ = try scratch.semaphore() }
            #expect(error.errno == .tooManyOpenFiles && error.code == .limitReached, "\(error)")
            #expect(error.hint.contains("RLIMIT_NOFILE is 40"), "\(error)")
            let other = try Self.refusal { () throws(IPCError) in _ = try NamedSemaphore(made.name) }
            #expect(other.errno == .tooManyOpenFiles)
        }
    }

    /// What it fails with when there is no descriptor. Dispatch may close one of its own at any time: then it is tried again.
    private static func refusal(_ body: () throws(IPCError) -> Void) throws -> IPCError {
        while true {
            try ProcessState.exhaustDescriptors()
            do throws(IPCError) { try body() } catch { return error }
        }
    }

    @Test(.enabled(if: FaultPlan.isAvailable, "faults exist in debug builds only"))
    func aFileSystemThatKnowsNoUnnamedFiles() async {
        await #expect(processExitsWith: .success) {
            let scratch = ScratchSemaphores()
            let name = scratch.name()
            Faults.fail("openat", with: .notSupported)
            let semaphore = try NamedSemaphore(name, mode: .createExclusive, initialValue: 2)
            #expect(try semaphore.status().permissions == .ownerOnly)
            #expect(try NamedSemaphore(name).value == 2)
            let left = try TestSyscalls.entries(of: "/dev/shm").filter { $0.hasSuffix(".\(sysProcessID())") }
            #expect(left == [])
        }
    }
}
