// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import SystemPackage

extension SystemVMessageQueue {
    /// Why opening failed, with the limit that is in the way and what it is now.
    static func openFailure(_ error: Errno, _ key: SystemVKey) -> IPCError {
        let hint =
            switch error {
            case .noSuchFileOrDirectory: "no queue has that key; .createExclusive or .openOrCreate makes one"
            case .fileExists: "a queue has that key; .openExisting or .openOrCreate opens it"
            case .noSpace: "\(KernelLimit.sentence("kernel/msgmni")), and so many queues exist; remove some or raise it"
            case .permissionDenied: "the queue's owner and mode do not allow this to user \(sysEffectiveUserID())"
            default: ""
            }
        return IPCError(error, "msgget", "sysv-msg:\(key)", hint: hint)
    }
}

extension SystemVQueueCore {
    /// Why sending failed.
    func sendFailure(_ error: Errno, type: Int, size: Int) -> IPCError {
        if error == .invalidArgument {
            if type < 1 {
                return IPCError(error, "msgsnd", subject, hint: "the type is \(type); it must be 1 or more")
            }
            if let limit = KernelLimit.value("kernel/msgmax"), size > limit {
                return IPCError(
                    code: .messageTooLarge, call: "msgsnd", errno: error, subject: subject,
                    hint: "the message has \(size) bytes, and kernel.msgmax is \(limit)")
            }
        }
        return failure(error, "msgsnd")
    }

    /// A message that never fits waits for ever in `msgsnd(2)`: worth a look before waiting.
    func refuseWhatNeverFits(size: Int) throws(IPCError) {
        guard let state = try? sysMessageQueueState(id), size > state.capacityBytes else { return }
        throw IPCError(
            code: .messageTooLarge, call: "msgsnd", subject: subject,
            hint:
                "the message has \(size) bytes, and the whole queue holds \(state.capacityBytes) (setCapacity raises that)"
        )
    }

    /// Why receiving failed.
    func receiveFailure(_ error: Errno, _ selection: SystemVMessageQueue.Selection, room: Int) -> IPCError {
        if error == .argListTooLong {
            return IPCError(
                error, "msgrcv", subject,
                hint: "the message is longer than the \(room) bytes of the buffer, and stays in the queue")
        }
        return failure(error, "msgrcv")
    }

    /// What is common to all calls: the queue is gone, or it is somebody else's.
    func failure(_ error: Errno, _ call: String) -> IPCError {
        switch error {
        case .identifierRemoved:
            return IPCError(error, call, subject, hint: "the queue was removed while this call used it")
        case .invalidArgument where isGone:
            return IPCError(
                code: .removed, call: call, errno: error, subject: subject,
                hint: "the queue was removed after it had been opened")
        case .permissionDenied:
            return IPCError(
                error, call, subject,
                hint: "the queue's owner and mode do not allow this to user \(sysEffectiveUserID())")
        default:
            return IPCError(error, call, subject)
        }
    }

    private var isGone: Bool {
        do throws(Errno) { _ = try sysMessageQueueState(id) } catch {
            return error == .invalidArgument || error == .identifierRemoved
        }
        return false
    }

    func late(_ call: String) -> IPCError {
        let hint = call == "msgsnd" ? "the queue is full" : "no message of that selection came"
        return IPCError(.timedOut, call, subject, hint: hint)
    }
}
