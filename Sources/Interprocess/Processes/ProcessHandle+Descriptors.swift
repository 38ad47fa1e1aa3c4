// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import SystemPackage

extension ProcessHandle {
    /// A second descriptor, here, of what the process has open under a number: the same open file, the same position.
    ///
    /// The process does not notice. It needs what a debugger needs: the same user and no set-user-ID program, or CAP_SYS_PTRACE; where
    /// the Yama module is at work, to be an ancestor, or to have been allowed by the process (`PR_SET_PTRACER`). Between processes
    /// that know of each other, ``StreamSocket`` passes descriptors without any such right.
    ///
    /// - Parameter number: the process's number for it.
    /// - Throws: ``IPCError/Code/permissionDenied`` (EPERM); ``IPCError/Code/badDescriptor`` (EBADF) if the process has no such
    ///   descriptor; ``IPCError/Code/notFound`` (ESRCH) if it has ended; ``IPCError/Code/limitReached`` (EMFILE).
    ///
    /// The corresponding C function is `pidfd_getfd(2)`.
    public func duplicateDescriptor(_ number: CInt) throws(IPCError) -> OwnedDescriptor {
        do throws(Errno) { return OwnedDescriptor(adopting: try sysTakeDescriptor(rawValue, number)) } catch {
            let hint: String =
                switch error {
                case .notPermitted: Self.permissionHint
                case .badFileDescriptor: "the process has no descriptor \(number)"
                case .noSuchProcess: "it has ended"
                default: ""
                }
            throw IPCError(error, "pidfd_getfd", "\(subject) descriptor \(number)", hint: hint)
        }
    }

    /// Who may look into a process, with what this system says to it.
    static var permissionHint: String {
        let scope = try? sysProcFile("/proc/sys/kernel/yama/ptrace_scope")
        let yama: String =
            switch scope?.first {
            case "1": "; kernel.yama.ptrace_scope is 1: only its ancestors may, or who it has allowed"
            case "2": "; kernel.yama.ptrace_scope is 2: only CAP_SYS_PTRACE may"
            case "3": "; kernel.yama.ptrace_scope is 3: nobody may"
            default: ""
            }
        return "user \(sysEffectiveUserID()) may not look into it: it wants the same user or CAP_SYS_PTRACE\(yama)"
    }
}
