// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import SystemPackage

// Copies in and out. Memory that a peer writes is fetched once; what was fetched does not change any more.

extension MappedRegion {
    /// Whether `byteCount` bytes from `offset` lie in the region; for numbers that came from another process.
    @inlinable
    public func contains(byteCount: Int, at offset: Int) -> Bool {
        offset >= 0 && byteCount >= 0 && byteCount <= self.byteCount && offset <= self.byteCount - byteCount
    }

    /// A copy of the value at an offset.
    ///
    /// What a peer writes at the same time may be in it in part: a copy is whole only under a lock, or for what
    /// ``atomicLoad(_:at:)`` loads. It is always a valid value of its type.
    ///
    /// - Parameters:
    ///   - type: a payload type.
    ///   - offset: in bytes; no alignment is needed. That the value lies in the region is a precondition: check an offset that a
    ///     peer gave with ``contains(byteCount:at:)``.
    @inlinable
    public func load<Payload: SharedPayload>(_ type: Payload.Type = Payload.self, at offset: Int = 0) -> Payload {
        precondition(contains(byteCount: MemoryLayout<Payload>.size, at: offset), "the value is not within the region")
        // SAFETY: the bytes lie in the mapping, and every pattern of them is a value of the type.
        return unsafe (base + offset).loadUnaligned(as: Payload.self)
    }

    /// Copies a value to an offset.
    ///
    /// That the value lies in the region, and that the region is not read-only, are preconditions.
    @inlinable
    public func store<Payload: SharedPayload>(_ value: Payload, at offset: Int = 0) {
        precondition(contains(byteCount: MemoryLayout<Payload>.size, at: offset), "the value is not within the region")
        precondition(access == .readWrite, "the region is mapped read-only")
        // SAFETY: the bytes lie in the mapping, which is writable; a payload has no destructor.
        unsafe (base + offset).storeBytes(of: value, as: Payload.self)
    }

    /// Copies bytes into the free space of a buffer.
    ///
    /// - Parameters:
    ///   - buffer: takes as many bytes as it has room for and the region has from the offset on.
    ///   - offset: in bytes, within the region or at its end; that is a precondition.
    /// - Returns: how many bytes were copied.
    @discardableResult
    public func copyBytes(into buffer: inout OutputSpan<UInt8>, at offset: Int = 0) -> Int {
        precondition(offset >= 0 && offset <= byteCount, "the offset is not within the region")
        let available = byteCount - offset
        // SAFETY: at most the free space is written, and what was written becomes initialised; the source lies in the mapping.
        return unsafe buffer.withUnsafeMutableBufferPointer { (bytes, initialized) in
            let free = unsafe UnsafeMutableRawBufferPointer(
                rebasing: UnsafeMutableRawBufferPointer(bytes)[initialized...])
            let count = min(available, free.count)
            unsafe free.copyMemory(from: UnsafeRawBufferPointer(start: base + offset, count: count))
            initialized += count
            return count
        }
    }

    /// A copy of bytes; that they lie in the region is a precondition.
    public func copyBytes(_ range: Range<Int>) -> [UInt8] {
        precondition(contains(byteCount: range.count, at: range.lowerBound), "\(range) is not within the region")
        // SAFETY: the range lies in the mapping.
        return unsafe [UInt8](UnsafeRawBufferPointer(start: base + range.lowerBound, count: range.count))
    }

    /// Copies bytes to an offset.
    ///
    /// That they fit, and that the region is not read-only, are preconditions.
    public func write(_ bytes: Span<UInt8>, at offset: Int = 0) {
        precondition(contains(byteCount: bytes.count, at: offset), "the bytes do not fit into the region")
        precondition(access == .readWrite, "the region is mapped read-only")
        // SAFETY: the target lies in the mapping and is writable.
        unsafe bytes.withUnsafeBytes { source in
            unsafe UnsafeMutableRawBufferPointer(start: base + offset, count: source.count).copyMemory(from: source)
        }
    }

    /// Copies bytes to an offset; as ``write(_:at:)-(Span<UInt8>,_)``.
    public func write(_ bytes: [UInt8], at offset: Int = 0) { write(bytes.span, at: offset) }

    /// Sets a part to one byte; nil is all. The part and that the region is not read-only are preconditions.
    public func fill(with byte: UInt8, range: Range<Int>? = nil) {
        let range = range ?? 0..<byteCount
        precondition(contains(byteCount: range.count, at: range.lowerBound), "\(range) is not within the region")
        precondition(access == .readWrite, "the region is mapped read-only")
        // SAFETY: the range lies in the mapping and is writable.
        unsafe UnsafeMutableRawBufferPointer(start: base + range.lowerBound, count: range.count)
            .initializeMemory(as: UInt8.self, repeating: byte)
    }
}

// MARK: Memory that may vanish

extension MappedRegion {
    /// Copies bytes as ``copyBytes(into:at:)`` does, but survives that another process made the object shorter.
    ///
    /// A system call does the copying: slower than a plain access, some 200 nanoseconds a call, and never SIGBUS.
    ///
    /// - Returns: how many bytes were copied; fewer than wanted if the object ends earlier than the mapping.
    /// - Throws: ``IPCError/Code/truncated`` (EFAULT) if the object ends before the offset;
    ///   ``IPCError/Code/permissionDenied`` or ``IPCError/Code/unsupported`` where the sandbox forbids the call.
    ///
    /// The corresponding C function is `process_vm_readv(2)`, of one's own process.
    @discardableResult
    public func copyBytesChecked(into buffer: inout OutputSpan<UInt8>, at offset: Int = 0) throws(IPCError) -> Int {
        precondition(offset >= 0 && offset <= byteCount, "the offset is not within the region")
        do throws(Errno) {
            // SAFETY: the source lies in the mapping.
            return try unsafe sysReadOwnMemory(base + offset, byteCount: byteCount - offset, into: &buffer)
        } catch { throw vanished(error, "process_vm_readv", offset) }
    }

    /// Copies bytes as ``write(_:at:)-(Span<UInt8>,_)`` does, but survives that another process made the object shorter.
    ///
    /// - Returns: how many bytes were copied; fewer than given if the object ends earlier than the mapping.
    /// - Throws: as ``copyBytesChecked(into:at:)``.
    ///
    /// The corresponding C function is `process_vm_writev(2)`, of one's own process.
    @discardableResult
    public func writeChecked(_ bytes: Span<UInt8>, at offset: Int = 0) throws(IPCError) -> Int {
        precondition(contains(byteCount: bytes.count, at: offset), "the bytes do not fit into the region")
        precondition(access == .readWrite, "the region is mapped read-only")
        do throws(Errno) {
            // SAFETY: the target lies in the mapping.
            return try unsafe sysWriteOwnMemory(base + offset, bytes)
        } catch { throw vanished(error, "process_vm_writev", offset) }
    }

    private func vanished(_ error: Errno, _ call: String, _ offset: Int) -> IPCError {
        guard error == .badAddress else { return IPCError(error, call, subject) }
        return IPCError(
            code: .truncated, call: call, errno: error, subject: subject,
            hint: "the object now ends before offset \(offset) of the mapping")
    }

    /// Lets the SIGBUS guard look after the region; ``GuardedRegion`` has the rest.
    func registerGuard() throws(Errno) -> CInt {
        try sysGuardInstall()
        // SAFETY: `GuardedRegion` owns the region and unregisters it first.
        return try unsafe sysGuardRegister(base, byteCount: byteCount)
    }
}
