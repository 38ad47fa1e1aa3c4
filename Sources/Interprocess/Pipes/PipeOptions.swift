// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import SystemPackage

/// What an unnamed pipe is to be like.
public struct PipeOptions: Sendable, Hashable {
    /// How many bytes fit before a writer waits; the kernel rounds up to a power of two of pages. nil is the
    /// system's default, 64 KiB as a rule.
    public var capacityBytes: Int?

    /// Each write of at most ``PipeWriter/atomicBytes`` is one packet, and each read takes exactly one; what does not fit
    /// into the reader's buffer is lost (O_DIRECT).
    public var packets: Bool

    /// - Parameters:
    ///   - capacityBytes: in bytes; nil for the default.
    ///   - packets: whether boundaries of writes are kept.
    public init(capacityBytes: Int? = nil, packets: Bool = false) {
        self.capacityBytes = capacityBytes
        self.packets = packets
    }

    func hint(_ error: Errno) -> String {
        switch error {
        case .tooManyOpenFiles: "this process has as many descriptors as RLIMIT_NOFILE allows"
        case .tooManyOpenFilesInSystem:
            "the system has as many open files as fs.file-max allows, or the user as many pipes as fs.pipe-user-pages-hard"
        case .invalidArgument where packets: "this kernel knows no packet mode"
        default: ""
        }
    }
}
