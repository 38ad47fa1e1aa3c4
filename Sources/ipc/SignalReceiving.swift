// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls

/// `receive signal:…`: signals that are sent to the command itself.
enum SignalReceiving {
    /// - Parameter count: how many; nil until it is ended.
    static func run(_ address: Address, count: Int?, json: Bool, until deadline: Deadline) throws {
        guard case .signal(let number) = address.name, let signal = Signal(number: number) else {
            throw Failure.unfit(address, "no signal has that number")
        }
        let receiver = try SignalReceiver([signal])
        Output.note("ready: send \(signal) to pid:\(sysProcessID())")
        var left = count ?? .max
        while left > 0 {
            let news = try receiver.receive(until: deadline)
            Output.line(json ? object(news).text : news.description)
            left -= 1
        }
    }

    private static func object(_ news: ReceivedSignal) -> JSON {
        var members: [(String, JSON)] = [
            ("schema", .integer(1)), ("size", .integer(0)), ("time", .time(nanoseconds: sysRealtimeNanoseconds())),
            ("text", .string("")), ("signal", .integer(Int64(news.signal.number))),
            ("name", .string(news.signal.description)), ("code", .string(news.codeName)),
        ]
        if let value = news.value { members.append(("value", .integer(Int64(value)))) }
        if let process = news.senderProcessID {
            var sender: [(String, JSON)] = [("pid", .integer(Int64(process)))]
            if let user = news.senderUserID { sender.append(("uid", .integer(Int64(user)))) }
            members.append(("sender", .object(sender)))
        }
        return .object(members)
    }
}
