// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import SystemPackage

/// Kills a child process in place of each system call of a scenario in turn, and lets the test look at what it left.
///
/// The child is forked for every step, runs the scenario and is killed at its step, or at its end if the scenario ends
/// before: what it holds then, it holds when it dies. The scenario makes plain blocking calls and awaits nothing. Use it in an
/// exit test, whose process has no other threads at work.
package enum KillPlan {
    /// What a sweep did.
    package struct Report: Sendable, CustomStringConvertible {
        /// The calls of the scenario in order; a child died in place of each.
        package var calls: [String] = []
        /// How many children were killed.
        package var killed = 0
        package var problems: [String] = []
        package var description: String {
            "\(killed) killed at [\(calls.joined(separator: " "))]"
                + (problems.isEmpty ? "" : "; PROBLEMS: " + problems.joined(separator: "; "))
        }
    }

    /// - Parameters:
    ///   - prepare: runs before each child, in this process; also before the run that learns the calls.
    ///   - scenario: runs in the child. It shall not close or give back what it takes before its last line.
    ///   - verify: runs after each child's death; what it throws is a problem of that step.
    package static func sweep(
        limit: Duration = .seconds(30), prepare: () throws -> Void = {}, _ scenario: () throws -> Void,
        verify: (_ step: String) throws -> Void
    ) throws -> Report {
        try prepare()
        var report = Report(calls: try Faults.record(scenario))
        try verify("the run without a kill")
        for number in 0...report.calls.count {
            let step =
                number < report.calls.count ? "killed at call \(number) (\(report.calls[number]))" : "killed at the end"
            try prepare()
            let child = try TestSyscalls.fork()
            if child == 0 {
                Faults.kill(number: number)
                try? scenario()
                TestSyscalls.killSelf()
            }
            let status = try Watchdog.bound(limit, step) { try sysWait(child) }
            report.killed += 1
            if status != .signaled(9) {
                report.problems.append("\(step): the child ended as \(String(describing: status))")
            }
            do { try Watchdog.bound(limit, "after the child was \(step)") { try verify(step) } } catch {
                report.problems.append("\(step): \(error)")
            }
        }
        return report
    }
}
