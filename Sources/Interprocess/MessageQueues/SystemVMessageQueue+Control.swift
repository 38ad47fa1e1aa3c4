// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
public import SystemPackage

extension SystemVMessageQueue {
    /// Changes how many bytes may wait in the queue.
    ///
    /// - Parameter capacityBytes: what waits already stays, even if it is more.
    /// - Throws: ``IPCError/Code/permissionDenied`` (EPERM) for who is neither owner nor creator, and for more than
    ///   `kernel.msgmnb` without CAP_SYS_RESOURCE; ``IPCError/Code/removed``.
    ///
    /// The corresponding C function is `msgctl(2)` with `IPC_SET`.
    public func setCapacity(_ capacityBytes: Int) throws(IPCError) {
        do throws(Errno) { try sysMessageQueueChange(id, capacityBytes: capacityBytes) } catch {
            if error == .notPermitted, let limit = KernelLimit.value("kernel/msgmnb"), capacityBytes > limit {
                throw IPCError(
                    error, "msgctl", subject,
                    hint:
                        "\(capacityBytes) bytes are more than kernel.msgmnb, which is \(limit), without CAP_SYS_RESOURCE"
                )
            }
            throw changeFailure(error)
        }
    }

    /// Changes who may use the queue; only reading and writing count.
    ///
    /// - Throws: ``IPCError/Code/permissionDenied`` (EPERM) for who is neither owner nor creator; ``IPCError/Code/removed``.
    ///
    /// The corresponding C function is `msgctl(2)` with `IPC_SET`.
    public func setPermissions(_ permissions: FilePermissions) throws(IPCError) {
        do throws(Errno) { try sysMessageQueueChange(id, permissions: UInt32(permissions.rawValue)) } catch {
            throw changeFailure(error)
        }
    }

    /// Gives the queue to another user or group; nil leaves it as it is. The creator keeps its rights.
    ///
    /// - Throws: ``IPCError/Code/permissionDenied`` (EPERM) for who is neither owner nor creator; ``IPCError/Code/removed``.
    ///
    /// The corresponding C function is `msgctl(2)` with `IPC_SET`.
    public func setOwner(user: UInt32? = nil, group: UInt32? = nil) throws(IPCError) {
        do throws(Errno) { try sysMessageQueueChange(id, user: user, group: group) } catch {
            throw changeFailure(error)
        }
    }

    /// Removes the queue and all its messages. Whoever waits for it gets ``IPCError/Code/removed``.
    ///
    /// - Throws: ``IPCError/Code/permissionDenied`` (EPERM) for who is neither owner nor creator; ``IPCError/Code/removed``
    ///   if it is gone already.
    ///
    /// The corresponding C function is `msgctl(2)` with `IPC_RMID`.
    public func remove() throws(IPCError) {
        do throws(Errno) { try sysMessageQueueRemove(id) } catch { throw changeFailure(error) }
    }

    /// Removes a queue by its key.
    ///
    /// - Throws: ``IPCError/Code/notFound``; as ``remove()``.
    public static func remove(key: SystemVKey) throws(IPCError) {
        try SystemVMessageQueue(key: key).remove()
    }

    /// Whether a queue has that key.
    ///
    /// The corresponding C function is `msgget(2)`.
    public static func exists(key: SystemVKey) throws(IPCError) -> Bool {
        if key.rawValue == 0 { return false }
        do throws(Errno) { _ = try sysMessageQueueGet(key.rawValue) } catch  where error == .noSuchFileOrDirectory {
            return false
        } catch {
            throw openFailure(error, key)
        }
        return true
    }

    private func changeFailure(_ error: Errno) -> IPCError {
        if error == .notPermitted {
            return IPCError(error, "msgctl", subject, hint: "only the queue's owner, its creator and the superuser may")
        }
        return core.failure(error, "msgctl")
    }
}
