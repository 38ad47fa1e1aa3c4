// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import SystemPackage

extension NamedPipe {
    // MARK: Blocking

    /// Opens the reading end; blocks the thread until somebody has it open for writing.
    ///
    /// - Parameter retryOnInterrupt: false to see ``IPCError/Code/interrupted`` when a signal handler ran.
    /// - Throws: ``IPCError/Code/notFound``, ``IPCError/Code/wrongKind``, ``IPCError/Code/invalidName`` for a symbolic link,
    ///   ``IPCError/Code/permissionDenied``, ``IPCError/Code/limitReached``.
    ///
    /// The corresponding C function is `openat(2)` with `O_RDONLY`.
    public func openReader(retryOnInterrupt: Bool = true) throws(IPCError) -> PipeReader {
        try checkBeforeBlocking()
        return PipeReader(try finish(try open(PipeFlags.readOnly, retryOnInterrupt), nonBlocking: false))
    }

    /// Opens the writing end; blocks the thread until somebody has it open for reading.
    ///
    /// - Throws: as ``openReader(retryOnInterrupt:)``.
    ///
    /// The corresponding C function is `openat(2)` with `O_WRONLY`.
    public func openWriter(retryOnInterrupt: Bool = true) throws(IPCError) -> PipeWriter {
        try checkBeforeBlocking()
        return PipeWriter(try finish(try open(PipeFlags.writeOnly, retryOnInterrupt), nonBlocking: false))
    }

    /// As ``openReader(retryOnInterrupt:)``, at most until a deadline.
    ///
    /// - Throws: ``IPCError/Code/timedOut``, ``IPCError/Code/tooManyWaiters``: a thread is lent for the wait.
    public func openReader(until deadline: Deadline) throws(IPCError) -> PipeReader {
        try checkBeforeBlocking()
        return PipeReader(try finish(try openBlocking(PipeFlags.readOnly, deadline), nonBlocking: false))
    }

    /// As ``openWriter(retryOnInterrupt:)``, at most until a deadline.
    ///
    /// - Throws: ``IPCError/Code/timedOut``, ``IPCError/Code/tooManyWaiters``: a thread is lent for the wait.
    public func openWriter(until deadline: Deadline) throws(IPCError) -> PipeWriter {
        if let writer = try tryOpenWriter() { return writer }
        return PipeWriter(try finish(try openBlocking(PipeFlags.writeOnly, deadline), nonBlocking: false))
    }

    // MARK: At once

    /// Opens the reading end at once, whether anybody writes or not.
    ///
    /// Until the first writer comes reading says "the end", as it does whenever there is no writer and nothing left.
    ///
    /// The corresponding C function is `openat(2)` with `O_RDONLY | O_NONBLOCK`.
    public func tryOpenReader() throws(IPCError) -> PipeReader {
        PipeReader(try finish(try open(PipeFlags.readOnly | PipeFlags.nonBlocking, true), nonBlocking: true))
    }

    /// Opens the writing end if somebody has it open for reading.
    ///
    /// - Returns: nil if nobody reads (ENXIO).
    ///
    /// The corresponding C function is `openat(2)` with `O_WRONLY | O_NONBLOCK`.
    public func tryOpenWriter() throws(IPCError) -> PipeWriter? {
        do throws(IPCError) {
            let opened = try open(PipeFlags.writeOnly | PipeFlags.nonBlocking, true)
            return PipeWriter(try finish(opened, nonBlocking: true))
        } catch {
            guard error.errno == .noSuchAddressOrDevice else { throw error }
            // A socket at the path answers ENXIO as well.
            _ = try status()
            return nil
        }
    }

    /// Opens both ends at once with one descriptor that reads and writes: never waits, never sees the end of the stream.
    ///
    /// The corresponding C function is `openat(2)` with `O_RDWR`, which POSIX leaves undefined and Linux defines.
    public func openReadWrite() throws(IPCError) -> PipePair {
        let owned = try verified(try open(PipeFlags.readWrite | PipeFlags.nonBlocking, true))
        do throws(Errno) { try sysSetNonBlocking(owned.rawValue, false) } catch { throw failure(error, "fcntl") }
        let second = try owned.duplicate()
        return PipePair(
            reader: PipeReader(PipeEnd(owned, .path(path))), writer: PipeWriter(PipeEnd(second, .path(path))))
    }

    /// Opens the reading end of a server: it survives its clients.
    ///
    /// The end of the stream never comes, because this process keeps a writing end open itself: reading waits for the next
    /// client, however many have come and gone.
    public func openServer() throws(IPCError) -> NamedPipeServer {
        let reader = try tryOpenReader()
        guard let writer = try tryOpenWriter() else {
            throw IPCError(code: .removed, subject: subject, hint: "the name was replaced while it was being opened")
        }
        let (one, other) = (try reader.end.status(), try writer.end.status())
        guard one.inode == other.inode else {
            throw IPCError(code: .removed, subject: subject, hint: "the name was replaced while it was being opened")
        }
        return NamedPipeServer(reader: reader, keeper: writer)
    }

    // MARK: Internals

    private func flags(_ access: CInt) -> CInt { followsLinks ? access : access | PipeFlags.noFollow }

    private func open(_ access: CInt, _ retry: Bool) throws(IPCError) -> OwnedDescriptor {
        do throws(Errno) {
            return OwnedDescriptor(
                adopting: try sysOpen(at: base, path, flags: flags(access), retryOnInterrupt: retry))
        } catch {
            throw failure(error, "openat", hint: openHint(error))
        }
    }

    private func openHint(_ error: Errno) -> String {
        switch error {
        case .noSuchAddressOrDevice: "nobody has it open for reading"
        case .tooManyOpenFiles: "this process has as many descriptors as RLIMIT_NOFILE allows"
        default: ""
        }
    }

    /// What is no named pipe must not be opened with a call that could block or have an effect of its own.
    private func checkBeforeBlocking() throws(IPCError) {
        let found: FileStatus
        do throws(Errno) { found = try sysStatus(at: base, path, followLinks: followsLinks) } catch {
            throw failure(error, "openat")
        }
        if found.kind == .link { throw failure(.tooManySymbolicLinkLevels, "openat") }
        try verify(found)
    }

    /// The call that blocks, made on a thread that is lent for it.
    private func openBlocking(_ access: CInt, _ deadline: Deadline) throws(IPCError) -> OwnedDescriptor {
        let (base, path, flags) = (base, path, flags(access))
        return OwnedDescriptor(
            adopting: try WaiterThread(subject: subject).performBlocking(call: "openat", until: deadline) {
                [directory] () throws(Errno) in
                defer { _ = directory }
                return try sysOpen(at: base, path, flags: flags, retryOnInterrupt: false)
            })
    }

    func openSuspended(_ access: CInt, _ deadline: Deadline) async throws(IPCError) -> OwnedDescriptor {
        let (base, path, flags) = (base, path, flags(access))
        try checkBeforeBlocking()
        return OwnedDescriptor(
            adopting: try await WaiterThread(subject: subject).perform(call: "openat", until: deadline) {
                [directory] () throws(Errno) in
                defer { _ = directory }
                return try sysOpen(at: base, path, flags: flags, retryOnInterrupt: false)
            })
    }

    /// Nothing passes through what is no named pipe: a regular file put in its place opens without complaint.
    private func verified(_ owned: consuming OwnedDescriptor) throws(IPCError) -> OwnedDescriptor {
        let found: FileStatus
        do throws(Errno) { found = try sysStatus(owned.rawValue) } catch { throw failure(error, "fstat") }
        try verify(found)
        return owned
    }

    func finish(_ owned: consuming OwnedDescriptor, nonBlocking: Bool) throws(IPCError) -> PipeEnd {
        PipeEnd(try verified(owned), .path(path), nonBlocking: nonBlocking)
    }
}

extension NamedPipe {
    // MARK: Asynchronous

    /// Opens the reading end; suspends the task until somebody has it open for writing, be it for a moment.
    ///
    /// - Parameter deadline: until when.
    /// - Throws: ``IPCError/Code/timedOut``, ``IPCError/Code/cancelled``, ``IPCError/Code/tooManyWaiters``: a thread outside the cooperative
    ///   pool makes the call that waits; otherwise as ``openReader(retryOnInterrupt:)``.
    public func openReader(until deadline: Deadline = .never) async throws(IPCError) -> PipeReader {
        PipeReader(try finish(try await openSuspended(PipeFlags.readOnly, deadline), nonBlocking: false))
    }

    /// Opens the writing end; suspends the task until somebody has it open for reading.
    ///
    /// - Throws: as the asynchronous ``openReader(until:)-344a3``.
    public func openWriter(until deadline: Deadline = .never) async throws(IPCError) -> PipeWriter {
        if let writer = try tryOpenWriter() { return writer }
        return PipeWriter(try finish(try await openSuspended(PipeFlags.writeOnly, deadline), nonBlocking: false))
    }
}

/// The reading end of a server that survives its clients coming and going; see ``NamedPipe/openServer()``.
public struct NamedPipeServer: ~Copyable, Sendable {
    /// What clients write comes out here. Reading never meets the end of the stream.
    public let reader: PipeReader
    /// Keeps the kernel from seeing the last writer go.
    private let keeper: PipeWriter

    init(reader: consuming PipeReader, keeper: consuming PipeWriter) {
        self.reader = reader
        self.keeper = keeper
    }

    /// Lets go of the writing end that was kept: from now on the stream ends with the last client.
    public consuming func endWithLastClient() -> PipeReader { reader }

    /// Closes both ends.
    public consuming func close() throws(IPCError) {
        try keeper.close()
        try reader.close()
    }
}
