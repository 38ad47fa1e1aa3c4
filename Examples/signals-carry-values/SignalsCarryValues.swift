// SPDX-License-Identifier: Apache-2.0
import Interprocess
import SystemPackage

/// A process sends numbers to another as signals, each with its value and in order.
@main
struct SignalsCarryValues {
    static func main() async throws {
        if CommandLine.arguments.count > 1 { return try send(to: CommandLine.arguments[1]) }

        let signals = try SignalReceiver([.realTime(3)])
        let own = try ProcessHandle.current().processID
        let sender = try ProcessHandle.spawn(.thisProgram(["\(own)"]))
        while true {
            let news = try await signals.receive()
            let isChild = news.senderProcessID == sender.processID
            print("\(news.signal) \(news.value.map(String.init) ?? "-") from \(isChild ? "the child" : "somebody")")
            if news.value == 0 { break }
        }
        print("the child \(try await sender.exit().isSuccess ? "is done" : "failed")")
    }

    static func send(to number: String) throws {
        guard let number = Int32(number) else { return }
        let parent = try ProcessHandle(processID: number)
        for value: Int32 in [42, -1, 7] { try parent.send(.realTime(3), value: value) }
        // 0 says that this is all. Another signal could come earlier: of those that wait the lowest number comes first.
        try parent.send(.realTime(3), value: 0)
    }
}
