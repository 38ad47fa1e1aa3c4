// SPDX-License-Identifier: Apache-2.0
import CInterprocess
package import SystemPackage

/// The direction in which a POSIX message queue is opened.
package enum MessageQueueDirection: Sendable {
    case receive, send, both

    var flags: CInt {
        switch self {
        case .receive: O_RDONLY
        case .send: O_WRONLY
        case .both: O_RDWR
        }
    }
}

/// What mq_getattr(3) says.
package struct MessageQueueAttributes: Sendable, Equatable {
    package var maxMessages: Int
    package var messageSizeBytes: Int
    package var currentMessages: Int

    package init(maxMessages: Int, messageSizeBytes: Int, currentMessages: Int = 0) {
        self.maxMessages = maxMessages
        self.messageSizeBytes = messageSizeBytes
        self.currentMessages = currentMessages
    }

    var raw: mq_attr {
        var raw = mq_attr()
        raw.mq_maxmsg = maxMessages
        raw.mq_msgsize = messageSizeBytes
        return raw
    }
}

/// A point of CLOCK_REALTIME as the timed calls take it; passed on unchecked.
package struct RealtimeInstant: Sendable {
    package var seconds: Int
    package var nanoseconds: Int

    package init(seconds: Int, nanoseconds: Int) {
        self.seconds = seconds
        self.nanoseconds = nanoseconds
    }

    /// Long ago: a timed call that is given this never waits.
    package static let past = RealtimeInstant(seconds: 0, nanoseconds: 0)
}

/// How many bytes came, and with which priority.
package struct MessageQueueReceived: Sendable {
    package var count: Int
    package var priority: UInt32
}

/// mq_open(3). The descriptor is close-on-exec; the umask applies to `mode`.
package func sysMessageQueueOpen(
    _ name: String, _ direction: MessageQueueDirection, create: Bool = false, exclusive: Bool = false,
    mode: UInt32 = 0, attributes: MessageQueueAttributes? = nil
) throws(Errno) -> CInt {
    let flags = direction.flags | (create ? O_CREAT : 0) | (exclusive ? O_EXCL : 0) | O_CLOEXEC
    return try invoke("mq_open") {
        // SAFETY: the string and the structure outlive the call; the kernel copies both.
        unsafe name.withCString { name in
            guard var raw = attributes?.raw else { return unsafe cip_mq_open(name, flags, mode, nil) }
            return unsafe cip_mq_open(name, flags, mode, &raw)
        }
    }
}

/// mq_unlink(3).
package func sysMessageQueueUnlink(_ name: String) throws(Errno) {
    _ = try invoke("mq_unlink") {
        // SAFETY: the string outlives the call; the kernel copies it.
        unsafe name.withCString { unsafe mq_unlink($0) }
    }
}

/// mq_getattr(3).
package func sysMessageQueueAttributes(_ queue: CInt) throws(Errno) -> MessageQueueAttributes {
    var raw = mq_attr()
    // SAFETY: `raw` is a local of the size that the call fills.
    _ = try invoke("mq_getattr") { unsafe mq_getattr(queue, &raw) }
    return MessageQueueAttributes(
        maxMessages: raw.mq_maxmsg, messageSizeBytes: raw.mq_msgsize, currentMessages: raw.mq_curmsgs)
}

/// mq_send(3), or mq_timedsend(3) with a deadline.
package func sysMessageQueueSend(
    _ queue: CInt, _ bytes: Span<UInt8>, priority: UInt32, retryOnInterrupt: Bool = true
) throws(Errno) {
    // SAFETY: the kernel reads at most `count` bytes of the borrowed memory.
    try unsafe bytes.withUnsafeBytes { (bytes) throws(Errno) in
        _ = try invoke("mq_send", retryOnInterrupt: retryOnInterrupt) {
            unsafe cip_mq_send(queue, bytes.baseAddress, bytes.count, priority)
        }
    }
}

/// mq_timedsend(3).
package func sysMessageQueueSend(
    _ queue: CInt, _ bytes: Span<UInt8>, priority: UInt32, until instant: RealtimeInstant,
    retryOnInterrupt: Bool = true
) throws(Errno) {
    var limit = timespec(tv_sec: instant.seconds, tv_nsec: instant.nanoseconds)
    // SAFETY: the kernel reads at most `count` bytes of the borrowed memory, and the time.
    try unsafe bytes.withUnsafeBytes { (bytes) throws(Errno) in
        _ = try invoke("mq_timedsend", retryOnInterrupt: retryOnInterrupt) {
            unsafe cip_mq_timedsend(queue, bytes.baseAddress, bytes.count, priority, &limit)
        }
    }
}

/// mq_receive(3), or mq_timedreceive(3) with a deadline, into the free space of `buffer`.
package func sysMessageQueueReceive(
    _ queue: CInt, into buffer: inout OutputSpan<UInt8>, until instant: RealtimeInstant? = nil,
    retryOnInterrupt: Bool = true
) throws(Errno) -> MessageQueueReceived {
    var priority: UInt32 = 0
    // SAFETY: the kernel writes at most `free.count` bytes at the start of the free space, and the
    // count that it returns is what becomes initialised; the other pointers are to locals.
    let count = try unsafe buffer.withUnsafeMutableBufferPointer { (bytes, initialized) throws(Errno) in
        let free = unsafe UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(bytes)[initialized...])
        let count: Int
        if let instant {
            var limit = timespec(tv_sec: instant.seconds, tv_nsec: instant.nanoseconds)
            count = try invoke("mq_timedreceive", retryOnInterrupt: retryOnInterrupt) {
                unsafe cip_mq_timedreceive(queue, free.baseAddress, free.count, &priority, &limit)
            }
        } else {
            count = try invoke("mq_receive", retryOnInterrupt: retryOnInterrupt) {
                unsafe cip_mq_receive(queue, free.baseAddress, free.count, &priority)
            }
        }
        initialized += count
        return count
    }
    return MessageQueueReceived(count: count, priority: priority)
}

/// What reading a queue's descriptor says: `QSIZE:129 NOTIFY:2 SIGNO:0 NOTIFY_PID:8260`.
package func sysMessageQueueSummary(_ queue: CInt) throws(Errno) -> String {
    // SAFETY: the kernel writes at most as many bytes as are free; the count is what it wrote.
    var failure: Errno?
    let text = unsafe String(unsafeUninitializedCapacity: 160) { free in
        do throws(Errno) {
            return try invoke("pread") { unsafe pread(queue, free.baseAddress, free.count, 0) }
        } catch {
            failure = error
            return 0
        }
    }
    if let failure { throw failure }
    return text
}

// MARK: Notification

/// mq_notify(2) with a netlink socket as the place where the notification is delivered: the kernel
/// writes `cookie` there with its last byte replaced by 1 (a message came) or 2 (withdrawn).
package func sysMessageQueueNotify(_ queue: CInt, socket: CInt) throws(Errno) {
    let cookie = [UInt8](repeating: 0, count: 32)
    // SAFETY: the kernel reads 32 bytes, which is what the array holds.
    _ = try invoke("mq_notify") {
        unsafe cookie.withUnsafeBytes { unsafe cip_mq_notify_socket(queue, socket, $0.baseAddress) }
    }
}

/// mq_notify(3) with SIGEV_SIGNAL, or SIGEV_NONE for signal 0.
package func sysMessageQueueNotify(_ queue: CInt, signal: CInt) throws(Errno) {
    _ = try invoke("mq_notify") { cip_mq_notify_signal(queue, signal) }
}

/// mq_notify(3) with a null pointer: ends this process's registration, if there is one.
package func sysMessageQueueNotifyEnd(_ queue: CInt) throws(Errno) {
    _ = try invoke("mq_notify") { cip_mq_notify_end(queue) }
}

/// socket(2): a netlink socket that does not block.
package func sysNetlinkSocket() throws(Errno) -> CInt {
    try invoke("socket") { cip_netlink_socket() }
}

/// What the kernel wrote to a notification's socket.
package enum MessageQueueNotice: UInt8, Sendable {
    case arrived = 1
    case withdrawn = 2
}

/// recv(2) of one cookie; nil if nothing is there yet.
package func sysMessageQueueNotice(_ socket: CInt) throws(Errno) -> MessageQueueNotice? {
    var cookie = [UInt8](repeating: 0, count: 32)
    do throws(Errno) {
        // SAFETY: the kernel writes at most the 32 bytes that the array holds.
        let count = try invoke("recv") {
            unsafe cookie.withUnsafeMutableBytes { unsafe recv(socket, $0.baseAddress, $0.count, 0) }
        }
        return count == 32 ? MessageQueueNotice(rawValue: cookie[31]) : nil
    } catch  where error == .wouldBlock {
        return nil
    }
}

// MARK: Limits

/// getrlimit(2) for RLIMIT_MSGQUEUE: bytes that the queues of one user may take; nil is no limit.
package func sysMessageQueueBytesLimit() -> UInt64? {
    var limit = rlimit()
    // SAFETY: `limit` is a local of the size that the call fills.
    let result = unsafe cip_limit_msgqueue(&limit)
    return result < 0 || limit.rlim_cur == .max ? nil : UInt64(limit.rlim_cur)
}

/// getrlimit(2) for RLIMIT_NOFILE.
package func sysDescriptorLimit() -> UInt64? {
    var limit = rlimit()
    // SAFETY: as above.
    let result = unsafe cip_limit_nofile(&limit)
    return result < 0 || limit.rlim_cur == .max ? nil : UInt64(limit.rlim_cur)
}

/// fchown(2); nil leaves an id as it is.
package func sysMessageQueueOwner(_ queue: CInt, user: UInt32?, group: UInt32?) throws(Errno) {
    _ = try invoke("fchown") { fchown(queue, user ?? .max, group ?? .max) }
}
