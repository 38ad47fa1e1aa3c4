// SPDX-License-Identifier: Apache-2.0
package import CInterprocess
package import SystemPackage

// MARK: Objects

/// memfd_create(2); close-on-exec always.
package func sysCreateMemoryFile(_ name: String, flags: CUnsignedInt) throws(Errno) -> CInt {
    try invoke("memfd_create") {
        // SAFETY: the string outlives the call; the kernel copies it.
        unsafe name.withCString { unsafe memfd_create($0, flags | CUnsignedInt(MFD_CLOEXEC)) }
    }
}

/// fcntl(2) with F_ADD_SEALS.
package func sysAddSeals(_ descriptor: CInt, _ seals: CInt) throws(Errno) {
    _ = try sysControl(descriptor, F_ADD_SEALS, seals)
}

/// fcntl(2) with F_GET_SEALS.
package func sysSeals(_ descriptor: CInt) throws(Errno) -> CInt {
    try sysControl(descriptor, F_GET_SEALS)
}

/// ftruncate(2).
package func sysTruncate(_ descriptor: CInt, _ byteCount: Int) throws(Errno) {
    _ = try invoke("ftruncate") { ftruncate(descriptor, byteCount) }
}

/// fallocate(2) without flags: the space is there, or the call fails.
package func sysAllocate(_ descriptor: CInt, offset: Int, byteCount: Int) throws(Errno) {
    _ = try invoke("fallocate") { fallocate(descriptor, 0, offset, byteCount) }
}

/// shm_open(3); close-on-exec always.
package func sysOpenSharedMemory(_ name: String, flags: CInt, mode: mode_t) throws(Errno) -> CInt {
    try invoke("shm_open") {
        // SAFETY: the string outlives the call.
        unsafe name.withCString { unsafe shm_open($0, flags | O_CLOEXEC, mode) }
    }
}

/// shm_unlink(3).
package func sysUnlinkSharedMemory(_ name: String) throws(Errno) {
    // SAFETY: the string outlives the call.
    _ = try invoke("shm_unlink") { unsafe name.withCString { unsafe shm_unlink($0) } }
}

// MARK: Mappings

package struct MapFlags: OptionSet, Sendable {
    package let rawValue: CInt
    package init(rawValue: CInt) { self.rawValue = rawValue }
    /// An empty literal would be a generic call.
    package init() { rawValue = 0 }

    package static let shared = MapFlags(rawValue: MAP_SHARED)
    package static let privateCopy = MapFlags(rawValue: MAP_PRIVATE)
    package static let anonymous = MapFlags(rawValue: MAP_ANONYMOUS)
    package static let populate = MapFlags(rawValue: MAP_POPULATE)
    package static let locked = MapFlags(rawValue: MAP_LOCKED)
    package static let hugePages = MapFlags(rawValue: MAP_HUGETLB)
    package static let noReserve = MapFlags(rawValue: MAP_NORESERVE)
    /// Nothing but what is said otherwise.
    package static let none = MapFlags()
}

package struct MapProtection: OptionSet, Sendable {
    package let rawValue: CInt
    package init(rawValue: CInt) { self.rawValue = rawValue }

    package static let read = MapProtection(rawValue: PROT_READ)
    package static let write = MapProtection(rawValue: PROT_WRITE)
}

/// mmap(2) at an address that the kernel chooses.
package func sysMap(
    _ descriptor: CInt, offset: Int, byteCount: Int, protection: MapProtection, flags: MapFlags
) throws(Errno) -> UnsafeMutableRawPointer {
    // MAP_FAILED is -1; addresses of this process are positive.
    let address = try invoke("mmap") {
        // SAFETY: a new mapping at a free place touches nothing that exists.
        unsafe Int(bitPattern: mmap(nil, byteCount, protection.rawValue, flags.rawValue, descriptor, offset))
    }
    // SAFETY: the kernel has just returned it, and never returns zero without being asked to.
    return unsafe UnsafeMutableRawPointer(bitPattern: address)!
}

/// munmap(2).
///
/// - Safety: nothing may use the range any more.
@unsafe
package func sysUnmap(_ base: UnsafeMutableRawPointer, byteCount: Int) throws(Errno) {
    // SAFETY: the caller promises it.
    _ = try invoke("munmap") { unsafe munmap(base, byteCount) }
}

/// mremap(2) with MREMAP_MAYMOVE: the same pages in a range of another length, perhaps at another place.
///
/// - Safety: nothing may use the old place any more.
@unsafe
package func sysRemap(
    _ base: UnsafeMutableRawPointer, byteCount: Int, to newByteCount: Int
) throws(Errno) -> UnsafeMutableRawPointer {
    let address = try invoke("mremap") {
        // SAFETY: the caller promises it; the kernel chooses a free place if it has to move the range.
        unsafe Int(bitPattern: cip_mremap(base, byteCount, newByteCount, CInt(MREMAP_MAYMOVE)))
    }
    // SAFETY: the kernel has just returned it, and never returns zero here.
    return unsafe UnsafeMutableRawPointer(bitPattern: address)!
}

/// mprotect(2).
///
/// - Safety: what is taken away must not be used any more.
@unsafe
package func sysProtect(
    _ base: UnsafeMutableRawPointer, byteCount: Int, _ protection: MapProtection
) throws(Errno) {
    // SAFETY: the caller promises it.
    _ = try invoke("mprotect") { unsafe mprotect(base, byteCount, protection.rawValue) }
}

/// msync(2).
package func sysSynchronize(
    _ base: UnsafeMutableRawPointer, byteCount: Int, flags: CInt
) throws(Errno) {
    // SAFETY: the kernel writes the range back; no memory of this process changes.
    _ = try invoke("msync") { unsafe msync(base, byteCount, flags) }
}

/// madvise(2).
///
/// - Safety: advice such as MADV_DONTNEED drops contents.
@unsafe
package func sysAdvise(_ base: UnsafeMutableRawPointer, byteCount: Int, _ advice: CInt) throws(Errno) {
    // SAFETY: the caller promises it.
    _ = try invoke("madvise") { unsafe madvise(base, byteCount, advice) }
}

/// mlock(2).
package func sysLockMemory(_ base: UnsafeMutableRawPointer, byteCount: Int) throws(Errno) {
    // SAFETY: contents do not change.
    _ = try invoke("mlock") { unsafe mlock(base, byteCount) }
}

/// munlock(2).
package func sysUnlockMemory(_ base: UnsafeMutableRawPointer, byteCount: Int) throws(Errno) {
    // SAFETY: contents do not change.
    _ = try invoke("munlock") { unsafe munlock(base, byteCount) }
}

/// The size of a page of memory in bytes.
package let pageSizeBytes: Int = sysconf(CInt(_SC_PAGESIZE))
