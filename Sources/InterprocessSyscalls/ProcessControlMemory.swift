// SPDX-License-Identifier: Apache-2.0
import CInterprocess
package import SystemPackage

/// process_vm_readv(2) of one range into the free space of `buffer`; may read less than all of it.
///
/// `parts` and `flags` are what the kernel wants them to be, and anything else only in tests.
package func sysProcessRead(
    _ process: Int32, at address: UInt64, into buffer: inout OutputSpan<UInt8>, upTo limit: Int = .max,
    parts: UInt = 1, flags: UInt = 0
) throws(Errno) -> Int {
    // SAFETY: the kernel writes at most `count` bytes at the start of the free space, and the number that it returns is
    // what becomes initialised. The remote address means nothing in this process.
    try unsafe buffer.withUnsafeMutableBufferPointer { (bytes, initialized) throws(Errno) in
        let free = unsafe UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(bytes)[initialized...])
        let wanted = min(free.count, limit)
        let count = try invoke("process_vm_readv") {
            unsafe cip_process_vm_readv(process, free.baseAddress, wanted, UInt(address), parts, flags)
        }
        initialized += count
        return count
    }
}

/// process_vm_writev(2) of one range; may write less than all of it.
package func sysProcessWrite(_ process: Int32, at address: UInt64, _ bytes: Span<UInt8>) throws(Errno) -> Int {
    // SAFETY: the kernel reads at most `count` bytes of the borrowed memory.
    try unsafe bytes.withUnsafeBytes { (bytes) throws(Errno) in
        try invoke("process_vm_writev") {
            unsafe cip_process_vm_writev(process, bytes.baseAddress, bytes.count, UInt(address), 0)
        }
    }
}
