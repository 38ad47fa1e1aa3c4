// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import InterprocessTestKit
import SystemPackage
import Testing

/// Expects that `body` fails with this errno and code.
func expectFailure(
    _ errno: Errno, _ code: IPCError.Code, hint: String = "", at location: SourceLocation = #_sourceLocation,
    _ body: () throws -> Void
) {
    let error = #expect(throws: IPCError.self, sourceLocation: location) { try body() }
    guard let error else { return }
    #expect(error.errno == errno, "\(error)", sourceLocation: location)
    #expect(error.code == code, "\(error)", sourceLocation: location)
    if !hint.isEmpty { #expect(error.hint.contains(hint), "\(error)", sourceLocation: location) }
}

/// Expects that a system call fails with this errno.
func expectErrno(
    _ errno: Errno, at location: SourceLocation = #_sourceLocation, _ body: () throws -> Void
) {
    let error = #expect(throws: Errno.self, sourceLocation: location) { try body() }
    #expect(error == errno, sourceLocation: location)
}

/// Waits until the thread is blocked in msgsnd(2) or msgrcv(2).
func waitUntilBlocked(_ thread: Int32) {
    while true {
        let status = (try? Checkout.text(of: FilePath("/proc/self/task/\(thread)/syscall"))) ?? ""
        if TestSyscalls.isInMessageCall(status) { return }
        TestSyscalls.sleep(nanoseconds: 200_000)
    }
}
