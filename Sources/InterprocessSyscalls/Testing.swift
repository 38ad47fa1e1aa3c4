// SPDX-License-Identifier: Apache-2.0
// What only the test kit needs. These calls do not go through `invoke`: a fault that a test plants is meant for
// the code under test, not for the kit around it.
package import CInterprocess
package import SystemPackage

@inline(__always)
private func plain<Result: SignedInteger>(_ body: () -> Result) throws(Errno) -> Result {
    while true {
        let result = body()
        if result >= 0 { return result }
        let error = Errno(rawValue: cip_errno())
        if error != .interrupted { throw error }
    }
}

package enum TestSyscalls {
    /// The names in a directory, without `.` and `..`.
    package static func entries(of directory: FilePath) throws(Errno) -> [String] {
        // SAFETY: the stream is closed below and not used after; an entry is read before the next call replaces it.
        guard let stream = unsafe directory.withPlatformString({ unsafe opendir($0) }) else {
            throw Errno(rawValue: cip_errno())
        }
        // SAFETY: as above.
        defer { _ = unsafe closedir(stream) }
        var names: [String] = []
        // SAFETY: as above; d_name is NUL-terminated within its 256 bytes.
        while let entry = unsafe readdir(stream) {
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) {
                unsafe $0.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names
    }

    /// Where a symbolic link points; nil if it is gone.
    package static func linkTarget(_ path: FilePath) -> String? {
        // SAFETY: the kernel writes at most 4096 bytes and says how many.
        unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: 4096) { buffer in
            let count = unsafe path.withPlatformString { unsafe readlink($0, buffer.baseAddress!, buffer.count) }
            guard count >= 0 else { return nil }
            return unsafe String(decoding: UnsafeRawBufferPointer(buffer)[..<count], as: UTF8.self)
        }
    }

    /// The directory is made with mode 0700.
    package static func makeDirectory(_ path: FilePath, mode: mode_t = 0o700) throws(Errno) {
        // SAFETY: the string outlives the call.
        _ = try plain { unsafe path.withPlatformString { unsafe mkdir($0, mode) } }
    }

    /// Removes a name of any kind; a directory with all that is in it. Links are removed, not followed.
    package static func removeAll(_ path: FilePath) {
        // SAFETY: the string outlives the call.
        if unsafe path.withPlatformString({ unsafe unlink($0) }) == 0 { return }
        if cip_errno() == ENOENT { return }
        for name in (try? entries(of: path)) ?? [] { removeAll(path.appending(name)) }
        // SAFETY: as above.
        _ = unsafe path.withPlatformString { unsafe rmdir($0) }
    }

    package static func discardQueue(named name: String) {
        // SAFETY: the string outlives the call.
        _ = unsafe cip_mq_unlink(name)
    }

    package static func discardMessageQueue(key: Int32) {
        let id = msgget(key, 0)
        if id >= 0 { _ = msgctl(id, IPC_RMID, nil) }
    }

    package static func messageQueueExists(key: Int32) -> Bool { msgget(key, 0) >= 0 || cip_errno() == EACCES }

    /// A descriptor of anonymous memory, for output that nobody needs to drain.
    package static func anonymousFile() throws(Errno) -> CInt {
        // SAFETY: the string is a literal.
        try plain { unsafe memfd_create("swift-ipc-test", CUnsignedInt(MFD_CLOEXEC)) }
    }

    /// The bytes of a file from `offset`, without moving its position.
    package static func read(_ descriptor: CInt, at offset: Int, upTo limit: Int = 65536) throws(Errno) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: limit)
        // SAFETY: the kernel writes at most `limit` bytes.
        let count = try plain { unsafe pread(descriptor, &bytes, limit, off_t(offset)) }
        bytes.removeSubrange(count...)
        return bytes
    }

    /// read(2); empty is the end.
    package static func read(_ descriptor: CInt, upTo limit: Int = 65536) throws(Errno) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: limit)
        // SAFETY: the kernel writes at most `limit` bytes.
        let count = try plain { unsafe CInterprocess.read(descriptor, &bytes, limit) }
        bytes.removeSubrange(count...)
        return bytes
    }

    /// pipe2(2) with O_CLOEXEC.
    package static func pipe() throws(Errno) -> (reading: CInt, writing: CInt) {
        var pair: (CInt, CInt) = (-1, -1)
        _ = try plain {
            // SAFETY: the pair is two ints in a row, which is what the call fills.
            unsafe withUnsafeMutableBytes(of: &pair) {
                unsafe pipe2($0.baseAddress!.assumingMemoryBound(to: CInt.self), O_CLOEXEC)
            }
        }
        return (pair.0, pair.1)
    }

    /// Writes all of `bytes`; a reader that is gone is EPIPE and never a signal.
    package static func writeAll(_ descriptor: CInt, _ bytes: [UInt8]) throws(Errno) {
        var pipeSignal = sigset_t()
        var before = sigset_t()
        // SAFETY: the sets are locals of the right size; the mask is that of this thread and restored below.
        unsafe sigemptyset(&pipeSignal)
        unsafe sigaddset(&pipeSignal, SIGPIPE)
        _ = unsafe pthread_sigmask(SIG_BLOCK, &pipeSignal, &before)
        // SAFETY: as above.
        defer { _ = unsafe pthread_sigmask(SIG_SETMASK, &before, nil) }
        var done = 0
        while done < bytes.count {
            do throws(Errno) {
                // SAFETY: the kernel reads at most the rest of the array.
                done += try plain {
                    unsafe bytes.withUnsafeBytes { unsafe write(descriptor, $0.baseAddress! + done, $0.count - done) }
                }
            } catch {
                var zero = timespec()
                // SAFETY: takes the SIGPIPE that this thread's write made pending, if it did.
                if error == .brokenPipe { _ = unsafe sigtimedwait(&pipeSignal, nil, &zero) }
                throw error
            }
        }
    }

    /// poll(2) for reading, up to a point of the monotonic clock; false if it passed.
    package static func waitReadable(_ descriptor: CInt, untilNanoseconds deadline: UInt64) throws(Errno) -> Bool {
        while true {
            let now = sysMonotonicNanoseconds()
            let left = deadline > now ? min((deadline - now) / 1_000_000 + 1, 1 << 30) : 0
            var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            // SAFETY: one entry, of the size that the call wants.
            let count = unsafe poll(&entry, 1, CInt(left))
            if count > 0 { return true }
            if count < 0 && cip_errno() != EINTR { throw Errno(rawValue: cip_errno()) }
            if sysMonotonicNanoseconds() >= deadline { return false }
        }
    }

    package static func close(_ descriptor: CInt) { _ = CInterprocess.close(descriptor) }

    package static func environmentVariable(_ name: String) -> String? {
        // SAFETY: the kit does not change its own environment.
        unsafe getenv(name).map { unsafe String(cString: $0) }
    }

    package static func environment() -> [String] {
        var all: [String] = []
        // SAFETY: a list that ends with null, which the kit does not change.
        var entry = unsafe cip_environment()
        while let variable = unsafe entry?.pointee {
            unsafe all.append(String(cString: variable))
            // SAFETY: the list ends with null.
            unsafe entry = entry! + 1
        }
        return all
    }
}
