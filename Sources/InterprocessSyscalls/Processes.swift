// SPDX-License-Identifier: Apache-2.0
package import CInterprocess
package import SystemPackage

/// How a process ended.
package enum ExitStatus: Sendable, Hashable {
    case exited(Int32)
    case signaled(Int32)
}

/// posix_spawn(3): a child with exactly the descriptors of `descriptors`, default signal dispositions and no
/// blocked signal.
///
/// - Parameters:
///   - path: the program file; no search.
///   - arguments: with the program's own name first.
///   - environment: `NAME=value` each; nil hands on the environment of this process.
///   - descriptors: the child's number → the number here. Whatever else is close-on-exec is closed.
package func sysSpawn(
    _ path: FilePath, arguments: [String], environment: [String]? = nil, descriptors: [CInt: CInt]
) throws(Errno) -> pid_t {
    // dup2 onto a number that is still needed as a source would lose it: lift every source above all targets.
    let ceiling = (descriptors.keys.max() ?? 2) + 1
    var lifted: [CInt] = []
    defer { for number in lifted { try? sysClose(number) } }
    var plan: [(source: CInt, target: CInt)] = []
    for (target, source) in descriptors.sorted(by: { $0.key < $1.key }) {
        let copy = try sysDuplicate(source, minimum: ceiling)
        lifted.append(copy)
        plan.append((copy, target))
    }

    // SAFETY: initialised here, destroyed below, never moved between.
    var actions = unsafe posix_spawn_file_actions_t()
    // SAFETY: as above.
    try invokeReturningErrno("posix_spawn_file_actions_init") { unsafe posix_spawn_file_actions_init(&actions) }
    // SAFETY: as above.
    defer { _ = unsafe posix_spawn_file_actions_destroy(&actions) }
    for (source, target) in plan {
        try invokeReturningErrno("posix_spawn_file_actions_adddup2") {
            // SAFETY: as above.
            unsafe posix_spawn_file_actions_adddup2(&actions, source, target)
        }
    }
    var attributes = posix_spawnattr_t()
    // SAFETY: as for the actions.
    try invokeReturningErrno("posix_spawnattr_init") { unsafe posix_spawnattr_init(&attributes) }
    // SAFETY: as for the actions.
    defer { _ = unsafe posix_spawnattr_destroy(&attributes) }
    var none = sigset_t()
    var all = sigset_t()
    // SAFETY: all arguments are locals of the size that the calls want; these calls fail only on null.
    unsafe sigemptyset(&none)
    unsafe sigfillset(&all)
    _ = unsafe posix_spawnattr_setsigmask(&attributes, &none)
    _ = unsafe posix_spawnattr_setsigdefault(&attributes, &all)
    _ = unsafe posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
    // SAFETY: both are initialised and live until this function ends.
    return try unsafe spawn(path, arguments, environment, &actions, &attributes)
}

private func spawn(
    _ path: FilePath, _ arguments: [String], _ environment: [String]?, _ actions: inout posix_spawn_file_actions_t,
    _ attributes: inout posix_spawnattr_t
) throws(Errno) -> pid_t {
    // SAFETY: every string is owned by `words` or `variables` until after the call; both lists end with nil.
    var words: [UnsafeMutablePointer<CChar>?] = unsafe arguments.map { unsafe strdup($0) } + [nil]
    // SAFETY: allocated by strdup just above, freed once.
    defer { unsafe words.forEach { unsafe free($0) } }
    // SAFETY: as for the words.
    var variables: [UnsafeMutablePointer<CChar>?] = unsafe (environment ?? []).map { unsafe strdup($0) } + [nil]
    // SAFETY: as for the words.
    defer { unsafe variables.forEach { unsafe free($0) } }
    var process: pid_t = 0
    try invokeReturningErrno("posix_spawn") {
        // SAFETY: see above; the environment of this process is only read.
        unsafe path.withPlatformString { file in
            unsafe variables.withUnsafeMutableBufferPointer { own in
                let table = environment == nil ? unsafe cip_environment() : own.baseAddress
                return unsafe posix_spawn(&process, file, &actions, &attributes, &words, table)
            }
        }
    }
    return process
}

/// wait4(2) for one child; nil if it runs on and `blocking` is false.
package func sysWait(_ process: pid_t, blocking: Bool = true) throws(Errno) -> ExitStatus? {
    var status: CInt = 0
    // SAFETY: `status` is a local; the usage is not asked for.
    let result = try invoke("wait4") { unsafe wait4(process, &status, blocking ? 0 : WNOHANG, nil) }
    if result == 0 { return nil }
    return cip_wait_signaled(status) != 0
        ? .signaled(cip_wait_signal(status)) : .exited(cip_wait_exit_status(status))
}

/// kill(2). Only for a process that cannot have been reaped meanwhile: one's own child, or oneself.
package func sysKill(_ process: pid_t, _ signal: CInt) throws(Errno) {
    _ = try invoke("kill") { kill(process, signal) }
}

/// pidfd_open(2), Linux 5.3; close-on-exec, readable when the process has ended.
package func sysOpenProcess(_ process: pid_t) throws(Errno) -> CInt {
    try invoke("pidfd_open") { cip_pidfd_open(process, 0) }
}

/// pidfd_send_signal(2), Linux 5.1.
package func sysSignalProcess(_ descriptor: CInt, _ signal: CInt) throws(Errno) {
    _ = try invoke("pidfd_send_signal") { cip_pidfd_send_signal(descriptor, signal) }
}
