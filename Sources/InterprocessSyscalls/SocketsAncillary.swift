// SPDX-License-Identifier: Apache-2.0
import CInterprocess
package import SystemPackage

/// Who the kernel says a process is.
package struct RawCredentials: Sendable, Equatable {
    package var process: Int32
    package var user: UInt32
    package var group: UInt32

    package init(process: Int32, user: UInt32, group: UInt32) {
        self.process = process
        self.user = user
        self.group = group
    }
}

/// What came beside the bytes of one message.
package struct ReceivedAncillary: Sendable {
    /// What recvmsg(2) returned: with MSG_TRUNC asked for, the real length of the message.
    package var count = 0
    /// The message was longer than the buffer (MSG_TRUNC).
    package var isTruncated = false
    /// Control data was cut (MSG_CTRUNC): descriptors may be missing. Those that came are in `descriptors`.
    package var isControlTruncated = false
    /// Numbers that this process now has to close.
    package var descriptors: [CInt] = []
    package var credentials: RawCredentials?
    /// A pidfd that this process now has to close, or -1.
    package var processDescriptor: CInt = -1
    package var sender = SocketAddressBytes()

    package init() {}
}

/// sendmsg(2) with descriptors, credentials and an address where given; never raises SIGPIPE.
package func sysSendMessage(
    _ descriptor: CInt, _ bytes: Span<UInt8>, to address: SocketAddressBytes? = nil, descriptors: [CInt] = [],
    credentials: RawCredentials? = nil, flags: CInt = 0, retryOnInterrupt: Bool = true
) throws(Errno) -> Int {
    let control = controlData(descriptors: descriptors, credentials: credentials)
    var target = address ?? SocketAddressBytes()
    let targetLength = socklen_t(target.count)
    var targetMemory = target.bytes.mutableSpan
    // SAFETY: every pointer in `message` is to memory that outlives the call, with its own length beside
    // it; sendmsg only reads them, though its structure is not const.
    return try unsafe bytes.withUnsafeBytes { (bytes) throws(Errno) in
        try unsafe targetMemory.withUnsafeMutableBytes { (target) throws(Errno) in
            try unsafe control.span.withUnsafeBytes { (control) throws(Errno) in
                var vector = unsafe iovec(
                    iov_base: UnsafeMutableRawPointer(mutating: bytes.baseAddress), iov_len: bytes.count)
                return try unsafe withUnsafeMutablePointer(to: &vector) { (vector) throws(Errno) in
                    var message = unsafe msghdr()
                    if targetLength > 0 {
                        unsafe message.msg_name = target.baseAddress
                        unsafe message.msg_namelen = targetLength
                    }
                    unsafe message.msg_iov = unsafe vector
                    unsafe message.msg_iovlen = 1
                    if control.count > 0 {
                        unsafe message.msg_control = unsafe UnsafeMutableRawPointer(mutating: control.baseAddress)
                        unsafe message.msg_controllen = control.count
                    }
                    return try invoke("sendmsg", retryOnInterrupt: retryOnInterrupt) {
                        unsafe sendmsg(descriptor, &message, flags | CInt(MSG_NOSIGNAL))
                    }
                }
            }
        }
    }
}

/// Ancillary items as the kernel wants them: header (length, level, type), data, padding to eight bytes.
private func controlData(descriptors: [CInt], credentials: RawCredentials?) -> [UInt64] {
    var words: [UInt64] = []
    func append(type: Int, _ data: [Int32]) {
        let count = data.count * 4
        words.append(UInt64(cip_cmsg_length(count)))
        words.append(UInt64(UInt32(SOL_SOCKET)) | UInt64(UInt32(type)) << 32)
        for index in stride(from: 0, to: data.count, by: 2) {
            let high = index + 1 < data.count ? data[index + 1] : 0
            words.append(UInt64(UInt32(bitPattern: data[index])) | UInt64(UInt32(bitPattern: high)) << 32)
        }
    }
    if let credentials {
        append(
            type: Int(SCM_CREDENTIALS),
            [credentials.process, Int32(bitPattern: credentials.user), Int32(bitPattern: credentials.group)])
    }
    if !descriptors.isEmpty { append(type: Int(SCM_RIGHTS), descriptors) }
    return words
}

/// recvmsg(2) with room for credentials and descriptors, which are close-on-exec at once.
///
/// - Parameter maximumDescriptors: for how many there is room; the kernel rounds up and may use what
///   credentials leave, so a few more can come.
package func sysReceiveMessage(
    _ descriptor: CInt, into buffer: inout OutputSpan<UInt8>, maximumDescriptors: Int, flags: CInt = 0,
    retryOnInterrupt: Bool = true
) throws(Errno) -> ReceivedAncillary {
    var result = ReceivedAncillary()
    var control = InlineArray<160, UInt64>(repeating: 0)
    let room =
        cip_cmsg_space(12) + cip_cmsg_space(4)
        + (maximumDescriptors > 0 ? cip_cmsg_space(4 * min(maximumDescriptors, SocketConstant.maximumDescriptors)) : 0)
    var sender = SocketAddressBytes()
    var controlMemory = control.mutableSpan
    var senderMemory = sender.bytes.mutableSpan
    var senderLength: socklen_t = 0
    // SAFETY: every pointer in `message` is to memory that outlives the call, with its own length beside
    // it (`room` is at most the 1280 bytes of `control`); no more of the buffer becomes initialised than
    // the kernel has written.
    try unsafe buffer.withUnsafeMutableBufferPointer { (bytes, initialized) throws(Errno) in
        let free = unsafe UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(bytes)[initialized...])
        try unsafe controlMemory.withUnsafeMutableBytes { (control) throws(Errno) in
            try unsafe senderMemory.withUnsafeMutableBytes { (sender) throws(Errno) in
                var vector = unsafe iovec(iov_base: free.baseAddress, iov_len: free.count)
                try unsafe withUnsafeMutablePointer(to: &vector) { (vector) throws(Errno) in
                    var message = unsafe msghdr()
                    result.count = try invoke("recvmsg", retryOnInterrupt: retryOnInterrupt) {
                        unsafe message = msghdr(
                            msg_name: sender.baseAddress, msg_namelen: socklen_t(sender.count), msg_iov: vector,
                            msg_iovlen: 1, msg_control: control.baseAddress, msg_controllen: room, msg_flags: 0)
                        return unsafe recvmsg(descriptor, &message, flags | CInt(MSG_CMSG_CLOEXEC))
                    }
                    senderLength = unsafe message.msg_namelen
                    result.isTruncated = unsafe message.msg_flags & SocketConstant.truncated != 0
                    result.isControlTruncated = unsafe message.msg_flags & SocketConstant.controlTruncated != 0
                    unsafe readControl(&message, into: &result)
                }
            }
        }
        initialized += min(result.count, free.count)
    }
    sender.count = min(Int(senderLength), 128)
    result.sender = sender
    return result
}

/// Takes every item out of the control data; a descriptor that nobody would know is closed.
private func readControl(_ message: inout msghdr, into result: inout ReceivedAncillary) {
    // SAFETY: the macros stay within msg_controllen, which the kernel has set to what it wrote; each item
    // is read for the length in its own header and no further.
    var next = unsafe cip_cmsg_first(&message)
    while let item = unsafe next {
        let count = unsafe Int(item.pointee.cmsg_len) - cip_cmsg_length(0)
        let data = unsafe UnsafeRawBufferPointer(start: cip_cmsg_data(item), count: max(count, 0))
        if unsafe item.pointee.cmsg_level == SOL_SOCKET {
            switch unsafe item.pointee.cmsg_type {
            case CInt(SCM_RIGHTS):
                for offset in stride(from: 0, through: data.count - 4, by: 4) {
                    result.descriptors.append(unsafe data.loadUnaligned(fromByteOffset: offset, as: CInt.self))
                }
            case CInt(SCM_CREDENTIALS) where data.count >= 12:
                result.credentials = RawCredentials(
                    process: unsafe data.loadUnaligned(fromByteOffset: 0, as: Int32.self),
                    user: unsafe data.loadUnaligned(fromByteOffset: 4, as: UInt32.self),
                    group: unsafe data.loadUnaligned(fromByteOffset: 8, as: UInt32.self))
            case SCM_PIDFD where data.count >= 4:
                result.processDescriptor = unsafe data.loadUnaligned(as: CInt.self)
            default:
                break
            }
        }
        unsafe next = unsafe cip_cmsg_next(&message, item)
    }
}
