// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import SystemPackage

extension MessageQueue {
    /// Why opening failed, with the limit that is in the way and what it is now.
    static func openFailure(_ error: Errno, _ name: ObjectName, _ mode: CreationMode, _ limits: Limits?) -> IPCError {
        IPCError(error, "mq_open", "mq:\(name)", hint: openHint(error, name, mode, limits))
    }

    private static func openHint(_ error: Errno, _ name: ObjectName, _ mode: CreationMode, _ limits: Limits?) -> String
    {
        switch error {
        case .noSuchFileOrDirectory:
            "there is no queue of that name; .createExclusive or .openOrCreate makes one"
        case .fileExists:
            "there is a queue of that name; .openExisting or .openOrCreate opens it"
        case .permissionDenied:
            "the queue's owner and mode do not allow this access to user \(sysEffectiveUserID())"
        case .invalidArgument:
            limitsHint(limits ?? .systemDefault)
        case .tooManyOpenFiles:
            tooManyHint(mode == .openExisting ? nil : limits ?? .systemDefault)
        case .noSpace:
            "\(KernelLimit.sentence("fs/mqueue/queues_max")), and so many queues exist; remove some or raise it"
        case .noMemory, .overflow:
            "a queue of that size does not fit into the kernel's memory"
        default: ""
        }
    }

    private static func limitsHint(_ limits: Limits) -> String {
        let messages = limits.maxMessages
        let size = limits.messageSizeBytes
        if messages <= 0 { return "maxMessages is \(messages); it must be at least 1" }
        if size <= 0 { return "messageSizeBytes is \(size); it must be at least 1" }
        if let allowed = KernelLimit.value("fs/mqueue/msg_max"), messages > allowed {
            return "maxMessages is \(messages), and fs.mqueue.msg_max is \(allowed) for who has no CAP_SYS_RESOURCE"
        }
        if let allowed = KernelLimit.value("fs/mqueue/msgsize_max"), size > allowed {
            return
                "messageSizeBytes is \(size), and fs.mqueue.msgsize_max is \(allowed) for who has no CAP_SYS_RESOURCE"
        }
        return "\(messages) messages of \(size) bytes are more than any queue may hold (65536 of 16 MiB)"
    }

    /// EMFILE has two causes; whether one more descriptor can be had tells them apart.
    private static func tooManyHint(_ limits: Limits?) -> String {
        let noDescriptor: Bool
        do throws(Errno) {
            try sysClose(try sysOpen("/", flags: 0))
            noDescriptor = false
        } catch {
            noDescriptor = error == .tooManyOpenFiles
        }
        guard !noDescriptor, let limits else {
            let limit = sysDescriptorLimit().map { String($0) } ?? "unlimited"
            return "RLIMIT_NOFILE is \(limit), and so many descriptors are open in this process"
        }
        let needed = limits.accountedBytes.map { "\($0) bytes" } ?? "more bytes than can be counted"
        let limit = sysMessageQueueBytesLimit().map { "\($0) bytes" } ?? "unlimited"
        return
            "the queue needs \(needed); RLIMIT_MSGQUEUE is \(limit) for all queues of user \(sysEffectiveUserID()) together"
    }

    /// Why sending failed.
    func sendFailure(_ error: Errno, _ call: String, size: Int, priority: UInt32) -> IPCError {
        let hint =
            switch error {
            case .messageTooLong: "the message has \(size) bytes; this queue takes \(limits.messageSizeBytes)"
            case .invalidArgument: "the priority is \(priority); it must be 0 to \(Self.priorityCount - 1)"
            case .badFileDescriptor: "the handle was opened for receiving only"
            default: ""
            }
        return IPCError(error, call, subject, hint: hint)
    }

    /// Why receiving failed.
    func receiveFailure(_ error: Errno, _ call: String, room: Int) -> IPCError {
        let hint =
            switch error {
            case .messageTooLong: "the buffer has room for \(room) bytes and needs \(limits.messageSizeBytes)"
            case .badFileDescriptor: "the handle was opened for sending only"
            default: ""
            }
        return IPCError(error, call, subject, hint: hint)
    }

    /// A deadline that passed, with what was in the way.
    func late(_ call: String, full: Bool) -> IPCError {
        let hint =
            full ? "the queue is full: \(limits.maxMessages) of \(limits.maxMessages) messages" : "the queue is empty"
        return IPCError(.timedOut, call, subject, hint: hint)
    }
}
