// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessMessaging
import InterprocessSyscalls
import SystemPackage

/// A topic, as its publishers tell of it. Nobody takes part in anything by looking.
struct TopicView {
    /// One who publishes it.
    struct Publisher {
        var identity: PeerIdentity
        var report: ChannelReport
        /// Messages a second between two looks; nil after one look.
        var rate: Double?

        /// What stands in front of each payload; nil if it says nonsense.
        var fields: FieldLayout? {
            FieldLayout(
                bits: report.fields, userHeaderBytes: report.userHeaderBytes,
                payloadAlignment: max(16, report.payload.fixed?.alignmentBytes ?? 16))
        }

        /// What a reader has not released, in bytes of the log: a claim of another process, and no more than the log has.
        func backlogBytes(_ reader: ChannelReport.Reader) -> UInt64 {
            min(reader.backlogBytes, UInt64(clamping: report.capacityBytes))
        }

        /// Whether a reader is what holds this publisher up, or will soon be.
        func isSlow(_ reader: ChannelReport.Reader) -> Bool {
            reader.isEvicted || backlogBytes(reader) > UInt64(clamping: report.capacityBytes / 2)
        }
    }

    let address: Address
    let directory: FilePath
    let status: FileStatus
    var publishers: [Publisher]
    /// Those who are there and did not answer, and why.
    var silent: [ChannelObservation.Failure]

    var subscribers: [ChannelReport.Reader] { publishers.flatMap(\.report.readers) }

    /// Each process once that reads it, whoever publishes.
    var subscriberProcesses: Set<Int32> { Set(subscribers.map(\.credentials.processID)) }

    /// How many read it: of the publisher that has most of them, since each reads from all.
    var subscriberCount: Int { publishers.map(\.report.readers.count).max() ?? 0 }

    /// How full the fullest log is with what somebody has still to read.
    var backlogBytes: UInt64 {
        publishers.flatMap { publisher in publisher.report.readers.map { publisher.backlogBytes($0) } }.max() ?? 0
    }

    /// In words: `bytes`, `Frame`; several if publishers disagree.
    var types: [String] {
        var types: [String] = []
        for publisher in publishers {
            let name = publisher.report.payload.fixed?.typeName ?? "bytes"
            if !types.contains(name) { types.append(name) }
        }
        return types
    }

    // MARK: Looking

    /// - Parameter interval: between two looks, of which the second tells how fast it goes; nil for one look.
    /// - Throws: ``IPCError/Code/notFound`` if there is no such topic.
    static func look(
        _ rendezvous: Rendezvous, _ name: ChannelName, interval: Duration? = nil, patience: Duration = .seconds(2)
    ) throws -> TopicView {
        let directory = directory(rendezvous, name)
        let address = try Address(kind: .topic, name: .label(name.description))
        let status: FileStatus
        do throws(Errno) { status = try sysStatus(directory) } catch {
            let hint = error == .noSuchFileOrDirectory ? "nobody publishes it or waits for it" : "\(directory)"
            throw IPCError(error, "stat", "\(address)", hint: "\(hint); looked at in \(rendezvous)")
        }
        let (first, start) = (try observe(rendezvous, name, patience), sysMonotonicNanoseconds())
        guard let first, let interval, !first.reports.isEmpty else {
            let publishers = first?.reports.map { Publisher(identity: $0.publisher, report: $0.report) }
            return TopicView(
                address: address, directory: directory, status: status, publishers: publishers ?? [],
                silent: first?.failures ?? [])
        }
        Patience.pause(nanoseconds: UInt64(interval / .nanoseconds(1)), until: .never)
        let second = try observe(rendezvous, name, patience) ?? first
        let seconds = Double(sysMonotonicNanoseconds() - start) / 1e9
        let before = Dictionary(
            first.reports.map { ($0.publisher.publisherID, $0.report.sequence) },
            uniquingKeysWith: { first, _ in first })
        return TopicView(
            address: address, directory: directory, status: status,
            publishers: second.reports.map { found in
                let earlier = before[found.publisher.publisherID]
                return Publisher(
                    identity: found.publisher, report: found.report,
                    rate: earlier.map { max(0, Double(found.report.sequence &- $0)) / seconds })
            },
            silent: second.failures)
    }

    /// What the publishers say now; nothing if there is no such topic.
    static func reports(_ rendezvous: Rendezvous, _ name: ChannelName) throws -> [ChannelObservation.Report] {
        do throws(IPCError) {
            return try ChannelObservation.reports(rendezvous: rendezvous, kind: .topic, name: name).reports
        } catch {
            if error.code == .notFound { return [] }
            throw error
        }
    }

    private static func observe(
        _ rendezvous: Rendezvous, _ name: ChannelName, _ patience: Duration
    ) throws -> ChannelObservation? {
        do throws(IPCError) {
            return try ChannelObservation.reports(
                rendezvous: rendezvous, kind: .topic, name: name, until: .after(patience))
        } catch {
            // Its last user has just left.
            if error.code == .notFound { return nil }
            throw error
        }
    }

    static func directory(_ rendezvous: Rendezvous, _ name: ChannelName) -> FilePath {
        name.segments.reduce(rendezvous.directory.appending(ChannelKind.topic.directoryName)) { $0.appending($1) }
    }

    /// The names of all topics; none where nobody has ever met.
    static func names() throws -> (rendezvous: Rendezvous, names: [ChannelName]) {
        let rendezvous = try Rendezvous.chosen()
        return (rendezvous, try rendezvous.channels(of: .topic).map(\.name))
    }

    /// All topics, and why not, if they cannot be seen.
    static func all() -> (views: [TopicView], missing: [String]) {
        do {
            let (rendezvous, names) = try Self.names()
            return (names.compactMap { try? look(rendezvous, $0, patience: .milliseconds(500)) }, [])
        } catch {
            return ([], ["topics: \(Failure.describe(error))"])
        }
    }
}
