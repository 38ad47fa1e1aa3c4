// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import SystemPackage

/// A bound socket that serves one connection; or, if it is to go on, one after the other and several at once.
final class ListeningSource: Source, Sink {
    private let accept: @Sendable (Deadline) throws -> any Duplex
    private let follow: Bool
    private let current = Shared<(any Duplex)?>(nil)
    /// What the connections deliver when there may be several: one parcel at a time, so that a slow consumer
    /// slows all of them down.
    private let mailbox = Mailbox()
    private let started = Shared(false)
    let keepsBoundaries: Bool
    let boundAddress: Address

    init(
        _ boundAddress: Address, follow: Bool, accept: @escaping @Sendable (Deadline) throws -> any Duplex
    ) {
        self.boundAddress = boundAddress
        self.follow = follow
        self.accept = accept
        keepsBoundaries = boundAddress.keepsBoundaries
    }

    func receive(_ selection: Selection, limit: Int, until deadline: Deadline) throws -> Parcel? {
        if follow { return try receiveFromAll(limit: limit, until: deadline) }
        return try connection(until: deadline).receive(selection, limit: limit, until: deadline)
    }

    func peek(_ selection: Selection, index: Int, until deadline: Deadline) throws -> Parcel? {
        try connection(until: deadline).peek(selection, index: index, until: deadline)
    }

    func send(_ parcel: Parcel, until deadline: Deadline) throws {
        try connection(until: deadline).send(parcel, until: deadline)
    }

    func finish() throws { try current.withLock { $0 }?.finish() }

    private func connection(until deadline: Deadline) throws -> any Duplex {
        if let connection = current.withLock({ $0 }) { return connection }
        let connection = try accept(deadline)
        current.withLock { $0 = connection }
        return connection
    }

    private func receiveFromAll(limit: Int, until deadline: Deadline) throws -> Parcel? {
        let isFirst = started.withLock { started in
            defer { started = true }
            return !started
        }
        if isFirst { try sysStartThread(named: "ipc-accept") { [self] in acceptAll(limit: limit) } }
        guard let parcel = try mailbox.take(until: deadline) else {
            throw IPCError(.timedOut, "accept", "\(boundAddress)", hint: "nobody sent anything in that time")
        }
        return parcel
    }

    /// A thread for each client; they take turns at the mailbox.
    private func acceptAll(limit: Int) {
        do {
            while true {
                let connection = try accept(.never)
                try sysStartThread(named: "ipc-client") { [mailbox] in
                    do {
                        while let parcel = try connection.receive(.first, limit: limit, until: .never) {
                            mailbox.put(parcel)
                        }
                    } catch {
                        // A client that breaks off ends its own connection, not the service.
                        Output.note("a client broke off: \(Failure.describe(error))")
                    }
                }
            }
        } catch {
            mailbox.fail(error)
        }
    }
}

/// One parcel at a time from several threads to one.
final class Mailbox: Sendable {
    private struct State {
        var parcel: Parcel?
        var error: (any Error)?
    }

    private let state = Shared(State())
    private let turns: (reading: CInt, writing: CInt)
    private let arrivals: (reading: CInt, writing: CInt)

    init() {
        // A byte in `turns` is the right to put; a byte in `arrivals` says that something was put.
        turns = (try? sysPlainPipe()) ?? (-1, -1)
        arrivals = (try? sysPlainPipe()) ?? (-1, -1)
        try? Output.writeAll(turns.writing, [1])
    }

    func put(_ parcel: Parcel) {
        _ = try? readUpTo(1, turns.reading)
        state.withLock { $0.parcel = parcel }
        try? Output.writeAll(arrivals.writing, [1])
    }

    func fail(_ error: any Error) {
        _ = try? readUpTo(1, turns.reading)
        state.withLock { $0.error = error }
        try? Output.writeAll(arrivals.writing, [1])
    }

    func take(until deadline: Deadline) throws -> Parcel? {
        guard try sysPollOne(arrivals.reading, writing: false, untilNanoseconds: deadline.monotonicNanoseconds)
        else { return nil }
        _ = try readUpTo(1, arrivals.reading)
        let (parcel, error) = state.withLock { state in
            defer { state = State() }
            return (state.parcel, state.error)
        }
        try Output.writeAll(turns.writing, [1])
        if let error { throw error }
        return parcel
    }
}
