// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
package import SystemPackage

/// Makes each system call of a scenario fail once and looks at what comes of it.
///
/// The scenario either succeeds all the same or throws an ``IPCError``; it neither hangs nor throws anything else, and
/// no descriptor is left. Faults are planted in the whole process: use it in an exit test, and start peers
/// outside the scenario.
package enum FaultPlan {
    /// What a sweep did.
    package struct Report: Sendable, CustomStringConvertible {
        /// The calls of the scenario in order.
        package var calls: [String] = []
        /// How many runs there were, and how many of them threw.
        package var runs = 0
        package var thrown = 0
        package var problems: [String] = []
        package var description: String {
            "\(calls.count) calls [\(calls.joined(separator: " "))], \(runs) runs, \(thrown) threw"
                + (problems.isEmpty ? "" : "; PROBLEMS: " + problems.joined(separator: "; "))
        }
    }

    /// Calls that are not made to fail: a close that does not happen is a leak by itself.
    package static let exempt: Set<String> = ["close", "munmap"]

    /// Whether faults can be planted: debug builds only.
    package static var isAvailable: Bool {
        #if DEBUG
            true
        #else
            false
        #endif
    }

    /// Runs the scenario once as it is, once more to learn its calls, then once for each call and errno.
    ///
    /// - Throws: ``Leak`` or the scenario's own error if it fails without a fault.
    package static func sweep(
        exempt: Set<String> = exempt, limit: Duration = .seconds(60), _ scenario: () throws -> Void
    ) throws -> Report {
        try Watchdog.bound(limit, "the scenario without faults") { try scenario() }
        Faults.startRecording()
        do { try scenario() } catch {
            Faults.clear()
            throw error
        }
        var report = Report(calls: Faults.stopRecording())
        for step in steps(report.calls, exempt) {
            let check = LeakCheck()
            report.runs += 1
            Faults.fail(number: step.number, except: exempt, expecting: step.call, with: step.error)
            do { try Watchdog.bound(limit, step.description) { try scenario() } } catch {
                report.note(error, step)
            }
            Faults.clear()
            report.verify(check, step)
        }
        return report
    }

    /// As above for a scenario that awaits.
    package static func sweep(
        exempt: Set<String> = exempt, limit: Duration = .seconds(60), _ scenario: () async throws -> Void
    ) async throws -> Report {
        try await Watchdog.bound(limit, "the scenario without faults") { try await scenario() }
        Faults.startRecording()
        do { try await scenario() } catch {
            Faults.clear()
            throw error
        }
        var report = Report(calls: Faults.stopRecording())
        for step in steps(report.calls, exempt) {
            let check = LeakCheck()
            report.runs += 1
            Faults.fail(number: step.number, except: exempt, expecting: step.call, with: step.error)
            do { try await Watchdog.bound(limit, step.description) { try await scenario() } } catch {
                report.note(error, step)
            }
            Faults.clear()
            report.verify(check, step)
        }
        return report
    }

    struct Step: CustomStringConvertible {
        let number: Int
        let call: String
        let error: Errno
        var description: String { "call \(number) (\(call)) failing with errno \(error.rawValue)" }
    }

    private static func steps(_ calls: [String], _ exempt: Set<String>) -> [Step] {
        calls.filter { !exempt.contains($0) }.enumerated().flatMap { index, call in
            [plausible(call), .interrupted].map { Step(number: index, call: call, error: $0) }
        }
    }

    /// An errno that the call's manual page lists and that can happen to a correct program.
    package static func plausible(_ call: String) -> Errno {
        switch call {
        case "pipe2", "openat", "socket", "socketpair", "accept4", "eventfd", "epoll_create1", "mq_open",
            "memfd_create",
            "dup", "fcntl", "pidfd_open", "inotify_init1", "timerfd_create":
            .tooManyOpenFiles
        case "mmap", "mremap", "shmat", "mlock": .noMemory
        case "write", "writev", "msgget", "shmget", "fallocate", "linkat", "epoll_ctl", "mkdirat", "mknodat",
            "mkfifoat":
            .noSpace
        case "connect": .connectionRefused
        case "bind": .addressInUse
        case "sendmsg", "sendto", "send": .noBufferSpace
        case "recvmsg", "recvfrom", "recv": .connectionReset
        case "msgrcv", "msgsnd": .identifierRemoved
        case "pthread_create": .resourceTemporarilyUnavailable
        case "fchmod", "fchmodat", "fchownat", "unlinkat", "msgctl", "mq_unlink": .notPermitted
        default: .ioError
        }
    }
}

extension FaultPlan.Report {
    mutating func note(_ error: any Error, _ step: FaultPlan.Step) {
        thrown += 1
        if !(error is IPCError) { problems.append("\(step): threw \(error), which is not an IPCError") }
    }

    mutating func verify(_ check: LeakCheck, _ step: FaultPlan.Step) {
        do { try check.verify() } catch { problems.append("\(step): \(error)") }
    }
}
