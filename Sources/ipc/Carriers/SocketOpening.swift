// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import SystemPackage

/// From an address to a connected or a listening socket.
enum SocketOpening {
    static func connect(_ address: Address, _ plan: SourcePlan) throws -> any Duplex {
        let target = try place(address)
        let deadline = plan.deadline
        if address.kind == .unixSeqpacket {
            let socket = try SocketCalls.patient(deadline) { () throws(IPCError) in
                try SequencedPacketSocket.connect(to: target, until: deadline)
            }
            return PacketCarrier(address, socket)
        }
        // A TCP connection is never there at once, not even on this host; no-wait is about the data.
        let patience = plan.noWait && address.kind == .tcp ? Deadline.after(.seconds(5)) : deadline
        let socket = try SocketCalls.patient(patience) { () throws(IPCError) in
            try StreamSocket.connect(to: target, until: patience)
        }
        return StreamCarrier(address, socket, wantsDescriptors: plan.wantsDescriptors)
    }

    static func listen(_ address: Address, _ plan: SourcePlan) throws -> any Duplex {
        let target = try place(address)
        if address.kind == .unixSeqpacket {
            let listener = try noting(address) { () throws(IPCError) in try SequencedPacketListener.bind(to: target) }
            let bound = named(address, listener.address)
            let held = Held(listener)
            return ListeningSource(bound, follow: plan.follow) { deadline in
                let socket = try SocketCalls.patient(deadline) { () throws(IPCError) in
                    try held.value.accept(until: deadline)
                }
                return PacketCarrier(bound, socket)
            }
        }
        let listener = try noting(address) { () throws(IPCError) in try StreamListener.bind(to: target) }
        let bound = named(address, listener.address)
        let held = Held(listener)
        let wantsDescriptors = plan.wantsDescriptors
        return ListeningSource(bound, follow: plan.follow) { deadline in
            let socket = try SocketCalls.patient(deadline) { () throws(IPCError) in
                try held.value.accept(until: deadline)
            }
            return StreamCarrier(bound, socket, wantsDescriptors: wantsDescriptors)
        }
    }

    /// Binds, and keeps a path that is bound in mind: it goes when the command goes.
    static func noting<Bound: ~Copyable>(
        _ address: Address, _ bind: () throws(IPCError) -> Bound
    ) throws(IPCError) -> Bound {
        Cleaning.willMake()
        defer { Cleaning.made() }
        let bound = try bind()
        if case .path(let path) = address.name { Cleaning.add(path) }
        return bound
    }

    /// The address with the port that the kernel chose.
    static func named(_ address: Address, _ bound: SocketAddress) -> Address {
        guard case .endpoint(let host, 0) = address.name, let port = bound.port,
            let named = try? Address(kind: address.kind, name: .endpoint(host: host, port: port))
        else { return address }
        return named
    }

    static func place(_ address: Address) throws -> SocketAddress {
        switch address.name {
        case .path(let path): return .path(path)
        case .abstract(let name): return .abstract(name)
        case .endpoint:
            // What the resolver says first; numbers need none.
            do throws(IPCError) {
                guard let first = try SocketAddress.resolve(address.name.text(for: address.kind)).first else {
                    throw IPCError(code: .notFound, subject: "\(address)")
                }
                return first
            } catch {
                throw IPCError(
                    code: error.code, call: error.call, errno: error.errno, subject: "\(address)", hint: error.hint)
            }
        default: throw Carriers.unfit(address, "connect to")
        }
    }
}

/// Lets closures share what cannot be copied.
final class Held<Value: ~Copyable & Sendable>: Sendable {
    let value: Value
    init(_ value: consuming Value) { self.value = value }
}
