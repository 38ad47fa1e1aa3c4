// SPDX-License-Identifier: Apache-2.0
@testable import InterprocessInspection
import Interprocess
import InterprocessTestKit
import SystemPackage
import Testing

/// What a user without privileges sees, and how calls that fail are borne.
@Suite struct PartialViewTests {
    @Test(.requiresRoot) func anotherUserIsToldWhatIsMissing() async {
        await #expect(processExitsWith: .success) {
            // The process that started this one is root's and has descriptors. No peer of root's here: nobody could
            // not end it.
            try ProcessState.becomeNobody()
            let view = HostView.read(HostView.Options(directories: []))
            #expect(view.isPartial)
            let part = view.missing.first { $0.kinds.contains(.pipe) }
            #expect(part?.remedy.contains("CAP_SYS_PTRACE") == true)
            #expect(part?.what.contains("of other users") == true)
            #expect(view.missing.contains { $0.kinds == [.mq] && $0.remedy.contains("CAP_SYS_ADMIN") })
            // Its own objects it sees all the same.
            let pair = try PipePair()
            let own = HostView.read(HostView.Options(kinds: [.pipe])).objects
            #expect(own.contains { $0.holders.contains { $0.canRead && $0.canWrite } && !$0.holdersAreComplete })
            // Of sets that anybody may read, the kernel tells all that is needed.
            #expect(view.orphans().allSatisfy { $0.object.kind == .sysvSem })
            _ = consume pair
        }
    }

    @Test(.requiresRoot) func aQueueThatMayNotBeReadIsRefused() async throws {
        // Made and removed by this process: nobody could not remove it.
        let scratch = ScratchName()
        let text = scratch.queueName()
        let queue = try MessageQueue(ObjectName(text), mode: .createExclusive)
        await #expect(processExitsWith: .success) { [text = text as String] in
            let name = try ObjectName(text)
            try ProcessState.becomeNobody()
            #expect { try HostView.lookUp(.messageQueue(name)) } throws: { error in
                (error as? IPCError)?.code == .permissionDenied
            }
        }
        try queue.close()
    }

    /// Every system call of a look fails once: the view may be partial, and nothing worse.
    @Test func failingCallsMakeAViewPartialAtMost() async {
        await #expect(processExitsWith: .success) {
            for kinds: Set<Address.Kind> in [
                [.unix], [.tcp], [.mq], [.sysvMsg], [.fifo], [.shm, .sem], [.sysvShm], [.sysvSem],
            ] {
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
