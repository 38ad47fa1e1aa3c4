// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessMessaging
import SystemPackage

/// A measurement of a sensor.
struct Measurement: SharedPayload {
    var number: UInt64 = 0
    /// Always twice the number.
    var value: UInt64 = 0
}

/// A sensor that is killed in the middle of its stream, a subscriber that loses nothing of what was sent, and the sensor that takes over.
///
///     messaging-killed-publisher                     all of it, in a directory of its own
///     messaging-killed-publisher sensor DIRECTORY FROM TO [die]
@main
struct MessagingKilledPublisher {
    static func main() async throws {
        let words = CommandLine.arguments
        let directory =
            words.count > 2
            ? words[2] : "/tmp/interprocess-sensor-\(try ProcessHandle.current().processID)"
        let topic = try Topic("sensor", of: Measurement.self, in: Rendezvous(directory: FilePath(directory)))
        if words.count > 4, words[1] == "sensor" {
            return try measure(topic, UInt64(words[3]) ?? 0, UInt64(words[4]) ?? 0, dies: words.last == "die")
        }
        try await watch(topic, directory)
        _ = try await ProcessHandle.spawn(ProcessCommand("rm", ["-r", directory])).exit()
    }

    static func measure(_ topic: Topic<Measurement>, _ first: UInt64, _ last: UInt64, dies: Bool) throws {
        let sensor = try topic.publisher()
        guard try sensor.waitForSubscribers(1, until: .after(.seconds(20))) else { return }
        for number in first...last { try sensor.send(copying: Measurement(number: number, value: 2 * number)) }
        guard dies else { return }
        // In the middle of the next: it is in the log, and nobody will ever see it.
        var loan = try sensor.loan()
        loan.payload.number = last + 1
        try Signal.kill.sendToThisProcess()
        loan.send()
    }

    static func watch(_ topic: Topic<Measurement>, _ directory: String) async throws {
        let subscriber = try await topic.subscriber()
        let first = try ProcessHandle.spawn(.thisProgram(["sensor", directory, "1", "100", "die"]))
        var numbers: [UInt64] = []
        var successor: ProcessHandle?
        while let event = try await subscriber.nextEvent(until: .after(.seconds(20))) {
            switch consume event {
            case .message(let sample):
                guard sample.payload.value == 2 * sample.payload.number else { fatalError("half a message") }
                numbers.append(sample.payload.number)
            case .notice(.joined): print("a sensor is there")
            case .notice(.died(let sensor)):
                let end = try await first.exit()
                print("read \(numbers.count) measurements, \(numbers.first ?? 0) to \(numbers.last ?? 0)")
                guard sensor.credentials.processID == end.processID else { fatalError("another has died") }
                print("its sensor has died: \(end.signal.map { "\($0)" } ?? "no signal"), says the kernel")
                numbers = []
                successor = try ProcessHandle.spawn(.thisProgram(["sensor", directory, "101", "150"]))
            case .notice(.ended):
                print("read \(numbers.count) measurements, \(numbers.first ?? 0) to \(numbers.last ?? 0)")
                print("its sensor has ended in order")
                _ = try await successor?.exit()
                print(
                    "missed: \(subscriber.missed); topics left behind: \(try topic.rendezvous.names(of: .topic).count)")
                return
            case .notice: break
            }
        }
    }
}
