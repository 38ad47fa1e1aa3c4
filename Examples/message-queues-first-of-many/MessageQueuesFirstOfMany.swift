// SPDX-License-Identifier: Apache-2.0
import Interprocess
import SystemPackage

/// Waits for two System V queues and a pipe at once, which no single system call can.
@main
struct MessageQueuesFirstOfMany {
    static func main() async throws {
        let jobs = try SystemVMessageQueue(key: .private, mode: .createExclusive, lifetime: .removeOnClose)
        let control = try SystemVMessageQueue(key: .private, mode: .createExclusive, lifetime: .removeOnClose)
        let pipe = try PipePair()
        print("jobs \(jobs.id) control \(control.id)")

        // Standing in for three other processes.
        let (jobsID, controlID) = (jobs.id, control.id)
        Task {
            let jobs = try SystemVMessageQueue(id: jobsID)
            for number in 1...3 { try await jobs.send(Array("job \(number)".utf8)) }
            try await Task.sleep(for: .milliseconds(50))
            try await SystemVMessageQueue(id: controlID).send(Array("stop".utf8), type: 2)
        }
        try await pipe.writer.write(Array("a line through the pipe".utf8))

        var lines: [String] = []
        let any = WaitAny([try jobs.receivable(), try control.receivable(.exactly(2)), try pipe.reader.readable()])
        var isRunning = true
        while isRunning {
            switch try await any.first(until: .after(.seconds(30))) {
            case 0:
                if let job = try jobs.tryReceive() { lines.append(text(job.bytes)) }
            case 1:
                if let order = try control.tryReceive(.exactly(2)) {
                    lines.append("control says \(text(order.bytes))")
                    isRunning = false
                }
            case 2:
                if case .bytes(let bytes) = try pipe.reader.tryRead() { lines.append(text(bytes)) }
            default:
                print("nothing came")
                isRunning = false
            }
        }
        // Which of several that are ready comes first is nobody's promise; that each comes is.
        for line in lines.sorted() { print(line) }
    }

    static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
}
