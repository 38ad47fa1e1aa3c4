// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
public import SystemPackage

/// What is known of a named semaphore at one moment.
public struct NamedSemaphoreStatus: Sendable, Hashable {
    /// How many permits are there.
    public var value: Int
    /// How many threads wait, as the C library counts them, those that were killed while they waited included; nil where it
    /// does not show that.
    public var waitingCount: Int?
    /// Whether a name leads to it; false after ``NamedSemaphore/unlink(_:)``.
    public var hasName: Bool
    /// User id of the owner.
    public var ownerUser: UInt32
    /// Group id of the owner.
    public var ownerGroup: UInt32
    /// Who may use it (read and write, both).
    public var permissions: FilePermissions
}

extension NamedSemaphore {
    /// What is known of the semaphore now.
    ///
    /// - Throws: ``IPCError/Code/badDescriptor`` if somebody closed the descriptor.
    ///
    /// The corresponding C functions are `sem_getvalue(3)` and `fstat(2)`.
    public func status() throws(IPCError) -> NamedSemaphoreStatus {
        do throws(Errno) {
            let file = try sysStatus(descriptor.rawValue)
            return NamedSemaphoreStatus(
                value: value, waitingCount: waitingCount, hasName: file.linkCount > 0, ownerUser: file.user,
                ownerGroup: file.group, permissions: FilePermissions(rawValue: CModeT(file.permissions)))
        } catch {
            throw IPCError(error, "fstat", subject)
        }
    }
}
