// SPDX-License-Identifier: Apache-2.0
import CCompare
import Interprocess
import InterprocessMessaging

/// A thousand topics with a publisher and a subscriber each, all in this process: what each takes of time, memory and descriptors.
enum StartUp {
    private static let count = 1000

    /// What the process has of memory and descriptors.
    private struct Holdings {
        let bytes = compare_memory()
        let descriptors = compare_descriptors()

        func growth(to later: Holdings) -> (bytes: Int, descriptors: Int) {
            ((Int(later.bytes) - Int(bytes)) / count, (Int(later.descriptors) - Int(descriptors)) / count)
        }
    }

    static func measure(_ run: UnsafeMutablePointer<compare>) throws(IPCError) {
        compare_raise_descriptors()
        var publishers: [Holder<Publisher<Words<8>>>] = []
        var subscribers: [Holder<Subscriber<Words<8>>>] = []
        // The thread and what else comes with the first.
        let first = try Topic("startup/first", of: Words<8>.self)
        publishers.append(Holder(try first.publisher()))
        subscribers.append(Holder(try first.subscriber()))
        let before = Holdings()
        let start = compare_now()
        for index in 0..<count { publishers.append(Holder(try topic(index).publisher())) }
        let middle = compare_now()
        let published = Holdings()
        let middleAgain = compare_now()
        for index in 0..<count { subscribers.append(Holder(try topic(index).subscriber())) }
        let end = compare_now()
        let subscribed = Holdings()
        let topic = before.growth(to: published)
        let subscriber = published.growth(to: subscribed)
        let publishing = Double(middle - start) / Double(count)
        let subscribing = Double(end - middleAgain) / Double(count)
        print(
            "{\"median\":\(publishing + subscribing),\"best\":\(publishing + subscribing),\"p99\":\(publishing + subscribing),",
            "\"unit\":\"ns\",\"publisherNanoseconds\":\(publishing),\"subscriberNanoseconds\":\(subscribing),",
            "\"publisherBytes\":\(topic.bytes),\"subscriberBytes\":\(subscriber.bytes),",
            "\"publisherDescriptors\":\(topic.descriptors),\"subscriberDescriptors\":\(subscriber.descriptors)}",
            separator: "")
        withExtendedLifetime((publishers, subscribers)) {}
    }

    private static func topic(_ index: Int) throws(IPCError) -> Topic<Words<8>> { try Topic("startup/\(index)") }
}

/// Keeps what cannot be copied in an array.
private final class Holder<Value: ~Copyable> {
    let value: Value

    init(_ value: consuming Value) { self.value = value }
}
