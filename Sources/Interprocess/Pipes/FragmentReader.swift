// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import SystemPackage
import Synchronization

/// Receives the messages that any number of ``FragmentWriter``s send over one pipe or named pipe, each whole.
///
/// What arrives is checked: bytes that are no fragment are skipped and counted, fragments that contradict what came before are
/// dropped with their message, and what is held is bounded by ``FragmentLimits``; see ``statistics``.
///
/// Concurrency: one call at a time; another meanwhile throws ``IPCError/Code/busy``. It must be the pipe's only reader.
///
/// If a process dies: its unfinished message is dropped, at the latest when room is needed or ``abandonDead()`` is called.
public struct FragmentReader: ~Copyable, Sendable {
    /// The end that is read from.
    public let pipe: PipeReader
    private let state: Mutex<FragmentReaderState>

    /// What an attempt to receive found.
    public enum Outcome: Sendable, Hashable {
        /// A whole message.
        case message(FragmentMessage)
        /// None yet.
        case nothingYet
        /// No writer is left and everything was received.
        case end
    }

    /// - Parameters:
    ///   - pipe: the reading end; it is owned from now on.
    ///   - limits: what may be held.
    public init(_ pipe: consuming PipeReader, limits: FragmentLimits = FragmentLimits()) {
        self.pipe = pipe
        state = Mutex(FragmentReaderState(assembler: FragmentAssembler(limits)))
    }

    /// Blocks the thread until a message is whole.
    ///
    /// - Returns: nil when no writer is left.
    /// - Throws: ``IPCError/Code/timedOut``.
    public func receive(until deadline: Deadline = .never) throws(IPCError) -> FragmentMessage? {
        while true {
            switch try attempt({ (buffer: inout OutputSpan<UInt8>) throws(IPCError) in
                try pipe.read(into: &buffer, until: deadline)
            }) {
            case .message(let message): return message
            case .end: return nil
            case .nothingYet: continue
            }
        }
    }

    /// Takes a message if one is whole.
    public func tryReceive() throws(IPCError) -> Outcome {
        try attempt { (buffer: inout OutputSpan<UInt8>) throws(IPCError) in try pipe.tryRead(into: &buffer) }
    }

    /// Suspends the task until a message is whole.
    ///
    /// - Throws: ``IPCError/Code/timedOut``, ``IPCError/Code/cancelled``: nothing is lost.
    public func receive(until deadline: Deadline = .never) async throws(IPCError) -> FragmentMessage? {
        while true {
            let seen = try pipe.end.descriptor.generation(.readable)
            switch try tryReceive() {
            case .message(let message): return message
            case .end: return nil
            case .nothingYet: try await pipe.end.waitSuspended(.readable, after: seen, deadline)
            }
        }
    }

    /// What was seen so far.
    public var statistics: FragmentStatistics { state.withLock { $0.statistics } }

    /// Drops the unfinished messages of processes that no longer run. Only for writers of the same pid namespace.
    ///
    /// - Returns: how many messages were dropped.
    @discardableResult
    public func abandonDead() throws(IPCError) -> Int {
        var assembler = try begin()
        defer { finish(assembler) }
        return assembler.abandonDead { process in
            (try? sysStatus(FilePath("/proc/\(process)"))) != nil
        }
    }

    // MARK: Internals

    /// Reads until a message is whole or `read` finds nothing.
    private func attempt(
        _ read: (inout OutputSpan<UInt8>) throws(IPCError) -> Int?
    ) throws(IPCError) -> Outcome {
        var assembler = try begin()
        defer { finish(assembler) }
        while true {
            if let message = assembler.takeMessage() { return .message(message) }
            var found: Int?
            let part = try [UInt8](capacity: Self.chunk) { (buffer: inout OutputSpan<UInt8>) throws(IPCError) in
                found = try read(&buffer)
            }
            guard let found else { return .nothingYet }
            if found == 0 {
                assembler.end()
                return assembler.takeMessage().map { .message($0) } ?? .end
            }
            assembler.feed(part, drained: found < Self.chunk)
        }
    }

    private static var chunk: Int { 65536 }

    private func begin() throws(IPCError) -> FragmentAssembler {
        let taken = state.withLock { $0.assembler.take() }
        if let taken { return taken }
        throw IPCError(
            code: .busy, subject: pipe.subject, hint: "another task is receiving from it; one reader at a time")
    }

    private func finish(_ assembler: FragmentAssembler) {
        state.withLock { state in
            state.statistics = assembler.statistics
            state.assembler = assembler
        }
    }
}

struct FragmentReaderState: Sendable {
    /// nil while a call has it.
    var assembler: FragmentAssembler?
    var statistics = FragmentStatistics()
}
