// SPDX-License-Identifier: Apache-2.0
import CInterprocess
package import SystemPackage

/// splice(2), never raising SIGPIPE; 0 is the end of the source.
///
/// - Parameter nonBlocking: SPLICE_F_NONBLOCK, which holds for the pipe; the other side keeps its own flags.
package func sysSplice(
    from source: CInt, to target: CInt, count: Int, nonBlocking: Bool, more: Bool = false, retryOnInterrupt: Bool = true
) throws(Errno) -> Int {
    let flags =
        UInt32(SPLICE_F_MOVE) | (nonBlocking ? UInt32(SPLICE_F_NONBLOCK) : 0) | (more ? UInt32(SPLICE_F_MORE) : 0)
    return try withoutSIGPIPE(wanting: count) { () throws(Errno) in
        try invoke("splice", retryOnInterrupt: retryOnInterrupt) {
            splice(source, nil, target, nil, count, flags)
        }
    }
}

/// tee(2), never raising SIGPIPE: copies without consuming; 0 when there is nothing and no writer.
package func sysTee(
    from source: CInt, to target: CInt, count: Int, nonBlocking: Bool, retryOnInterrupt: Bool = true
) throws(Errno) -> Int {
    try withoutSIGPIPE(wanting: count) { () throws(Errno) in
        try invoke("tee", retryOnInterrupt: retryOnInterrupt) {
            tee(source, target, count, nonBlocking ? UInt32(SPLICE_F_NONBLOCK) : 0)
        }
    }
}

/// vmsplice(2) into a pipe without SPLICE_F_GIFT, never raising SIGPIPE.
///
/// The pages stay the caller's and must not change until they are read, which only the caller can know.
package func sysVirtualSplice(
    _ descriptor: CInt, _ bytes: Span<UInt8>, nonBlocking: Bool, retryOnInterrupt: Bool = true
) throws(Errno) -> Int {
    // SAFETY: the kernel pins the pages of the borrowed memory; nothing is written to them.
    try unsafe bytes.withUnsafeBytes { (bytes) throws(Errno) in
        try withoutSIGPIPE(wanting: bytes.count) { () throws(Errno) in
            try invoke("vmsplice", retryOnInterrupt: retryOnInterrupt) {
                unsafe cip_vmsplice(
                    descriptor, bytes.baseAddress, UInt(bytes.count), nonBlocking ? UInt32(SPLICE_F_NONBLOCK) : 0)
            }
        }
    }
}
