// SPDX-License-Identifier: Apache-2.0
// What the counting of a System V queue's users needs: a directory of small files, and locks on them.
import CInterprocess
package import SystemPackage

/// How a lock of an open file description is held.
package enum DescriptionLock: Sendable {
    case shared, exclusive, none

    var type: CInt {
        switch self {
        case .shared: CInt(F_RDLCK)
        case .exclusive: CInt(F_WRLCK)
        case .none: CInt(F_UNLCK)
        }
    }
}

/// fcntl(2) with F_OFD_SETLK or F_OFD_SETLKW, on the whole file. Changing from one kind to another is one step.
package func sysDescriptionLock(_ descriptor: CInt, _ lock: DescriptionLock, wait: Bool) throws(Errno) {
    _ = try invoke("fcntl") { cip_ofd_lock(descriptor, lock.type, wait ? 1 : 0) }
}

/// openat(2) of a lock file: read and write, never through a symbolic link.
package func sysUseFileOpen(_ path: FilePath, create: Bool, mode: UInt32 = 0) throws(Errno) -> CInt {
    try sysOpen(path, flags: O_RDWR | O_NOFOLLOW | O_NONBLOCK | (create ? O_CREAT | O_EXCL : 0), mode: mode)
}

/// mkdir(2).
package func sysUseDirectoryMake(_ path: FilePath) throws(Errno) {
    _ = try invoke("mkdir") {
        // SAFETY: the string outlives the call; the kernel copies it.
        unsafe path.withPlatformString { unsafe mkdir($0, 0o700) }
    }
}

/// ftruncate(2) to nothing.
package func sysUseFileClear(_ descriptor: CInt) throws(Errno) {
    _ = try invoke("ftruncate") { ftruncate(descriptor, 0) }
}

/// readdir(3): the names in a directory.
package func sysUseDirectoryNames(_ path: FilePath) throws(Errno) -> [String] {
    // SAFETY: the stream is closed below and not used after; an entry is read before the next call replaces it.
    guard let stream = unsafe path.withPlatformString({ unsafe opendir($0) }) else {
        throw Errno(rawValue: cip_errno())
    }
    // SAFETY: as above.
    defer { _ = unsafe closedir(stream) }
    var names: [String] = []
    // SAFETY: as above; d_name ends with a NUL within its 256 bytes.
    while let entry = unsafe readdir(stream) {
        let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) {
            unsafe $0.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
        }
        names.append(name)
    }
    return names
}

/// sched_yield(2).
package func sysYield() { sched_yield() }
