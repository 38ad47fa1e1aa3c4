// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import SystemPackage

/// Whether the space of an object that is created is there from the start.
public enum MemoryAllocation: Sendable, Hashable {
    /// It is: that there is no room is an error now, and never a SIGBUS at some store later (`fallocate(2)`).
    case reserved
    /// It is not: pages come with the first store into them, and a store into a full file system is a SIGBUS
    /// (`ftruncate(2)`). For objects that are much larger than what is used of them; ``MappedRegion/advise(_:range:)`` with
    /// `.populateForWriting` reserves a part.
    case sparse
}

/// How an object gets its size.
enum MemoryReservation {
    static func reserve(
        _ descriptor: CInt, from start: Int, byteCount: Int, _ allocation: MemoryAllocation, _ subject: String
    ) throws(IPCError) {
        // Beyond this limit the kernel would send SIGXFSZ, which kills.
        if let limit = sysMemoryLimit(.fileSize), byteCount > 0, UInt64(byteCount) > limit {
            throw IPCError(
                code: .limitReached, call: "fallocate", errno: .fileTooLarge, subject: subject,
                hint: "\(byteCount) bytes are more than RLIMIT_FSIZE, which is \(limit)")
        }
        do throws(Errno) {
            switch allocation {
            case .reserved: try sysAllocate(descriptor, offset: start, byteCount: byteCount - start)
            case .sparse: try sysTruncate(descriptor, byteCount)
            }
        } catch {
            throw IPCError(
                error, allocation == .reserved ? "fallocate" : "ftruncate", subject,
                hint: hint(error, descriptor, byteCount - start))
        }
    }

    /// Memory without a file system has no limit but the machine's: beyond it the kernel would rather kill processes than say no.
    ///
    /// - Throws: ``IPCError/Code/outOfMemory`` if a large piece is more than what is to be had.
    static func checkIsThere(_ byteCount: Int, _ subject: String) throws(IPCError) {
        guard byteCount >= 64 << 20, let available = sysAvailableMemoryBytes(), byteCount > available else { return }
        throw IPCError(
            code: .outOfMemory, call: "fallocate", errno: .noMemory, subject: subject,
            hint: "\(byteCount) bytes were asked for, and \(available) are available")
    }

    private static func hint(_ error: Errno, _ descriptor: CInt, _ byteCount: Int) -> String {
        switch error {
        case .noSpace, .noMemory, .diskQuotaExceeded:
            guard let room = sysFileSystemRoom(descriptor) else {
                return "there is no room for \(byteCount) bytes more"
            }
            return "there is no room for \(byteCount) bytes more: \(room.free) of \(room.total) are free"
        case .invalidArgument: return "\(byteCount) bytes were asked for; an object has at least one"
        case .notPermitted: return "a seal of the object forbids it"
        case .badFileDescriptor: return "it was opened for reading"
        case .notSupported: return "this file system cannot reserve space; allocation .sparse does without"
        default: return ""
        }
    }
}

/// How an object comes to its name: whole, or not at all.
///
/// It is made without a name, gets its mode, its space and its contents, and then its name, in one step. Nobody can
/// open half an object, and who is killed on the way leaves nothing.
enum NamedMemory {
    /// What is to be made.
    struct Plan {
        var path: FilePath
        var byteCount: Int
        var permissions: UInt32
        var allocation: MemoryAllocation
        var subject: String
    }

    /// - Returns: the object, open for both; nil if the name was taken meanwhile.
    static func create(
        _ plan: Plan, prepare: ((borrowing MappedRegion) throws(IPCError) -> Void)?
    ) throws(IPCError) -> OwnedDescriptor? {
        let directory = plan.path.removingLastComponent()
        let folder = directory.isEmpty ? FilePath(".") : directory
        var temporary: FilePath?
        let descriptor: OwnedDescriptor
        do throws(Errno) {
            descriptor = OwnedDescriptor(adopting: try sysOpenNameless(in: folder, mode: plan.permissions & 0o777))
        } catch  where error == .notSupported || error == .isDirectory || error == .invalidArgument {
            let path = folder.appending(temporaryName())
            do throws(Errno) {
                descriptor = OwnedDescriptor(
                    adopting: try sysOpenToMap(path, write: true, createExclusively: true, mode: 0o600))
            } catch { throw openFailure(error, plan.subject) }
            temporary = path
        } catch { throw openFailure(error, plan.subject) }
        do throws(IPCError) {
            try fill(descriptor, plan, prepare)
            if try name(descriptor, temporary, plan) { return descriptor }
        } catch {
            if let temporary { try? sysUnlink(temporary) }
            throw error
        }
        if let temporary { try? sysUnlink(temporary) }
        return nil
    }

    private static func fill(
        _ descriptor: borrowing OwnedDescriptor, _ plan: Plan,
        _ prepare: ((borrowing MappedRegion) throws(IPCError) -> Void)?
    ) throws(IPCError) {
        try MemoryReservation.reserve(
            descriptor.rawValue, from: 0, byteCount: plan.byteCount, plan.allocation, plan.subject)
        if let prepare {
            let region = try MappedRegion(descriptor, byteCount: plan.byteCount, subject: plan.subject)
            try prepare(region)
            try region.close()
        }
        do throws(Errno) { try sysChangeMode(descriptor.rawValue, plan.permissions) } catch {
            throw IPCError(error, "fchmod", plan.subject)
        }
    }

    /// Whether it got its name; false if that is taken.
    private static func name(
        _ descriptor: borrowing OwnedDescriptor, _ temporary: FilePath?, _ plan: Plan
    ) throws(IPCError) -> Bool {
        do throws(Errno) {
            if let temporary {
                try sysRenameNew(temporary, plan.path)
            } else {
                try sysGiveName(descriptor.rawValue, plan.path)
            }
            return true
        } catch  where error == .fileExists {
            return false
        } catch {
            throw IPCError(
                error, temporary == nil ? "linkat" : "renameat2", plan.subject,
                hint: error == .noSuchFileOrDirectory ? "its directory must exist, and /proc must be mounted" : "")
        }
    }

    private static func temporaryName() -> String {
        ".interprocess-\(sysProcessID())-" + String(UInt64.random(in: .min ... .max), radix: 36)
    }

    /// Why opening failed, with the limit that is in the way.
    static func openFailure(_ error: Errno, _ subject: String, call: String = "open") -> IPCError {
        let hint: String
        switch error {
        case .noSuchFileOrDirectory: hint = "there is none; .createExclusive or .openOrCreate makes one"
        case .fileExists: hint = "there is one; .openExisting or .openOrCreate opens it"
        case .permissionDenied: hint = "its owner and mode do not allow this to user \(sysEffectiveUserID())"
        case .tooManyOpenFiles:
            let limit = (try? sysResourceLimit(.descriptors))?.current
            hint = "RLIMIT_NOFILE is \(limit.map { "\($0)" } ?? "unlimited"), and all are in use"
        case .isDirectory, .noSuchAddressOrDevice: hint = "what is there is not a regular file"
        case .noSpace: hint = "the file system has no room for another file"
        default: hint = ""
        }
        return IPCError(error, call, subject, hint: hint)
    }
}
