// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import SystemPackage

/// How a hand-shake with a publisher ended.
enum Encounter: Sendable {
    case accepted(PeerLink)
    /// Nobody is there any more.
    case gone
    /// There will be nothing from it.
    case refused(PeerIdentity?, IPCError)
    /// Not now.
    case unanswered(PeerIdentity?, IPCError)
}

extension SearchCore {
    /// One try of a hand-shake.
    private enum Step {
        case done(Encounter)
        case again(PeerIdentity?, IPCError)
    }

    /// Tries until the patience is at an end: a publisher with too many at its door turns some away, who come again.
    func encounter(_ id: UInt64) async -> Encounter {
        let deadline = Deadline.after(limits.patience)
        var pause = Duration.milliseconds(1)
        while true {
            switch await attempt(id, deadline) {
            case .done(let encounter): return encounter
            case .again(let identity, let error):
                if deadline.hasPassed || Task.isCancelled { return .unanswered(identity, error) }
                await attendant.pause(pause)
                pause = min(pause * 2, .milliseconds(50))
            }
        }
    }

    private func attempt(_ id: UInt64, _ deadline: Deadline) async -> Step {
        let link: PeerLink
        switch Introduction.begin(id, channel, policy) {
        case .link(let found): link = found
        case .gone: return .done(.gone)
        case .refused(let identity, let error): return .done(.refused(identity, error))
        case .again(let error): return .again(nil, error)
        }
        guard let hello = guest?.hello else { return .done(.gone) }
        // If the other side has closed already, it may have said why.
        _ = link.say(.hello(hello))
        do throws(IPCError) {
            return take(try await link.answer(descriptors: 2, until: deadline), link)
        } catch {
            switch error.code {
            case .disconnected: return .again(link.peer, turnedAway())
            case .timedOut, .cancelled:
                return .done(
                    .unanswered(
                        link.peer,
                        failure(
                            .timedOut,
                            "publisher \(link.peer.credentials.processID) has not answered within \(limits.patience)")))
            // Too many descriptors, or too few of our own: not to be told apart, and the second may pass.
            case .limitReached: return .done(.unanswered(link.peer, failure(.limitReached, error.hint)))
            default: return .done(.refused(link.peer, failure(error.code, error.hint)))
            }
        }
    }

    private func take(_ reply: consuming HandshakeReply, _ link: PeerLink) -> Step {
        let count = reply.descriptors.count
        switch reply.message {
        case .welcome(let welcome):
            guard count == 2, let log = reply.descriptors.takeFirst(), let page = reply.descriptors.takeFirst() else {
                return .done(
                    .refused(link.peer, failure(.malformed, "Welcome came with \(count) descriptors instead of 2")))
            }
            guard let guest, !Task.isCancelled else { return .done(.gone) }
            do throws(IPCError) { try guest.accepted(welcome, log: log, page: page, over: link) } catch {
                link.close()
                // Want of descriptors or memory passes.
                let isForNow = error.code == .limitReached || error.code == .outOfMemory
                return .done(isForNow ? .unanswered(link.peer, error) : .refused(link.peer, error))
            }
            // If it cannot be said, the link has ended, and that is seen at once.
            _ = link.say(.ready)
            return .done(.accepted(link))
        case .refusal(let refusal):
            let error = failure(refusal.code, refusal.printableText)
            switch refusal.reason {
            case .full, .exhausted: return .done(.unanswered(link.peer, error))
            case .closing: return .again(link.peer, error)
            case .mismatch, .notPermitted, .notUnderstood: return .done(.refused(link.peer, error))
            }
        case .hello, .ready, .report:
            return .done(
                .refused(link.peer, failure(.malformed, "it answered Hello with another message than Welcome")))
        }
    }

    private func turnedAway() -> IPCError {
        failure(.disconnected, "a publisher closed the connection before it had answered")
    }

    private func failure(_ code: IPCError.Code, _ hint: String) -> IPCError {
        IPCError(code: code, subject: channel.subject, hint: hint)
    }
}

/// The part of a hand-shake in which nothing is waited for: the connection, and who is at its other end.
enum Introduction {
    case link(PeerLink)
    case gone
    case refused(PeerIdentity?, IPCError)
    case again(IPCError)

    /// - Parameter policy: who is trusted; nil for one who only looks.
    static func begin(_ id: UInt64, _ channel: ChannelPlace, _ policy: AccessPolicy?) -> Introduction {
        do throws(IPCError) {
            let directory = try ChannelDirectory.open(channel, policy: nil)
            let address = SocketAddress.path(directory.place(of: SocketName.listening(id)))
            guard let socket = try SequencedPacketSocket.tryConnect(to: address) else {
                return .again(
                    IPCError(code: .timedOut, call: "connect", subject: channel.subject, hint: "its backlog is full"))
            }
            return try introduce(socket, id, channel, policy)
        } catch {
            switch error.code {
            // It listened before it got this name, so it has ended. (A full backlog is another error, above.)
            case .noPeer:
                channel.remove(id)
                return .gone
            case .notFound: return .gone
            case .disconnected, .limitReached, .outOfMemory: return .again(error)
            default: return .refused(nil, error)
            }
        }
    }

    private static func introduce(
        _ socket: consuming SequencedPacketSocket, _ id: UInt64, _ channel: ChannelPlace, _ policy: AccessPolicy?
    ) throws(IPCError) -> Introduction {
        let credentials = try socket.peerCredentials()
        let identity = PeerIdentity(credentials: credentials, publisherID: id)
        if let policy {
            let groups = policy.group == nil ? [] : (try? socket.peerGroups()) ?? []
            if let objection = policy.objection(to: credentials, groups: groups) {
                return .refused(
                    identity,
                    IPCError(
                        code: .permissionDenied, subject: channel.subject,
                        hint: "publisher \(credentials.processID) is not to be trusted: \(objection)"))
            }
        }
        let process = try PeerIdentity.process(of: socket, credentials)
        return .link(PeerLink(socket, peer: identity, process: process))
    }
}

extension Refusal {
    /// What it is for the caller of this side.
    var code: IPCError.Code {
        switch reason {
        case .mismatch: .wrongKind
        case .full, .exhausted: .limitReached
        case .notPermitted: .permissionDenied
        case .notUnderstood: .unsupported
        case .closing: .removed
        }
    }

    /// Without what would move the cursor of a terminal.
    var printableText: String { text.printable }
}

extension String {
    /// Control characters and the like replaced: it comes from another process and is shown to people.
    package var printable: String {
        var result = ""
        for scalar in unicodeScalars {
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate: result.unicodeScalars.append("?")
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}
