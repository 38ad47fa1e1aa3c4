// SPDX-License-Identifier: Apache-2.0
import CInterprocess
package import SystemPackage

/// A small file of /proc, in one read or several.
package func sysProcFile(_ path: FilePath, limit: Int = 1 << 20) throws(Errno) -> String {
    let descriptor = try sysOpen(path, flags: O_RDONLY)
    defer { try? sysClose(descriptor) }
    var all: [UInt8] = []
    while all.count < limit {
        let part = try [UInt8](capacity: 4096) { (free: inout OutputSpan<UInt8>) throws(Errno) in
            _ = try sysRead(descriptor, into: &free)
        }
        if part.isEmpty { break }
        all += part
    }
    return String(decoding: all, as: UTF8.self)
}

/// The numbers in the name of a directory: `/proc`, `/proc/self/task`.
package func sysNumbers(in directory: FilePath) throws(Errno) -> [Int32] {
    let descriptor = try sysOpen(directory, flags: O_RDONLY | O_DIRECTORY)
    // SAFETY: on success the stream owns the descriptor.
    guard let stream = unsafe fdopendir(descriptor) else {
        let error = Errno(rawValue: cip_errno())
        try? sysClose(descriptor)
        throw error
    }
    // SAFETY: closed here, not used after.
    defer { _ = unsafe closedir(stream) }
    var numbers: [Int32] = []
    // SAFETY: an entry is read before the next call replaces it; its name ends with NUL within 256 bytes.
    while let entry = unsafe readdir(stream) {
        let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) {
            unsafe $0.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
        }
        if let number = Int32(name) { numbers.append(number) }
    }
    return numbers
}

/// The threads of a process; `self` for the own.
package func sysThreads(of process: String) throws(Errno) -> [Int32] {
    try sysNumbers(in: FilePath("/proc/\(process)/task"))
}

/// nanosleep(2) of the calling thread; a signal ends it early.
package func sysSleep(nanoseconds: UInt64) {
    var time = timespecOf(nanoseconds: nanoseconds)
    // SAFETY: a local; the rest is not asked for.
    _ = unsafe nanosleep(&time, nil)
}

/// The environment of this process, `NAME=value` each.
package func sysEnvironment() -> [String] {
    var all: [String] = []
    // SAFETY: a list that ends with null; whoever changes it while other threads run breaks getenv(3) as well.
    var entry = unsafe cip_environment()
    while let variable = unsafe entry?.pointee {
        unsafe all.append(String(cString: variable))
        // SAFETY: the list ends with null.
        unsafe entry = entry! + 1
    }
    return all
}
