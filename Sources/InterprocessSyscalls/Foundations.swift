// SPDX-License-Identifier: Apache-2.0
package import CInterprocess
package import SystemPackage

// MARK: Descriptors

/// close(2). Never repeated on EINTR: on Linux the descriptor is gone by then.
package func sysClose(_ descriptor: CInt) throws(Errno) {
    do throws(Errno) {
        _ = try invoke("close", retryOnInterrupt: false) { close(descriptor) }
    } catch  where error == .interrupted {
        return
    }
}

/// fcntl(2) with F_DUPFD_CLOEXEC.
package func sysDuplicate(_ descriptor: CInt, minimum: CInt = 0) throws(Errno) -> CInt {
    try invoke("fcntl") { cip_fcntl_int(descriptor, F_DUPFD_CLOEXEC, minimum) }
}

/// fcntl(2) with an integer argument.
package func sysControl(_ descriptor: CInt, _ command: CInt, _ argument: CInt = 0) throws(Errno) -> CInt {
    try invoke("fcntl") { cip_fcntl_int(descriptor, command, argument) }
}

/// Sets or clears O_NONBLOCK on the open file description.
package func sysSetNonBlocking(_ descriptor: CInt, _ nonBlocking: Bool) throws(Errno) {
    let flags = try sysControl(descriptor, F_GETFL)
    let wanted = nonBlocking ? flags | O_NONBLOCK : flags & ~O_NONBLOCK
    if wanted != flags { _ = try sysControl(descriptor, F_SETFL, wanted) }
}

/// Sets or clears FD_CLOEXEC.
package func sysSetCloseOnExec(_ descriptor: CInt, _ closeOnExec: Bool) throws(Errno) {
    _ = try sysControl(descriptor, F_SETFD, closeOnExec ? FD_CLOEXEC : 0)
}

/// openat(2); close-on-exec always.
package func sysOpen(
    at directory: CInt = AT_FDCWD, _ path: FilePath, flags: CInt, mode: mode_t = 0, retryOnInterrupt: Bool = true
) throws(Errno) -> CInt {
    try invoke("openat", retryOnInterrupt: retryOnInterrupt) {
        // SAFETY: the string outlives the call; the kernel copies it.
        unsafe path.withPlatformString { unsafe cip_openat(directory, $0, flags | O_CLOEXEC, mode) }
    }
}

/// unlinkat(2).
package func sysUnlink(at directory: CInt = AT_FDCWD, _ path: FilePath, flags: CInt = 0) throws(Errno) {
    _ = try invoke("unlinkat") {
        // SAFETY: the string outlives the call; the kernel copies it.
        unsafe path.withPlatformString { unsafe unlinkat(directory, $0, flags) }
    }
}

/// fchmod(2).
package func sysChangeMode(_ descriptor: CInt, _ mode: mode_t) throws(Errno) {
    _ = try invoke("fchmod") { fchmod(descriptor, mode) }
}

/// fchmodat(2).
package func sysChangeMode(at directory: CInt = AT_FDCWD, _ path: FilePath, _ mode: mode_t) throws(Errno) {
    _ = try invoke("fchmodat") {
        // SAFETY: the string outlives the call; the kernel copies it.
        unsafe path.withPlatformString { unsafe fchmodat(directory, $0, mode, 0) }
    }
}

/// fchownat(2); -1 leaves an id as it is.
package func sysChangeOwner(
    at directory: CInt = AT_FDCWD, _ path: FilePath, user: uid_t, group: gid_t
) throws(Errno) {
    _ = try invoke("fchownat") {
        // SAFETY: the string outlives the call; the kernel copies it.
        unsafe path.withPlatformString { unsafe fchownat(directory, $0, user, group, AT_SYMLINK_NOFOLLOW) }
    }
}

// MARK: Files

/// What stat(2) says, in the words of this package.
package struct FileStatus: Sendable, Equatable {
    package enum Kind: Sendable { case fifo, socket, regular, directory, link, character, other }
    package var device: UInt64
    package var inode: UInt64
    package var kind: Kind
    package var permissions: UInt16
    package var user: UInt32
    package var group: UInt32
    package var linkCount: UInt64
    package var size: Int64
    /// Seconds since 1970 of the last change of content.
    package var modified: Int64

    init(_ raw: stat) {
        device = UInt64(raw.st_dev)
        inode = UInt64(raw.st_ino)
        permissions = UInt16(raw.st_mode & 0o7777)
        user = raw.st_uid
        group = raw.st_gid
        linkCount = UInt64(raw.st_nlink)
        size = Int64(raw.st_size)
        modified = Int64(raw.st_mtim.tv_sec)
        let mode = raw.st_mode
        kind =
            if cip_is_fifo(mode) != 0 { .fifo } else if cip_is_socket(mode) != 0 {
                .socket
            } else if cip_is_regular(mode) != 0 { .regular } else if cip_is_directory(mode) != 0 {
                .directory
            } else if cip_is_link(mode) != 0 { .link } else if cip_is_character(mode) != 0 { .character } else {
                .other
            }
    }
}

/// fstat(2).
package func sysStatus(_ descriptor: CInt) throws(Errno) -> FileStatus {
    var raw = stat()
    // SAFETY: `raw` is a local of the size that the call fills.
    _ = try invoke("fstat") { unsafe fstat(descriptor, &raw) }
    return FileStatus(raw)
}

/// fstatat(2); does not follow a final symbolic link unless asked.
package func sysStatus(
    at directory: CInt = AT_FDCWD, _ path: FilePath, followLinks: Bool = false
) throws(Errno) -> FileStatus {
    var raw = stat()
    _ = try invoke("fstatat") {
        // SAFETY: the string outlives the call; `raw` is a local of the size that the call fills.
        unsafe path.withPlatformString {
            unsafe fstatat(directory, $0, &raw, followLinks ? 0 : AT_SYMLINK_NOFOLLOW)
        }
    }
    return FileStatus(raw)
}

// MARK: Bytes

/// read(2) into the free space of `buffer`; 0 is the end.
package func sysRead(
    _ descriptor: CInt, into buffer: inout OutputSpan<UInt8>, retryOnInterrupt: Bool = true
) throws(Errno) -> Int {
    // SAFETY: the kernel writes at most `free.count` bytes at the start of the free space, and the
    // count that it returns is what becomes initialised.
    try unsafe buffer.withUnsafeMutableBufferPointer { (bytes, initialized) throws(Errno) in
        let free = unsafe UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(bytes)[initialized...])
        let count = try invoke("read", retryOnInterrupt: retryOnInterrupt) {
            unsafe read(descriptor, free.baseAddress, free.count)
        }
        initialized += count
        return count
    }
}

/// write(2); may write less than all.
package func sysWrite(
    _ descriptor: CInt, _ bytes: Span<UInt8>, retryOnInterrupt: Bool = true
) throws(Errno) -> Int {
    // SAFETY: the kernel reads at most `count` bytes of the borrowed memory.
    try unsafe bytes.withUnsafeBytes { (bytes) throws(Errno) in
        try invoke("write", retryOnInterrupt: retryOnInterrupt) {
            unsafe write(descriptor, bytes.baseAddress, bytes.count)
        }
    }
}

// MARK: Time

/// Nanoseconds of CLOCK_MONOTONIC.
package func sysMonotonicNanoseconds() -> UInt64 {
    var now = timespec()
    // SAFETY: `now` is a local of the size that the call fills; the clock always exists.
    _ = unsafe clock_gettime(CLOCK_MONOTONIC, &now)
    return UInt64(now.tv_sec) &* 1_000_000_000 &+ UInt64(now.tv_nsec)
}

/// Nanoseconds of CLOCK_REALTIME since 1970.
package func sysRealtimeNanoseconds() -> UInt64 {
    var now = timespec()
    // SAFETY: as above.
    _ = unsafe clock_gettime(CLOCK_REALTIME, &now)
    return UInt64(now.tv_sec) &* 1_000_000_000 &+ UInt64(now.tv_nsec)
}

package func timespecOf(nanoseconds: UInt64) -> timespec {
    timespec(tv_sec: Int(nanoseconds / 1_000_000_000), tv_nsec: Int(nanoseconds % 1_000_000_000))
}

// MARK: Identity

package func sysProcessID() -> Int32 { getpid() }
package func sysThreadID() -> Int32 { gettid() }
package func sysEffectiveUserID() -> UInt32 { geteuid() }
package func sysEffectiveGroupID() -> UInt32 { getegid() }
