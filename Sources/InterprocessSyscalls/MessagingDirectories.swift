// SPDX-License-Identifier: Apache-2.0
import CInterprocess
package import SystemPackage

// MARK: Names

/// mkdirat(2).
package func sysMakeDirectory(at directory: CInt, _ path: FilePath, mode: UInt32) throws(Errno) {
    _ = try invoke("mkdirat") {
        // SAFETY: the string outlives the call; the kernel copies it.
        unsafe path.withPlatformString { unsafe mkdirat(directory, $0, mode) }
    }
}

/// fchownat(2) of what a path leads to; `.max` leaves an id as it is.
package func sysChangeOwner(followingLinks path: FilePath, user: UInt32, group: UInt32) throws(Errno) {
    _ = try invoke("fchownat") {
        // SAFETY: the string outlives the call; the kernel copies it.
        unsafe path.withPlatformString { unsafe fchownat(AT_FDCWD, $0, user, group, 0) }
    }
}

/// openat(2) of a directory that is not reached by a symbolic link at the end: as a place (O_PATH), or to read its names.
package func sysOpenRealDirectory(
    at directory: CInt = AT_FDCWD, _ path: FilePath, toRead: Bool = false
) throws(Errno) -> CInt {
    try sysOpen(at: directory, path, flags: O_DIRECTORY | O_NOFOLLOW | (toRead ? O_RDONLY : O_PATH))
}

/// Gives a file of a directory another name, which must be free: renameat2(2) with RENAME_NOREPLACE, or where the file system
/// knows no such rename, link and unlink.
package func sysRenameNew(at directory: CInt, _ from: FilePath, _ to: FilePath) throws(Errno) {
    do throws(Errno) {
        _ = try invoke("renameat2") {
            // SAFETY: both strings outlive the call.
            unsafe from.withPlatformString { from in
                unsafe to.withPlatformString { unsafe cip_rename_new_at(directory, from, $0) }
            }
        }
    } catch  where error == .invalidArgument || error == .noFunction {
        _ = try invoke("linkat") {
            // SAFETY: both strings outlive the call.
            unsafe from.withPlatformString { from in
                unsafe to.withPlatformString { unsafe linkat(directory, from, directory, $0, 0) }
            }
        }
        try sysUnlink(at: directory, from)
    }
}

/// access(2) with the effective ids: whether this process may make names there.
package func sysMayWrite(_ path: FilePath) -> Bool {
    // SAFETY: the string outlives the call.
    unsafe path.withPlatformString { unsafe faccessat(AT_FDCWD, $0, W_OK | X_OK, AT_EACCESS) } == 0
}

// MARK: News of names

/// inotify_init1(2), close-on-exec, never blocking.
package func sysMakeNameWatch() throws(Errno) -> CInt {
    try invoke("inotify_init1") { inotify_init1(CInt(IN_CLOEXEC) | CInt(IN_NONBLOCK)) }
}

/// inotify_add_watch(2) on a directory: tells of new names in it, and of its end.
package func sysWatchNames(_ watch: CInt, _ path: FilePath) throws(Errno) -> CInt {
    try invoke("inotify_add_watch") {
        // SAFETY: the string outlives the call; the kernel copies it.
        unsafe path.withPlatformString { unsafe inotify_add_watch(watch, $0, cip_inotify_names()) }
    }
}

/// inotify_rm_watch(2).
package func sysUnwatchNames(_ watch: CInt, _ number: CInt) throws(Errno) {
    _ = try invoke("inotify_rm_watch") { inotify_rm_watch(watch, number) }
}

/// What one read of an inotify descriptor said.
package struct NameNews: Sendable, Equatable {
    /// The watches that something happened to.
    package var watches: Set<CInt> = []
    /// Those of them that are no more: the directory is gone.
    package var ended: Set<CInt> = []
    /// The kernel's queue was full: anything may have happened anywhere.
    package var overflowed = false

    /// The records of `struct inotify_event`; what does not fit the format ends them.
    package init(decoding bytes: [UInt8]) {
        var rest = bytes[...]
        while rest.count >= 16 {
            func word(_ offset: Int) -> UInt32 {
                rest[(rest.startIndex + offset)..<(rest.startIndex + offset + 4)].reversed().reduce(0) {
                    $0 << 8 | UInt32($1)
                }
            }
            let (watch, mask, length) = (CInt(bitPattern: word(0)), word(4), Int(word(12)))
            if mask & UInt32(IN_Q_OVERFLOW) != 0 { overflowed = true } else { watches.insert(watch) }
            if mask & UInt32(IN_IGNORED) != 0 { ended.insert(watch) }
            guard rest.count - 16 >= length else { break }
            rest = rest.dropFirst(16 + length)
        }
    }
}

/// read(2) on an inotify descriptor; nil if there is no news.
package func sysReadNameNews(_ watch: CInt) throws(Errno) -> NameNews? {
    do throws(Errno) {
        let bytes = try [UInt8](capacity: 16384) { (free: inout OutputSpan<UInt8>) throws(Errno) in
            _ = try sysRead(watch, into: &free)
        }
        return NameNews(decoding: bytes)
    } catch  where error == .wouldBlock {
        return nil
    }
}
