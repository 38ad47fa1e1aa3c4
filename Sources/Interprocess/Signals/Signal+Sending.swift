// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import SystemPackage

extension Signal {
    /// Sends this signal to the process itself, whichever of its threads then gets it.
    ///
    /// To other processes: ``ProcessHandle/send(_:value:)``, ``ProcessGroup/send(_:value:)``.
    ///
    /// - Parameter value: what travels with it; 32 bits.
    /// - Throws: ``IPCError/Code/wouldBlock`` (EAGAIN) if RLIMIT_SIGPENDING signals wait already; real-time signals only.
    ///
    /// The corresponding C functions are `kill(2)` and `sigqueue(3)`.
    public func sendToThisProcess(value: Int32? = nil) throws(IPCError) {
        let process = sysProcessID()
        do throws(Errno) {
            if let value { try sysQueueSignal(process, number, value: value) } else { try sysKill(process, number) }
        } catch {
            throw Self.sendFailure(error, value == nil ? "kill" : "rt_sigqueueinfo", self, "pid:\(process)")
        }
    }

    /// Sends this signal to the calling thread.
    ///
    /// - Parameter value: what travels with it; 32 bits.
    /// - Throws: as ``sendToThisProcess(value:)``.
    ///
    /// The corresponding C functions are `raise(3)` and `pthread_sigqueue(3)`.
    public func sendToThisThread(value: Int32? = nil) throws(IPCError) {
        let (process, thread) = (sysProcessID(), sysThreadID())
        do throws(Errno) {
            if let value {
                try sysQueueThreadSignal(process, thread, number, value: value)
            } else {
                try sysSignalThread(process, thread, number)
            }
        } catch {
            throw Self.sendFailure(
                error, value == nil ? "tgkill" : "rt_tgsigqueueinfo", self, "pid:\(process) thread \(thread)")
        }
    }

    /// Why sending failed, and what helps.
    static func sendFailure(_ error: Errno, _ call: String, _ signal: Signal, _ subject: String) -> IPCError {
        let hint: String
        switch error {
        case .noSuchProcess: hint = "it has ended"
        case .notPermitted:
            hint = "user \(sysEffectiveUserID()) may not send \(signal) to it: it belongs to another user"
        case .resourceTemporarilyUnavailable:
            let limit = (try? sysResourceLimit(ResourceLimits.pendingSignals))?.soft
            hint =
                "RLIMIT_SIGPENDING is \(limit.map { "\($0)" } ?? "reached"), and so many signals wait for the processes of that user; "
                + "its receiver is too slow, or stopped"
        default: hint = ""
        }
        return IPCError(error, call, subject, hint: hint)
    }
}
