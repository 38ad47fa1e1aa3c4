// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import SystemPackage

/// An unnamed pipe: a stream of bytes in one direction, from ``writer`` to ``reader``.
///
/// ```swift
/// let pipe = try PipePair()
/// let reader = pipe.reader                // take the ends out, each lives on by itself
/// let writer = pipe.writer
/// try writer.write(Array("hello".utf8))
/// try writer.close()
/// let bytes = try reader.readAll()        // the bytes, up to the end
/// ```
///
/// Ownership: both ends are closed when the pair is dropped; take one out to keep it.
///
/// If a process dies: the kernel closes its ends. A reader finds the end of the stream when the last writer is
/// gone, a writer gets ``IPCError/Code/disconnected`` when the last reader is.
///
/// The corresponding C function is `pipe2(2)`.
@frozen
public struct PipePair: ~Copyable, Sendable {
    /// The end that bytes come out of.
    public var reader: PipeReader
    /// The end that bytes go into.
    public var writer: PipeWriter

    /// Makes a pipe; both ends close-on-exec.
    ///
    /// - Parameter options: capacity and packet mode.
    /// - Throws: ``IPCError/Code/limitReached`` if no descriptor is left (EMFILE, ENFILE);
    ///   ``IPCError/Code/permissionDenied`` if the capacity is more than an unprivileged process may have.
    public init(_ options: PipeOptions = PipeOptions()) throws(IPCError) {
        let pair: (reader: CInt, writer: CInt)
        do throws(Errno) { pair = try sysPipe(flags: options.packets ? PipeFlags.packets : 0) } catch {
            throw IPCError(error, "pipe2", "pipe", hint: options.hint(error))
        }
        let reader = PipeReader(PipeEnd(OwnedDescriptor(adopting: pair.reader), .anonymous))
        let writer = PipeWriter(PipeEnd(OwnedDescriptor(adopting: pair.writer), .anonymous))
        if let capacity = options.capacityBytes { _ = try writer.end.setCapacity(capacity) }
        self.reader = reader
        self.writer = writer
    }

    init(reader: consuming PipeReader, writer: consuming PipeWriter) {
        self.reader = reader
        self.writer = writer
    }
}
