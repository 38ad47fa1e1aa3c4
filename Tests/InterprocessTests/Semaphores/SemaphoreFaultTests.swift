// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import InterprocessTestKit
import SystemPackage
import Testing

@Suite(.bounded(), .enabled(if: FaultPlan.isAvailable, "faults exist in debug builds only"))
struct SemaphoreFaultTests {
    @Test func everyCallOfANamedSemaphoreMayFailOnce() async {
        await #expect(processExitsWith: .success) {
            let scratch = ScratchSemaphores()
            let name = scratch.name()
            let report = try FaultPlan.sweep {
                defer { try? NamedSemaphore.unlink(name) }
                let semaphore = try NamedSemaphore(name, mode: .openOrCreate, initialValue: 1)
                _ = try NamedSemaphore(name)
                try semaphore.wait()
                _ = try semaphore.tryWait()
                _ = try semaphore.status()
                do throws(IPCError) { try semaphore.wait(until: .after(.milliseconds(1))) } catch {
                    if error.code != .timedOut { throw error }
                }
                try semaphore.setPermissions(.ownerOnly)
                try semaphore.post()
            }
            #expect(report.problems.isEmpty, "\(report)")
            #expect(report.thrown > 8, "\(report)")
            // A creation that fails leaves nothing under the name.
            Faults.fail("mmap", with: .noMemory)
            Expect.failure(.noMemory, .outOfMemory) { _ = try NamedSemaphore(name, mode: .createExclusive) }
            let exists = try NamedSemaphore.exists(name)
            #expect(!exists)
        }
    }

    @Test func everyCallOfTheOthersMayFailOnce() async {
        await #expect(processExitsWith: .success) {
            let report = try FaultPlan.sweep {
                let alone = try PrivateSemaphore(initialValue: 1)
                try alone.wait()
                try alone.post()
                let memory = OwnedDescriptor(adopting: try TestSyscalls.anonymousFile())
                do throws(Errno) { try sysTruncate(memory.rawValue, 4096) } catch {
                    throw IPCError(code: .system, subject: "scenario")
                }
                let shared = try SharedSemaphore(initializing: memory, initialValue: 1)
                _ = try SharedSemaphore(attachingTo: memory)
                try shared.wait()
            }
            #expect(report.problems.isEmpty, "\(report)")
        }
    }

    @Test func everyCallOfASetMayFailOnce() async {
        await #expect(processExitsWith: .success) {
            let scratch = ScratchSemaphores()
            let key = scratch.key()
            defer { withExtendedLifetime(scratch) {} }
            let report = try FaultPlan.sweep {
                let set = try SystemVSemaphoreSet(
                    key: key, mode: .openOrCreate, values: [1, 0], initialization: .awaited(patience: .milliseconds(1)),
                    lifetime: .removeOnClose)
                try set.wait()
                _ = try set.tryWait()
                try set.post()
                try set.perform([.wait(0), .post(1)])
                _ = try set.tryPerform([.wait(0)])
                try set.perform([.wait(1)], until: .after(.seconds(1)))
                try set.setValues([1, 1])
                try set.setValue(2)
                _ = try set.values()
                _ = try set.status(of: 0)
                _ = try set.status()
                try set.setPermissions(.ownerOnly)
            }
            #expect(report.problems.isEmpty, "\(report)")
            #expect(report.thrown > 12, "\(report)")
        }
    }

    @Test func everyCallOfTheAsyncFacesMayFailOnce() async {
        await #expect(processExitsWith: .success) {
            _ = try Reactor.shared()
            // A key of the scratch: what a failing removal leaves, the next run finds and the scratch's end removes.
            let scratch = ScratchSemaphores()
            let key = scratch.key()
            defer { withExtendedLifetime(scratch) {} }
            let report = try await FaultPlan.sweep { try await Self.awaitEverything(key) }
            #expect(report.problems.isEmpty, "\(report)")
            #expect(report.runs > 8, "\(report)")
        }
    }

    private static func awaitEverything(_ key: SystemVKey) async throws {
        let set = try SystemVSemaphoreSet(
            key: key, mode: .openOrCreate, values: [1], initialization: .awaited(patience: .milliseconds(1)),
            lifetime: .removeOnClose)
        try set.setValue(1)
        try await set.wait(until: .after(.seconds(5)))
        _ = try? await set.wait(until: .after(.milliseconds(1)))
        let semaphore = try PrivateSemaphore()
        _ = try? await semaphore.wait(until: .after(.milliseconds(1)))
        try semaphore.post()
        try await semaphore.wait()
    }

    /// Without a thread to wait in, the wait fails and the handle is as good as before.
    @Test func aThreadThatCannotBeStarted() async {
        await #expect(processExitsWith: .success) {
            let semaphore = Kept(try PrivateSemaphore())
            let set = Kept(try scratchSet([0]))
            Faults.fail("pthread_create", with: .resourceTemporarilyUnavailable)
            let error = await #expect(throws: IPCError.self) { try await semaphore.value.wait() }
            #expect(error?.call == "pthread_create")
            Faults.fail("pthread_create", with: .resourceTemporarilyUnavailable)
            let other = await #expect(throws: IPCError.self) { try await set.value.wait() }
            #expect(other?.call == "pthread_create")
            Faults.clear()
            let waiting = Task {
                try await semaphore.value.wait()
                try await set.value.wait()
            }
            try await Task.sleep(for: .milliseconds(5))
            try semaphore.value.post()
            try set.value.post()
            try await waiting.value
        }
    }
}
