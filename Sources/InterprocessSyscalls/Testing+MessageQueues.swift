// SPDX-License-Identifier: Apache-2.0
// What only tests of message queues need.
import CInterprocess
package import SystemPackage

extension TestSyscalls {
    /// unshare(2) with CLONE_NEWIPC: from now on the calling process sees no queue of any other. For exit tests, as root.
    package static func leaveIPCNamespace() throws(Errno) {
        if unshare(CInt(CLONE_NEWIPC)) < 0 { throw Errno(rawValue: cip_errno()) }
    }

    /// Whether a thread of this process is in msgsnd(2) or msgrcv(2).
    package static func isInMessageCall(_ status: String) -> Bool {
        let number = status.split(separator: " ").first.flatMap { Int($0) }
        return number == Int(SYS_msgsnd) || number == Int(SYS_msgrcv)
    }

    /// Lets a signal reach the calling thread; those of the cooperative pool block all.
    package static func admitSignal(_ number: CInt) {
        var only = sigset_t()
        // SAFETY: the set is a local that lives through the calls.
        unsafe sigemptyset(&only)
        unsafe sigaddset(&only, number)
        unsafe pthread_sigmask(SIG_UNBLOCK, &only, nil)
    }
}
