// SPDX-License-Identifier: Apache-2.0
// What only tests of semaphores need.
import CInterprocess
package import SystemPackage

extension TestSyscalls {
    /// A blocked thread's system call, as `/proc/self/task/ID/syscall` has it: its number and its arguments; nil if it runs.
    private static func blockedCall(_ status: String) -> [UInt64]? {
        let words = status.split(whereSeparator: { $0.isWhitespace })
        guard let first = words.first, let number = UInt64(first) else { return nil }
        return [number] + words.dropFirst().map { UInt64($0.dropFirst(2), radix: 16) ?? 0 }
    }

    /// Whether a thread is in semop(2), semtimedop(2) or futex(2).
    package static func isInSemaphoreCall(_ status: String) -> Bool {
        guard let number = blockedCall(status)?.first else { return false }
        return [UInt64(SYS_semop), UInt64(SYS_semtimedop), UInt64(SYS_futex)].contains(number)
    }

    /// Whether a thread is in futex(2) with a time limit of the monotonic clock; nil if it is not in futex(2).
    package static func waitsByMonotonicClock(_ status: String) -> Bool? {
        guard let call = blockedCall(status), call[0] == UInt64(SYS_futex), call.count > 4 else { return nil }
        let realtime: UInt64 = 256
        return call[4] != 0 && call[2] & realtime == 0
    }

    package static func discardSemaphoreSet(key: Int32) {
        let id = semget(key, 0, 0)
        if id >= 0 { _ = cip_semctl(id, 0, IPC_RMID) }
    }

    package static func semaphoreSetExists(key: Int32) -> Bool { semget(key, 0, 0) >= 0 || cip_errno() == EACCES }

    /// A mount namespace of its own with a /dev/shm that holds `bytes`: for exit tests, as root.
    package static func useSmallSharedMemory(bytes: Int) throws(Errno) {
        if unshare(CInt(CLONE_NEWNS)) < 0 { throw Errno(rawValue: cip_errno()) }
        // SAFETY: literals and a string that outlive the calls.
        if unsafe mount("none", "/", nil, UInt(MS_REC | MS_PRIVATE), nil) < 0 { throw Errno(rawValue: cip_errno()) }
        let options = "size=\(bytes)"
        let result = unsafe options.withCString { unsafe mount("tmpfs", "/dev/shm", "tmpfs", 0, $0) }
        if result < 0 { throw Errno(rawValue: cip_errno()) }
    }

    /// Runs `body` in a child made by fork(2), which ends with what it returns; its process id.
    ///
    /// The child has this one thread only: `body` must not await, nor use what another thread may have locked.
    package static func forkChild(_ body: () -> Int32) throws(Errno) -> Int32 {
        let child = cip_fork()
        if child < 0 { throw Errno(rawValue: cip_errno()) }
        if child == 0 { _exit(body()) }
        return child
    }
}
