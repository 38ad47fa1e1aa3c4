// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import SystemPackage

/// A mapping of a file that others may make shorter, read in place: a page that is gone is an error and no SIGBUS.
///
/// Sealed memory needs none of this: ``SealedMemory`` refuses the truncation. For a file, prefer
/// ``MappedFile/read(into:at:)`` or ``MappedRegion/copyBytesChecked(into:at:)``, which need no handler. This type is for who
/// must have a `Span` over a file that is not his own.
///
/// The first value of this type installs a handler of SIGBUS for the whole process, once and for good. The handler puts a
/// page of zeros where a page of a guarded region is missing, and notes that; every other SIGBUS goes to the
/// handler that was there before, or ends the process as it would have. A program that installs its own handler afterwards
/// must call this one for faults that are not its own.
///
/// From the first missing page on the region is torn from its object: every use throws ``IPCError/Code/truncated``. Map
/// the file again to see what it is now.
///
/// Limits: 256 guarded regions in a process.
///
/// The corresponding C functions are `sigaction(2)` and, in the handler, `mmap(2)`.
public struct GuardedRegion: ~Copyable, Sendable {
    private let slot: CInt
    private let region: MappedRegion

    /// Guards a region; the region belongs to this value then.
    ///
    /// - Throws: ``IPCError/Code/limitReached`` if 256 regions are guarded; ``IPCError/Code/system`` if the handler
    ///   cannot be installed. The region is unmapped then.
    public init(_ region: consuming MappedRegion) throws(IPCError) {
        do throws(Errno) { slot = try region.registerGuard() } catch {
            guard error == .resourceTemporarilyUnavailable else {
                throw IPCError(error, "sigaction", region.subject)
            }
            throw IPCError(
                code: .limitReached, subject: region.subject, hint: "256 regions are guarded already in this process")
        }
        self.region = region
    }

    /// How many bytes are mapped.
    public var byteCount: Int { region.byteCount }

    /// Whether a page of the region was missing when it was touched.
    public var isTorn: Bool { sysGuardFaults(slot) > 0 }

    /// Lets `body` look at the bytes in place.
    ///
    /// Bytes of a page that is gone read as zero; then what `body` returned or threw is dropped and the error thrown.
    ///
    /// - Parameter body: must not do with the bytes what cannot be undone before this call has returned.
    /// - Throws: ``IPCError/Code/truncated``; what `body` throws, as it is, if nothing was missing.
    public func withBytes<Result>(_ body: (Span<UInt8>) throws -> Result) throws -> Result {
        try check()
        let outcome = Swift.Result { try body(region.bytes) }
        try check()
        return try outcome.get()
    }

    /// Throws ``IPCError/Code/truncated`` if a page was missing when it was touched.
    public func check() throws(IPCError) {
        guard !isTorn else {
            throw IPCError(
                code: .truncated, subject: region.subject,
                hint: "another process made the object shorter while it was mapped; map it again")
        }
    }

    deinit {
        // First this, then the region's own end unmaps it.
        sysGuardUnregister(slot)
    }
}
