// SPDX-License-Identifier: Apache-2.0
import CInterprocess
package import SystemPackage

/// Runs `body` so that a SIGPIPE that it raises is never delivered; a SIGPIPE of somebody else is left to him.
///
/// The kernel raises it for the thread that writes, and also where a part was written before the last reader went: the
/// call then succeeds with a short count. If one was pending for this thread already, the new one has merged with it and
/// nothing is to be done. If one is pending for the whole process only, the new one is a second, which is taken.
///
/// - Parameter wanted: how many bytes `body` was asked to move.
package func withoutSIGPIPE(wanting wanted: Int, _ body: () throws(Errno) -> Int) throws(Errno) -> Int {
    var pipeOnly = sigset_t()
    var before = sigset_t()
    // SAFETY: all sets are locals; these calls fail only for invalid signal numbers and pointers.
    unsafe sigemptyset(&pipeOnly)
    unsafe sigaddset(&pipeOnly, SIGPIPE)
    unsafe pthread_sigmask(SIG_BLOCK, &pipeOnly, &before)
    defer {
        // SAFETY: as above.
        unsafe pthread_sigmask(SIG_SETMASK, &before, nil)
    }
    // SAFETY: as above. Where it was not blocked none can have been pending.
    let hadOne = unsafe sigismember(&before, SIGPIPE) == 1 && isSIGPIPEPending() && isPendingForThread()
    do throws(Errno) {
        let count = try body()
        if count < wanted && !hadOne && isSIGPIPEPending() && isPendingForThread() { takeSIGPIPE(&pipeOnly) }
        return count
    } catch {
        if error == .brokenPipe && !hadOne { takeSIGPIPE(&pipeOnly) }
        throw error
    }
}

/// Whether one is pending for this thread or for the process; it is blocked.
private func isSIGPIPEPending() -> Bool {
    var pending = sigset_t()
    // SAFETY: a local, which the call fills.
    unsafe sigemptyset(&pending)
    unsafe sigpending(&pending)
    // SAFETY: as above.
    return unsafe sigismember(&pending, SIGPIPE) == 1
}

/// Whether the one that is pending is this thread's. Only `/proc` tells it from one of the process; where that cannot be
/// asked, it is taken for this thread's.
private func isPendingForThread() -> Bool {
    // SAFETY: the string is a literal.
    let descriptor = unsafe cip_openat(AT_FDCWD, "/proc/thread-self/status", O_RDONLY | O_CLOEXEC, 0)
    guard descriptor >= 0 else { return true }
    defer { _ = close(descriptor) }
    var text = [UInt8](repeating: 0, count: 4096)
    // SAFETY: the kernel writes at most as many bytes as the array has.
    _ = unsafe cip_read(descriptor, &text, UInt(text.count))
    let lines = String(decoding: text, as: UTF8.self).split(separator: "\n")
    guard let line = lines.first(where: { $0.hasPrefix("SigPnd:") }),
        let mask = UInt64(line.dropFirst(7).drop { $0 == "\t" || $0 == " " }, radix: 16)
    else { return true }
    return mask & (1 << UInt64(SIGPIPE - 1)) != 0
}

/// Takes the SIGPIPE that is pending, this thread's first.
private func takeSIGPIPE(_ set: inout sigset_t) {
    var none = timespec(tv_sec: 0, tv_nsec: 0)
    while true {
        // SAFETY: the set and the time are locals; no siginfo is asked for.
        if unsafe sigtimedwait(&set, nil, &none) >= 0 { return }
        if cip_errno() != EINTR { return }
    }
}
