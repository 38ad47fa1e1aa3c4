// SPDX-License-Identifier: Apache-2.0
import InterprocessSyscalls
import SystemPackage

/// The five kinds of socket, as errors and addresses of the command name them.
enum SocketKind: String, Sendable {
    case unix, unixDatagram = "unix-datagram", unixSequencedPacket = "unix-seqpacket", tcp, udp

    var type: CInt {
        switch self {
        case .unix, .tcp: SocketConstant.stream
        case .unixDatagram, .udp: SocketConstant.datagram
        case .unixSequencedPacket: SocketConstant.sequencedPacket
        }
    }

    var isUnix: Bool { self != .tcp && self != .udp }

    static func stream(_ address: SocketAddress) -> SocketKind { address.isUnix ? .unix : .tcp }
    static func datagram(_ address: SocketAddress) -> SocketKind { address.isUnix ? .unixDatagram : .udp }
}

/// What all sockets share: the descriptor, and the name for errors. No verb here is public.
///
/// The descriptor stays in blocking mode: calls that must not block say so one by one (MSG_DONTWAIT), so
/// that a descriptor handed to another program has no surprise in it. Listeners are the exception.
struct SocketCore: ~Copyable, Sendable {
    let descriptor: AwaitableDescriptor
    let kind: SocketKind
    /// The peer of a connection, the own address of what listens or is bound.
    let address: SocketAddress

    init(_ descriptor: consuming OwnedDescriptor, _ kind: SocketKind, _ address: SocketAddress) {
        self.descriptor = AwaitableDescriptor(descriptor)
        self.kind = kind
        self.address = address
    }

    var rawValue: CInt { descriptor.rawValue }
    var subject: String { SocketCore.subject(kind, address) }

    static func subject(_ kind: SocketKind, _ address: SocketAddress) -> String { "\(kind.rawValue):\(address)" }

    func failure(_ errno: Errno, _ call: String) -> IPCError {
        IPCError(errno, call, subject, hint: SocketCore.hint(errno, call))
    }

    /// One sentence for each errno that a socket call is known to give.
    static func hint(_ errno: Errno, _ call: String) -> String {
        switch errno {
        case .noSuchFileOrDirectory: "there is no such socket; its owner has not started or has removed it"
        case .connectionRefused: "start who shall listen there; a path can be what a former owner has left"
        case .permissionDenied where call == "connect":
            "connecting needs write permission on the socket and search permission on its directories"
        case .notPermitted:
            "only the own ids may be claimed without the capability CAP_SETUID, CAP_SETGID or CAP_SYS_ADMIN"
        case .brokenPipe: "the other side has closed, or this side has finished sending"
        case .connectionReset: "the other side closed before it had read everything that was sent"
        case .messageTooLong: "one message must fit into the send buffer; raise SO_SNDBUF or send less at once"
        case .protocolWrongTypeForSocket: "a socket of another type (stream, datagram, seqpacket) is bound there"
        case .tooManyOpenFiles: "this process has as many descriptors as RLIMIT_NOFILE allows"
        case .addressInUse: "somebody is bound to that address"
        case .addressNotAvailable: "this host has no such address"
        case .tooManyReferences:
            "more descriptors are under way between processes than RLIMIT_NOFILE allows this user; wait until some are received"
        case .socketNotConnected: "the socket is not connected"
        case .wouldBlock where call == "connect": "the backlog of the listener is full"
        default: ""
        }
    }

    // MARK: Making

    static func make(_ kind: SocketKind, _ domain: CInt, nonBlocking: Bool = false) throws(IPCError) -> OwnedDescriptor
    {
        do throws(Errno) {
            return OwnedDescriptor(adopting: try sysSocket(domain, kind.type, nonBlocking: nonBlocking))
        } catch {
            throw IPCError(error, "socket", kind.rawValue, hint: hint(error, "socket"))
        }
    }

    static func apply(_ settings: [SocketSetting], to descriptor: borrowing OwnedDescriptor) throws(IPCError) {
        for setting in settings { try setting.apply(descriptor.rawValue) }
    }

    static func pair(_ kind: SocketKind) throws(IPCError) -> (first: CInt, second: CInt) {
        do throws(Errno) {
            let (first, second) = try sysSocketPair(SocketConstant.unix, kind.type)
            return (first, second)
        } catch {
            throw IPCError(error, "socketpair", kind.rawValue, hint: hint(error, "socketpair"))
        }
    }

    // MARK: Sending

    // The two that block are a system call and little else, so they become part of the verbs that call them.
    @inline(__always)
    func send(_ bytes: Span<UInt8>, retryOnInterrupt: Bool) throws(IPCError) -> Int {
        do throws(Errno) { return try sysSend(rawValue, bytes, retryOnInterrupt: retryOnInterrupt) } catch {
            throw failure(error, "send")
        }
    }

    /// nil if it would block.
    func trySend(_ bytes: Span<UInt8>) throws(IPCError) -> Int? {
        do throws(Errno) { return try sysSend(rawValue, bytes, flags: SocketConstant.dontWait) } catch {
            if error == .wouldBlock { return nil }
            throw failure(error, "send")
        }
    }

    /// With descriptors or credentials; nil if it would block and was not to.
    func sendMessage(
        _ bytes: Span<UInt8>, to address: SocketAddressBytes? = nil, descriptors: [FileDescriptor],
        credentials: PeerCredentials? = nil, wait: Bool, retryOnInterrupt: Bool = true
    ) throws(IPCError) -> Int? {
        do throws(Errno) {
            return try sysSendMessage(
                rawValue, bytes, to: address, descriptors: descriptors.map(\.rawValue), credentials: credentials?.raw,
                flags: wait ? 0 : SocketConstant.dontWait, retryOnInterrupt: retryOnInterrupt)
        } catch {
            if error == .wouldBlock && !wait { return nil }
            let hint =
                if error == .invalidArgument && descriptors.count > SocketConstant.maximumDescriptors {
                    "\(descriptors.count) descriptors in one message; the kernel takes \(SocketConstant.maximumDescriptors)"
                } else {
                    SocketCore.hint(error, "sendmsg")
                }
            throw IPCError(error, "sendmsg", subject, hint: hint)
        }
    }

    // MARK: Receiving

    @inline(__always)
    func receive(into buffer: inout OutputSpan<UInt8>, flags: CInt = 0, retryOnInterrupt: Bool) throws(IPCError) -> Int
    {
        do throws(Errno) {
            return try sysReceive(rawValue, into: &buffer, flags: flags, retryOnInterrupt: retryOnInterrupt)
        } catch {
            throw failure(error, "recv")
        }
    }

    /// nil if nothing is there.
    func tryReceive(into buffer: inout OutputSpan<UInt8>, flags: CInt = 0) throws(IPCError) -> Int? {
        do throws(Errno) {
            return try sysReceive(rawValue, into: &buffer, flags: flags | SocketConstant.dontWait)
        } catch {
            if error == .wouldBlock { return nil }
            throw failure(error, "recv")
        }
    }

    /// With all that came beside the bytes. Control data that was cut is an error, and what came of it is closed.
    func receiveMessage(
        into buffer: inout OutputSpan<UInt8>, maximumDescriptors: Int, wait: Bool, retryOnInterrupt: Bool = true
    ) throws(IPCError) -> ReceivedAncillary? {
        let ancillary: ReceivedAncillary
        do throws(Errno) {
            ancillary = try sysReceiveMessage(
                rawValue, into: &buffer, maximumDescriptors: maximumDescriptors,
                flags: (wait ? 0 : SocketConstant.dontWait)
                    | (kind.type == SocketConstant.stream ? 0 : SocketConstant.truncated),
                retryOnInterrupt: retryOnInterrupt)
        } catch {
            if error == .wouldBlock && !wait { return nil }
            throw failure(error, "recvmsg")
        }
        guard ancillary.isControlTruncated || ancillary.descriptors.count > maximumDescriptors else { return ancillary }
        for number in ancillary.descriptors { _ = OwnedDescriptor(adopting: number) }
        if ancillary.processDescriptor >= 0 { _ = OwnedDescriptor(adopting: ancillary.processDescriptor) }
        throw IPCError(
            code: .limitReached, call: "recvmsg", subject: subject,
            hint: "a message brought more descriptors than the \(maximumDescriptors) asked for, or than this process "
                + "may open (RLIMIT_NOFILE); those that came are closed")
    }

    // MARK: State

    func shutDown(_ direction: SocketDirection) throws(IPCError) {
        do throws(Errno) { try sysShutdown(rawValue, direction.rawValue) } catch { throw failure(error, "shutdown") }
    }

    consuming func close() throws(IPCError) {
        let subject = subject
        do throws(IPCError) { try descriptor.close() } catch {
            var error = error
            error.subject = subject
            throw error
        }
    }
}

/// One direction of a connection, or both.
public enum SocketDirection: Sendable, Hashable {
    /// Nothing more is sent: the peer receives what is under way and then the end of the stream.
    case sending
    /// Nothing more is received: what arrives is refused or dropped.
    case receiving
    /// Neither.
    case both

    var rawValue: CInt {
        switch self {
        case .sending: SocketConstant.shutWriting
        case .receiving: SocketConstant.shutReading
        case .both: SocketConstant.shutBoth
        }
    }
}
