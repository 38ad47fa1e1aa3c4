// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessMessaging
import InterprocessSyscalls
import Synchronization
import SystemPackage

/// The receiving side of the topic: takes each piece where the sender has put it.
final class TourTopicSource: Source {
    private let subscriber: Mutex<ByteSubscriber>

    init(in directory: FilePath) throws {
        let topic = try ByteTopic("tour", in: Rendezvous(directory: directory))
        subscriber = Mutex(try topic.subscriber(SubscriberOptions(endsWithLastPublisher: true)))
    }

    var keepsBoundaries: Bool { true }

    /// The whole file: kept, for the checksum is made when the clock has stopped.
    func file(size: Int) throws -> [UInt8] {
        try subscriber.withLock { subscriber in
            var file: [UInt8] = []
            file.reserveCapacity(size)
            while file.count < size {
                try subscriber.withSample { (bytes) throws(IPCError) in file.append(copying: bytes) }
            }
            return file
        }
    }

    func receive(_ selection: Selection, limit: Int, until deadline: Deadline) throws -> Parcel? {
        try subscriber.withLock { subscriber in Parcel(bytes: try subscriber.withSample { $0.copied }) }
    }

    func peek(_ selection: Selection, index: Int, until deadline: Deadline) throws -> Parcel? { nil }
}

extension TourStop {
    /// The file is read into the log itself: no other memory of the sender ever has it.
    func throughTopic() throws -> TourResult {
        let place = directory.appending("topics")
        let publisher = try ByteTopic("tour", in: Rendezvous(directory: place))
            .publisher(PublisherOptions(capacityBytes: 1 << 20))
        let peer = try peer("\(place)")
        defer { peer.end() }
        _ = try peer.control.hear()
        guard try publisher.waitForSubscribers(1, until: .after(.seconds(10))) else {
            throw Failure("the other process did not subscribe")
        }
        let open = try file.open()
        let sender = sender(peer)
        let start = sysMonotonicNanoseconds()
        var sent = 0
        while sent < file.size {
            let piece = min(mechanism.pieceBytes, file.size - sent)
            var count = 0
            try publisher.send(upTo: piece) { output throws(IPCError) in
                do throws(Errno) { count = try sysRead(open.rawValue, into: &output) } catch {
                    throw IPCError(error, "read", "the file")
                }
            }
            if count == 0 { throw Failure("\(file.path) became shorter") }
            sent += count
            progress(Double(sent) / Double(file.size))
        }
        var result = try sender.outcome(start: start)
        try sender.ping(&result) { bytes in try publisher.send(bytes) }
        return result
    }
}
