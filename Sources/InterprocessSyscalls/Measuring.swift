// SPDX-License-Identifier: Apache-2.0
import CInterprocess
package import SystemPackage

// What it takes to measure: a processor of one's own, one buffer for all messages, copies that cost no more than they must.

/// The processors that this thread may run on, by number: sched_getaffinity(2).
package func sysProcessors() -> [Int32] { (0..<1024).filter { cip_may_run_on($0) != 0 } }

/// Keeps this thread, and those that it starts, on one processor: sched_setaffinity(2).
package func sysRun(on processor: Int32) throws(Errno) {
    _ = try invoke("sched_setaffinity") { cip_run_on(processor) }
}

/// read(2) over what stands in `bytes` from `start` on; 0 is the end.
package func sysRead(_ descriptor: CInt, over bytes: inout MutableSpan<UInt8>, from start: Int) throws(Errno) -> Int {
    precondition(start >= 0 && start <= bytes.count, "a place in the buffer")
    // SAFETY: the kernel writes at most as many bytes as the borrowed memory has behind `start`.
    return try unsafe bytes.withUnsafeMutableBytes { (bytes) throws(Errno) in
        let free = unsafe UnsafeMutableRawBufferPointer(rebasing: bytes[start...])
        return try invoke("read") { unsafe read(descriptor, free.baseAddress, free.count) }
    }
}

/// mq_receive(3) over what stands in `bytes`.
package func sysMessageQueueReceive(_ queue: CInt, over bytes: inout MutableSpan<UInt8>) throws(Errno) -> Int {
    var priority: UInt32 = 0
    // SAFETY: the kernel writes at most `count` bytes of the borrowed memory; the other pointer is to a local.
    return try unsafe bytes.withUnsafeMutableBytes { (bytes) throws(Errno) in
        try invoke("mq_receive") {
            unsafe cip_mq_receive(queue, bytes.baseAddress, bytes.count, &priority)
        }
    }
}

extension Span<UInt8> {
    /// A copy, in one go.
    package var copied: [UInt8] {
        // SAFETY: the memory is borrowed for as long as it is read.
        unsafe withUnsafeBufferPointer { unsafe Array($0) }
    }
}

extension [UInt8] {
    /// Adds a copy of `bytes`, in one go.
    package mutating func append(copying bytes: Span<UInt8>) {
        // SAFETY: as above.
        unsafe bytes.withUnsafeBufferPointer { unsafe append(contentsOf: $0) }
    }
}
