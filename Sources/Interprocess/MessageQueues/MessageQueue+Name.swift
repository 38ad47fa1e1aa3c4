// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
public import SystemPackage

extension MessageQueue {
    /// Removes a queue's name. Who has the queue open can use it on; it goes when the last one closes it.
    ///
    /// - Throws: ``IPCError/Code/notFound``; ``IPCError/Code/permissionDenied`` (EACCES) for who is not the owner.
    ///
    /// The corresponding C function is `mq_unlink(3)`.
    public static func unlink(_ name: ObjectName) throws(IPCError) {
        do throws(Errno) { try sysMessageQueueUnlink(name.description) } catch {
            let hint =
                switch error {
                case .noSuchFileOrDirectory: "there is no queue of that name"
                case .permissionDenied, .notPermitted: "only the queue's owner and the superuser may remove it"
                default: ""
                }
            throw IPCError(error, "mq_unlink", "mq:\(name)", hint: hint)
        }
    }

    /// Whether a queue of that name is there. It may come or go while the answer is read.
    ///
    /// Nothing is opened, so no permission is needed and no notification is disturbed: the kernel is asked
    /// to create a queue of impossible size, which fails differently if the name is taken.
    ///
    /// - Throws: ``IPCError/Code/limitReached`` (EMFILE).
    ///
    /// The corresponding C function is `mq_open(3)`.
    public static func exists(_ name: ObjectName) throws(IPCError) -> Bool {
        do throws(Errno) {
            let impossible = MessageQueueAttributes(maxMessages: -1, messageSizeBytes: -1)
            let descriptor = try sysMessageQueueOpen(
                name.description, .receive, create: true, exclusive: true, attributes: impossible)
            try sysClose(descriptor)
            try sysMessageQueueUnlink(name.description)
            return false
        } catch  where error == .fileExists {
            return true
        } catch  where error == .invalidArgument || error == .noSpace || error == .noSuchFileOrDirectory {
            return false
        } catch {
            throw IPCError(error, "mq_open", "mq:\(name)")
        }
    }

    /// Changes the mode of the queue: who may open it from now on.
    ///
    /// - Throws: ``IPCError/Code/permissionDenied`` (EPERM) for who is not the owner.
    ///
    /// The corresponding C function is `fchmod(2)`.
    public func setPermissions(_ permissions: FilePermissions) throws(IPCError) {
        do throws(Errno) { try sysChangeMode(rawValue, UInt32(permissions.rawValue)) } catch {
            throw IPCError(
                error, "fchmod", subject, hint: "only the queue's owner and the superuser may change its mode")
        }
    }

    /// Gives the queue to another user or group; nil leaves it as it is.
    ///
    /// - Throws: ``IPCError/Code/permissionDenied`` (EPERM) without CAP_CHOWN.
    ///
    /// The corresponding C function is `fchown(2)`.
    public func setOwner(user: UInt32? = nil, group: UInt32? = nil) throws(IPCError) {
        do throws(Errno) { try sysMessageQueueOwner(rawValue, user: user, group: group) } catch {
            throw IPCError(error, "fchown", subject, hint: "giving an object away needs CAP_CHOWN")
        }
    }
}
