// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import SystemPackage

/// Memory without a name, passed on as a descriptor, with seals: promises about it that the kernel keeps for everybody.
///
/// The way to share memory with a process that one does not trust, and the default for all that needs no name:
///
/// ```swift
/// let memory = try SealedMemory(byteCount: 1 << 20)           // can neither shrink nor grow
/// try socket.send([1], descriptors: [memory.fileDescriptor])
/// // over there:
/// let memory = try SealedMemory(adopting: received, requiring: .fixedSize, atLeast: 1 << 20)
/// let region = try memory.map(access: .readOnly)              // no SIGBUS, whatever the sender does
/// ```
///
/// Ownership: the value owns the descriptor. The memory goes with the last descriptor and mapping in any process.
///
/// If a process dies: its descriptors and mappings go; nothing is left behind, ever.
///
/// Limits: memory and swap; `vm.memfd_noexec` of 2 forbids executable ones.
///
/// The manual page is `memfd_create(2)`.
public struct SealedMemory: ~Copyable, MappableObject {
    /// What it was opened for.
    public let access: MappedRegion.Access
    /// What errors call it: `memfd:[inode]`.
    public let subject: String
    /// What lengths and offsets of mappings are multiples of.
    public let pageSizeBytes: Int

    private let descriptor: OwnedDescriptor

    /// Makes memory.
    ///
    /// - Parameters:
    ///   - name: what `/proc/PID/maps` and tools show, at most 249 bytes; it identifies nothing.
    ///   - byteCount: at least 1; with huge pages rounded up to a multiple of them.
    ///   - seals: what it is sealed against when this returns; more can be added with ``seal(_:)`` unless `.seal` is among them.
    ///   - pages: ordinary pages or huge ones.
    ///   - executable: whether its contents may ever be executed, by mode or mapping; it needs a kernel and settings that allow it.
    ///   - prepare: writes the first contents, before the seals are set: with `.write` among them, the only contents.
    /// - Throws: ``IPCError/Code/limitReached`` (EMFILE; ENOSPC for huge pages); ``IPCError/Code/outOfMemory`` (ENOMEM);
    ///   ``IPCError/Code/invalidName`` for a name that is too long; ``IPCError/Code/unsupported`` for a size of huge pages
    ///   that the machine does not have; ``IPCError/Code/permissionDenied`` (EACCES) if `vm.memfd_noexec` forbids what is
    ///   executable; what `prepare` throws.
    ///
    /// The corresponding C functions are `memfd_create(2)`, `fallocate(2)` and `fcntl(2)` with `F_ADD_SEALS`.
    public init(
        name: String = "interprocess", byteCount: Int, seals: Seals = .fixedSize, pages: PageSize = .ordinary,
        executable: Bool = false, prepare: ((borrowing MappedRegion) throws(IPCError) -> Void)? = nil
    ) throws(IPCError) {
        let made = try Self.make(name, pages, executable)
        let subject = Self.address(made.rawValue)
        let pageSize = try Self.pageSize(made.rawValue, subject)
        var size = byteCount
        if pages != .ordinary, byteCount > 0, byteCount <= Int.max - pageSize {
            size = (byteCount + pageSize - 1) / pageSize * pageSize
        }
        try MemoryReservation.checkIsThere(size, subject)
        try MemoryReservation.reserve(made.rawValue, from: 0, byteCount: size, .reserved, subject)
        if let prepare {
            let region = try MappedRegion(made, byteCount: size, subject: subject)
            try prepare(region)
            try region.close()
        }
        if !seals.isEmpty { try Self.seal(made.rawValue, seals, subject) }
        access = .readWrite
        self.subject = subject
        pageSizeBytes = pageSize
        descriptor = made
    }

    /// Takes over a descriptor that came from another process, after it was seen to keep its promises.
    ///
    /// First the seals are looked at, then the size, which by then cannot become less. What the memory holds stays data
    /// of somebody else.
    ///
    /// - Parameters:
    ///   - descriptor: closed if this throws.
    ///   - required: what it must be sealed against. Without `.shrink` every access may raise SIGBUS.
    ///   - byteCount: how many bytes it must have.
    /// - Throws: ``IPCError/Code/wrongKind`` if it is no memory that can be sealed; ``IPCError/Code/malformed`` with the
    ///   seals that are missing, or the size.
    ///
    /// The corresponding C function is `fcntl(2)` with `F_GET_SEALS`.
    public init(
        adopting descriptor: consuming OwnedDescriptor, requiring required: Seals = .fixedSize,
        atLeast byteCount: Int = 1
    ) throws(IPCError) {
        let number = descriptor.rawValue
        let subject = Self.address(number)
        let present: Seals
        let size: Int
        let access: MappedRegion.Access
        do throws(Errno) {
            present = Seals(rawValue: UInt32(bitPattern: try sysSeals(number)))
            size = Int(try sysStatus(number).size)
            access = try sysIsWritable(number) ? .readWrite : .readOnly
        } catch  where error == .invalidArgument {
            throw IPCError(
                code: .wrongKind, call: "fcntl", errno: error, subject: subject,
                hint: "it is not memory that can be sealed, but \(Self.fileName(number))")
        } catch { throw IPCError(error, "fcntl", subject) }
        let missing = required.subtracting(present)
        guard missing.isEmpty else {
            throw IPCError(
                code: .malformed, call: "fcntl", subject: subject,
                hint: "it must be sealed against \(required), and \(missing) is missing")
        }
        guard size >= byteCount else {
            throw IPCError(
                code: .malformed, call: "fstat", subject: subject,
                hint: "it has \(size) bytes and must have \(byteCount)")
        }
        let pageSize = try Self.pageSize(number, subject)
        self.access = access
        self.subject = subject
        pageSizeBytes = pageSize
        self.descriptor = descriptor
    }

    /// Closes the handle. Mappings stay.
    ///
    /// The corresponding C function is `close(2)`.
    public consuming func close() throws(IPCError) { try descriptor.close() }

    /// Gives the descriptor away: the caller must see to it that it is closed.
    public consuming func release() -> OwnedDescriptor { descriptor }

    /// Another descriptor for the same memory.
    ///
    /// The corresponding C function is `fcntl(2)` with `F_DUPFD_CLOEXEC`.
    public func duplicate() throws(IPCError) -> OwnedDescriptor { try descriptor.duplicate() }

    /// The number of the descriptor. Do not close it.
    public var rawValue: CInt { descriptor.rawValue }

    /// What it is sealed against.
    ///
    /// The corresponding C function is `fcntl(2)` with `F_GET_SEALS`.
    public func seals() throws(IPCError) -> Seals {
        do throws(Errno) { return Seals(rawValue: UInt32(bitPattern: try sysSeals(rawValue))) } catch {
            throw IPCError(error, "fcntl", subject)
        }
    }

    /// Adds seals, for ever and for everybody.
    ///
    /// - Throws: ``IPCError/Code/permissionDenied`` (EPERM) if `.seal` is set, or the handle was opened for reading;
    ///   ``IPCError/Code/busy`` (EBUSY) for `.write` while anybody has a shared mapping of it that is or could be made writable;
    ///   ``IPCError/Code/invalidArgument`` (EINVAL) for a seal that this kernel does not know.
    ///
    /// The corresponding C function is `fcntl(2)` with `F_ADD_SEALS`.
    public func seal(_ seals: Seals) throws(IPCError) { try Self.seal(rawValue, seals, subject) }

    private static func seal(_ descriptor: CInt, _ seals: Seals, _ subject: String) throws(IPCError) {
        do throws(Errno) { try sysAddSeals(descriptor, CInt(bitPattern: seals.rawValue)) } catch {
            let hint =
                switch error {
                case .notPermitted: "it is sealed against further seals, or was opened for reading"
                case .resourceBusy: "somebody has it mapped for writing; .futureWrite leaves such mappings alone"
                case .invalidArgument: "this kernel does not know \(seals)"
                default: ""
                }
            throw IPCError(error, "fcntl", subject, hint: hint)
        }
    }
}

extension SealedMemory {
    private static func make(
        _ name: String, _ pages: PageSize, _ executable: Bool
    ) throws(IPCError) -> OwnedDescriptor {
        var flags = MemoryFileFlags.allowSealing
        if case .huge(let shift) = pages.kind { flags |= MemoryFileFlags.hugePages(shift: shift) }
        let subject = "memfd:\(name)"
        do throws(Errno) {
            // Linux 6.3 wants to be told; older kernels do not know the question, and refuse it.
            let execution = executable ? MemoryFileFlags.exec : MemoryFileFlags.noExecSeal
            do throws(Errno) {
                return OwnedDescriptor(adopting: try sysCreateMemoryFile(name, flags: flags | execution))
            } catch  where error == .invalidArgument {
                return OwnedDescriptor(adopting: try sysCreateMemoryFile(name, flags: flags))
            }
        } catch {
            if error == .invalidArgument, name.utf8.count > 249 {
                throw IPCError(
                    code: .invalidName, call: "memfd_create", errno: error, subject: subject,
                    hint: "a name has at most 249 bytes; this one has \(name.utf8.count)")
            }
            if pages != .ordinary, error == .operationNotSupportedByDevice || error == .invalidArgument {
                throw IPCError(
                    code: .unsupported, call: "memfd_create", errno: error, subject: subject,
                    hint: "this machine has no huge pages of that size")
            }
            let hint = error == .permissionDenied ? KernelLimit.sentence("vm/memfd_noexec") : ""
            throw IPCError(error, "memfd_create", subject, hint: hint)
        }
    }

    /// `memfd:[4711]`.
    private static func address(_ descriptor: CInt) -> String {
        (try? sysStatus(descriptor)).map { "memfd:[\($0.inode)]" } ?? "descriptor \(descriptor)"
    }

    private static func fileName(_ descriptor: CInt) -> String {
        guard let bytes = try? sysReadLink(FilePath("/proc/self/fd/\(descriptor)")) else { return "something else" }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func pageSize(_ descriptor: CInt, _ subject: String) throws(IPCError) -> Int {
        do throws(Errno) {
            return try sysIsMadeOfHugePages(descriptor)
                ? sysMemoryObjectState(descriptor).blockSizeBytes : InterprocessSyscalls.pageSizeBytes
        } catch { throw IPCError(error, "fstatfs", subject) }
    }
}
