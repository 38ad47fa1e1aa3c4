// SPDX-License-Identifier: Apache-2.0
// What the types of shared memory ask for beside the calls themselves.
import CInterprocess
package import SystemPackage

/// The numbers of `memfd_create(2)` and of seals that Swift cannot import.
package enum MemoryFileFlags {
    package static let allowSealing = CUnsignedInt(MFD_ALLOW_SEALING)
    package static let noExecSeal = CUnsignedInt(MFD_NOEXEC_SEAL)
    package static let exec = CUnsignedInt(MFD_EXEC)
    /// Huge pages of the default size, or of 2 to the power `shift` bytes.
    package static func hugePages(shift: Int) -> CUnsignedInt {
        CUnsignedInt(MFD_HUGETLB) | CUnsignedInt(shift) << 26
    }
}

/// F_SEAL_….
package enum SealFlags {
    package static let seal = CInt(F_SEAL_SEAL)
    package static let shrink = CInt(F_SEAL_SHRINK)
    package static let grow = CInt(F_SEAL_GROW)
    package static let write = CInt(F_SEAL_WRITE)
    package static let futureWrite = CInt(F_SEAL_FUTURE_WRITE)
    package static let exec = CInt(F_SEAL_EXEC)
}

/// MADV_….
package enum AdviceNumber {
    package static let normal = CInt(MADV_NORMAL)
    package static let random = CInt(MADV_RANDOM)
    package static let sequential = CInt(MADV_SEQUENTIAL)
    package static let willNeed = CInt(MADV_WILLNEED)
    package static let dontNeed = CInt(MADV_DONTNEED)
    package static let remove = CInt(MADV_REMOVE)
    package static let dontFork = CInt(MADV_DONTFORK)
    package static let doFork = CInt(MADV_DOFORK)
    package static let wipeOnFork = CInt(MADV_WIPEONFORK)
    package static let keepOnFork = CInt(MADV_KEEPONFORK)
    package static let hugePages = CInt(MADV_HUGEPAGE)
    package static let noHugePages = CInt(MADV_NOHUGEPAGE)
    package static let dontDump = CInt(MADV_DONTDUMP)
    package static let doDump = CInt(MADV_DODUMP)
    package static let cold = CInt(MADV_COLD)
    package static let pageOut = CInt(MADV_PAGEOUT)
    package static let populateRead = CInt(MADV_POPULATE_READ)
    package static let populateWrite = CInt(MADV_POPULATE_WRITE)
}

/// MS_….
package enum SynchronizeFlags {
    package static let synchronous = CInt(MS_SYNC)
    package static let asynchronous = CInt(MS_ASYNC)
    package static let invalidate = CInt(MS_INVALIDATE)
}

/// openat(2) of a file to be mapped. O_NONBLOCK: a named pipe in that place must not make us wait.
package func sysOpenToMap(
    _ path: FilePath, write: Bool, createExclusively: Bool = false, followLinks: Bool = true, mode: UInt32 = 0
) throws(Errno) -> CInt {
    var flags = (write ? O_RDWR : O_RDONLY) | O_NONBLOCK | O_NOCTTY
    if createExclusively { flags |= O_CREAT | O_EXCL }
    if !followLinks { flags |= O_NOFOLLOW }
    return try sysOpen(path, flags: flags, mode: mode)
}

/// shm_open(3) of an object that exists. O_NONBLOCK: somebody may have put a named pipe in that place.
package func sysOpenSharedMemory(_ name: String, write: Bool) throws(Errno) -> CInt {
    try sysOpenSharedMemory(name, flags: (write ? O_RDWR : O_RDONLY) | O_NONBLOCK, mode: 0)
}

/// fchown(2); nil leaves an id as it is.
package func sysChangeOwner(_ descriptor: CInt, user: UInt32?, group: UInt32?) throws(Errno) {
    _ = try invoke("fchown") { fchown(descriptor, user ?? .max, group ?? .max) }
}

/// What fstat(2) says of an object of memory.
package struct MemoryObjectState: Sendable {
    package var file: FileStatus
    /// What it occupies, in bytes.
    package var allocatedBytes: Int
    /// Its page size: that of huge pages for objects made of them.
    package var blockSizeBytes: Int
}

/// fstat(2) with what it occupies.
package func sysMemoryObjectState(_ descriptor: CInt) throws(Errno) -> MemoryObjectState {
    var raw = stat()
    // SAFETY: `raw` is a local of the size that the call fills.
    _ = try invoke("fstat") { unsafe fstat(descriptor, &raw) }
    return MemoryObjectState(
        file: FileStatus(raw), allocatedBytes: Int(raw.st_blocks) * 512, blockSizeBytes: Int(raw.st_blksize))
}

/// A limit of memory of this process.
package enum MemoryResource: Sendable { case lockedMemory, addressSpace, fileSize }

/// getrlimit(2), the soft limit in bytes; nil is none.
package func sysMemoryLimit(_ resource: MemoryResource) -> UInt64? {
    let number =
        switch resource {
        case .lockedMemory: cip_limit_locked_memory()
        case .addressSpace: cip_limit_address_space()
        case .fileSize: cip_limit_file_size()
        }
    var raw = rlimit()
    // SAFETY: `raw` is a local of the size that the call fills.
    guard unsafe cip_shared_memory_limit(number, &raw) == 0 else { return nil }
    return raw.rlim_cur == .max ? nil : UInt64(raw.rlim_cur)
}

/// The room of the file system that a descriptor lies in, in bytes; nil if it does not say.
package func sysFileSystemRoom(_ descriptor: CInt) -> (free: Int, total: Int)? {
    var raw = statvfs()
    // SAFETY: `raw` is a local of the size that the call fills.
    guard unsafe fstatvfs(descriptor, &raw) == 0, raw.f_blocks > 0 else { return nil }
    return (Int(raw.f_bavail) &* Int(raw.f_frsize), Int(raw.f_blocks) &* Int(raw.f_frsize))
}

/// Whether the object lies in hugetlbfs, where lengths are multiples of a huge page.
package func sysIsMadeOfHugePages(_ descriptor: CInt) throws(Errno) -> Bool {
    try invoke("fstatfs") { cip_is_huge_file(descriptor) } == 1
}

/// Whether the descriptor was opened for writing too.
package func sysIsWritable(_ descriptor: CInt) throws(Errno) -> Bool {
    try sysControl(descriptor, F_GETFL) & O_ACCMODE == O_RDWR
}

/// A second open file of the same object, for reading alone, by way of /proc.
package func sysReopenReadOnly(_ descriptor: CInt) throws(Errno) -> CInt {
    try sysOpen(FilePath("/proc/self/fd/\(descriptor)"), flags: O_RDONLY)
}

/// renameat2(2) with RENAME_NOREPLACE.
package func sysRenameNew(_ from: FilePath, _ to: FilePath) throws(Errno) {
    _ = try invoke("renameat2") {
        // SAFETY: both strings outlive the call.
        unsafe from.withPlatformString { from in unsafe to.withPlatformString { unsafe cip_rename_new(from, $0) } }
    }
}

/// nanosleep(2); a signal ends it early.
package func sysNap(nanoseconds: UInt64) {
    var time = timespecOf(nanoseconds: nanoseconds)
    // SAFETY: a local; the rest is not asked for.
    _ = unsafe nanosleep(&time, nil)
}

/// How many bytes of memory can be had without taking them from processes, swap included; nil if /proc does not say.
package func sysAvailableMemoryBytes() -> Int? {
    guard let bytes = try? sysReadFile("/proc/meminfo", limit: 1 << 16) else { return nil }
    var kibibytes: Int?
    for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") {
        let words = line.split(separator: " ")
        guard words.count >= 2, words[0] == "MemAvailable:" || words[0] == "SwapFree:", let count = Int(words[1]) else {
            continue
        }
        kibibytes = (kibibytes ?? 0) + count
    }
    return kibibytes.map { $0 << 10 }
}
