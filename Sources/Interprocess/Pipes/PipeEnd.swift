// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import Synchronization
import SystemPackage

/// What an end is called in errors.
enum PipeName: Sendable {
    /// `pipe:[inode]`, looked up when it is asked for.
    case anonymous
    /// `fifo:/path`.
    case path(FilePath)
}

/// What both ends of a pipe are made of: the descriptor, its name, and whether it may be made non-blocking.
///
/// A description stays blocking until a verb needs it otherwise, so that who only ever blocks pays for one
/// system call and no more. From the first `try`, `until:` or `async` verb on it is O_NONBLOCK, and the blocking
/// verbs wait with poll(2) where there is nothing.
struct PipeEnd: ~Copyable, Sendable {
    /// How the open file description stands.
    private enum Mode {
        static let blocking: UInt8 = 0
        static let nonBlocking: UInt8 = 1
        /// Others use the same description: its flags are theirs too and stay as they are.
        static let shared: UInt8 = 2
    }

    let descriptor: AwaitableDescriptor
    let name: PipeName
    private let mode: Atomic<UInt8>

    /// - Parameter nonBlocking: whether O_NONBLOCK is set already.
    init(_ owned: consuming OwnedDescriptor, _ name: PipeName, nonBlocking: Bool = false, shared: Bool = false) {
        descriptor = AwaitableDescriptor(owned)
        self.name = name
        mode = Atomic(shared ? Mode.shared : nonBlocking ? Mode.nonBlocking : Mode.blocking)
    }

    var number: CInt { descriptor.rawValue }

    var subject: String {
        switch name {
        case .path(let path): "fifo:\(path)"
        case .anonymous:
            if let status = try? sysStatus(number) { "pipe:[\(status.inode)]" } else { "pipe (descriptor \(number))" }
        }
    }

    func failure(_ error: Errno, _ call: String, hint: String = "") -> IPCError {
        IPCError(error, call, subject, hint: hint)
    }

    // MARK: Blocking or not

    var isShared: Bool { mode.load(ordering: .acquiring) == Mode.shared }

    /// Before the first verb that must not block. Two who do so at once both set the flag, which is harmless.
    func stopBlocking() throws(IPCError) {
        if mode.load(ordering: .acquiring) != Mode.blocking { return }
        do throws(Errno) { try sysSetNonBlocking(number, true) } catch { throw failure(error, "fcntl") }
        mode.store(Mode.nonBlocking, ordering: .releasing)
    }

    /// Gives the descriptor away as it is expected by programs that know nothing of this: blocking.
    consuming func handOver() throws(IPCError) -> OwnedDescriptor {
        if mode.load(ordering: .acquiring) == Mode.nonBlocking {
            do throws(Errno) { try sysSetNonBlocking(number, false) } catch { throw failure(error, "fcntl") }
        }
        return descriptor.release()
    }

    // MARK: Waiting

    func waitBlocking(_ interest: Interest, _ deadline: Deadline, _ retry: Bool = true) throws(IPCError) -> Bool {
        do throws(IPCError) {
            return try descriptor.wait(for: interest, until: deadline, retryOnInterrupt: retry)
        } catch { throw named(error) }
    }

    func waitSuspended(_ interest: Interest, after seen: UInt64, _ deadline: Deadline) async throws(IPCError) {
        do throws(IPCError) {
            if try await descriptor.wait(for: interest, after: seen, until: deadline) { return }
        } catch { throw named(error) }
        throw timedOut(interest)
    }

    func waitSuspended(_ interest: Interest, _ deadline: Deadline) async throws(IPCError) -> Bool {
        do throws(IPCError) { return try await descriptor.wait(for: interest, until: deadline) } catch {
            throw named(error)
        }
    }

    func timedOut(_ interest: Interest) -> IPCError {
        IPCError(
            code: .timedOut, call: interest == .writable ? "write" : "read", subject: subject,
            hint: interest == .writable ? "nobody made room before the deadline" : "nothing came before the deadline")
    }

    /// An error of the readiness layer, which knows a number only, with this object's name.
    private func named(_ error: IPCError) -> IPCError {
        var error = error
        error.subject = subject
        return error
    }

    // MARK: System calls that take or give bytes

    /// One read that does not block; nil if there is nothing.
    func readNow(into buffer: inout OutputSpan<UInt8>) throws(IPCError) -> Int? {
        try stopBlocking()
        do throws(Errno) {
            if isShared { return try readSharedNow(into: &buffer) }
            return try sysPipeRead(number, into: &buffer)
        } catch  where error == .wouldBlock {
            return nil
        } catch {
            throw failure(error, "read", hint: readHint(error))
        }
    }

    /// The flags belong to others: RWF_NOWAIT, and where the kind of file cannot, ask first and hope that no
    /// other reader is quicker.
    private func readSharedNow(into buffer: inout OutputSpan<UInt8>) throws(Errno) -> Int {
        do throws(Errno) { return try sysPipeReadNow(number, into: &buffer) } catch
            where error == .notSupportedOnSocket
        {
            guard (try? descriptor.wait(for: .readable, until: .now)) == true else { throw .wouldBlock }
            return try sysPipeRead(number, into: &buffer)
        }
    }

    /// One write that does not block; nil if nothing fits.
    func writeNow(_ bytes: Span<UInt8>) throws(IPCError) -> Int? {
        try stopBlocking()
        do throws(Errno) {
            if isShared { return try writeSharedNow(bytes) }
            return try sysPipeWrite(number, bytes)
        } catch  where error == .wouldBlock {
            return nil
        } catch {
            throw failure(error, "write", hint: writeHint(error))
        }
    }

    private func writeSharedNow(_ bytes: Span<UInt8>) throws(Errno) -> Int {
        do throws(Errno) { return try sysPipeWriteNow(number, bytes) } catch  where error == .notSupportedOnSocket {
            guard (try? descriptor.wait(for: .writable, until: .now)) == true else { throw .wouldBlock }
            return try sysPipeWrite(number, bytes.extracting(first: min(bytes.count, pipeAtomicBytes)))
        }
    }

    func readHint(_ error: Errno) -> String {
        error == .badFileDescriptor ? "it is closed, or open for writing only" : ""
    }

    func writeHint(_ error: Errno) -> String {
        switch error {
        case .brokenPipe: "every reader has closed; nothing of this call was written"
        case .badFileDescriptor: "it is closed, or open for reading only"
        default: ""
        }
    }
}
