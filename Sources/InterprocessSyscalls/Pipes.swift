// SPDX-License-Identifier: Apache-2.0
package import CInterprocess
package import SystemPackage
import Synchronization

/// The largest write to a pipe that no other write can come between (PIPE_BUF).
package let pipeAtomicBytes = 4096

/// The flags of pipe2(2), open(2) and fcntl(2) that the pipe types pass on.
package enum PipeFlags {
    package static let packets: CInt = O_DIRECT
    package static let nonBlocking: CInt = O_NONBLOCK
    package static let readOnly: CInt = O_RDONLY
    package static let writeOnly: CInt = O_WRONLY
    package static let readWrite: CInt = O_RDWR
    package static let accessMask: CInt = O_ACCMODE
    package static let noFollow: CInt = O_NOFOLLOW
    package static let pathOnly: CInt = O_PATH
    package static let currentDirectory: CInt = AT_FDCWD
}

/// pipe2(2); close-on-exec always.
package func sysPipe(flags: CInt = 0) throws(Errno) -> (reader: CInt, writer: CInt) {
    var pair: InlineArray<2, CInt> = [-1, -1]
    _ = try invoke("pipe2") {
        var span = pair.mutableSpan
        // SAFETY: the call fills exactly two numbers, which is what the array holds.
        return unsafe span.withUnsafeMutableBufferPointer { unsafe pipe2($0.baseAddress, flags | O_CLOEXEC) }
    }
    return (pair[0], pair[1])
}

/// read(2) into the free space of `buffer`; 0 is the end.
package func sysPipeRead(
    _ descriptor: CInt, into buffer: inout OutputSpan<UInt8>, retryOnInterrupt: Bool = true
) throws(Errno) -> Int {
    // SAFETY: the kernel writes at most `free` bytes at the start of the free space, and the count that it
    // returns is what becomes initialised.
    try unsafe buffer.withUnsafeMutableBufferPointer { (bytes, initialized) throws(Errno) in
        let free = bytes.count - initialized
        let start = unsafe bytes.baseAddress.map { unsafe $0 + initialized }
        let count = try invoke("read", retryOnInterrupt: retryOnInterrupt) {
            unsafe cip_read(descriptor, start, UInt(free))
        }
        initialized += count
        return count
    }
}

/// preadv2(2) with RWF_NOWAIT: does not block whatever the flags of the description are; EAGAIN if it would,
/// EOPNOTSUPP where the kind of file cannot.
package func sysPipeReadNow(_ descriptor: CInt, into buffer: inout OutputSpan<UInt8>) throws(Errno) -> Int {
    // SAFETY: as in `sysPipeRead`.
    try unsafe buffer.withUnsafeMutableBufferPointer { (bytes, initialized) throws(Errno) in
        let free = bytes.count - initialized
        let start = unsafe bytes.baseAddress.map { unsafe $0 + initialized }
        let count = try invoke("preadv2") {
            unsafe cip_read_flags(descriptor, start, UInt(free), cip_rwf_nowait())
        }
        initialized += count
        return count
    }
}

/// write(2) that never raises SIGPIPE: a pipe or socket without a reader is EPIPE and nothing else.
///
/// pwritev2(2) with RWF_NOSIGNAL where the kernel has it (Linux 6.18). Elsewhere the calling thread blocks
/// SIGPIPE for the length of a plain write(2) and takes the signal that this very call caused.
package func sysPipeWrite(
    _ descriptor: CInt, _ bytes: Span<UInt8>, retryOnInterrupt: Bool = true
) throws(Errno) -> Int {
    // SAFETY: the kernel reads at most `count` bytes of the borrowed memory.
    try unsafe bytes.withUnsafeBytes { (bytes) throws(Errno) in
        if NoSignalWrites.state.load(ordering: .relaxed) != NoSignalWrites.missing {
            do throws(Errno) {
                return try invoke("pwritev2", retryOnInterrupt: retryOnInterrupt) {
                    unsafe cip_write_flags(descriptor, bytes.baseAddress, UInt(bytes.count), cip_rwf_nosignal())
                }
            } catch  where NoSignalWrites.isRefusal(error) {
                NoSignalWrites.findOut()
            }
        }
        return try withoutSIGPIPE(wanting: bytes.count) { () throws(Errno) in
            try invoke("write", retryOnInterrupt: retryOnInterrupt) {
                unsafe cip_write(descriptor, bytes.baseAddress, UInt(bytes.count))
            }
        }
    }
}

/// pwritev2(2) with RWF_NOWAIT, which does not block whatever the flags of the description are; never SIGPIPE.
/// EOPNOTSUPP where the kernel or the kind of file cannot.
package func sysPipeWriteNow(_ descriptor: CInt, _ bytes: Span<UInt8>) throws(Errno) -> Int {
    // SAFETY: the kernel reads at most `count` bytes of the borrowed memory.
    try unsafe bytes.withUnsafeBytes { (bytes) throws(Errno) in
        let attempt = { (flags: CInt) throws(Errno) -> Int in
            try invoke("pwritev2") {
                unsafe cip_write_flags(descriptor, bytes.baseAddress, UInt(bytes.count), flags)
            }
        }
        if NoSignalWrites.state.load(ordering: .relaxed) != NoSignalWrites.missing {
            do throws(Errno) {
                return try attempt(cip_rwf_nosignal() | cip_rwf_nowait())
            } catch  where NoSignalWrites.isRefusal(error) {
                NoSignalWrites.findOut()
            }
        }
        return try withoutSIGPIPE(wanting: bytes.count) { () throws(Errno) in try attempt(cip_rwf_nowait()) }
    }
}

/// Whether this kernel knows RWF_NOSIGNAL: found out once, at the first refusal.
package enum NoSignalWrites {
    package static let unknown: UInt8 = 0
    package static let present: UInt8 = 1
    package static let missing: UInt8 = 2
    static let state = Atomic<UInt8>(0)

    /// For the tests of both ways.
    package static func force(_ value: UInt8) { state.store(value, ordering: .relaxed) }

    static func isRefusal(_ error: Errno) -> Bool {
        error == .notSupportedOnSocket || error == .invalidArgument || error == .noFunction
    }

    /// A kind of file can refuse the flag too, so a refusal alone says nothing of the kernel: ask it with a pipe.
    /// Without descriptors to spare the question stays open and is asked again.
    static func findOut() {
        if state.load(ordering: .relaxed) != unknown { return }
        guard let pair = try? sysPipe() else { return }
        defer { try? sysClose(pair.reader); try? sysClose(pair.writer) }
        var byte: UInt8 = 0
        let answer: Int
        do throws(Errno) {
            // SAFETY: one byte of a local is read.
            answer = try invoke("pwritev2") {
                unsafe cip_write_flags(pair.writer, &byte, 1, cip_rwf_nosignal())
            }
        } catch {
            answer = -1
        }
        state.store(answer == 1 ? present : missing, ordering: .relaxed)
    }
}

// MARK: What a pipe is like

/// fcntl(2) with F_GETPIPE_SZ: bytes.
package func sysPipeCapacity(_ descriptor: CInt) throws(Errno) -> Int {
    Int(try sysControl(descriptor, F_GETPIPE_SZ))
}

/// fcntl(2) with F_SETPIPE_SZ: the capacity that it has now, at least what was asked for.
package func sysSetPipeCapacity(_ descriptor: CInt, _ bytes: CInt) throws(Errno) -> Int {
    Int(try sysControl(descriptor, F_SETPIPE_SZ, bytes))
}

/// ioctl(2) with FIONREAD: bytes that can be read at once.
package func sysBytesAvailable(_ descriptor: CInt) throws(Errno) -> Int {
    var count: CInt = 0
    // SAFETY: `count` is a local of the type that the request fills.
    _ = try invoke("ioctl") { unsafe cip_bytes_available(descriptor, &count) }
    return Int(count)
}

/// fcntl(2) with F_GETFL.
package func sysDescriptionFlags(_ descriptor: CInt) throws(Errno) -> CInt {
    try sysControl(descriptor, F_GETFL)
}

// MARK: Names

/// mkfifoat(3).
package func sysMakeFIFO(at directory: CInt = AT_FDCWD, _ path: FilePath, mode: mode_t) throws(Errno) {
    _ = try invoke("mkfifoat") {
        // SAFETY: the string outlives the call; the kernel copies it.
        unsafe path.withPlatformString { unsafe mkfifoat(directory, $0, mode) }
    }
}

/// mknodat(2) with S_IFIFO.
package func sysMakeNodeFIFO(at directory: CInt = AT_FDCWD, _ path: FilePath, mode: mode_t) throws(Errno) {
    _ = try invoke("mknodat") {
        // SAFETY: the string outlives the call; the kernel copies it.
        unsafe path.withPlatformString { unsafe cip_mknodat_fifo(directory, $0, mode) }
    }
}
