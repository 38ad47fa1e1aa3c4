// SPDX-License-Identifier: Apache-2.0
import CInterprocess
package import SystemPackage

/// The numbers of `<sys/socket.h>` that the library speaks.
package enum SocketConstant {
    package static let unix = AF_UNIX
    package static let ipv4 = AF_INET
    package static let ipv6 = AF_INET6
    package static let stream = CInt(SOCK_STREAM.rawValue)
    package static let datagram = CInt(SOCK_DGRAM.rawValue)
    package static let sequencedPacket = CInt(SOCK_SEQPACKET.rawValue)
    package static let nonBlocking = CInt(SOCK_NONBLOCK.rawValue)
    package static let dontWait = CInt(MSG_DONTWAIT)
    package static let truncated = CInt(MSG_TRUNC)
    package static let controlTruncated = CInt(MSG_CTRUNC)
    package static let peek = CInt(MSG_PEEK)
    package static let shutReading = CInt(SHUT_RD)
    package static let shutWriting = CInt(SHUT_WR)
    package static let shutBoth = CInt(SHUT_RDWR)
    /// The largest backlog that the header knows; the kernel cuts it to net.core.somaxconn.
    package static let maximumBacklog: CInt = 4096
    /// SCM_MAX_FD: descriptors in one message.
    package static let maximumDescriptors = 253
}

/// A `sockaddr` of any family, as bytes. Swift code builds and reads it; the kernel copies it.
package struct SocketAddressBytes: Sendable {
    package var bytes = InlineArray<128, UInt8>(repeating: 0)
    /// How many of the bytes count.
    package var count = 0

    package init() {}

    package init(_ content: [UInt8]) {
        precondition(content.count <= 128, "a socket address has at most 128 bytes")
        for index in content.indices { bytes[index] = content[index] }
        count = content.count
    }

    package var content: [UInt8] { (0..<count).map { bytes[$0] } }

    /// For the kernel to fill: `body` gets the memory and a length in and out.
    fileprivate mutating func fill<Failure: Error>(
        _ body: (UnsafeMutableRawPointer?, inout socklen_t) throws(Failure) -> Void
    ) throws(Failure) {
        var length = socklen_t(128)
        var span = bytes.mutableSpan
        // SAFETY: the memory is 128 bytes long and outlives the call; `length` says so.
        try unsafe span.withUnsafeMutableBytes { (memory) throws(Failure) in
            try unsafe body(memory.baseAddress, &length)
        }
        // A longer address was cut; what counts is what is there.
        count = min(Int(length), 128)
    }

    /// For the kernel to read.
    fileprivate func read<Result, Failure: Error>(
        _ body: (UnsafeRawPointer?, socklen_t) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        // SAFETY: `count` is at most the 128 bytes that are there; the kernel copies them.
        try unsafe bytes.span.withUnsafeBytes { (memory) throws(Failure) in
            try unsafe body(memory.baseAddress, socklen_t(count))
        }
    }
}

// MARK: Making

/// socket(2); close-on-exec always.
package func sysSocket(_ domain: CInt, _ type: CInt, nonBlocking: Bool = false) throws(Errno) -> CInt {
    let flags = CInt(SOCK_CLOEXEC.rawValue) | (nonBlocking ? SocketConstant.nonBlocking : 0)
    return try invoke("socket") { socket(domain, type | flags, 0) }
}

/// socketpair(2); close-on-exec always.
package func sysSocketPair(_ domain: CInt, _ type: CInt) throws(Errno) -> (CInt, CInt) {
    var pair: (CInt, CInt) = (-1, -1)
    _ = try invoke("socketpair") {
        // SAFETY: the tuple is two C ints next to each other, as the call wants them.
        unsafe withUnsafeMutableBytes(of: &pair) { memory in
            unsafe socketpair(
                domain, type | CInt(SOCK_CLOEXEC.rawValue), 0, memory.assumingMemoryBound(to: CInt.self).baseAddress)
        }
    }
    return pair
}

/// bind(2).
package func sysBind(_ descriptor: CInt, _ address: SocketAddressBytes) throws(Errno) {
    _ = try invoke("bind") {
        // SAFETY: `read` hands over memory of the length that it states.
        unsafe address.read { unsafe cip_bind(descriptor, $0, $1) }
    }
}

/// connect(2). Made again after an interruption: on Linux the second call waits for the same connection.
package func sysConnect(
    _ descriptor: CInt, _ address: SocketAddressBytes, retryOnInterrupt: Bool = true
) throws(Errno) {
    _ = try invoke("connect", retryOnInterrupt: retryOnInterrupt) {
        // SAFETY: `read` hands over memory of the length that it states.
        unsafe address.read { unsafe cip_connect(descriptor, $0, $1) }
    }
}

/// listen(2).
package func sysListen(_ descriptor: CInt, backlog: CInt) throws(Errno) {
    _ = try invoke("listen") { listen(descriptor, backlog) }
}

/// accept4(2); close-on-exec always.
package func sysAccept(
    _ descriptor: CInt, retryOnInterrupt: Bool = true
) throws(Errno) -> (descriptor: CInt, address: SocketAddressBytes) {
    var address = SocketAddressBytes()
    var accepted: CInt = -1
    // SAFETY: `fill` hands over memory of the length that it states.
    try unsafe address.fill { (memory, length) throws(Errno) in
        let whole = length
        accepted = try invoke("accept4", retryOnInterrupt: retryOnInterrupt) {
            length = whole
            return unsafe cip_accept4(descriptor, memory, &length, CInt(SOCK_CLOEXEC.rawValue))
        }
    }
    return (accepted, address)
}

/// shutdown(2).
package func sysShutdown(_ descriptor: CInt, _ direction: CInt) throws(Errno) {
    _ = try invoke("shutdown") { shutdown(descriptor, direction) }
}

/// getsockname(2).
package func sysLocalAddress(_ descriptor: CInt) throws(Errno) -> SocketAddressBytes {
    var address = SocketAddressBytes()
    // SAFETY: `fill` hands over memory of the length that it states.
    try unsafe address.fill { (memory, length) throws(Errno) in
        _ = try invoke("getsockname") { unsafe cip_getsockname(descriptor, memory, &length) }
    }
    return address
}

/// getpeername(2).
package func sysPeerAddress(_ descriptor: CInt) throws(Errno) -> SocketAddressBytes {
    var address = SocketAddressBytes()
    // SAFETY: `fill` hands over memory of the length that it states.
    try unsafe address.fill { (memory, length) throws(Errno) in
        _ = try invoke("getpeername") { unsafe cip_getpeername(descriptor, memory, &length) }
    }
    return address
}

/// flock(2), exclusive, without waiting. The lock goes when the descriptor is closed.
package func sysTryLockFile(_ descriptor: CInt) throws(Errno) -> Bool {
    do throws(Errno) {
        _ = try invoke("flock") { flock(descriptor, LOCK_EX | LOCK_NB) }
        return true
    } catch  where error == .wouldBlock {
        return false
    }
}

/// openat(2) of a directory: to lock it, or only as the place that a name is looked up in (O_PATH).
package func sysOpenDirectory(at directory: CInt = AT_FDCWD, _ path: FilePath, toLock: Bool) throws(Errno) -> CInt {
    try sysOpen(at: directory, path, flags: O_DIRECTORY | (toLock ? O_RDONLY : O_PATH))
}

/// openat(2) of whatever the name is: a handle to name it by (O_PATH).
package func sysOpenHandle(
    at directory: CInt = AT_FDCWD, _ path: FilePath, followLinks: Bool
) throws(Errno) -> CInt {
    try sysOpen(at: directory, path, flags: O_PATH | (followLinks ? 0 : O_NOFOLLOW))
}

// MARK: Bytes

/// send(2); never raises SIGPIPE.
package func sysSend(
    _ descriptor: CInt, _ bytes: Span<UInt8>, flags: CInt = 0, retryOnInterrupt: Bool = true
) throws(Errno) -> Int {
    // SAFETY: the kernel reads at most `count` bytes of the borrowed memory.
    try unsafe bytes.withUnsafeBytes { (bytes) throws(Errno) in
        try invoke("send", retryOnInterrupt: retryOnInterrupt) {
            unsafe send(descriptor, bytes.baseAddress, bytes.count, flags | CInt(MSG_NOSIGNAL))
        }
    }
}

/// sendto(2); never raises SIGPIPE.
package func sysSend(
    _ descriptor: CInt, _ bytes: Span<UInt8>, to address: SocketAddressBytes, flags: CInt = 0,
    retryOnInterrupt: Bool = true
) throws(Errno) -> Int {
    // SAFETY: the kernel reads at most `count` bytes of the borrowed memory, and the address as `read` states.
    try unsafe bytes.withUnsafeBytes { (bytes) throws(Errno) in
        try invoke("sendto", retryOnInterrupt: retryOnInterrupt) {
            unsafe address.read {
                unsafe cip_sendto(
                    descriptor, bytes.baseAddress, bytes.count, flags | CInt(MSG_NOSIGNAL), $0, $1)
            }
        }
    }
}

/// recv(2) into the free space of `buffer`. With ``SocketConstant/truncated`` among the flags the
/// result is the real length of a message, which may be more than was stored.
package func sysReceive(
    _ descriptor: CInt, into buffer: inout OutputSpan<UInt8>, flags: CInt = 0, retryOnInterrupt: Bool = true
) throws(Errno) -> Int {
    // SAFETY: the kernel writes at most `free.count` bytes at the start of the free space; of the count
    // that it returns no more than that becomes initialised.
    try unsafe buffer.withUnsafeMutableBufferPointer { (bytes, initialized) throws(Errno) in
        let free = unsafe UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(bytes)[initialized...])
        let count = try invoke("recv", retryOnInterrupt: retryOnInterrupt) {
            unsafe recv(descriptor, free.baseAddress, free.count, flags)
        }
        initialized += min(count, free.count)
        return count
    }
}
