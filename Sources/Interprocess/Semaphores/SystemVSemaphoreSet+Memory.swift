// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import SystemPackage

// The one place where a group of operations is handed to the kernel as the bytes that it is.
extension SystemVSemaphoreCore {
    @inline(__always)
    static func operate(
        _ id: Int32, _ operations: [Operation], untilNanoseconds deadline: UInt64? = nil, retryOnInterrupt: Bool = true
    ) throws(Errno) {
        // SAFETY: an operation has the layout of `struct sembuf`: three members of 16 bits, in this order.
        try unsafe operations.span.withUnsafeBytes { (bytes) throws(Errno) in
            try unsafe sysSemaphoreOperate(
                id, bytes, untilNanoseconds: deadline, retryOnInterrupt: retryOnInterrupt)
        }
    }

    @inline(__always)
    static func tryOperate(_ id: Int32, _ operations: [Operation]) throws(Errno) {
        // SAFETY: as above.
        try unsafe operations.span.withUnsafeBytes { (bytes) throws(Errno) in
            try unsafe sysSemaphoreTryOperate(id, bytes)
        }
    }
}
