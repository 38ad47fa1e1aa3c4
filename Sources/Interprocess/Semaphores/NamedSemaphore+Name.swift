// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
public import SystemPackage

extension NamedSemaphore {
    /// Removes a semaphore's name. Who has it open can use it on; it goes when the last one closes it.
    ///
    /// - Throws: ``IPCError/Code/notFound``; ``IPCError/Code/permissionDenied`` (EACCES, EPERM) for who is not the owner.
    ///
    /// The corresponding C function is `sem_unlink(3)`.
    public static func unlink(_ name: ObjectName) throws(IPCError) {
        do throws(Errno) { try sysUnlink(sysSemaphorePath(name.description)) } catch {
            let hint =
                switch error {
                case .noSuchFileOrDirectory: "there is no semaphore of that name"
                case .permissionDenied, .notPermitted: "only the semaphore's owner and the superuser may remove it"
                default: ""
                }
            throw IPCError(error, "sem_unlink", "sem:\(name)", hint: hint)
        }
    }

    /// Whether a semaphore of that name is there. It may come or go while the answer is read.
    ///
    /// Nothing is opened, so no permission is needed.
    ///
    /// - Throws: ``IPCError/Code/invalidName`` (ENAMETOOLONG); ``IPCError/Code/permissionDenied`` if `/dev/shm` cannot be searched.
    ///
    /// The corresponding C function is `sem_open(3)`.
    public static func exists(_ name: ObjectName) throws(IPCError) -> Bool {
        do throws(Errno) { return try sysStatus(sysSemaphorePath(name.description)).kind == .regular } catch {
            if error == .noSuchFileOrDirectory { return false }
            throw openFailure(error, name, .openExisting, 0)
        }
    }

    /// Changes the mode of the semaphore: who may open it from now on. Who uses it needs to read and write.
    ///
    /// - Throws: ``IPCError/Code/permissionDenied`` (EPERM) for who is not the owner.
    ///
    /// The corresponding C function is `fchmod(2)`.
    public func setPermissions(_ permissions: FilePermissions) throws(IPCError) {
        do throws(Errno) { try sysChangeMode(descriptor.rawValue, UInt32(permissions.rawValue) & 0o777) } catch {
            throw IPCError(
                error, "fchmod", subject, hint: "only the semaphore's owner and the superuser may change its mode")
        }
    }

    /// Gives the semaphore to another user or group; nil leaves it as it is.
    ///
    /// - Throws: ``IPCError/Code/permissionDenied`` (EPERM) without CAP_CHOWN.
    ///
    /// The corresponding C function is `fchown(2)`.
    public func setOwner(user: UInt32? = nil, group: UInt32? = nil) throws(IPCError) {
        do throws(Errno) { try sysSemaphoreFileOwner(descriptor.rawValue, user: user, group: group) } catch {
            throw IPCError(error, "fchown", subject, hint: "giving an object away needs CAP_CHOWN")
        }
    }

    /// Why opening failed, and what helps.
    static func openFailure(_ error: Errno, _ name: ObjectName, _ mode: CreationMode, _ value: Int) -> IPCError {
        if error == .badMessage { return noSemaphore(name) }
        if error == .invalidArgument { return SemaphoreCore.initialFailure(error, "sem_open", "sem:\(name)", value) }
        return IPCError(error, "sem_open", "sem:\(name)", hint: openHint(error, mode))
    }

    static func noSemaphore(_ name: ObjectName) -> IPCError {
        IPCError(
            code: .malformed, call: "sem_open", subject: "sem:\(name)",
            hint: "\(sysSemaphorePath(name.description)) is no semaphore of this C library")
    }

    private static func openHint(_ error: Errno, _ mode: CreationMode) -> String {
        switch error {
        case .noSuchFileOrDirectory where mode == .openExisting:
            "there is no semaphore of that name; .createExclusive or .openOrCreate makes one"
        case .noSuchFileOrDirectory: "named semaphores need a directory /dev/shm"
        case .fileExists: "there is a semaphore of that name; .openExisting or .openOrCreate opens it"
        case .permissionDenied:
            "its owner and mode do not allow user \(sysEffectiveUserID()) to read and write it"
        case .tooManySymbolicLinkLevels: "a symbolic link has that name; none is followed"
        case .fileNameTooLong: "a semaphore's name has 251 bytes after the slash at most"
        case .noSpace: "/dev/shm is full; a semaphore takes one page of it"
        case .tooManyOpenFiles:
            "RLIMIT_NOFILE is \(sysDescriptorLimit().map { String($0) } ?? "unlimited"), and so many descriptors are open in this process"
        default: ""
        }
    }
}
