// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import Synchronization
import SystemPackage

extension SocketAddress {
    /// The addresses of `host:port`, best first: what the resolver of the system says.
    ///
    /// Numeric hosts and ports need no look-up; an empty host is this one (loopback).
    ///
    /// - Parameter hostAndPort: `example.org:443`, `localhost:http`, `[::1]:80`.
    /// - Throws: ``IPCError/Code/notFound`` if there is no such host or service; ``IPCError/Code/system`` if the resolver
    ///   could not find out; ``IPCError/Code/invalidName``.
    ///
    /// Blocking: for as long as the resolver takes, which may be many seconds; nothing interrupts it. In a task, use the
    /// `async` form.
    ///
    /// The corresponding C function is `getaddrinfo(3)`.
    public static func resolve(_ hostAndPort: String) throws(IPCError) -> [SocketAddress] {
        let (host, port) = try parts(hostAndPort)
        if let number = UInt16(port), let address = numeric(host, port: number) { return [address] }
        return try addresses(sysResolve(host: host, port: port, passive: false), hostAndPort)
    }

    /// The addresses of `host:port`, best first; suspends the task while a thread of its own asks the resolver.
    ///
    /// - Throws: as the blocking form; ``IPCError/Code/timedOut``; ``IPCError/Code/cancelled`` (the thread goes on until the
    ///   resolver answers, and its answer is dropped); ``IPCError/Code/tooManyWaiters`` if 32 look-ups are under way.
    public static func resolve(
        _ hostAndPort: String, until deadline: Deadline = .never
    ) async throws(IPCError) -> [SocketAddress] {
        let (host, port) = try parts(hostAndPort)
        if let number = UInt16(port), let address = numeric(host, port: number) { return [address] }
        if Task.isCancelled {
            throw IPCError(.canceled, "getaddrinfo", hostAndPort, hint: "the waiting task was cancelled")
        }
        let answer = try await Lookups.shared.resolve(host, port, until: deadline)
        return try addresses(answer, hostAndPort)
    }

    private static func parts(_ text: String) throws(IPCError) -> (host: String, port: String) {
        guard let parts = split(text), !parts.port.isEmpty else {
            throw IPCError(
                code: .invalidName, subject: "\"\(text)\"", hint: "a right form is example.org:443 or [::1]:80")
        }
        return parts
    }

    private static func addresses(_ resolution: Resolution, _ text: String) throws(IPCError) -> [SocketAddress] {
        switch resolution {
        case .addresses(let found): return found.compactMap { SocketAddress($0) }
        case .failure(let isUnknown, let message):
            throw IPCError(code: isUnknown ? .notFound : .system, call: "getaddrinfo", subject: text, hint: message)
        }
    }
}

/// Look-ups on threads of their own: getaddrinfo(3) blocks and cannot be interrupted.
private final class Lookups: Sendable {
    static let shared = Lookups()
    static let limit = 32
    private let underWay = Mutex(0)

    func resolve(_ host: String, _ port: String, until deadline: Deadline) async throws(IPCError) -> Resolution {
        let subject = "\(host):\(port)"
        let isRoom = underWay.withLock { count in
            if count >= Lookups.limit { return false }
            count += 1
            return true
        }
        guard isRoom else {
            throw IPCError(
                code: .tooManyWaiters, call: "getaddrinfo", subject: subject,
                hint: "\(Lookups.limit) look-ups are under way; try again when some have ended")
        }
        let waiter = Waiter()
        let answer = Answer()
        do throws(Errno) {
            try sysStartThread(named: "ipc-resolver") { [self] in
                let resolution = sysResolve(host: host, port: port, passive: false)
                underWay.withLock { $0 -= 1 }
                answer.value.withLock { $0 = resolution }
                waiter.fire(.ready(0))
            }
        } catch {
            underWay.withLock { $0 -= 1 }
            throw IPCError(error, "pthread_create", subject)
        }
        let reactor = deadline == .never ? nil : try Reactor.current()
        let timer = reactor?.expire(waiter, at: deadline)
        let wakeup = await waiter.suspend()
        if let timer { reactor?.callOff(timer) }
        switch wakeup {
        case .ready: return answer.value.withLock { $0 } ?? .addresses([])
        case .timedOut: throw IPCError(.timedOut, "getaddrinfo", subject)
        case .cancelled: throw IPCError(.canceled, "getaddrinfo", subject, hint: "the waiting task was cancelled")
        case .failed(let error): throw error
        }
    }
}

/// Where the thread leaves what it has found.
private final class Answer: Sendable {
    let value = Mutex<Resolution?>(nil)
}
