// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessTestKit
import Testing

@Suite(.enabled(if: FaultPlan.isAvailable, "faults exist in debug builds only")) struct PipeFaultTests {
    @Test func everyCallOfThePlainFacesMayFailOnce() async {
        await #expect(processExitsWith: .success) {
            let report = try FaultPlan.sweep { try Self.useEverything() }
            #expect(report.problems.isEmpty, "\(report)")
            #expect(report.thrown > 8, "\(report)")
        }
    }

    @Test func everyCallOfTheAsyncFacesMayFailOnce() async {
        await #expect(processExitsWith: .success) {
            // The reactor stays, so it is started before anybody counts descriptors.
            _ = try Reactor.shared()
            let report = try await FaultPlan.sweep { try await Self.awaitEverything() }
            #expect(report.problems.isEmpty, "\(report)")
        }
    }

    private static func useEverything() throws {
        let pipe = try PipePair(PipeOptions(capacityBytes: 8192, packets: false))
        try pipe.writer.write(Array("hello".utf8))
        _ = try pipe.writer.tryWrite(Array("more".utf8))
        _ = try pipe.reader.availableBytes()
        _ = try pipe.reader.read(upTo: 5)
        _ = try pipe.reader.read(upTo: 100, until: .after(.seconds(5)))
        _ = try pipe.reader.tryRead(upTo: 5)
        _ = try pipe.reader.status()
    }

    private static func awaitEverything() async throws {
        let pipe = try PipePair()
        try await pipe.writer.write(Array("hello".utf8))
        _ = try await pipe.reader.readable().wait(until: .after(.seconds(5)))
        _ = try await pipe.reader.read(upTo: 5, until: .after(.seconds(5)))
        // Nothing comes: the deadline ends the wait.
        _ = try? await pipe.reader.read(upTo: 5, until: .after(.milliseconds(1)))
    }
}
