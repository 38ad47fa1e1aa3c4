// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import SystemPackage

extension SharedMemoryObject {
    /// Removes an object's name. Handles and mappings stay; the memory goes with the last of them.
    ///
    /// - Throws: ``IPCError/Code/notFound``; ``IPCError/Code/permissionDenied`` (EACCES) for who is not the owner: `/dev/shm`
    ///   is a directory with the sticky bit.
    ///
    /// The corresponding C function is `shm_unlink(3)`.
    public static func unlink(_ name: ObjectName) throws(IPCError) {
        do throws(Errno) { try sysUnlinkSharedMemory(name.description) } catch {
            let hint =
                switch error {
                case .noSuchFileOrDirectory: "there is no object of that name"
                case .permissionDenied, .notPermitted: "only the object's owner and the superuser may remove it"
                default: ""
                }
            throw IPCError(error, "shm_unlink", "shm:\(name)", hint: hint)
        }
    }

    /// Whether an object of that name is there. It may come or go while the answer is read.
    ///
    /// The corresponding C function is `stat(2)`.
    public static func exists(_ name: ObjectName) throws(IPCError) -> Bool {
        do throws(Errno) { return try sysStatus(path(name)).kind == .regular } catch
            where error == .noSuchFileOrDirectory
        {
            return false
        } catch { throw IPCError(error, "stat", "shm:\(name)") }
    }

    /// The names of all objects on the host, those of other programs included; named semaphores, which lie at the same place,
    /// are left out.
    ///
    /// - Throws: ``IPCError/Code/notFound`` where `/dev/shm` is not mounted.
    ///
    /// The corresponding C function is `readdir(3)`.
    public static func names() throws(IPCError) -> [ObjectName] {
        let directory: FilePath = "/dev/shm"
        let entries: [String]
        do throws(Errno) { entries = try sysUseDirectoryNames(directory) } catch {
            throw IPCError(error, "opendir", directory.string)
        }
        return entries.sorted().compactMap { entry in
            guard !entry.hasPrefix("sem."), let name = try? ObjectName("/" + entry),
                (try? sysStatus(path(name)))?.kind == .regular
            else { return nil }
            return name
        }
    }
}
