// SPDX-License-Identifier: Apache-2.0
@testable import InterprocessInspection
import Interprocess
import InterprocessTestKit
import SystemPackage
import Testing

/// How calls that fail and files that are missing are borne.
@Suite struct PartialViewTests {
    /// Every system call of a look fails once: the view may be partial, and nothing worse.
    @Test func failingCallsMakeAViewPartialAtMost() async {
        await #expect(processExitsWith: .success) {
            for kinds: Set<Address.Kind> in [[.unix], [.tcp], [.mq], [.sysvMsg], [.fifo]] {
                let options = HostView.Options(kinds: kinds, findsHolders: false, directories: ["/run"], depth: 1)
                let report = try FaultPlan.sweep { _ = HostView.read(options) }
                #expect(report.problems.isEmpty && report.thrown == 0, "\(report)")
            }
        }
    }

    /// A tree that is like /proc and has holes: nothing in it is a reason to fail.
    @Test func aTreeWithoutAnything() throws {
        let scratch = ScratchName()
        let reader = HostReader(
            HostView.Options(kinds: HostView.kinds, directories: []), table: ProcessTable(root: scratch.directory))
        let view = reader.view()
        #expect(view.isPartial)
        #expect(view.missing.contains { $0.what.contains("hidepid") })
        #expect(view.missing.contains { $0.kinds == [.sysvMsg] })
    }
}
