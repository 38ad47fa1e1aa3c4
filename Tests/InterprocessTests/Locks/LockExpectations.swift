// SPDX-License-Identifier: Apache-2.0
@testable import Interprocess
import InterprocessSyscalls
import InterprocessTestKit
import SystemPackage
import Testing

/// Expects that `body` fails with this errno and code.
func expectRefusal(
    _ errno: Errno?, _ code: IPCError.Code, hint: String = "", at location: SourceLocation = #_sourceLocation,
    _ body: () throws -> Void
) {
    let error = #expect(throws: IPCError.self, sourceLocation: location) { try body() }
    guard let error else { return }
    #expect(error.errno == errno, "\(error)", sourceLocation: location)
    #expect(error.code == code, "\(error)", sourceLocation: location)
    if !hint.isEmpty { #expect(error.hint.contains(hint), "\(error)", sourceLocation: location) }
}

enum TestLocks {
    /// Locks and never unlocks; the calling thread is to end.
    static func abandon(_ memory: LockMemory, at offset: Int) {
        TestMutex.lock(memory.pointer(offset))
    }

    /// With something that is not to end before.
    static func sleepForEver<Value: ~Copyable>(holding value: borrowing Value) { sleepForEver() }

    /// Not `Never`, or what follows would be said never to run.
    static func sleepForEver() { while true { TestSyscalls.sleep(nanoseconds: 1_000_000_000) } }

    /// Until the process sleeps in a system call, as its state says.
    static func waitUntilBlocked(_ process: Int32) {
        while true {
            let text = (try? Checkout.text(of: FilePath("/proc/\(process)/stat"))) ?? ""
            if text.split(separator: ")").last?.hasPrefix(" S") == true { return }
            TestSyscalls.sleep(nanoseconds: 200_000)
        }
    }

    /// Children that run `work` with their number, and the numbers of those that are killed at a random moment; all are
    /// waited for. Only in an exit test whose process has no other threads at work.
    static func run(_ count: Int, killing victims: Int, _ work: (Int) throws -> Void) throws {
        var children: [Int32] = []
        for index in 0..<count {
            let child = try TestSyscalls.fork()
            if child == 0 {
                do { try work(index) } catch {
                    try? Checkout.write("child \(index): \(error)\n", to: "/dev/stderr")
                    TestSyscalls.abortProcess()
                }
                TestSyscalls.killSelf()
            }
            children.append(child)
        }
        for victim in children.prefix(victims) {
            TestSyscalls.sleep(nanoseconds: UInt64.random(in: 0...4_000_000))
            try sysKill(victim, 9)
        }
        for child in children { #expect(try sysWait(child) == .signaled(9), "child \(child) failed") }
    }
}

extension TestLocks {
    /// A system call in the middle of something: a place to be killed at.
    static func touch() { _ = try? sysStatus("/dev/null") }
}
