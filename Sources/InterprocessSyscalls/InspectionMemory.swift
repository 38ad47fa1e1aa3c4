// SPDX-License-Identifier: Apache-2.0
import CInterprocess
package import SystemPackage

/// The numbers of calls that wait, as `/proc/PID/syscall` shows them.
package enum WaitingCall {
    /// semop(2).
    package static var semaphoreOperation: Int { cip_number_of_semop() }
    /// semtimedop(2).
    package static var timedSemaphoreOperation: Int { cip_number_of_semtimedop() }
    /// futex(2).
    package static var futex: Int { cip_number_of_futex() }
    /// fcntl(2).
    package static var control: Int { cip_number_of_fcntl() }
    /// F_OFD_SETLKW.
    package static let lockOpenFile: UInt64 = 38
}

/// semctl(2) with GETALL.
///
/// - Parameter count: at least as many as the set has: the kernel writes them all.
package func sysInspectSemaphoreValues(_ id: Int32, count: Int) throws(Errno) -> [UInt16] {
    // A set never grows, and its id is not given anew while its sequence number lasts; the room is that of the largest.
    var values = [UInt16](repeating: 0, count: max(count, 32_000))
    // SAFETY: the array has room for the largest set that the kernel allows.
    _ = try unsafe values.withUnsafeMutableBufferPointer { (buffer) throws(Errno) in
        try invoke("semctl") { unsafe cip_inspect_semaphore_values(id, buffer.baseAddress) }
    }
    return Array(values.prefix(count))
}

/// What the kernel knows of one semaphore of a set beside its value.
package struct SemaphoreUse: Sendable, Equatable {
    /// The last process that operated on it; 0 for none, or one that is not of this namespace.
    package var lastProcess: Int32
    package var waitingForMore: Int
    package var waitingForZero: Int
}

/// semctl(2) with GETPID, GETNCNT and GETZCNT.
package func sysInspectSemaphore(_ id: Int32, number: Int) throws(Errno) -> SemaphoreUse {
    let number = CInt(truncatingIfNeeded: number)
    return SemaphoreUse(
        lastProcess: try invoke("semctl") { cip_inspect_semaphore(id, number, cip_semaphore_last_process()) },
        waitingForMore: Int(
            try invoke("semctl") { cip_inspect_semaphore(id, number, cip_semaphore_waiting_for_more()) }),
        waitingForZero: Int(
            try invoke("semctl") { cip_inspect_semaphore(id, number, cip_semaphore_waiting_for_zero()) }))
}

/// statfs(2): how many bytes a file system holds, and how many of them are taken.
package func sysFileSystemSpace(_ path: FilePath) throws(Errno) -> (total: UInt64, used: UInt64) {
    var raw = statfs()
    // SAFETY: the path outlives the call; `raw` is a local of the size that the call fills.
    _ = try invoke("statfs") { unsafe path.withPlatformString { unsafe statfs($0, &raw) } }
    let unit = UInt64(clamping: raw.f_bsize)
    let total = UInt64(raw.f_blocks).multipliedReportingOverflow(by: unit).partialValue
    let free = UInt64(raw.f_bfree).multipliedReportingOverflow(by: unit).partialValue
    return (total, total >= free ? total - free : 0)
}

/// statx(2) of what a descriptor refers to: bytes that it takes in memory or on the disk.
package func sysAllocatedBytes(_ path: FilePath) -> UInt64? {
    var raw = statx()
    let result = try? invoke("statx") {
        // SAFETY: the path outlives the call; `raw` is a local of the size that the call fills.
        unsafe path.withPlatformString {
            unsafe statx(AT_FDCWD, $0, AT_STATX_DONT_SYNC, UInt32(STATX_BLOCKS), &raw)
        }
    }
    return result == nil ? nil : UInt64(raw.stx_blocks) * 512
}
