// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import Synchronization
import SystemPackage
package import Testing

/// Ends the test process with a message when a body takes too long: a hang becomes a failure that names itself.
///
/// It counts on a thread of its own, so it also fires when every thread of the cooperative pool is blocked.
package enum Watchdog {
    private struct Entry {
        var deadline: UInt64
        var what: String
    }

    private struct State {
        var entries: [Int: Entry] = [:]
        var count = 0
        var started = false
    }

    private static let state = Mutex(State())

    /// Runs `body`; after `limit` the process ends with SIGABRT.
    package static func bound<R, E: Error>(
        _ limit: Duration = .seconds(60), _ what: String = #function, _ body: () throws(E) -> R
    ) throws(E) -> R {
        let entry = enter(limit, what)
        defer { leave(entry) }
        return try body()
    }

    /// Runs `body`; after `limit` the process ends with SIGABRT.
    package static func bound<R, E: Error>(
        _ limit: Duration = .seconds(60), _ what: String = #function, _ body: () async throws(E) -> R
    ) async throws(E) -> R {
        let entry = enter(limit, what)
        defer { leave(entry) }
        return try await body()
    }

    private static func enter(_ limit: Duration, _ what: String) -> Int {
        let (number, mustStart) = state.withLock { state in
            state.count += 1
            state.entries[state.count] = Entry(deadline: Peer.point(limit), what: "\(what) (limit \(limit))")
            defer { state.started = true }
            return (state.count, !state.started)
        }
        if mustStart {
            do { try TestSyscalls.startThread("test-watchdog") { run() } } catch { fatalError("no watchdog: \(error)") }
        }
        return number
    }

    private static func leave(_ number: Int) {
        _ = state.withLock { $0.entries.removeValue(forKey: number) }
    }

    private static func run() {
        while true {
            TestSyscalls.sleep(nanoseconds: 50_000_000)
            let now = sysMonotonicNanoseconds()
            let late = state.withLock { $0.entries.values.filter { $0.deadline < now }.map(\.what) }
            if late.isEmpty { continue }
            report(late)
            TestSyscalls.abortProcess()
        }
    }

    private static func report(_ late: [String]) {
        var text = "watchdog: not done in time: \(late.joined(separator: "; "))\n"
        for thread in LeakCheck.threads().sorted(by: { $0.key < $1.key }) {
            let path = FilePath("/proc/self/task/\(thread.key)")
            let call = (try? Checkout.text(of: path.appending("syscall")))?.split(separator: " ").first ?? "?"
            let state = (try? Checkout.text(of: path.appending("wchan"))) ?? ""
            text += "  thread \(thread.key) \(thread.value): system call \(call) \(state)\n"
        }
        _ = try? FileDescriptor.standardError.writeAll(text.utf8)
    }
}

/// Bounds a test, or each test of a suite, with a ``Watchdog``.
package struct WatchdogTrait: TestTrait, SuiteTrait, TestScoping {
    let limit: Duration
    package var isRecursive: Bool { true }

    package func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @concurrent @Sendable () async throws -> Void
    ) async throws {
        if test.isSuite { return try await function() }
        try await Watchdog.bound(limit, test.name) { try await function() }
    }
}

extension Trait where Self == WatchdogTrait {
    /// Ends the process with a message if the test takes longer. Generous: on a small machine a test spends most of its
    /// time waiting for the others.
    package static func bounded(_ limit: Duration = .seconds(300)) -> Self { WatchdogTrait(limit: limit) }
}
