// SPDX-License-Identifier: Apache-2.0
import CCompare
import Interprocess
import InterprocessMessaging

/// So many words, in place: what every message of a run is.
typealias Words<let count: Int> = InlineArray<count, UInt64>

/// The topics of a run: 0 leads from the process that measures to the others, 1 back.
struct Channels<let count: Int> {
    let run: UnsafeMutablePointer<compare>

    private func topic(_ channel: Int32) throws(IPCError) -> Topic<Words<count>> {
        var name = [CChar](repeating: 0, count: 64)
        compare_name(&name, name.count, "", channel)
        let end = name.firstIndex(of: 0) ?? name.count
        return try Topic("compare/" + String(decoding: name[..<end].map(UInt8.init(bitPattern:)), as: UTF8.self))
    }

    private var waiting: WaitStrategy { run.pointee.blocks != 0 ? .blocking : .spinning }

    func publisher() throws(IPCError) -> Publisher<Words<count>> {
        // The same memory as C's ring.
        let record = (count * 8 + 16 + 63) / 64 * 64
        return try topic(run.pointee.child < 0 ? 0 : 1).publisher(
            PublisherOptions(capacity: Int(run.pointee.capacity) / record, waiting: waiting))
    }

    func subscriber() throws(IPCError) -> Subscriber<Words<count>> {
        let subscriber = try topic(run.pointee.child < 0 ? 1 : 0).subscriber(SubscriberOptions(waiting: waiting))
        guard try subscriber.waitForPublishers(1, until: .after(.seconds(10))) else {
            throw IPCError(code: .timedOut, subject: "a publisher")
        }
        return subscriber
    }

    /// The way back, once the other side hears this one.
    func subscriber(after publisher: borrowing Publisher<Words<count>>) throws(IPCError) -> Subscriber<Words<count>> {
        let subscriber = try subscriber()
        try wait(for: 1, of: publisher)
        return subscriber
    }

    func wait(for subscribers: Int, of publisher: borrowing Publisher<Words<count>>) throws(IPCError) {
        guard try publisher.waitForSubscribers(subscribers, until: .after(.seconds(10))) else {
            throw IPCError(code: .timedOut, subject: "\(subscribers) subscribers")
        }
    }
}

extension Publisher {
    /// Fills the next message where it will be read.
    @inline(__always)
    func send<let count: Int>(_ number: UInt64, _ run: UnsafeMutablePointer<compare>) where Payload == Words<count> {
        if run.pointee.yields != 0 { return sendYielding(number, run) }
        var loan = try! loan()
        var words = loan.payload.mutableSpan
        words.withUnsafeMutableBufferPointer { compare_fill(run, $0.baseAddress, number) }
        loan.send()
    }

    /// Where there are more processes than CPUs.
    @inline(__always)
    private func sendYielding<let count: Int>(_ number: UInt64, _ run: UnsafeMutablePointer<compare>)
    where Payload == Words<count> {
        var looks: UInt32 = 0
        while true {
            if var loan = try! tryLoan() {
                var words = loan.payload.mutableSpan
                words.withUnsafeMutableBufferPointer { compare_fill(run, $0.baseAddress, number) }
                return loan.send()
            }
            yield(&looks)
        }
    }
}

extension Subscriber {
    /// Checks the next message where it lies.
    @inline(__always)
    func receive<let count: Int>(_ number: UInt64, _ run: UnsafeMutablePointer<compare>) where Payload == Words<count> {
        if run.pointee.yields != 0 { return receiveYielding(number, run) }
        check(try! receive(), number, run)
    }

    @inline(__always)
    private func receiveYielding<let count: Int>(_ number: UInt64, _ run: UnsafeMutablePointer<compare>)
    where Payload == Words<count> {
        var looks: UInt32 = 0
        while true {
            if let sample = try! tryReceive() { return check(sample, number, run) }
            yield(&looks)
        }
    }
}

/// A verb that finds nothing has looked at more than the record: four of them are as long as C's 64 looks.
private func yield(_ looks: inout UInt32) {
    looks &+= 1
    if looks % 4 == 0 { compare_yield() }
}

@inline(__always)
func check<let count: Int>(
    _ sample: borrowing Sample<Words<count>>, _ number: UInt64, _ run: UnsafeMutablePointer<compare>
) {
    sample.bytes.withUnsafeBufferPointer { compare_check(run, $0.baseAddress, number) }
}

/// Both sides of an exchange.
struct Exchange<let count: Int>: Ends, ~Copyable {
    let run: UnsafeMutablePointer<compare>
    let publisher: Publisher<Words<count>>
    let subscriber: Subscriber<Words<count>>

    @inline(__always) func send(_ number: UInt64) { publisher.send(number, run) }
    @inline(__always) func receive(_ number: UInt64) { subscriber.receive(number, run) }
}

/// The side of a stream that sends.
struct Source<let count: Int>: Ends, ~Copyable {
    let run: UnsafeMutablePointer<compare>
    let publisher: Publisher<Words<count>>

    @inline(__always) func send(_ number: UInt64) { publisher.send(number, run) }
    func receive(_ number: UInt64) { preconditionFailure("nothing comes back") }
}

/// One that receives.
struct Sink<let count: Int>: Ends, ~Copyable {
    let run: UnsafeMutablePointer<compare>
    let subscriber: Subscriber<Words<count>>

    func send(_ number: UInt64) { preconditionFailure("nothing goes back") }
    @inline(__always) func receive(_ number: UInt64) { subscriber.receive(number, run) }
}
