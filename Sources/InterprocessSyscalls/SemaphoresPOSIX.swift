// SPDX-License-Identifier: Apache-2.0
import CInterprocess
package import SystemPackage

/// Where a `sem_t` of the C library lies. Its owner sees to it that the memory outlives every use.
@safe package struct SemaphorePlace: @unchecked Sendable {
    // SAFETY: the pointer is constant; the C library's functions may be called on it from any thread.
    let raw: UnsafeMutablePointer<sem_t>

    /// - Safety: `base` is aligned to 8 bytes, and 32 bytes from it on stay mapped while this value is used.
    @unsafe package init(_ base: UnsafeMutableRawPointer) {
        // SAFETY: the caller promises it; the C library is the only one that looks into it as a `sem_t`.
        unsafe raw = base.assumingMemoryBound(to: sem_t.self)
    }

    /// How many bytes a semaphore takes.
    package static let byteCount = MemoryLayout<sem_t>.size
    /// What the place must be a multiple of.
    package static let alignment = MemoryLayout<sem_t>.alignment
    /// SEM_VALUE_MAX.
    package static let maximumValue = Int(Int32.max)
}

/// sem_init(3).
package func sysSemaphoreInitialize(_ place: SemaphorePlace, shared: Bool, value: UInt32) throws(Errno) {
    // SAFETY: the owner of the place keeps the memory.
    _ = try invoke("sem_init") { unsafe sem_init(place.raw, shared ? 1 : 0, value) }
}

/// sem_destroy(3).
package func sysSemaphoreDestroy(_ place: SemaphorePlace) {
    // SAFETY: as above.
    _ = unsafe sem_destroy(place.raw)
}

/// The bytes of a semaphore as sem_init(3) makes it: what the file of a named one begins with.
package func sysSemaphoreImage(shared: Bool, value: UInt32) throws(Errno) -> [UInt8] {
    var local = sem_t()
    // SAFETY: a local that lives through the call and is then copied as bytes, which have no invalid value.
    _ = try invoke("sem_init") { unsafe sem_init(&local, shared ? 1 : 0, value) }
    return unsafe withUnsafeBytes(of: &local) { unsafe Array($0) }
}

/// sem_wait(3).
package func sysSemaphoreWait(_ place: SemaphorePlace, retryOnInterrupt: Bool = true) throws(Errno) {
    // SAFETY: the owner of the place keeps the memory.
    _ = try invoke("sem_wait", retryOnInterrupt: retryOnInterrupt) { unsafe sem_wait(place.raw) }
}

/// sem_trywait(3).
package func sysSemaphoreTryWait(_ place: SemaphorePlace) throws(Errno) {
    // SAFETY: as above.
    _ = try invoke("sem_trywait") { unsafe sem_trywait(place.raw) }
}

/// sem_clockwait(3) on CLOCK_MONOTONIC: setting the wall clock neither stretches nor cuts the wait.
package func sysSemaphoreWait(
    _ place: SemaphorePlace, untilNanoseconds deadline: UInt64, retryOnInterrupt: Bool = true
) throws(Errno) {
    var limit = timespecOf(nanoseconds: deadline)
    _ = try invoke("sem_clockwait", retryOnInterrupt: retryOnInterrupt) {
        // SAFETY: as above; `limit` is a local.
        unsafe sem_clockwait(place.raw, CLOCK_MONOTONIC, &limit)
    }
}

/// sem_post(3).
package func sysSemaphorePost(_ place: SemaphorePlace) throws(Errno) {
    // SAFETY: as above.
    _ = try invoke("sem_post") { unsafe sem_post(place.raw) }
}

/// sem_getvalue(3), which cannot fail.
package func sysSemaphoreValue(_ place: SemaphorePlace) -> Int {
    var value: CInt = 0
    // SAFETY: as above; `value` is a local.
    _ = unsafe sem_getvalue(place.raw, &value)
    return Int(value)
}

/// Whether a `sem_t` begins with the 64-bit word that the fast paths work on: the value in its low half, the number of
/// waiters in its high half, both in one atomic word. So it is in the GNU C library since 2.21, and semaphores that
/// processes share keep it so: two versions of the library meet in one semaphore.
package let sysSemaphoreHasWord: Bool = {
    #if _pointerBitWidth(_64) && _endian(little)
        // SAFETY: a local that no other thread knows.
        return unsafe withUnsafeTemporaryAllocation(
            byteCount: SemaphorePlace.byteCount, alignment: SemaphorePlace.alignment
        ) { memory in
            let base = memory.baseAddress!
            let place = unsafe SemaphorePlace(base)
            guard SemaphorePlace.byteCount == 32, unsafe sem_init(place.raw, 1, 0x1234_5678) == 0 else { return false }
            guard unsafe base.load(as: UInt64.self) == 0x1234_5678, unsafe sem_post(place.raw) == 0 else {
                return false
            }
            return unsafe base.load(as: UInt64.self) == 0x1234_5679
        }
    #else
        return false
    #endif
}()

// MARK: The files of named semaphores

/// The file that sem_open(3) of the GNU C library looks for.
package func sysSemaphorePath(_ name: String) -> FilePath { FilePath("/dev/shm/sem." + name.drop { $0 == "/" }) }

/// openat(2) of a named semaphore's file, never through a symbolic link.
package func sysSemaphoreFileOpen(_ path: FilePath) throws(Errno) -> CInt {
    try sysOpen(path, flags: O_RDWR | O_NOFOLLOW | O_NONBLOCK)
}

/// openat(2) with O_TMPFILE: a file in the directory of named semaphores that has no name yet.
package func sysSemaphoreFileUnnamed() throws(Errno) -> CInt {
    try sysOpen("/dev/shm", flags: O_RDWR | cip_o_tmpfile(), mode: 0o600)
}

/// openat(2) of a new file, for file systems that know no files without names.
package func sysSemaphoreFileCreate(_ path: FilePath) throws(Errno) -> CInt {
    try sysOpen(path, flags: O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, mode: 0o600)
}

/// linkat(2): gives a file a name that must be free.
package func sysSemaphoreFileLink(_ from: FilePath, _ to: FilePath) throws(Errno) {
    _ = try invoke("linkat") {
        // SAFETY: the strings outlive the call; the kernel copies them.
        unsafe from.withPlatformString { from in
            unsafe to.withPlatformString { to in
                unsafe linkat(AT_FDCWD, from, AT_FDCWD, to, AT_SYMLINK_FOLLOW)
            }
        }
    }
}

/// fchown(2); nil leaves an id as it is.
package func sysSemaphoreFileOwner(_ descriptor: CInt, user: UInt32?, group: UInt32?) throws(Errno) {
    _ = try invoke("fchown") { fchown(descriptor, user ?? .max, group ?? .max) }
}
