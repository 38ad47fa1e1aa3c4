// SPDX-License-Identifier: Apache-2.0
import Interprocess

/// One message; on a stream, what one read returned.
struct Parcel: Sendable {
    var bytes: [UInt8]
    /// System V: the type of the message.
    var type: Int?
    /// POSIX queues: the priority.
    var priority: UInt32?
    /// Topics: its number, and who published it.
    var topic: TopicLabel?
    /// Who sent it, where the kernel knows.
    var sender: Sender?
    /// Descriptors that travel with it. At the receiver they belong to the parcel; nobody closes them for it.
    var descriptors: [CInt] = []

    struct Sender: Sendable {
        var process: Int32
        var user: UInt32?
        var group: UInt32?
    }
}

/// Which message is wanted, of a queue that has types.
enum Selection: Sendable, Equatable {
    case first
    case type(Int)
    case upTo(Int)
    case allBut(Int)
}

/// What parcels come from. One per kind of object, so that `receive` and `relay` are written once.
protocol Source: AnyObject, Sendable {
    /// Whether one receive is one message; otherwise bytes flow without borders.
    var keepsBoundaries: Bool { get }
    /// The next parcel; nil at the end, when everybody who could send has gone.
    ///
    /// - Parameter limit: the most bytes; a longer message is an error.
    func receive(_ selection: Selection, limit: Int, until deadline: Deadline) throws -> Parcel?
    /// The next parcel, left where it is.
    func peek(_ selection: Selection, index: Int, until deadline: Deadline) throws -> Parcel?
}

extension Source {
    /// How much is asked for at once: of a stream what is worth a call, of messages more than any of them has.
    var chunk: Int { keepsBoundaries ? 1 << 20 : 65536 }
}

/// What parcels go to.
protocol Sink: AnyObject, Sendable {
    var keepsBoundaries: Bool { get }
    /// The largest message that can be sent; nil where there is no limit worth cutting for.
    var largestMessage: Int? { get }
    func send(_ parcel: Parcel, until deadline: Deadline) throws
    /// Nothing more will come: the other side sees the end.
    func finish() throws
}

extension Sink {
    var largestMessage: Int? { nil }
    func finish() throws {}
}

/// A connection, and what else goes both ways.
typealias Duplex = Source & Sink

/// How `receive` and `relay` want their source.
struct SourcePlan: Sendable {
    /// Go on when a writer or a client has gone.
    var follow = false
    /// Bind and wait to be connected to, rather than connect.
    var listen = false
    /// Connect if somebody listens, else listen.
    var listenIfNobodyDoes = false
    /// Ask for descriptors to be kept, not closed.
    var wantsDescriptors = false
    var deadline: Deadline = .never
    var noWait = false
    /// Of a topic.
    var topic = TopicReading()
}

/// How `send` and `relay` want their sink.
struct SinkPlan: Sendable {
    /// Make the object if it is not there.
    var create = false
    var deadline: Deadline = .never
    var noWait = false
    /// Of a topic.
    var topic = TopicWriting()
}
