// SPDX-License-Identifier: Apache-2.0
import CInterprocess
package import SystemPackage

/// What msgrcv(2) is asked for besides the type.
package struct SystemVReceiveFlags: OptionSet, Sendable {
    package let rawValue: CInt
    package init(rawValue: CInt) { self.rawValue = rawValue }
    /// An empty literal would be a generic call, and several hundred instructions, each time.
    package init() { rawValue = 0 }

    package static let noWait = SystemVReceiveFlags(rawValue: 0o4000)
    package static let truncate = SystemVReceiveFlags(rawValue: 0o10000)
    package static let except = SystemVReceiveFlags(rawValue: 0o20000)
    package static let copy = SystemVReceiveFlags(rawValue: 0o40000)
}

/// What came: its type and how many bytes.
package struct SystemVReceived: Sendable, Equatable {
    package var type: Int
    package var count: Int
}

/// What msgctl(2) with IPC_STAT says.
package struct SystemVQueueState: Sendable, Equatable {
    package var key: Int32
    package var sequence: UInt32
    package var user: UInt32
    package var group: UInt32
    package var creatorUser: UInt32
    package var creatorGroup: UInt32
    package var permissions: UInt32
    package var messageCount: Int
    package var bytes: Int
    package var capacityBytes: Int
    package var lastSender: Int32
    package var lastReceiver: Int32
    package var sent: Int
    package var received: Int
    package var changed: Int

    init(_ raw: msqid_ds) {
        key = raw.msg_perm.__key
        sequence = UInt32(raw.msg_perm.__seq)
        user = raw.msg_perm.uid
        group = raw.msg_perm.gid
        creatorUser = raw.msg_perm.cuid
        creatorGroup = raw.msg_perm.cgid
        permissions = UInt32(raw.msg_perm.mode) & 0o777
        messageCount = Int(raw.msg_qnum)
        bytes = Int(raw.__msg_cbytes)
        capacityBytes = Int(raw.msg_qbytes)
        lastSender = raw.msg_lspid
        lastReceiver = raw.msg_lrpid
        sent = raw.msg_stime
        received = raw.msg_rtime
        changed = raw.msg_ctime
    }
}

/// What every message carries in front of its bytes: a C `long`.
private let header = MemoryLayout<Int>.size

/// msgget(2); the mode is exact, no umask applies.
package func sysMessageQueueGet(
    _ key: Int32, create: Bool = false, exclusive: Bool = false, mode: UInt32 = 0
) throws(Errno) -> CInt {
    let flags = (create ? IPC_CREAT : 0) | (exclusive ? IPC_EXCL : 0) | CInt(mode & 0o777)
    return try invoke("msgget") { msgget(key, flags) }
}

/// msgsnd(2). The bytes are copied once, behind the type, into memory of this call.
package func sysMessageSend(
    _ id: CInt, type: Int, _ bytes: Span<UInt8>, noWait: Bool = false, retryOnInterrupt: Bool = true
) throws(Errno) {
    let flags = noWait ? IPC_NOWAIT : 0
    // SAFETY: the buffer has room for the type and all bytes; both are written before the kernel reads
    // them, and nothing keeps the pointers.
    let failure = unsafe bytes.withUnsafeBytes { (bytes) -> Errno? in
        let count = bytes.count
        if count <= Int(cip_small_message) {
            do throws(Errno) {
                _ = try invoke("msgsnd", retryOnInterrupt: retryOnInterrupt) {
                    unsafe cip_msgsnd_small(id, type, bytes.baseAddress, count, flags)
                }
                return nil
            } catch {
                return error
            }
        }
        return unsafe withUnsafeTemporaryAllocation(byteCount: header + count, alignment: header) { message in
            unsafe message.storeBytes(of: type, as: Int.self)
            if count > 0 {
                unsafe memcpy(message.baseAddress! + header, bytes.baseAddress!, count)
            }
            do throws(Errno) {
                _ = try invoke("msgsnd", retryOnInterrupt: retryOnInterrupt) {
                    unsafe msgsnd(id, message.baseAddress, count, flags)
                }
                return nil
            } catch {
                return error
            }
        }
    }
    if let failure { throw failure }
}

/// msgrcv(2) into the free space of `buffer`.
///
/// - Parameters:
///   - type: 0 the oldest, n the oldest of type n, -n the oldest of the lowest type up to n;
///     with ``SystemVReceiveFlags/copy`` the position.
package func sysMessageReceive(
    _ id: CInt, into buffer: inout OutputSpan<UInt8>, type: Int, flags: SystemVReceiveFlags = SystemVReceiveFlags(),
    retryOnInterrupt: Bool = true
) throws(Errno) -> SystemVReceived {
    // SAFETY: at most `count` ≤ `room` bytes are copied to the start of the free space, and that count is
    // what becomes initialised; the temporary holds the type and `room` bytes.
    try unsafe buffer.withUnsafeMutableBufferPointer { (bytes, initialized) throws(Errno) in
        let room = bytes.count - initialized
        if room <= Int(cip_small_room) {
            let place = unsafe UnsafeMutableRawPointer(bytes.baseAddress).map { unsafe $0 + initialized }
            var received = 0
            let count = try invoke("msgrcv", retryOnInterrupt: retryOnInterrupt) {
                unsafe cip_msgrcv_small(id, place, room, &received, type, flags.rawValue)
            }
            initialized += count
            return SystemVReceived(type: received, count: count)
        }
        // The type comes in front of the bytes. With room to spare it is received where the bytes shall be, and they
        // move up over it: no second buffer.
        if room > header, !flags.contains(.truncate) {
            do throws(Errno) {
                let place = unsafe UnsafeMutableRawPointer(bytes.baseAddress!) + initialized
                let count = try invoke("msgrcv", retryOnInterrupt: retryOnInterrupt) {
                    unsafe msgrcv(id, place, room - header, type, flags.rawValue)
                }
                let type = unsafe place.loadUnaligned(as: Int.self)
                unsafe memmove(place, place + header, count)
                initialized += count
                return SystemVReceived(type: type, count: count)
            } catch  where error == .argListTooLong {
                // It may fit without the type.
            }
        }
        let result = unsafe withUnsafeTemporaryAllocation(byteCount: header + room, alignment: header) {
            message -> Result<SystemVReceived, Errno> in
            do throws(Errno) {
                let count = try invoke("msgrcv", retryOnInterrupt: retryOnInterrupt) {
                    unsafe msgrcv(id, message.baseAddress, room, type, flags.rawValue)
                }
                if count > 0 {
                    unsafe memcpy(bytes.baseAddress! + initialized, message.baseAddress! + header, count)
                }
                return .success(SystemVReceived(type: unsafe message.load(as: Int.self), count: count))
            } catch {
                return .failure(error)
            }
        }
        let received = try result.get()
        initialized += received.count
        return received
    }
}

/// msgrcv(2) into an array that is as long as what came; `room` bytes at most.
package func sysMessageReceiveArray(
    _ id: CInt, room: Int, type: Int, flags: SystemVReceiveFlags = SystemVReceiveFlags(), retryOnInterrupt: Bool = true
) throws(Errno) -> (received: SystemVReceived, bytes: [UInt8]) {
    // SAFETY: the temporary holds the type and `room` bytes; the array copies the `count` ≤ `room` bytes
    // that the kernel wrote.
    let result = unsafe withUnsafeTemporaryAllocation(byteCount: header + room, alignment: header) {
        message -> Result<(SystemVReceived, [UInt8]), Errno> in
        do throws(Errno) {
            let count = try invoke("msgrcv", retryOnInterrupt: retryOnInterrupt) {
                unsafe msgrcv(id, message.baseAddress, room, type, flags.rawValue)
            }
            let bytes = unsafe [UInt8](message[header..<header + count])
            return .success((SystemVReceived(type: unsafe message.load(as: Int.self), count: count), bytes))
        } catch {
            return .failure(error)
        }
    }
    let (received, bytes) = try result.get()
    return (received, bytes)
}

/// msgrcv(2) of no bytes: waits until there is a message that matches and leaves it there; only a message
/// that has no bytes is taken by this, and its type is returned.
package func sysMessageAwait(
    _ id: CInt, type: Int, flags: SystemVReceiveFlags = SystemVReceiveFlags(), retryOnInterrupt: Bool = true
) throws(Errno) -> Int? {
    var message = (0, 0)
    do throws(Errno) {
        // SAFETY: the kernel writes the type only; the local has room for it.
        _ = try invoke("msgrcv", retryOnInterrupt: retryOnInterrupt) {
            unsafe msgrcv(id, &message, 0, type, flags.rawValue)
        }
        return message.0
    } catch  where error == .argListTooLong {
        return nil
    }
}

/// msgctl(2) with IPC_STAT.
package func sysMessageQueueState(_ id: CInt) throws(Errno) -> SystemVQueueState {
    var raw = msqid_ds()
    // SAFETY: `raw` is a local of the size that the call fills.
    _ = try invoke("msgctl") { unsafe msgctl(id, IPC_STAT, &raw) }
    return SystemVQueueState(raw)
}

/// msgctl(2) with IPC_SET: what is nil stays as it is.
package func sysMessageQueueChange(
    _ id: CInt, user: UInt32? = nil, group: UInt32? = nil, permissions: UInt32? = nil, capacityBytes: Int? = nil
) throws(Errno) {
    var raw = msqid_ds()
    // SAFETY: `raw` is a local of the size that the calls fill and read.
    _ = try invoke("msgctl") { unsafe msgctl(id, IPC_STAT, &raw) }
    if let user { raw.msg_perm.uid = user }
    if let group { raw.msg_perm.gid = group }
    if let permissions { raw.msg_perm.mode = .init(permissions & 0o777) }
    if let capacityBytes { raw.msg_qbytes = .init(capacityBytes) }
    // SAFETY: as above.
    _ = try invoke("msgctl") { unsafe msgctl(id, IPC_SET, &raw) }
}

/// msgctl(2) with IPC_RMID.
package func sysMessageQueueRemove(_ id: CInt) throws(Errno) {
    _ = try invoke("msgctl") { msgctl(id, IPC_RMID, nil) }
}

/// msgctl(2) with a command of the caller's choice and no argument.
package func sysMessageQueueControl(_ id: CInt, command: CInt) throws(Errno) -> CInt {
    var raw = msqid_ds()
    // SAFETY: `raw` is a local at least as large as what any command fills.
    return try invoke("msgctl") { unsafe msgctl(id, command, &raw) }
}
