// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import InterprocessTestKit
import SystemPackage
import Testing

@Suite(.enabled(if: FaultPlan.isAvailable, "faults exist in debug builds only")) struct FaultPlanTests {
    /// Opens, reads, duplicates; leaks the first descriptor on failure if `careless`.
    static func scenario(careless: Bool) throws {
        do throws(Errno) {
            let number = try sysOpen("/dev/null", flags: 0)
            if careless {
                let copy = try sysDuplicate(number)
                try sysClose(copy)
                try sysClose(number)
            } else {
                let owner = OwnedDescriptor(adopting: number)
                let copy = OwnedDescriptor(adopting: try sysDuplicate(owner.rawValue))
                _ = try sysStatus(copy.rawValue)
            }
        } catch { throw IPCError(error, "scenario", "test") }
    }

    @Test func aCarefulScenarioPasses() async {
        await #expect(processExitsWith: .success) {
            let report = try FaultPlan.sweep { try Self.scenario(careless: false) }
            #expect(report.problems.isEmpty, "\(report)")
            #expect(report.calls == ["openat", "fcntl", "fstat", "close", "close"])
            #expect(report.runs == 6)
            #expect(report.thrown == 3, "each errno once; an EINTR is taken up again")
        }
    }

    @Test func aScenarioThatAwaitsPasses() async {
        await #expect(processExitsWith: .success) {
            let report = try await FaultPlan.sweep {
                await Task.yield()
                try Self.scenario(careless: false)
            }
            #expect(report.problems.isEmpty, "\(report)")
            #expect(report.runs == 6)
        }
    }

    @Test func aLeakIsFound() async {
        await #expect(processExitsWith: .success) {
            let report = try FaultPlan.sweep { try Self.scenario(careless: true) }
            #expect(report.problems.contains { $0.contains("fcntl") && $0.contains("/dev/null") }, "\(report)")
        }
    }

    @Test func aForeignErrorIsFound() async {
        await #expect(processExitsWith: .success) {
            let report = try FaultPlan.sweep { _ = try sysStatus("/dev/null") }
            #expect(report.problems.contains { $0.contains("not an IPCError") }, "\(report)")
        }
    }
}

@Suite struct LeakCheckTests {
    @Test func findsADescriptorAndAThread() async {
        await #expect(processExitsWith: .success) {
            let check = LeakCheck()
            try check.verify(threads: true)
            let number = try sysOpen("/dev/null", flags: 0)
            #expect(throws: Leak.self) { try check.verify(patience: .milliseconds(20)) }
            try sysClose(number)
            try check.verify()
            let stop = Flag()
            try TestSyscalls.startThread("left-behind") {
                while !stop.isSet { TestSyscalls.sleep(nanoseconds: 1_000_000) }
            }
            let leak = #expect(throws: Leak.self) { try check.verify(threads: true, patience: .milliseconds(100)) }
            #expect(leak?.description.contains("left-behind") == true)
            stop.set()
            try check.verify(threads: true)
        }
    }

    @Test func aStormInterrupts() async {
        await #expect(processExitsWith: .success) {
            let pair = try TestSyscalls.pipe()
            try SignalStorm.run {
                #expect(throws: Errno.interrupted) {
                    _ = try [UInt8](capacity: 1) { (span: inout OutputSpan<UInt8>) in
                        _ = try sysRead(pair.reading, into: &span, retryOnInterrupt: false)
                    }
                }
            }
        }
    }
}
