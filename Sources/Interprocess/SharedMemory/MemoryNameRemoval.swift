// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import Synchronization
import SystemPackage

/// Removes a name at its end, if it was told to; once, and only while the name is still that of its object.
struct MemoryNameRemoval: ~Copyable, Sendable {
    private let path: FilePath
    private let subject: String
    private let device: UInt64
    private let inode: UInt64
    private let armed: Atomic<Bool>

    /// - Parameter descriptor: of the object.
    init(_ path: FilePath, of descriptor: CInt, armed: Bool, subject: String) throws(IPCError) {
        self.path = path
        self.subject = subject
        do throws(Errno) {
            let status = try sysStatus(descriptor)
            (device, inode) = (status.device, status.inode)
        } catch { throw IPCError(error, "fstat", subject) }
        self.armed = Atomic(armed)
    }

    deinit {
        // There is nobody to tell here; `close()` is for those who want to know.
        try? perform()
    }

    func perform() throws(IPCError) {
        guard armed.exchange(false, ordering: .relaxed) else { return }
        do throws(Errno) {
            let status = try sysStatus(path)
            // By now the name may be somebody else's object.
            guard status.device == device, status.inode == inode else { return }
            try sysUnlink(path)
        } catch  where error == .noSuchFileOrDirectory {
            return
        } catch {
            throw IPCError(
                error, "unlink", subject, hint: "only the owner of the object or of its directory may remove it")
        }
    }
}
