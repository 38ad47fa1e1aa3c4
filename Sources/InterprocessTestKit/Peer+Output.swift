// SPDX-License-Identifier: Apache-2.0
package import InterprocessSyscalls
import Synchronization
import SystemPackage

/// What a peer did from start to end.
package struct PeerOutcome: Sendable {
    package let status: ExitStatus
    package let output: [UInt8]
    package let errorText: String
    package var text: String { String(decoding: output, as: UTF8.self) }
}

extension Peer {
    /// The next line of its standard output, without the line feed; nil at the end.
    ///
    /// - Throws: ``PeerFailure`` after `limit`.
    package func readLine(_ limit: Duration = .seconds(20)) throws -> String? {
        let deadline = Self.point(limit)
        while true {
            if let line = state.withLock({ $0.takeLine() }) { return line }
            if try !fill(deadline) {
                let rest = state.withLock { state in
                    defer { state.buffer = [] }
                    return state.buffer
                }
                return rest.isEmpty ? nil : String(decoding: rest, as: UTF8.self)
            }
        }
    }

    /// Reads lines until one is `line`; those before it are dropped.
    ///
    /// - Throws: ``PeerFailure`` if the output ends, or after `limit`.
    package func expect(_ line: String, _ limit: Duration = .seconds(20)) throws {
        var seen: [String] = []
        while let next = try readLine(limit) {
            if next == line { return }
            seen.append(next)
        }
        throw failure("ended without the line \"\(line)\"; it wrote \(seen)")
    }

    /// Exactly `count` bytes of its standard output, fewer only at its end.
    package func read(_ count: Int, _ limit: Duration = .seconds(20)) throws -> [UInt8] {
        let deadline = Self.point(limit)
        while state.withLock({ $0.buffer.count }) < count {
            if try !fill(deadline) { break }
        }
        return state.withLock { state in
            let part = Array(state.buffer.prefix(count))
            state.buffer.removeFirst(part.count)
            return part
        }
    }

    /// All of its standard output up to the end.
    package func readAll(_ limit: Duration = .seconds(60)) throws -> [UInt8] {
        try read(.max, limit)
    }

    /// Closes its input, reads its output to the end, waits for it.
    package func finish(_ limit: Duration = .seconds(60)) throws -> PeerOutcome {
        closeInput()
        let output = try readAll(limit)
        let status = try wait(limit)
        return PeerOutcome(status: status, output: output, errorText: errorText)
    }

    /// Waits for its output and takes it into the buffer; false at the end.
    private func fill(_ deadline: UInt64) throws -> Bool {
        let (output, ended) = state.withLock { ($0.output, $0.ended) }
        if ended { return false }
        guard try TestSyscalls.waitReadable(output, untilNanoseconds: deadline) else {
            throw failure("wrote nothing more in time")
        }
        let part = try TestSyscalls.read(output)
        state.withLock { state in
            state.buffer += part
            state.ended = part.isEmpty
        }
        return !part.isEmpty
    }
}

extension Peer.State {
    mutating func takeLine() -> String? {
        guard let end = buffer.firstIndex(of: 10) else { return nil }
        let line = String(decoding: buffer[..<end], as: UTF8.self)
        buffer.removeSubrange(...end)
        return line
    }
}
