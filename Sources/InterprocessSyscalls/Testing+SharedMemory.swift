// SPDX-License-Identifier: Apache-2.0
// What only tests of shared memory need.
import CInterprocess
package import SystemPackage

extension TestSyscalls {
    /// Mounts an empty tmpfs of so many bytes; as root.
    package static func mountMemory(at place: FilePath, byteCount: Int) throws(Errno) {
        // SAFETY: the strings outlive the call.
        let result = unsafe place.withPlatformString { unsafe cip_test_mount($0, "size=\(byteCount),mode=1777") }
        if result < 0 { throw Errno(rawValue: cip_errno()) }
    }

    /// Takes it away, even if it is in use.
    package static func unmount(_ place: FilePath) {
        // SAFETY: the string outlives the call.
        _ = unsafe place.withPlatformString { unsafe cip_test_unmount($0) }
    }

    /// From now on this thread's mounts are seen by nobody else; for exit tests, as root.
    package static func leaveMountNamespace() throws(Errno) {
        if unshare(CInt(CLONE_NEWNS)) < 0 || cip_test_mount_private() < 0 { throw Errno(rawValue: cip_errno()) }
    }

    /// setrlimit(2) of the soft limit.
    package static func setMemoryLimit(_ resource: MemoryResource, _ soft: Int) throws(Errno) {
        let number =
            switch resource {
            case .lockedMemory: cip_limit_locked_memory()
            case .addressSpace: cip_limit_address_space()
            case .fileSize: cip_limit_file_size()
            }
        var limit = rlimit()
        // SAFETY: a local of the size that the call fills.
        guard unsafe cip_getrlimit(number, &limit) == 0,
            cip_setrlimit(number, rlim_t(soft), limit.rlim_max) == 0
        else { throw Errno(rawValue: cip_errno()) }
    }

    /// memfd_create(2) with a null pointer for a name.
    package static func memoryFileWithoutName() throws(Errno) {
        if cip_test_memfd_without_name() < 0 { throw Errno(rawValue: cip_errno()) }
    }

    /// One byte, by an access that the compiler leaves alone.
    @discardableResult
    package static func touch(_ place: UnsafeRawPointer) -> UInt8 {
        // SAFETY: that it may be fatal is what the test is about.
        unsafe UInt8(truncatingIfNeeded: cip_test_load(place.assumingMemoryBound(to: UInt8.self)))
    }

    package static func poke(_ place: UnsafeMutableRawPointer, _ value: UInt8) {
        // SAFETY: as above.
        unsafe cip_test_store(place.assumingMemoryBound(to: UInt8.self), value)
    }

    /// A handler of SIGBUS that ends the process with 77.
    package static func installBusHandler() {
        var action = sigaction()
        // SAFETY: a local of the right size.
        unsafe cip_test_make_sigbus(&action)
        _ = unsafe sigaction(SIGBUS, &action, nil)
    }

    package static func discardSharedMemory(named name: String) {
        // SAFETY: the string outlives the call.
        _ = unsafe shm_unlink(name)
    }

    package static func discardSegment(key: Int32) {
        let id = shmget(key, 0, 0)
        if id >= 0 { _ = shmctl(id, IPC_RMID, nil) }
    }

    /// shm_open(3) with the flags of open(2) that are named, and no more of ours than O_CLOEXEC.
    package static func openSharedMemory(
        _ name: String, create: Bool = false, write: Bool = true, mode: UInt32 = 0o600
    ) throws(Errno) -> CInt {
        try sysOpenSharedMemory(name, flags: (write ? O_RDWR : O_RDONLY) | (create ? O_CREAT | O_EXCL : 0), mode: mode)
    }

    /// Whether FD_CLOEXEC is set.
    package static func isCloseOnExec(_ descriptor: CInt) throws(Errno) -> Bool {
        try sysControl(descriptor, F_GETFD) & FD_CLOEXEC != 0
    }

    /// open(2) for writing by way of /proc/self/fd.
    package static func reopenWritable(_ descriptor: CInt) throws(Errno) -> CInt {
        try sysOpen(FilePath("/proc/self/fd/\(descriptor)"), flags: O_RDWR)
    }
}
