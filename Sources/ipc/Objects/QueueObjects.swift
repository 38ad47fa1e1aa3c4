// SPDX-License-Identifier: Apache-2.0
import Interprocess
import SystemPackage

/// Message queues as objects.
extension Objects {
    static func createQueue(_ name: ObjectName, _ plan: CreationPlan) throws -> Address {
        var limits: MessageQueue.Limits?
        if plan.maxMessages != nil || plan.messageSize != nil {
            let usual = MessageQueue.Limits.systemDefault
            limits = MessageQueue.Limits(
                maxMessages: plan.maxMessages ?? usual.maxMessages,
                messageSizeBytes: plan.messageSize ?? usual.messageSizeBytes)
        }
        do throws(IPCError) {
            let queue = try MessageQueue(name, mode: plan.mode, permissions: plan.permissions, limits: limits)
            if !queue.wasCreated, let limits, queue.limits != limits {
                Output.note(
                    "mq:\(name): was there already, with \(queue.limits.maxMessages) messages of \(queue.limits.messageSizeBytes) bytes; it stays so"
                )
            }
            try queue.close()
        } catch {
            throw reworded(error)
        }
        return .messageQueue(name)
    }

    static func createSystemVQueue(_ address: Address, _ plan: CreationPlan) throws -> Address {
        let key = try systemVKey(address)
        let mode: CreationMode = key == .private ? .createExclusive : plan.mode
        do throws(IPCError) {
            let queue = try SystemVMessageQueue(key: key, mode: mode, permissions: plan.permissions)
            let id = queue.id
            try queue.close()
            return key == .private ? .systemVMessageQueue(id: id) : .systemVMessageQueue(key)
        } catch {
            throw reworded(error)
        }
    }

    static func systemVKey(_ address: Address) throws -> SystemVKey {
        switch address.name {
        case .key(let key): return key
        case .projectFile(let path, let project): return try .path(path, project: project)
        default:
            throw Failure.unfit(address, "an id is given by the kernel; create with a key, or private")
        }
    }

    static func openSystemVQueue(_ address: Address, create: Bool = false) throws -> SystemVMessageQueue {
        do {
            if case .id(let id) = address.name { return try SystemVMessageQueue(id: id) }
            let key = try systemVKey(address)
            if key == .private {
                throw Failure.unfit(address, "private makes a new queue: ipc create \(address) prints its id= address")
            }
            return try SystemVMessageQueue(key: key, mode: create ? .openOrCreate : .openExisting)
        } catch let error as IPCError {
            throw reworded(error)
        }
    }

    /// The library's hints name its own options; these name the command's.
    static func reworded(_ error: IPCError) -> IPCError {
        var error = error
        switch error.code {
        case .notFound where error.subject.contains(":id="):
            error.hint = "ids are given by the kernel; ipc list shows them"
        case .notFound: error.hint = "make it with: ipc create \(error.subject)"
        case .alreadyExists: error.hint = "without --exclusive it would be opened as it is"
        default: break
        }
        return error
    }
}
