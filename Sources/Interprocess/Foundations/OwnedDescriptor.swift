// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
public import SystemPackage

/// A file descriptor with one owner: the only type in this package that closes one.
///
/// Ownership: dropping the value closes the descriptor; ``close()`` does so and reports what the
/// kernel says; ``release()`` gives it away. Closing twice does not compile.
///
/// If a process dies: the kernel closes all of its descriptors.
///
/// The corresponding C function is `close(2)`.
public struct OwnedDescriptor: ~Copyable, Sendable {
    /// The number. Do not close it, and do not keep it beyond the life of its owner.
    public let rawValue: CInt

    /// Takes over a descriptor that nobody else will close.
    public init(adopting rawValue: CInt) {
        precondition(rawValue >= 0, "a descriptor is not negative")
        self.rawValue = rawValue
    }

    deinit {
        // There is nobody to tell here; `close()` is for those who want to know.
        try? sysClose(rawValue)
    }

    /// Closes the descriptor and says how that went.
    ///
    /// - Throws: ``IPCError/Code/badDescriptor`` if somebody else closed it; ``IPCError/Code/system``
    ///   (EIO) if data could not be written back. The descriptor is gone in every case.
    public consuming func close() throws(IPCError) {
        let number = rawValue
        discard self
        do throws(Errno) { try sysClose(number) } catch {
            throw IPCError(error, "close", "descriptor \(number)")
        }
    }

    /// Gives the descriptor away: the caller must see to it that it is closed.
    public consuming func release() -> CInt {
        let number = rawValue
        discard self
        return number
    }

    /// A second descriptor of the same open file, close-on-exec.
    ///
    /// - Throws: ``IPCError/Code/limitReached`` (EMFILE).
    ///
    /// The corresponding C function is `fcntl(2)` with `F_DUPFD_CLOEXEC`.
    public func duplicate() throws(IPCError) -> OwnedDescriptor {
        do throws(Errno) { return OwnedDescriptor(adopting: try sysDuplicate(rawValue)) } catch {
            throw IPCError(error, "fcntl", "descriptor \(rawValue)")
        }
    }
}

extension OwnedDescriptor {
    /// The same number in the vocabulary of swift-system; borrowed, never to be closed.
    public var fileDescriptor: FileDescriptor { FileDescriptor(rawValue: rawValue) }
}
