// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessTestKit
import Testing

@Suite(.enabled(if: FaultPlan.isAvailable, "faults exist in debug builds only")) struct MessageQueueFaultTests {
    @Test func everyCallOfAPOSIXQueueMayFailOnce() async {
        await #expect(processExitsWith: .success) {
            let scratch = ScratchName()
            let name = scratch.objectName()
            let report = try FaultPlan.sweep {
                defer { try? MessageQueue.unlink(name) }
                let queue = try MessageQueue(
                    name, mode: .openOrCreate, limits: .init(maxMessages: 4, messageSizeBytes: 64))
                try queue.send([1, 2, 3], priority: 7)
                _ = try queue.trySend([4])
                _ = try queue.receive()
                _ = try queue.receive(until: .after(.seconds(5)))
                _ = try queue.tryReceive()
                _ = try queue.status()
            }
            #expect(report.problems.isEmpty, "\(report)")
            #expect(report.thrown > 6, "\(report)")
        }
    }

    @Test func everyCallOfASystemVQueueMayFailOnce() async {
        await #expect(processExitsWith: .success) {
            // A key of the scratch: what a failing removal leaves, the next run finds and the scratch's end removes.
            let scratch = ScratchName()
            let key = SystemVKey.number(scratch.key())
            defer { withExtendedLifetime(scratch) {} }
            let report = try FaultPlan.sweep {
                let queue = try SystemVMessageQueue(key: key, mode: .openOrCreate, lifetime: .removeOnClose)
                try queue.send([1, 2, 3], type: 7)
                _ = try queue.trySend([4])
                _ = try queue.receive()
                _ = try queue.tryReceive(.exactly(1))
                _ = try queue.tryReceive()
                _ = try queue.status()
            }
            #expect(report.problems.isEmpty, "\(report)")
            #expect(report.thrown > 4, "\(report)")
        }
    }

    @Test func everyCallOfTheAsyncFacesMayFailOnce() async {
        await #expect(processExitsWith: .success) {
            _ = try Reactor.shared()
            let scratch = ScratchName()
            let key = SystemVKey.number(scratch.key())
            defer { withExtendedLifetime(scratch) {} }
            let report = try await FaultPlan.sweep { try await Self.awaitEverything(key) }
            #expect(report.problems.isEmpty, "\(report)")
        }
    }

    private static func awaitEverything(_ key: SystemVKey) async throws {
        let queue = try SystemVMessageQueue(key: key, mode: .openOrCreate, lifetime: .removeOnClose)
        try await queue.send([1, 2, 3], type: 7, until: .after(.seconds(5)))
        _ = try await queue.receive(.any, until: .after(.seconds(5)))
        // Nothing comes: the deadline interrupts the thread that waits.
        _ = try? await queue.receive(.any, until: .after(.milliseconds(1)))
    }
}
