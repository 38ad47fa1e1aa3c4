// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import InterprocessTestKit
import SystemPackage
import Testing

@Suite(.bounded(), .enabled(if: FaultPlan.isAvailable, "faults exist in debug builds only")) struct KillPlanTests {
    @Test func aChildDiesAtEachCall() async {
        await #expect(processExitsWith: .success) {
            let scratch = ScratchName()
            let path = FilePath("\(scratch.directory.string)/made")
            var outcomes: [Bool] = []
            let report = try KillPlan.sweep(prepare: { try? sysUnlink(path) }) {
                let file = OwnedDescriptor(adopting: try sysOpen("/dev/null", flags: 0))
                let made = OwnedDescriptor(adopting: try sysOpen(path, flags: 0o100 | 0o1, mode: 0o600))
                _ = try sysStatus(file.rawValue)
                _ = made.release()
                _ = file.release()
            } verify: { _ in
                outcomes.append((try? sysStatus(path)) != nil)
            }
            #expect(report.problems.isEmpty, "\(report)")
            #expect(report.calls == ["openat", "openat", "fstat"])
            #expect(report.killed == 4)
            // Without a kill; before the first open, before the second, before the fstat, at the end.
            #expect(outcomes == [true, false, false, true, true])
            _ = consume scratch
        }
    }

    @Test func whatIsLeftIsAProblem() async {
        await #expect(processExitsWith: .success) {
            struct Left: Error {}
            let report = try KillPlan.sweep {
                _ = try sysStatus("/dev/null")
            } verify: { step in
                if step.contains("fstatat") { throw Left() }
            }
            #expect(report.problems.count == 1, "\(report)")
        }
    }
}
