// SPDX-License-Identifier: Apache-2.0
// What the command needs of its own process and terminal.
import CInterprocess
package import SystemPackage

/// isatty(3).
package func sysIsTerminal(_ descriptor: CInt) -> Bool { isatty(descriptor) == 1 }

/// Columns of the terminal; nil if the descriptor is none.
package func sysTerminalColumns(_ descriptor: CInt) -> Int? {
    let columns = cip_terminal_columns(descriptor)
    return columns > 0 ? Int(columns) : nil
}

/// getenv(3), for a process that never changes its environment.
package func sysEnvironmentVariable(_ name: String) -> String? {
    // SAFETY: nothing in this process writes the environment; the string is copied at once.
    unsafe getenv(name).map { unsafe String(cString: $0) }
}

/// exit(3).
package func sysExit(_ status: CInt) -> Never { exit(status) }

/// _exit(2): at once, nothing flushed.
package func sysExitNow(_ status: CInt) -> Never { _exit(status) }

/// Ignores SIGPIPE in this whole process. For programs, never for a library.
package func sysIgnoreBrokenPipes() { cip_ignore_signal(SIGPIPE) }

/// The name that belongs to a user's number.
package func sysUserName(_ user: UInt32) -> String? {
    // SAFETY: copied at once; only the main thread of the command asks.
    unsafe cip_user_name(user).map { unsafe String(cString: $0) }
}

/// The name that belongs to a group's number.
package func sysGroupName(_ group: UInt32) -> String? {
    // SAFETY: as above.
    unsafe cip_group_name(group).map { unsafe String(cString: $0) }
}

package func sysUserNumber(_ name: String) -> UInt32? {
    var user: uid_t = 0
    // SAFETY: `user` is a local; the name is copied into a C string for the call.
    return unsafe cip_user_number(name, &user) != 0 ? user : nil
}

package func sysGroupNumber(_ name: String) -> UInt32? {
    var group: gid_t = 0
    // SAFETY: as above.
    return unsafe cip_group_number(name, &group) != 0 ? group : nil
}

// MARK: Signals that end the command

/// Blocks SIGINT, SIGTERM and SIGHUP in this thread and those that it starts.
package func sysBlockTerminationSignals() {
    var signals = terminationSignals()
    // SAFETY: a local of the right size; the old mask is not asked for.
    _ = unsafe pthread_sigmask(SIG_BLOCK, &signals, nil)
}

/// Waits for SIGINT, SIGTERM or SIGHUP (blocked before) and returns which came.
package func sysAwaitTerminationSignal() -> CInt {
    var signals = terminationSignals()
    var which: CInt = 0
    // SAFETY: both are locals of the size that the call wants.
    while unsafe sigwait(&signals, &which) != 0 {}
    return which
}

/// Like ``sysAwaitTerminationSignal()``, and says whether it came from the keyboard, which sends it to all in the foreground.
package func sysAwaitTermination() -> (signal: CInt, isFromTerminal: Bool) {
    var signals = terminationSignals()
    while true {
        // SAFETY: a local of plain numbers and addresses that are never followed.
        var information = unsafe siginfo_t()
        // SAFETY: both are locals of the size that the call wants.
        let which = unsafe sigwaitinfo(&signals, &information)
        // SAFETY: a number that the call has filled. SI_KERNEL; a process that sends has SI_USER or less.
        if which > 0 { return (which, unsafe information.si_code == 0x80) }
    }
}

/// waitid(2) that leaves the child to be waited for: until then its number is not given to another.
package func sysAwaitEnd(_ process: Int32) throws(Errno) {
    // SAFETY: as above.
    var information = unsafe siginfo_t()
    _ = try invoke("waitid") {
        // SAFETY: a local of the size that the call fills.
        unsafe waitid(P_PID, id_t(process), &information, WEXITED | WNOWAIT)
    }
}

/// Ends this process by `signal`, as a shell expects of a program that was interrupted.
package func sysDie(of signal: CInt) -> Never {
    cip_default_signal(signal)
    var signals = sigset_t()
    // SAFETY: a local of the right size.
    unsafe sigemptyset(&signals)
    unsafe sigaddset(&signals, signal)
    kill(getpid(), signal)
    // SAFETY: as above.
    _ = unsafe pthread_sigmask(SIG_UNBLOCK, &signals, nil)
    _exit(128 + signal)
}

private func terminationSignals() -> sigset_t {
    var signals = sigset_t()
    // SAFETY: a local of the right size; these calls fail only for numbers that are no signals.
    unsafe sigemptyset(&signals)
    for number in [SIGINT, SIGTERM, SIGHUP] { unsafe sigaddset(&signals, number) }
    return signals
}

// MARK: Being told of a file's growth

/// inotify_init1(2) and inotify_add_watch(2) on one file; the descriptor is readable when it grew, shrank or went.
package func sysWatchGrowth(of path: FilePath) throws(Errno) -> CInt {
    let descriptor = try invoke("inotify_init1") { inotify_init1(CInt(IN_CLOEXEC)) }
    do throws(Errno) {
        _ = try invoke("inotify_add_watch") {
            // SAFETY: the string outlives the call; the kernel copies it.
            unsafe path.withPlatformString { unsafe inotify_add_watch(descriptor, $0, cip_inotify_growth()) }
        }
    } catch {
        try? sysClose(descriptor)
        throw error
    }
    return descriptor
}

// MARK: Paths and waiting

/// realpath(3).
package func sysRealPath(_ path: FilePath) throws(Errno) -> FilePath {
    // SAFETY: the string outlives the call; the result is copied and freed once.
    guard let text = unsafe path.withPlatformString({ unsafe realpath($0, nil) }) else {
        throw Errno(rawValue: cip_errno())
    }
    // SAFETY: as above.
    defer { unsafe free(text) }
    return unsafe FilePath(platformString: text)
}

/// poll(2) on one descriptor; false when the monotonic `deadline` passed first.
package func sysPollOne(_ descriptor: CInt, writing: Bool, untilNanoseconds deadline: UInt64) throws(Errno) -> Bool {
    var entry = pollfd(fd: descriptor, events: Int16(writing ? POLLOUT : POLLIN), revents: 0)
    let now = sysMonotonicNanoseconds()
    var left = timespecOf(nanoseconds: min(deadline > now ? deadline - now : 0, 1 << 60))
    do throws(Errno) {
        return try invoke("ppoll", retryOnInterrupt: false) {
            // SAFETY: one entry, a local; the time limit is a local.
            unsafe cip_ppoll(&entry, 1, &left)
        } > 0
    } catch  where error == .interrupted {
        return try sysPollOne(descriptor, writing: writing, untilNanoseconds: deadline)
    }
}

/// lseek(2) from the start.
package func sysSeek(_ descriptor: CInt, to offset: Int64) throws(Errno) {
    _ = try invoke("lseek") { lseek(descriptor, off_t(offset), SEEK_SET) }
}

/// pipe2(2), close-on-exec.
package func sysPlainPipe() throws(Errno) -> (reading: CInt, writing: CInt) {
    var ends: (CInt, CInt) = (-1, -1)
    _ = try invoke("pipe2") {
        // SAFETY: the call fills two integers, which is what the tuple is.
        unsafe withUnsafeMutableBytes(of: &ends) { unsafe pipe2($0.bindMemory(to: CInt.self).baseAddress, O_CLOEXEC) }
    }
    return (ends.0, ends.1)
}

/// mkdir(2).
package func sysMakeDirectory(_ path: FilePath, mode: UInt32) throws(Errno) {
    _ = try invoke("mkdir") {
        // SAFETY: the string outlives the call; the kernel copies it.
        unsafe path.withPlatformString { unsafe mkdir($0, mode) }
    }
}

/// rmdir(2).
package func sysRemoveDirectory(_ path: FilePath) throws(Errno) {
    try sysUnlink(path, flags: AT_REMOVEDIR)
}
