// SPDX-License-Identifier: Apache-2.0
import CInterprocess
package import SystemPackage

// MARK: Paths as bytes

extension FilePath {
    /// The bytes of the path, which need not be valid UTF-8; without the terminating NUL.
    package var bytes: [UInt8] {
        // SAFETY: the string is NUL-terminated and lives as long as the closure.
        unsafe withPlatformString { start in
            var bytes: [UInt8] = []
            var index = 0
            while unsafe start[index] != 0 {
                unsafe bytes.append(UInt8(bitPattern: start[index]))
                index += 1
            }
            return bytes
        }
    }

    /// A path of these bytes, up to the first NUL.
    package init(bytes: some Sequence<UInt8>) {
        var characters = bytes.prefix { $0 != 0 }.map { CChar(bitPattern: $0) }
        characters.append(0)
        self.init(platformString: characters)
    }
}

// MARK: Directories and files

/// One entry of a directory.
package struct DirectoryEntry: Sendable, Equatable {
    package enum Kind: Sendable { case fifo, socket, directory, regular, other, unknown }
    package var name: [UInt8]
    package var inode: UInt64
    package var kind: Kind
}

/// getdents64(2): the next entries of an open directory, without `.` and `..`; nil at the end.
package func sysReadDirectory(_ directory: CInt) throws(Errno) -> [DirectoryEntry]? {
    // SAFETY: the kernel writes at most `count` bytes into memory that lives as long as the closure.
    let bytes = try unsafe bytesFilled("getdents64", capacity: 32_768) { start, count in
        unsafe cip_getdents(directory, start, count)
    }
    return bytes.isEmpty ? nil : directoryEntries(in: bytes)
}

/// The entries that `getdents64` wrote; what does not fit the format ends the list.
package func directoryEntries(in bytes: [UInt8]) -> [DirectoryEntry] {
    var entries: [DirectoryEntry] = []
    var rest = bytes[...]
    while rest.count >= 20 {
        let start = rest.startIndex
        let length = Int(rest[start + 16]) | Int(rest[start + 17]) << 8
        guard length >= 20, length <= rest.count else { break }
        let name = Array(rest[(start + 19)..<(start + length)].prefix { $0 != 0 })
        if name != [0x2e], name != [0x2e, 0x2e], !name.isEmpty {
            let inode = rest[start..<(start + 8)].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            let kind: DirectoryEntry.Kind =
                switch rest[start + 18] {
                case 0: .unknown
                case 1: .fifo
                case 4: .directory
                case 8: .regular
                case 12: .socket
                default: .other
                }
            entries.append(DirectoryEntry(name: name, inode: inode, kind: kind))
        }
        rest = rest.dropFirst(length)
    }
    return entries
}

/// readlinkat(2): the bytes of the link, at most 4096.
package func sysReadLink(at directory: CInt = AT_FDCWD, _ path: FilePath) throws(Errno) -> [UInt8] {
    // SAFETY: as in `sysReadDirectory`; the path outlives the call.
    try unsafe bytesFilled("readlinkat", capacity: 4096) { start, count in
        unsafe path.withPlatformString { unsafe readlinkat(directory, $0, start, count) }
    }
}

/// What `call` puts into a buffer of `capacity` bytes; the result of the call is their number.
private func bytesFilled(
    _ name: StaticString, capacity: Int, _ call: (UnsafeMutablePointer<CChar>, Int) -> Int
) throws(Errno) -> [UInt8] {
    var failure: Errno?
    let bytes = unsafe [UInt8](unsafeUninitializedCapacity: capacity) { buffer, initialized in
        do throws(Errno) {
            // SAFETY: the memory is `capacity` bytes, and the number that the kernel returns is what it wrote.
            initialized = try unsafe buffer.withMemoryRebound(to: CChar.self) { (characters) throws(Errno) in
                guard let start = characters.baseAddress else { return 0 }
                return try invoke(name) { unsafe min(call(start, characters.count), capacity) }
            }
        } catch {
            failure = error
        }
    }
    if let failure { throw failure }
    return bytes
}

/// The whole content of a file, at most `limit` bytes of it.
package func sysReadFile(at directory: CInt = AT_FDCWD, _ path: FilePath, limit: Int) throws(Errno) -> [UInt8] {
    let descriptor = try sysOpen(at: directory, path, flags: O_RDONLY | O_NONBLOCK | O_NOCTTY)
    defer { try? sysClose(descriptor) }
    return try sysReadFile(descriptor, limit: limit)
}

/// What is left to read of an open file, at most `limit` bytes.
package func sysReadFile(_ descriptor: CInt, limit: Int) throws(Errno) -> [UInt8] {
    var all: [UInt8] = []
    while all.count < limit {
        let wanted = min(limit - all.count, 16_384)
        // SAFETY: as in `sysReadDirectory`.
        let part = try unsafe bytesFilled("read", capacity: wanted) { start, count in
            unsafe read(descriptor, start, count)
        }
        if part.isEmpty { break }
        all += part
    }
    return all
}

/// statx(2) that never asks a file server: what is cached is enough to tell kinds apart.
package func sysCachedStatus(
    at directory: CInt = AT_FDCWD, _ path: FilePath, followLinks: Bool
) throws(Errno) -> FileStatus {
    var raw = statx()
    let flags = (followLinks ? 0 : AT_SYMLINK_NOFOLLOW) | AT_STATX_DONT_SYNC
    _ = try invoke("statx") {
        // SAFETY: the path outlives the call; `raw` is a local of the size that the call fills.
        unsafe path.withPlatformString { unsafe statx(directory, $0, flags, UInt32(STATX_BASIC_STATS), &raw) }
    }
    var status = stat()
    status.st_dev = gnu_dev_makedev(raw.stx_dev_major, raw.stx_dev_minor)
    status.st_ino = UInt(raw.stx_ino)
    status.st_mode = mode_t(raw.stx_mode)
    status.st_uid = raw.stx_uid
    status.st_gid = raw.stx_gid
    status.st_size = Int(truncatingIfNeeded: raw.stx_size)
    status.st_mtim.tv_sec = Int(raw.stx_mtime.tv_sec)
    status.st_nlink = .init(raw.stx_nlink)
    return FileStatus(status)
}

/// statfs(2): the number of the file system's type.
package func sysFileSystemType(_ path: FilePath) throws(Errno) -> UInt32 {
    var raw = statfs()
    // SAFETY: the path outlives the call; `raw` is a local of the size that the call fills.
    _ = try invoke("statfs") { unsafe path.withPlatformString { unsafe statfs($0, &raw) } }
    return UInt32(truncatingIfNeeded: raw.f_type)
}

extension FileStatus {
    /// The device as the kernel counts it inside: 12 bits of major and 20 of minor number.
    package var kernelDevice: UInt32 {
        let major = UInt32(truncatingIfNeeded: (device >> 8) & 0xfff | (device >> 32) & ~0xfff)
        let minor = UInt32(truncatingIfNeeded: device & 0xff | (device >> 12) & ~0xff)
        return major << 20 | minor & 0xf_ffff
    }
}

// MARK: Asking the kernel

/// A mount of the file system `type` that hangs in no directory: fsopen(2), fsconfig(2), fsmount(2).
package func sysDetachedMount(_ type: String) throws(Errno) -> CInt {
    // SAFETY: the string outlives the call, which copies it.
    let context = try invoke("fsopen") { unsafe type.withCString { unsafe cip_fsopen($0) } }
    defer { try? sysClose(context) }
    _ = try invoke("fsconfig") { cip_fsconfig_create(context) }
    return try invoke("fsmount") { cip_fsmount(context) }
}

/// A socket of the kernel's socket diagnosis, see sock_diag(7).
package func sysDiagnosisSocket() throws(Errno) -> CInt {
    try invoke("socket") { cip_netlink_open() }
}

package func sysDiagnosisSend(_ descriptor: CInt, _ request: [UInt8]) throws(Errno) {
    // SAFETY: the kernel reads `count` bytes of memory that the array keeps for the call.
    _ = try invoke("sendto") {
        unsafe request.withUnsafeBytes { unsafe cip_netlink_send(descriptor, $0.baseAddress, $0.count) }
    }
}

/// One datagram of the kernel's; nil if it came from somebody else or was larger than the buffer.
package func sysDiagnosisReceive(_ descriptor: CInt, capacity: Int = 65_536) throws(Errno) -> [UInt8]? {
    var sender: UInt32 = .max
    var isWhole = true
    // SAFETY: as in `sysReadDirectory`; with MSG_TRUNC the result is the length of the datagram, and the
    // count that becomes initialised is cut to the capacity.
    let bytes = try unsafe bytesFilled("recvfrom", capacity: capacity) { start, count in
        let length = unsafe cip_netlink_receive(descriptor, start, count, &sender)
        isWhole = length <= count
        return length
    }
    return sender == 0 && isWhole ? bytes : nil
}

/// Limits and content of a POSIX message queue.
package struct QueueAttributes: Sendable {
    package var maxMessages: Int
    package var messageSize: Int
    package var messages: Int
}

/// mq_getattr(3) of a descriptor, however it was opened.
package func sysInspectQueue(_ descriptor: CInt) throws(Errno) -> QueueAttributes {
    var raw = mq_attr()
    // SAFETY: `raw` is a local of the size that the call fills.
    _ = try invoke("mq_getattr") { unsafe cip_inspect_queue_attributes(descriptor, &raw) }
    return QueueAttributes(maxMessages: raw.mq_maxmsg, messageSize: raw.mq_msgsize, messages: raw.mq_curmsgs)
}

/// mq_open(3) for reading without waiting; `name` has no slash.
package func sysInspectOpenQueue(_ name: String) throws(Errno) -> CInt {
    // SAFETY: the string outlives the call.
    try invoke("mq_open") { unsafe name.withCString { unsafe cip_inspect_queue_open($0) } }
}

/// msgctl(2) with IPC_STAT: the most bytes that a System V queue holds.
package func sysInspectSystemVQueueLimit(_ id: Int32) throws(Errno) -> UInt64 {
    var limit: UInt64 = 0
    // SAFETY: `limit` is a local that the call fills.
    _ = try invoke("msgctl") { unsafe cip_inspect_sysv_queue(id, &limit) }
    return limit
}

/// ioctl(2) with FIONREAD: bytes that wait to be read.
package func sysPendingBytes(_ descriptor: CInt) throws(Errno) -> Int {
    var count: CInt = 0
    // SAFETY: `count` is the int that the call fills.
    _ = try invoke("ioctl") { unsafe cip_pending_bytes(descriptor, &count) }
    return Int(count)
}

/// fcntl(2) with F_GETPIPE_SZ.
package func sysInspectPipeCapacity(_ descriptor: CInt) throws(Errno) -> Int {
    Int(try sysControl(descriptor, F_GETPIPE_SZ))
}

/// Whether a socket is bound to a path, without a trace on its side: a datagram socket that connects is refused
/// with EPROTOTYPE by a live stream socket, and with ECONNREFUSED where nobody is.
package func sysProbeUnixPath(_ path: FilePath) -> Errno? {
    do throws(Errno) {
        let probe = try invoke("socket") { cip_probe_socket() }
        defer { try? sysClose(probe) }
        // SAFETY: the path outlives the call, which copies it.
        _ = try invoke("connect") { unsafe path.withPlatformString { unsafe cip_probe_connect(probe, $0) } }
        return nil
    } catch {
        return error
    }
}

/// A limit of this process, see getrlimit(2).
package enum ProcessResource: Sendable, CaseIterable {
    case descriptors, queueBytes, pendingSignals, lockedMemory, processes
}

/// getrlimit(2): the limit and how far it may be raised; nil for none.
package func sysResourceLimit(_ resource: ProcessResource) throws(Errno) -> (current: UInt64?, maximum: UInt64?) {
    let number =
        switch resource {
        case .descriptors: cip_inspect_resource_descriptors()
        case .queueBytes: cip_inspect_resource_queue_bytes()
        case .pendingSignals: cip_inspect_resource_pending_signals()
        case .lockedMemory: cip_inspect_resource_locked_memory()
        case .processes: cip_inspect_resource_processes()
        }
    var raw = rlimit()
    // SAFETY: `raw` is a local of the size that the call fills.
    _ = try invoke("getrlimit") { unsafe cip_inspect_resource_limit(number, &raw) }
    func value(_ number: UInt) -> UInt64? { number == .max ? nil : UInt64(number) }
    return (value(raw.rlim_cur), value(raw.rlim_max))
}

/// The number of msgsnd(2) in `/proc/PID/syscall`.
package var numberOfMessageSend: Int { cip_number_of_msgsnd() }
/// The number of msgrcv(2) in `/proc/PID/syscall`.
package var numberOfMessageReceive: Int { cip_number_of_msgrcv() }

/// The flags of open(2) that the inspection needs.
package enum InspectionOpen {
    /// A directory to be read.
    package static let directory: CInt = O_RDONLY | O_DIRECTORY
    /// A place in the tree: nothing is opened, nothing happens to the object.
    package static let location: CInt = O_PATH
    /// For reading, never waiting.
    package static let reading: CInt = O_RDONLY | O_NONBLOCK | O_NOCTTY
    /// Added to `directory`: not through a symbolic link.
    package static let noFollow: CInt = O_NOFOLLOW
    /// As `location`, of a symbolic link itself.
    package static let locationNoFollow: CInt = O_PATH | O_NOFOLLOW
}
