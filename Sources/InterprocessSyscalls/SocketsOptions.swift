// SPDX-License-Identifier: Apache-2.0
import CInterprocess
package import SystemPackage

/// The option numbers that the library names.
package enum SocketOptionNumber {
    package static let socketLevel = CInt(SOL_SOCKET)
    package static let tcpLevel = CInt(IPPROTO_TCP)
    package static let ipv6Level = CInt(IPPROTO_IPV6)
    package static let sendBuffer = SO_SNDBUF
    package static let receiveBuffer = SO_RCVBUF
    package static let reuseAddress = SO_REUSEADDR
    package static let reusePort = SO_REUSEPORT
    package static let keepAlive = SO_KEEPALIVE
    package static let broadcast = SO_BROADCAST
    package static let linger = SO_LINGER
    package static let passCredentials = SO_PASSCRED
    package static let peerCredentials = SO_PEERCRED
    package static let peerGroups = CInt(SO_PEERGROUPS)
    package static let peerProcess = CInt(SO_PEERPIDFD)
    package static let error = SO_ERROR
    package static let type = SO_TYPE
    package static let domain = SO_DOMAIN
    package static let isListening = SO_ACCEPTCONN
    package static let sendTimeout = SO_SNDTIMEO
    package static let noDelay = CInt(TCP_NODELAY)
    package static let keepAliveIdle = CInt(TCP_KEEPIDLE)
    package static let keepAliveInterval = CInt(TCP_KEEPINTVL)
    package static let keepAliveCount = CInt(TCP_KEEPCNT)
    package static let userTimeout = CInt(TCP_USER_TIMEOUT)
    package static let ipv6Only = CInt(IPV6_V6ONLY)
}

/// getsockopt(2): the bytes of the value, at most `capacity`.
package func sysGetOption(
    _ descriptor: CInt, level: CInt, name: CInt, capacity: Int
) throws(Errno) -> [UInt8] {
    var length = socklen_t(capacity)
    var value = [UInt8](repeating: 0, count: capacity)
    // SAFETY: the array has `length` bytes; the kernel says how many it wrote.
    var span = value.mutableSpan
    try unsafe span.withUnsafeMutableBytes { (memory) throws(Errno) in
        _ = try invoke("getsockopt") { unsafe getsockopt(descriptor, level, name, memory.baseAddress, &length) }
    }
    value.removeLast(capacity - min(capacity, Int(length)))
    return value
}

/// setsockopt(2).
package func sysSetOption(_ descriptor: CInt, level: CInt, name: CInt, _ value: [UInt8]) throws(Errno) {
    // SAFETY: the kernel reads the bytes of the array.
    try unsafe value.span.withUnsafeBytes { (memory) throws(Errno) in
        _ = try invoke("setsockopt") {
            unsafe setsockopt(descriptor, level, name, memory.baseAddress, socklen_t(memory.count))
        }
    }
}

/// SO_PEERCRED: who was at the other end when the connection was made.
package func sysPeerCredentials(_ descriptor: CInt) throws(Errno) -> RawCredentials {
    var raw = ucred()
    var length = socklen_t(MemoryLayout<ucred>.size)
    // SAFETY: `raw` is a local of the length stated.
    _ = try invoke("getsockopt") { unsafe getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &raw, &length) }
    return RawCredentials(process: raw.pid, user: raw.uid, group: raw.gid)
}

/// How long a blocking connect may take: 0 is for ever.
package func sysSetSendTimeout(_ descriptor: CInt, nanoseconds: UInt64) throws(Errno) {
    var value = timeval()
    value.tv_sec = Int(nanoseconds / 1_000_000_000)
    value.tv_usec = Int((nanoseconds % 1_000_000_000 + 999) / 1_000)
    if value.tv_usec >= 1_000_000 { value.tv_sec += 1; value.tv_usec = 0 }
    // SAFETY: `value` is a local of the length stated.
    _ = try invoke("setsockopt") {
        unsafe setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &value, socklen_t(MemoryLayout<timeval>.size))
    }
}

/// What getaddrinfo(3) says: addresses, or its own number and sentence.
package enum Resolution: Sendable {
    case addresses([SocketAddressBytes])
    case failure(isUnknown: Bool, message: String)
}

/// getaddrinfo(3), for stream sockets. Blocks for as long as the resolver takes.
package func sysResolve(host: String, port: String, passive: Bool) -> Resolution {
    #if DEBUG
        if Faults.next("getaddrinfo") != nil { return .failure(isUnknown: false, message: "injected") }
    #endif
    // SAFETY: the strings outlive the call; the list is ours until freeaddrinfo, and each node's address
    // has the length beside it.
    var hints = unsafe addrinfo()
    unsafe hints.ai_socktype = CInt(SOCK_STREAM.rawValue)
    unsafe hints.ai_flags = passive ? AI_PASSIVE : 0
    var list: UnsafeMutablePointer<addrinfo>?
    let code = unsafe getaddrinfo(host.isEmpty ? nil : host, port, &hints, &list)
    guard code == 0 else {
        return .failure(
            isUnknown: code == EAI_NONAME || code == EAI_SERVICE || code == EAI_NODATA,
            message: unsafe String(cString: gai_strerror(code)))
    }
    defer { unsafe freeaddrinfo(list) }
    var addresses: [SocketAddressBytes] = []
    var node = unsafe list
    while let item = unsafe node {
        if let address = unsafe item.pointee.ai_addr {
            let bytes = unsafe UnsafeRawBufferPointer(start: address, count: Int(item.pointee.ai_addrlen))
            addresses.append(SocketAddressBytes(unsafe Array(bytes)))
        }
        unsafe node = unsafe item.pointee.ai_next
    }
    return .addresses(addresses)
}
