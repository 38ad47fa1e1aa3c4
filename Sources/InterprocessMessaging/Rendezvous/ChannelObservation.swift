// SPDX-License-Identifier: Apache-2.0
package import Interprocess
import Synchronization

/// What the publishers of a channel say of themselves, for `ipc show`: nobody is entered anywhere, and no memory is mapped.
package struct ChannelObservation: Sendable, Equatable {
    /// What one publisher said.
    package struct Report: Sendable, Equatable {
        package var publisher: PeerIdentity
        package var report: ChannelReport
    }

    /// One that said nothing, and why.
    package struct Failure: Sendable, Equatable {
        package var publisherID: UInt64
        /// Nil if not even the connection was made.
        package var publisher: PeerIdentity?
        package var error: IPCError
    }

    /// In the order of their numbers.
    package var reports: [Report] = []
    package var failures: [Failure] = []

    /// How many are asked at once.
    private static let mostAtOnce = 64

    /// Asks every publisher of a channel.
    ///
    /// Sockets of dead publishers are removed on the way.
    ///
    /// - Parameter deadline: by then those that have not answered are among the failures.
    /// - Throws: `IPCError.Code.notFound` if there is no such channel; `IPCError.Code.permissionDenied`.
    package static func reports(
        rendezvous: Rendezvous, kind: ChannelKind, name: ChannelName, until deadline: Deadline = .after(.seconds(2))
    ) async throws(IPCError) -> ChannelObservation {
        let channel = ChannelPlace(rendezvous: rendezvous, kind: kind, name: name)
        let attendant = try Attendant.shared()
        let ids = try ChannelDirectory.open(channel, policy: nil).publishers()
        let task = Task(executorPreference: attendant.reactor) {
            await ask(ids.sorted(), channel, attendant, deadline)
        }
        return await withTaskCancellationHandler {
            await task.value
        } onCancel: {
            task.cancel()
        }
    }

    /// As above; blocks the thread.
    @_disfavoredOverload
    package static func reports(
        rendezvous: Rendezvous, kind: ChannelKind, name: ChannelName, until deadline: Deadline = .after(.seconds(2))
    ) throws(IPCError) -> ChannelObservation {
        let channel = ChannelPlace(rendezvous: rendezvous, kind: kind, name: name)
        let attendant = try Attendant.shared()
        let ids = try ChannelDirectory.open(channel, policy: nil).publishers()
        let (waiter, result) = (Waiter(), Answers())
        attendant.start {
            result.set(await ask(ids.sorted(), channel, attendant, deadline))
            waiter.fire(.ready(0))
        }
        _ = waiter.block()
        return result.get()
    }

    private final class Answers: Sendable {
        private let value = Mutex(ChannelObservation())
        func set(_ new: ChannelObservation) { value.withLock { $0 = new } }
        func get() -> ChannelObservation { value.withLock { $0 } }
    }

    private enum Answer: Sendable {
        case report(Report)
        case failure(Failure)
        case gone
    }

    private static func ask(
        _ ids: [UInt64], _ channel: ChannelPlace, _ attendant: Attendant, _ deadline: Deadline
    ) async -> ChannelObservation {
        await withTaskGroup(of: Answer.self) { group in
            var observation = ChannelObservation()
            var rest = ids[...]
            for id in rest.prefix(mostAtOnce) {
                group.addTask(executorPreference: attendant.reactor) { await ask(id, channel, attendant, deadline) }
            }
            rest = rest.dropFirst(mostAtOnce)
            while let answer = await group.next() {
                switch answer {
                case .report(let report): observation.reports.append(report)
                case .failure(let failure): observation.failures.append(failure)
                case .gone: break
                }
                if let id = rest.popFirst() {
                    group.addTask(executorPreference: attendant.reactor) { await ask(id, channel, attendant, deadline) }
                }
            }
            observation.reports.sort { $0.publisher.publisherID < $1.publisher.publisherID }
            observation.failures.sort { $0.publisherID < $1.publisherID }
            return observation
        }
    }

    /// Again until the deadline, if its door is crowded.
    private static func ask(
        _ id: UInt64, _ channel: ChannelPlace, _ attendant: Attendant, _ deadline: Deadline
    ) async -> Answer {
        while true {
            let failure: Failure
            switch Introduction.begin(id, channel, nil) {
            case .gone: return .gone
            case .refused(let publisher, let error):
                return .failure(Failure(publisherID: id, publisher: publisher, error: error))
            case .again(let error): failure = Failure(publisherID: id, publisher: nil, error: error)
            case .link(let link):
                do throws(IPCError) { return .report(try await hear(link, channel, deadline)) } catch {
                    let found = Failure(publisherID: id, publisher: link.peer, error: error)
                    if error.code != .disconnected { return .failure(found) }
                    failure = found
                }
            }
            if deadline.hasPassed || Task.isCancelled { return .failure(failure) }
            await attendant.pause(.milliseconds(5))
        }
    }

    private static func hear(
        _ link: PeerLink, _ channel: ChannelPlace, _ deadline: Deadline
    ) async throws(IPCError) -> Report {
        // If the other side has closed already, it may have said why.
        _ = link.say(.hello(Hello(purpose: .observe, payload: .bytes)))
        do throws(IPCError) {
            let reply = try await link.answer(descriptors: 0, until: deadline)
            switch reply.message {
            case .report(let report): return Report(publisher: link.peer, report: report)
            case .refusal(let refusal):
                throw IPCError(code: refusal.code, subject: channel.subject, hint: refusal.printableText)
            case .hello, .welcome, .ready:
                throw IPCError(
                    code: .malformed, subject: channel.subject, hint: "the publisher answered with another message")
            }
        } catch {
            var error = error
            error.subject = channel.subject
            throw error
        }
    }
}
