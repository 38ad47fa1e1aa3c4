// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import SystemPackage

extension SocketCore {
    /// Takes over a descriptor after asking the kernel what it is.
    static func adopt(_ descriptor: consuming OwnedDescriptor, _ kinds: [SocketKind]) throws(IPCError) -> SocketCore {
        let number = descriptor.rawValue
        let type = try SocketOption<Int>.type.get(on: number, "descriptor \(number)")
        let domain = try SocketOption<Int>.domain.get(on: number, "descriptor \(number)")
        let isUnix = CInt(domain) == SocketConstant.unix
        let isInternet = CInt(domain) == SocketConstant.ipv4 || CInt(domain) == SocketConstant.ipv6
        guard let kind = kinds.first(where: { $0.type == CInt(type) && ($0.isUnix ? isUnix : isInternet) }) else {
            throw IPCError(
                code: .wrongKind, call: "getsockopt", subject: "descriptor \(number)",
                hint: "a socket of type \(type), family \(domain), where one of \(kinds.map(\.rawValue)) should be")
        }
        let peer = (try? sysPeerAddress(number)).flatMap { SocketAddress($0) }
        return SocketCore(descriptor, kind, peer ?? .unnamed)
    }

    func duplicate() throws(IPCError) -> SocketCore {
        do throws(Errno) {
            return SocketCore(OwnedDescriptor(adopting: try sysDuplicate(rawValue)), kind, address)
        } catch {
            throw IPCError(error, "fcntl", subject, hint: SocketCore.hint(error, "fcntl"))
        }
    }

    consuming func release() -> OwnedDescriptor { descriptor.release() }

    private static func fresh(
        _ kind: SocketKind, _ address: SocketAddress, _ settings: [SocketSetting], nonBlocking: Bool
    ) throws(IPCError) -> OwnedDescriptor {
        let descriptor = try make(kind, address.domain, nonBlocking: nonBlocking)
        try apply(settings, to: descriptor)
        return descriptor
    }

    private static func failure(
        _ errno: Errno, _ kind: SocketKind, _ address: SocketAddress
    ) -> IPCError {
        IPCError(errno, "connect", subject(kind, address), hint: hint(errno, "connect"))
    }

    /// Blocks the thread; the kernel itself keeps the time.
    static func connect(
        _ kind: SocketKind, _ address: SocketAddress, _ settings: [SocketSetting], until deadline: Deadline,
        retryOnInterrupt: Bool
    ) throws(IPCError) -> SocketCore {
        let route = try SocketRoute.existing(address, kind, "connect")
        let descriptor = try fresh(kind, address, settings, nonBlocking: false)
        do throws(Errno) {
            while true {
                let remaining = deadline.remainingNanoseconds
                if remaining == 0 { throw Errno.timedOut }
                if let remaining { try sysSetSendTimeout(descriptor.rawValue, nanoseconds: remaining) }
                do throws(Errno) {
                    try sysConnect(
                        descriptor.rawValue, route.address, retryOnInterrupt: retryOnInterrupt && remaining == nil)
                    break
                } catch {
                    switch error {
                    case .wouldBlock, .nowInProgress, .alreadyInProcess: if remaining == nil { throw error }
                    case .interrupted where retryOnInterrupt: continue
                    case .socketIsConnected: break
                    default: throw error
                    }
                    if error == .socketIsConnected { break }
                }
            }
            if deadline != .never { try sysSetSendTimeout(descriptor.rawValue, nanoseconds: 0) }
        } catch {
            throw failure(error, kind, address)
        }
        return SocketCore(descriptor, kind, address)
    }

    /// One attempt; nil if it cannot be done at once.
    static func tryConnect(
        _ kind: SocketKind, _ address: SocketAddress, _ settings: [SocketSetting]
    ) throws(IPCError) -> SocketCore? {
        let route = try SocketRoute.existing(address, kind, "connect")
        let descriptor = try fresh(kind, address, settings, nonBlocking: true)
        do throws(Errno) {
            try sysConnect(descriptor.rawValue, route.address)
            try sysSetNonBlocking(descriptor.rawValue, false)
        } catch {
            if error == .wouldBlock || error == .nowInProgress { return nil }
            throw failure(error, kind, address)
        }
        return SocketCore(descriptor, kind, address)
    }

    /// Suspends the task. TCP says when it is done; a unix listener with a full backlog tells nobody when it has
    /// room again, so that is asked for, at growing intervals of 1 to 16 milliseconds.
    static func connect(
        _ kind: SocketKind, _ address: SocketAddress, _ settings: [SocketSetting], until deadline: Deadline
    ) async throws(IPCError) -> SocketCore {
        guard kind == .tcp || kind == .udp else {
            var pause = Duration.milliseconds(1)
            while true {
                if let core = try tryConnect(kind, address, settings) { return core }
                if deadline.hasPassed { throw failure(.timedOut, kind, address) }
                do { try await Task.sleep(for: min(pause, deadline.remaining ?? pause)) } catch {
                    throw IPCError(.canceled, "connect", subject(kind, address), hint: "the waiting task was cancelled")
                }
                pause = min(pause * 2, .milliseconds(16))
            }
        }
        let core = SocketCore(try fresh(kind, address, settings, nonBlocking: true), kind, address)
        let target = address.encoded
        let _: Bool = try await core.descriptor.attempt(
            .writable, until: deadline, call: "connect", core.subject
        ) { () throws(IPCError) -> Bool? in
            do throws(Errno) {
                try sysConnect(core.rawValue, target)
                return true
            } catch {
                switch error {
                case .nowInProgress, .alreadyInProcess: return nil
                case .socketIsConnected: return true
                default: throw failure(error, kind, address)
                }
            }
        }
        do throws(Errno) { try sysSetNonBlocking(core.rawValue, false) } catch { throw failure(error, kind, address) }
        return core
    }
}
