// SPDX-License-Identifier: Apache-2.0
package import InterprocessSyscalls
import Synchronization
import SystemPackage

/// What a test did not get from its peer.
package struct PeerFailure: Error, CustomStringConvertible {
    package let description: String
    init(_ description: String) { self.description = description }
}

/// Another process for a test to talk to: any program, with pipes at standard input and output.
///
/// What it writes to standard error is kept in memory, so that a peer never stalls on it. When the value goes, its child
/// is killed and reaped: only its own, never by name.
package final class Peer: Sendable {
    /// How the process ended.
    package typealias Status = ExitStatus

    struct State {
        var input: CInt?
        var output: CInt
        var buffer: [UInt8] = []
        var ended = false
        var status: ExitStatus?
    }

    package let processID: Int32
    /// What was started, for messages.
    package let arguments: [String]
    let state: Mutex<State>
    private let process: OwnedNumber
    private let errors: OwnedNumber

    /// Starts a program.
    ///
    /// - Parameters:
    ///   - arguments: the program, as a path or a name to be found in PATH, and what it is given.
    ///   - descriptors: the child's number → the number here, beside 0 to 2, which are pipes.
    ///   - environment: variables to add or replace.
    package init(
        _ arguments: [String], descriptors: [CInt: CInt] = [:], environment: [String: String] = [:]
    ) throws {
        guard let program = Program.find(arguments[0]) else { throw PeerFailure("no program \(arguments[0])") }
        Self.sealInherited
        var variables = TestSyscalls.environment().filter { variable in
            !environment.keys.contains { variable.hasPrefix($0 + "=") }
        }
        variables += environment.map { "\($0.key)=\($0.value)" }
        let input = try TestSyscalls.pipe()
        let output = try TestSyscalls.pipe()
        let errors = try TestSyscalls.anonymousFile()
        var table = descriptors
        (table[0], table[1], table[2]) = (input.reading, output.writing, errors)
        defer { for number in [input.reading, output.writing] { TestSyscalls.close(number) } }
        self.arguments = arguments
        self.errors = OwnedNumber(errors)
        state = Mutex(State(input: input.writing, output: output.reading))
        processID = try sysSpawn(program, arguments: arguments, environment: variables, descriptors: table)
        process = OwnedNumber(try sysOpenProcess(processID))
    }

    /// Whoever started the tests may have left descriptors open for everybody; a peer is not to get them.
    private static let sealInherited: Void = {
        for number in LeakCheck.descriptors().keys where number > 2 { try? sysSetCloseOnExec(number, true) }
    }()

    deinit {
        state.withLock { state in
            if state.status == nil {
                // A test that has become another user may not end it: then it is the parent's no longer.
                if (try? sysSignalProcess(process.number, 9)) != nil { _ = try? sysWait(processID) }
            }
            if let input = state.input { TestSyscalls.close(input) }
            TestSyscalls.close(state.output)
        }
    }

    // MARK: To the peer

    /// Writes `text` and a line feed to its standard input.
    package func send(_ text: String) throws { try write(Array(text.utf8) + [10]) }

    /// Writes bytes to its standard input; blocks while the pipe is full.
    package func write(_ bytes: [UInt8]) throws {
        guard let input = state.withLock({ $0.input }) else { throw failure("its input is closed") }
        do throws(Errno) { try TestSyscalls.writeAll(input, bytes) } catch { throw failure("writing to it: \(error)") }
    }

    /// Its standard input ends.
    package func closeInput() {
        if let input = state.withLock({ $0.input.take() }) { TestSyscalls.close(input) }
    }

    /// Sends it a signal; SIGKILL unless told otherwise. Nothing if it has been waited for.
    package func kill(_ signal: CInt = 9) {
        state.withLock { if $0.status == nil { try? sysSignalProcess(process.number, signal) } }
    }

    // MARK: Its end

    /// Whether it still runs.
    package var isRunning: Bool { (try? wait(.zero)) == nil }

    /// Waits for its end.
    ///
    /// - Throws: ``PeerFailure`` after `limit`, with what it wrote to standard error.
    @discardableResult
    package func wait(_ limit: Duration = .seconds(20)) throws -> ExitStatus {
        if let status = state.withLock({ $0.status }) { return status }
        guard try TestSyscalls.waitReadable(process.number, untilNanoseconds: Self.point(limit)) else {
            throw failure("still runs after \(limit)")
        }
        return try state.withLock { state in
            if let status = state.status { return status }
            guard let status = try sysWait(processID) else { throw failure("has not ended") }
            state.status = status
            return status
        }
    }

    /// What it has written to standard error so far.
    package var errorText: String {
        var all: [UInt8] = []
        while let part = try? TestSyscalls.read(errors.number, at: all.count), !part.isEmpty { all += part }
        return String(decoding: all, as: UTF8.self)
    }

    func failure(_ what: String) -> PeerFailure {
        let errors = errorText
        let command = arguments.joined(separator: " ").prefix(300)
        return PeerFailure("peer \(processID) [\(command)] \(what)" + (errors.isEmpty ? "" : "; it wrote: \(errors)"))
    }

    static func point(_ limit: Duration) -> UInt64 {
        sysMonotonicNanoseconds() + UInt64(limit.components.seconds) * 1_000_000_000
            + UInt64(limit.components.attoseconds / 1_000_000_000)
    }
}

/// Closes its descriptor when it goes.
final class OwnedNumber: Sendable {
    let number: CInt
    init(_ number: CInt) { self.number = number }
    deinit { TestSyscalls.close(number) }
}
