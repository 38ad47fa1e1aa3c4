// SPDX-License-Identifier: Apache-2.0
import Interprocess
import SystemPackage

/// Orders come in any order; the urgent ones are served first.
@main
struct MessageQueuesPriorities {
    static func main() async throws {
        let name = try ObjectName(CommandLine.arguments.count > 1 ? CommandLine.arguments[1] : "/orders")
        let orders = try MessageQueue(
            name, mode: .openOrCreate, limits: .init(maxMessages: 8, messageSizeBytes: 64), removeOnClose: true)

        try await orders.send(Array("sweep the floor".utf8))
        try await orders.send(Array("two pizzas".utf8), priority: 5)
        try await orders.send(Array("put out the fire".utf8), priority: 30)
        try await orders.send(Array("one more pizza".utf8), priority: 5)
        print("\(try orders.status().messageCount) orders wait in \(name)")

        while let order = try orders.tryReceive() {
            print("priority \(order.priority): \(String(decoding: order.bytes, as: UTF8.self))")
        }
        let more = try? await orders.receive(until: .after(.milliseconds(10)))
        if more == nil { print("nothing more came") }
        try orders.close()
    }
}
