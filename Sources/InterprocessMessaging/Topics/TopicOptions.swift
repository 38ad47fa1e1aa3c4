// SPDX-License-Identifier: Apache-2.0
import Interprocess

/// How a publisher keeps its log and treats its subscribers.
public struct PublisherOptions: Sendable {
    /// Of a typed topic: how many messages are retained; at least 4. Of a topic of bytes see ``capacityBytes``.
    public var capacity: Int?
    /// Of a topic of bytes: how many bytes of messages are retained, headers of 16 bytes and rounding to 64 included. One message takes
    /// a quarter at most.
    public var capacityBytes: Int?
    /// How many subscribers there may be at once.
    public var maximumSubscribers = 64
    /// What a thread does while it waits for room.
    public var waiting = WaitStrategy.standard
    /// A subscriber that holds this publisher up for so long is put out. Zero: at once; `Duration` of hours: practically never.
    public var stallLimit = Duration.seconds(5)

    /// The defaults: 64 KiB, or eight messages of a large type; 64 subscribers; five seconds of patience.
    public init(
        capacity: Int? = nil, capacityBytes: Int? = nil, maximumSubscribers: Int = 64,
        waiting: WaitStrategy = .standard, stallLimit: Duration = .seconds(5)
    ) {
        self.capacity = capacity
        self.capacityBytes = capacityBytes
        self.maximumSubscribers = maximumSubscribers
        self.waiting = waiting
        self.stallLimit = stallLimit
    }
}

/// How a subscriber reads.
public struct SubscriberOptions: Sendable {
    /// With what it begins of that which a publisher has retained.
    public enum History: Sendable, Hashable {
        /// With what comes from now on.
        case none
        /// With the latest so many.
        case latest(Int)
        /// With all that is there.
        case all
    }

    /// What happens when it is slower than a publisher.
    public enum Delivery: Sendable, Hashable {
        /// The publisher waits: nothing is lost, unless the publisher's patience ends.
        case lossless
        /// The publisher goes on: the subscriber learns how many it missed.
        case lossy
    }

    /// Of each publisher that it meets.
    public var history: History
    /// Whether publishers wait for it.
    public var delivery: Delivery
    /// What a thread does while it waits for a message.
    public var waiting: WaitStrategy
    /// Whether ``Subscriber/receive()`` fails with `IPCError.Code.disconnected` once there was a publisher and all are gone.
    /// Otherwise it waits for the next to come.
    public var endsWithLastPublisher: Bool

    /// The defaults: from now on, lossless.
    public init(
        history: History = .none, delivery: Delivery = .lossless, waiting: WaitStrategy = .standard,
        endsWithLastPublisher: Bool = false
    ) {
        self.history = history
        self.delivery = delivery
        self.waiting = waiting
        self.endsWithLastPublisher = endsWithLastPublisher
    }

    func hello(_ payload: PayloadDescription) -> Hello {
        let history: Hello.History =
            switch history {
            case .none: .none
            case .latest(let count): .latest(max(0, count))
            case .all: .all
            }
        return Hello(
            purpose: .subscribe, payload: payload, isLossless: delivery == .lossless, history: history,
            // Who sleeps at once sleeps often: a fence in each commit costs less than a barrier before each sleep.
            needsFences: !ProcessBarrier.isAvailable || waiting == .blocking)
    }
}

/// What stands in front of each message beside its payload, the same for all publishers' logs of a topic that want it.
public struct TopicFields: Sendable, Hashable {
    /// The time of sending by CLOCK_MONOTONIC, in nanoseconds: a clock read for each message, some 20 ns.
    public var timestamp: Bool
    /// 32 bytes for the context of a trace: see ``TraceContext``.
    public var traceContext: Bool
    /// Bytes of the user's own, at most 1024.
    public var userHeaderBytes: Int

    /// None, unless asked for.
    public init(timestamp: Bool = false, traceContext: Bool = false, userHeaderBytes: Int = 0) {
        self.timestamp = timestamp
        self.traceContext = traceContext
        self.userHeaderBytes = userHeaderBytes
    }

    /// The payload alone.
    public static let none = TopicFields()

    func layout(alignment: Int) throws(IPCError) -> FieldLayout {
        let bits = (timestamp ? FieldLayout.timestampBit : 0) | (traceContext ? FieldLayout.traceContextBit : 0)
        guard
            let layout = FieldLayout(
                bits: bits, userHeaderBytes: userHeaderBytes, payloadAlignment: max(16, alignment))
        else {
            throw IPCError(
                code: .invalidArgument, subject: "topic",
                hint:
                    "a user's header has 0 to \(FieldLayout.largestUserHeader) bytes; \(userHeaderBytes) were asked for"
            )
        }
        return layout
    }
}
