// SPDX-License-Identifier: Apache-2.0
// Copies that answer with an error where a plain load or store would raise SIGBUS.
import CInterprocess
package import SystemPackage

/// process_vm_readv(2) of this process: copies up to `count` bytes into the free space of `buffer`; fewer if a page
/// behind the first is gone.
///
/// - Throws: EFAULT if the first page is gone; EPERM, ENOSYS where the call is forbidden.
/// - Safety: the range belongs to a mapping of the caller.
@unsafe
package func sysReadOwnMemory(
    _ base: UnsafeRawPointer, byteCount: Int, into buffer: inout OutputSpan<UInt8>
) throws(Errno) -> Int {
    // SAFETY: at most as many bytes are written as there is free space, and so many become initialised.
    try unsafe buffer.withUnsafeMutableBufferPointer { (bytes, initialized) throws(Errno) in
        let free = unsafe UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(bytes)[initialized...])
        let count = min(byteCount, free.count)
        guard count > 0 else { return 0 }
        let copied = try invoke("process_vm_readv") { unsafe cip_read_own_memory(free.baseAddress, base, count) }
        initialized += copied
        return copied
    }
}

/// process_vm_writev(2) of this process; fewer bytes if a page behind the first is gone.
///
/// - Throws: EFAULT if the first page is gone; EPERM, ENOSYS where the call is forbidden.
/// - Safety: the range belongs to a mapping of the caller and has room for all bytes.
@unsafe
package func sysWriteOwnMemory(_ base: UnsafeMutableRawPointer, _ bytes: Span<UInt8>) throws(Errno) -> Int {
    // SAFETY: the caller promises the range; the kernel reads the borrowed bytes.
    try unsafe bytes.withUnsafeBytes { (bytes) throws(Errno) in
        let count = bytes.count
        if count == 0 { return 0 }
        return try invoke("process_vm_writev") { unsafe cip_write_own_memory(bytes.baseAddress, base, count) }
    }
}

/// pread(2), once, into the free space of `buffer`; 0 is the end of the file.
package func sysReadAt(
    _ descriptor: CInt, offset: Int, byteCount: Int, into buffer: inout OutputSpan<UInt8>
) throws(Errno) -> Int {
    // SAFETY: at most as many bytes are written as there is free space, and so many become initialised.
    try unsafe buffer.withUnsafeMutableBufferPointer { (bytes, initialized) throws(Errno) in
        let free = unsafe UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(bytes)[initialized...])
        let count = min(byteCount, free.count)
        let read = try invoke("pread") { unsafe pread(descriptor, free.baseAddress, count, offset) }
        initialized += read
        return read
    }
}

/// pwrite(2), once.
package func sysWriteAt(_ descriptor: CInt, offset: Int, _ bytes: Span<UInt8>) throws(Errno) -> Int {
    // SAFETY: the kernel reads at most `count` bytes of the borrowed memory.
    try unsafe bytes.withUnsafeBytes { (bytes) throws(Errno) in
        try invoke("pwrite") { unsafe pwrite(descriptor, bytes.baseAddress, bytes.count, offset) }
    }
}

// MARK: The SIGBUS guard

/// Installs the handler of SIGBUS, once in a process; what was there before is called for faults elsewhere.
package func sysGuardInstall() throws(Errno) { _ = try invoke("sigaction") { cip_guard_install() } }

/// Lets the handler look after a range; EAGAIN if it looks after 256 already.
///
/// - Safety: the range is a mapping of the caller, and is unregistered before it is unmapped.
@unsafe
package func sysGuardRegister(_ base: UnsafeRawPointer, byteCount: Int) throws(Errno) -> CInt {
    // SAFETY: the caller promises it.
    try invoke("guard") { unsafe cip_guard_register(base, byteCount) }
}

package func sysGuardUnregister(_ slot: CInt) { cip_guard_unregister(slot) }

/// How many pages of the range turned out to be gone.
package func sysGuardFaults(_ slot: CInt) -> UInt64 { cip_guard_faults(slot) }
