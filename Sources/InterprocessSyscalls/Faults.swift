// SPDX-License-Identifier: Apache-2.0
package import SystemPackage
import Synchronization

/// The fault seam: makes the Nth system call of the process, or the Nth of one name, fail with an errno
/// of the test's choice. Debug builds only; in release builds nothing calls it.
///
/// The plan is the process's own, so a test that uses it runs in a child process (an exit test).
package enum Faults {
    struct Plan {
        var call: String?
        var except: Set<String>
        var expected: String?
        var countdown: Int
        /// nil kills the process.
        var error: Errno?

        func matches(_ name: String) -> Bool {
            call.map { $0 == name } ?? !except.contains(name)
        }
    }

    struct State {
        var plans: [Plan] = []
        var record: [String]?
    }

    /// A plain load on every system call; everything else only behind it.
    private static let armed = Atomic<Bool>(false)
    private static let state = Mutex(State())

    /// Fails the call number `number` (from 0, counted from now) of those named `call`, or of all.
    ///
    /// Calls named in `except` neither fail nor count: with several threads at work the order differs from run to
    /// run, and a close that is not made would look like a leak.
    /// If the call whose turn it is has another name than `expected`, nothing fails: each call gets only errors that it
    /// can have.
    package static func fail(
        _ call: String? = nil, number: Int = 0, except: Set<String> = [], expecting expected: String? = nil,
        with error: Errno
    ) {
        state.withLock { state in
            state.plans.append(
                Plan(call: call, except: except, expected: expected, countdown: number, error: error))
        }
        armed.store(true, ordering: .releasing)
    }

    /// Kills this process (SIGKILL) in place of call number `number`, from 0, counted from now.
    package static func kill(number: Int) {
        state.withLock { state in
            state.plans.append(Plan(call: nil, except: [], expected: nil, countdown: number, error: nil))
        }
        armed.store(true, ordering: .releasing)
    }

    /// Removes every plan and stops recording.
    package static func clear() {
        armed.store(false, ordering: .releasing)
        state.withLock { $0 = State() }
    }

    /// The names of the calls made while `body` ran.
    package static func record(_ body: () throws -> Void) rethrows -> [String] {
        state.withLock { $0.record = [] }
        armed.store(true, ordering: .releasing)
        defer { clear() }
        try body()
        return state.withLock { $0.record ?? [] }
    }

    /// Begins to note the names of calls; for code that awaits, where ``record(_:)`` cannot enclose it.
    package static func startRecording() {
        state.withLock { $0.record = [] }
        armed.store(true, ordering: .releasing)
    }

    /// The names noted since ``startRecording()``; removes every plan.
    package static func stopRecording() -> [String] {
        defer { clear() }
        return state.withLock { $0.record ?? [] }
    }

    package static func next(_ name: StaticString) -> Errno? {
        guard armed.load(ordering: .acquiring) else { return nil }
        let name = name.description
        return state.withLock { state in
            state.record?.append(name)
            for index in state.plans.indices where state.plans[index].matches(name) {
                if state.plans[index].countdown == 0 {
                    let plan = state.plans.remove(at: index)
                    if plan.error == nil { TestSyscalls.killSelf() }
                    return (plan.expected ?? name) == name ? plan.error : nil
                }
                state.plans[index].countdown -= 1
            }
            return nil
        }
    }
}
