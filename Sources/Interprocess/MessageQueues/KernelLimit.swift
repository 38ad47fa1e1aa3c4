// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
package import SystemPackage

/// A number that the kernel publishes under /proc/sys: what an error names when a limit is in the way.
package enum KernelLimit {
    /// The value of `fs.mqueue.msg_max` is asked for as `"fs/mqueue/msg_max"`; nil if this kernel has none.
    package static func value(_ name: String) -> Int? {
        guard let text = try? contents("/proc/sys/" + name) else { return nil }
        let digits = text.prefix { $0 == "-" || $0.isNumber }
        return Int(digits)
    }

    /// `"fs.mqueue.msg_max is 10"`, or that it cannot be read.
    package static func sentence(_ name: String) -> String {
        var dotted = ""
        for character in name { dotted.append(character == "/" ? "." : character) }
        guard let value = value(name) else { return "\(dotted) cannot be read here" }
        return "\(dotted) is \(value)"
    }

    /// The start of a small file of /proc, up to 4096 bytes.
    package static func contents(_ path: String) throws(Errno) -> String {
        let descriptor = OwnedDescriptor(adopting: try sysOpen(FilePath(path), flags: 0))
        let bytes = try [UInt8](capacity: 4096) { (free: inout OutputSpan<UInt8>) throws(Errno) in
            while !free.isFull, try sysRead(descriptor.rawValue, into: &free) > 0 {}
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
