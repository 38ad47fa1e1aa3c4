// SPDX-License-Identifier: Apache-2.0
package import CInterprocess
package import SystemPackage

/// How a process ended.
package enum ExitStatus: Sendable, Hashable {
    case exited(Int32)
    case signaled(Int32)
}

/// How a process ended, with all that the kernel tells of it.
package struct ChildEnd: Sendable, Hashable {
    package var process: Int32
    package var status: ExitStatus
    package var dumpedCore: Bool
    package var usage: ProcessUsage?
}

/// What a process used, its own reaped children included.
package struct ProcessUsage: Sendable, Hashable {
    package var userNanoseconds: UInt64
    package var systemNanoseconds: UInt64
    package var maxResidentBytes: UInt64
    package var minorFaults: UInt64
    package var majorFaults: UInt64
    package var blocksRead: UInt64
    package var blocksWritten: UInt64
    package var voluntarySwitches: UInt64
    package var involuntarySwitches: UInt64

    init(_ raw: rusage) {
        func nanoseconds(_ time: timeval) -> UInt64 {
            UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_usec) &* 1000
        }
        userNanoseconds = nanoseconds(raw.ru_utime)
        systemNanoseconds = nanoseconds(raw.ru_stime)
        maxResidentBytes = UInt64(raw.ru_maxrss) &* 1024
        minorFaults = UInt64(raw.ru_minflt)
        majorFaults = UInt64(raw.ru_majflt)
        blocksRead = UInt64(raw.ru_inblock)
        blocksWritten = UInt64(raw.ru_oublock)
        voluntarySwitches = UInt64(raw.ru_nvcsw)
        involuntarySwitches = UInt64(raw.ru_nivcsw)
    }
}

/// wait4(2) for one child; nil if it runs on and `blocking` is false.
package func sysWait(_ process: pid_t, blocking: Bool = true) throws(Errno) -> ExitStatus? {
    var status: CInt = 0
    // SAFETY: `status` is a local; the usage is not asked for.
    let result = try invoke("wait4") { unsafe wait4(process, &status, blocking ? 0 : WNOHANG, nil) }
    if result == 0 { return nil }
    return cip_wait_signaled(status) != 0
        ? .signaled(cip_wait_signal(status)) : .exited(cip_wait_exit_status(status))
}

/// Whose end waitid(2) waits for.
package enum WaitTarget: Sendable {
    case anyChild
    case process(pid_t)
    case descriptor(CInt)
}

/// waitid(2) for the end of a child; nil if it runs on and `blocking` is false.
///
/// - Parameter reaping: whether the child is gone then.
package func sysWaitForEnd(
    _ target: WaitTarget, blocking: Bool = false, reaping: Bool = true
) throws(Errno) -> ChildEnd? {
    // SAFETY: zeros are a valid value of it.
    var info = unsafe siginfo_t()
    var usage = rusage()
    var options = CInt(WEXITED)
    if !blocking { options |= CInt(WNOHANG) }
    if !reaping { options |= CInt(bitPattern: UInt32(WNOWAIT)) }
    let (kind, number): (CInt, CInt) =
        switch target {
        case .anyChild: (0, 0)
        case .process(let process): (1, process)
        case .descriptor(let descriptor): (CIP_P_PIDFD, descriptor)
        }
    _ = try invoke("waitid") {
        // SAFETY: both are locals of the size that the call fills.
        unsafe cip_waitid(kind, number, &info, options, &usage)
    }
    // SAFETY: the call has filled them, with zeros if nobody ended.
    let (process, status, code) = unsafe (cip_info_pid(&info), cip_info_status(&info), info.si_code)
    if process == 0 { return nil }
    let exited = code == CInt(CLD_EXITED)
    return ChildEnd(
        process: process, status: exited ? .exited(status) : .signaled(status),
        dumpedCore: code == CInt(CLD_DUMPED), usage: ProcessUsage(usage))
}

/// The end of a process that need not be a child, by the PIDFD_GET_INFO of Linux 6.15: nil if it runs, was not reaped yet, or
/// the kernel does not keep it.
package func sysEndOfReaped(_ descriptor: CInt, process: Int32) -> ChildEnd? {
    var info = cip_pidfd_info()
    info.mask = CIP_PIDFD_INFO_EXIT_MASK
    do throws(Errno) {
        _ = try invoke("ioctl") {
            // SAFETY: a local of the size that the request's number tells.
            unsafe cip_pidfd_info(descriptor, &info)
        }
    } catch {
        return nil
    }
    guard info.mask & CIP_PIDFD_INFO_EXIT_MASK != 0 else { return nil }
    return ChildEnd(process: process, waitStatus: info.exit_code)
}

private let CIP_PIDFD_INFO_EXIT_MASK: UInt64 = 1 << 3

extension ChildEnd {
    /// From the number that wait4(2) gives.
    package init(process: Int32, waitStatus status: Int32) {
        self.init(
            process: process,
            status: cip_wait_signaled(status) != 0
                ? .signaled(cip_wait_signal(status)) : .exited(cip_wait_exit_status(status)),
            dumpedCore: cip_wait_signaled(status) != 0 && cip_wait_core(status) != 0, usage: nil)
    }
}

/// kill(2). Only for a process that cannot have been reaped meanwhile: one's own child, or oneself; below -1 a group.
package func sysKill(_ process: pid_t, _ signal: CInt) throws(Errno) {
    _ = try invoke("kill") { kill(process, signal) }
}

/// pidfd_open(2), Linux 5.3; close-on-exec, readable when the process has ended.
package func sysOpenProcess(_ process: pid_t, flags: UInt32 = 0) throws(Errno) -> CInt {
    try invoke("pidfd_open") { cip_pidfd_open(process, flags) }
}

/// PIDFD_THREAD, Linux 6.9: the descriptor is that of a thread.
package let pidfdThread: UInt32 = UInt32(O_EXCL)
/// PIDFD_NONBLOCK, Linux 5.10.
package let pidfdNonBlocking: UInt32 = UInt32(O_NONBLOCK)

/// pidfd_send_signal(2), Linux 5.1.
package func sysSignalProcess(_ descriptor: CInt, _ signal: CInt) throws(Errno) {
    _ = try invoke("pidfd_send_signal") { cip_pidfd_send_signal(descriptor, signal) }
}

/// pidfd_getfd(2), Linux 5.6: a duplicate of a descriptor of another process, close-on-exec.
package func sysTakeDescriptor(_ process: CInt, _ number: CInt) throws(Errno) -> CInt {
    try invoke("pidfd_getfd") { cip_pidfd_getfd(process, number) }
}

/// prctl(2) PR_SET_CHILD_SUBREAPER.
package func sysSetSubreaper(_ on: Bool) throws(Errno) {
    _ = try invoke("prctl") { cip_set_subreaper(on ? 1 : 0) }
}

/// prctl(2) PR_GET_CHILD_SUBREAPER.
package func sysIsSubreaper() throws(Errno) -> Bool { try invoke("prctl") { cip_is_subreaper() } != 0 }

package func sysParentProcessID() -> Int32 { getppid() }

/// getpgid(2).
package func sysGroup(of process: pid_t) throws(Errno) -> pid_t { try invoke("getpgid") { getpgid(process) } }

/// getsid(2).
package func sysSession(of process: pid_t) throws(Errno) -> pid_t { try invoke("getsid") { getsid(process) } }

/// getpriority(2).
package func sysNiceness(of process: pid_t) throws(Errno) -> Int32 {
    cip_set_errno(0)
    let value = cip_getpriority(process)
    let error = cip_errno()
    if value == -1 && error != 0 { throw Errno(rawValue: error) }
    return value
}

/// The numbers of the limits of setrlimit(2).
package enum ResourceLimits {
    package static let addressSpace = cip_resource(0)
    package static let core = cip_resource(1)
    package static let cpuSeconds = cip_resource(2)
    package static let data = cip_resource(3)
    package static let fileSize = cip_resource(4)
    package static let lockedMemory = cip_resource(5)
    package static let messageQueueBytes = cip_resource(6)
    package static let descriptors = cip_resource(7)
    package static let processes = cip_resource(8)
    package static let pendingSignals = cip_resource(9)
    package static let stack = cip_resource(10)
}

/// getrlimit(2) of the calling process: soft and hard, `.max` for none.
package func sysResourceLimit(_ resource: CInt) throws(Errno) -> (soft: UInt64, hard: UInt64) {
    var limit = rlimit()
    // SAFETY: a local of the size that the call fills.
    _ = try invoke("getrlimit") { unsafe cip_getrlimit(resource, &limit) }
    return (UInt64(limit.rlim_cur), UInt64(limit.rlim_max))
}
