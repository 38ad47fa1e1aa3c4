// SPDX-License-Identifier: Apache-2.0
import CInterprocess
package import SystemPackage

/// A range of bytes of a file; a length of 0 reaches to the end, wherever that will be.
package struct RecordRange: Sendable, Hashable {
    package var start: Int64
    package var length: Int64
    package init(start: Int64, length: Int64) {
        self.start = start
        self.length = length
    }
}

/// Whose the lock is.
package enum RecordOwner: Sendable {
    /// F_OFD_SETLK: the open file, wherever its descriptors are.
    case description
    /// F_SETLK: the process.
    case process

    fileprivate func command(wait: Bool) -> CInt {
        switch self {
        case .description: wait ? F_OFD_SETLKW : F_OFD_SETLK
        case .process: wait ? F_SETLKW : F_SETLK
        }
    }
}

/// fcntl(2) with F_OFD_SETLK, F_OFD_SETLKW, F_SETLK or F_SETLKW.
package func sysRecordLock(
    _ descriptor: CInt, _ lock: DescriptionLock, _ range: RecordRange, owner: RecordOwner, wait: Bool,
    retryOnInterrupt: Bool = true
) throws(Errno) {
    _ = try invoke("fcntl", retryOnInterrupt: retryOnInterrupt) {
        cip_record_lock(descriptor, owner.command(wait: wait), lock.type, range.start, range.length)
    }
}

/// A lock that is in the way of another.
package struct RecordObstacle: Sendable, Hashable {
    package var isExclusive: Bool
    package var range: RecordRange
    /// −1 if it is an open file's.
    package var process: Int32
}

/// fcntl(2) with F_OFD_GETLK or F_GETLK: what would be in the way of a lock; nil if nothing.
package func sysRecordQuery(
    _ descriptor: CInt, _ lock: DescriptionLock, _ range: RecordRange, owner: RecordOwner
) throws(Errno) -> RecordObstacle? {
    var type = lock.type
    var (start, length) = (range.start, range.length)
    var process: CInt = 0
    let command = owner == .description ? F_OFD_GETLK : F_GETLK
    _ = try invoke("fcntl") {
        // SAFETY: four locals that live through the call.
        unsafe cip_record_query(descriptor, command, &type, &start, &length, &process)
    }
    if type == CInt(F_UNLCK) { return nil }
    return RecordObstacle(
        isExclusive: type == CInt(F_WRLCK), range: RecordRange(start: start, length: length), process: process)
}

/// flock(2).
package func sysFlock(
    _ descriptor: CInt, _ lock: DescriptionLock, wait: Bool, retryOnInterrupt: Bool = true
) throws(Errno) {
    let operation =
        switch lock {
        case .shared: LOCK_SH
        case .exclusive: LOCK_EX
        case .none: LOCK_UN
        }
    try sysFlock(descriptor, operation: operation | (wait ? 0 : LOCK_NB), retryOnInterrupt: retryOnInterrupt)
}

/// flock(2) with its own argument.
package func sysFlock(_ descriptor: CInt, operation: CInt, retryOnInterrupt: Bool = true) throws(Errno) {
    _ = try invoke("flock", retryOnInterrupt: retryOnInterrupt) { flock(descriptor, operation) }
}

/// openat(2) of a file to be locked.
package func sysOpenToLock(
    _ path: FilePath, write: Bool, createExclusively: Bool = false, followLinks: Bool = true, mode: UInt32 = 0
) throws(Errno) -> CInt {
    // O_NONBLOCK: a named pipe in that place must not make us wait.
    var flags = (write ? O_RDWR : O_RDONLY) | O_NONBLOCK | O_NOCTTY
    if createExclusively { flags |= O_CREAT | O_EXCL }
    if !followLinks { flags |= O_NOFOLLOW }
    return try sysOpen(path, flags: flags, mode: mode)
}

/// openat(2) with O_TMPFILE: a file in a directory that has no name yet.
package func sysOpenNameless(in directory: FilePath, mode: UInt32) throws(Errno) -> CInt {
    try sysOpen(directory, flags: O_RDWR | O_TMPFILE, mode: mode)
}

/// linkat(2): gives a file without a name its first one; EEXIST if the name is taken.
package func sysGiveName(_ descriptor: CInt, _ path: FilePath) throws(Errno) {
    _ = try invoke("linkat") {
        // SAFETY: both strings outlive the call.
        unsafe path.withPlatformString { target in
            unsafe "/proc/self/fd/\(descriptor)".withCString { source in
                unsafe linkat(AT_FDCWD, source, AT_FDCWD, target, AT_SYMLINK_FOLLOW)
            }
        }
    }
}

/// pread(2), once.
package func sysReadAt(_ descriptor: CInt, offset: Int64, upTo limit: Int) throws(Errno) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: limit)
    let count = try invoke("pread64") {
        // SAFETY: the kernel writes at most `limit` bytes.
        unsafe bytes.withUnsafeMutableBytes { unsafe pread(descriptor, $0.baseAddress, $0.count, Int(offset)) }
    }
    bytes.removeSubrange(count...)
    return bytes
}

/// pwrite(2), once.
package func sysWriteAt(_ descriptor: CInt, offset: Int64, _ bytes: [UInt8]) throws(Errno) -> Int {
    try invoke("pwrite64") {
        // SAFETY: the kernel reads at most `count` bytes of the borrowed memory.
        unsafe bytes.withUnsafeBytes { unsafe pwrite(descriptor, $0.baseAddress, $0.count, Int(offset)) }
    }
}

/// fcntl(2) with F_GETFL: whether the descriptor may be written.
package func sysDescriptorMode(_ descriptor: CInt) throws(Errno) -> (mayRead: Bool, mayWrite: Bool) {
    let mode = try sysControl(descriptor, F_GETFL) & O_ACCMODE
    return (mode != O_WRONLY, mode != O_RDONLY)
}

/// memfd_create(2) for memory that is to be sealed.
package func sysCreateLockMemory(_ label: String) throws(Errno) -> CInt {
    try sysCreateMemoryFile(label, flags: CUnsignedInt(MFD_ALLOW_SEALING))
}

/// fcntl(2) with F_ADD_SEALS: neither larger nor smaller, and no change of the seals.
package func sysFixSize(_ descriptor: CInt) throws(Errno) {
    try sysAddSeals(descriptor, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)
}

/// fcntl(2) with F_GET_SEALS: whether nobody can make it smaller.
package func sysSizeIsFixed(_ descriptor: CInt) throws(Errno) -> Bool {
    try sysSeals(descriptor) & F_SEAL_SHRINK != 0
}
