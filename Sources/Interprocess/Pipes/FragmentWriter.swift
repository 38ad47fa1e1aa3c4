// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import Synchronization

/// Sends messages of any length over a pipe or named pipe that many write to, and keeps each whole without a lock.
///
/// A write of at most ``PipeWriter/atomicBytes`` stays together by itself. Longer messages go in fragments of that size, one write
/// each, with the writer, the message's number, the offset and the length of the whole; ``FragmentReader`` puts them together.
///
/// Concurrency: any number of tasks, threads and processes may send at once, with this value or with their own.
///
/// If a process dies: its unfinished message is dropped by the reader; the messages of others are untouched.
public struct FragmentWriter: ~Copyable, Sendable {
    /// The end that is written to.
    public let pipe: PipeWriter
    /// What the reader knows this writer by: the process's id and a random number.
    public let id: UInt64
    private let next = Atomic<UInt64>(0)
    /// Messages that were given up when there was no room to say so.
    private let owed = Mutex<[UInt64]>([])
    private let isOwing = Atomic<Bool>(false)

    /// - Parameter pipe: the writing end; it is owned from now on.
    public init(_ pipe: consuming PipeWriter) {
        self.pipe = pipe
        id = UInt64(UInt32(bitPattern: sysProcessID())) << 32 | UInt64(UInt32.random(in: .min ... .max))
    }

    /// Blocks the thread until the message is in the pipe.
    ///
    /// - Throws: ``IPCError/Code/messageTooLarge`` beyond 2³² − 1 bytes; ``IPCError/Code/disconnected``; ``IPCError/Code/timedOut``: the
    ///   reader drops what was sent of it.
    public func send(_ message: [UInt8], until deadline: Deadline = .never) throws(IPCError) {
        let number = try begin(message)
        var offset = 0
        repeat {
            let piece = fragment(message, offset, number)
            do throws(IPCError) { try pipe.write(piece.bytes, until: deadline) } catch {
                callOff(number, offset)
                throw error
            }
            offset = piece.end
            settle()
        } while offset < message.count
    }

    /// Suspends the task until the message is in the pipe.
    ///
    /// - Throws: as the blocking one, and ``IPCError/Code/cancelled``: the reader drops what was sent of it.
    public func send(_ message: [UInt8], until deadline: Deadline = .never) async throws(IPCError) {
        let number = try begin(message)
        var offset = 0
        repeat {
            let piece = fragment(message, offset, number)
            do throws(IPCError) { try await pipe.write(piece.bytes, until: deadline) } catch {
                callOff(number, offset)
                throw error
            }
            offset = piece.end
            settle()
        } while offset < message.count
    }

    /// Sends a message that fits into one fragment, if the pipe has room for it.
    ///
    /// - Returns: false if it has not.
    /// - Throws: ``IPCError/Code/messageTooLarge`` beyond 4060 bytes, which would take several fragments.
    public func trySend(_ message: [UInt8]) throws(IPCError) -> Bool {
        if message.count > Fragment.payloadBytes {
            throw IPCError(
                code: .messageTooLarge, subject: pipe.subject,
                hint: "\(message.count) bytes take several fragments; only \(Fragment.payloadBytes) go at once")
        }
        if try pipe.tryWrite(fragment(message, 0, try begin(message)).bytes) == nil { return false }
        settle()
        return true
    }

    // MARK: Internals

    private func begin(_ message: [UInt8]) throws(IPCError) -> UInt64 {
        if message.count >= Int(UInt32.max) {
            throw IPCError(
                code: .messageTooLarge, subject: pipe.subject, hint: "a message has at most 4294967294 bytes")
        }
        return next.wrappingAdd(1, ordering: .relaxed).oldValue
    }

    private func fragment(_ message: [UInt8], _ offset: Int, _ number: UInt64) -> (bytes: [UInt8], end: Int) {
        let end = min(message.count, offset + Fragment.payloadBytes)
        let header = Fragment(
            writer: id, message: number, total: UInt32(message.count), offset: UInt32(offset),
            length: UInt32(end - offset))
        return (header.encoded(message[offset..<end]), end)
    }

    /// Tells the reader not to wait for the rest.
    private func callOff(_ number: UInt64, _ offset: Int) {
        if offset == 0 { return }
        // There is no room as a rule, or the message would not have been given up: then the next one brings it along.
        owed.withLock { $0.append(number) }
        isOwing.store(true, ordering: .releasing)
        settle()
    }

    /// Says of what was given up that it was, as far as there is room.
    private func settle() {
        if !isOwing.load(ordering: .acquiring) { return }
        owed.withLock { owed in
            while let number = owed.last {
                let header = Fragment(writer: id, message: number, total: 0, offset: 0, length: Fragment.calledOff)
                guard (try? pipe.tryWrite(header.encoded([]))) != nil else { return }
                owed.removeLast()
            }
            isOwing.store(false, ordering: .releasing)
        }
    }
}
