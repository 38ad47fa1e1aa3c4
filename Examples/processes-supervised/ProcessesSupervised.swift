// SPDX-License-Identifier: Apache-2.0
import Interprocess

/// Two workers are kept alive: one is killed and comes back, then both are ended.
@main
struct ProcessesSupervised {
    static func main() async throws {
        var options = Supervisor.Options(count: 2)
        options.firstDelay = .milliseconds(10)
        let pool = Supervisor(options) { _ in ProcessCommand("sleep", ["600"]) }
        var starts = 0
        for await event in pool.events {
            switch event {
            case .started(_, let process):
                starts += 1
                if starts == 2 {
                    print("two workers run; one is killed")
                    try ProcessHandle(processID: process).kill()
                }
                if starts == 3 {
                    print("it is back; both shall end")
                    Task { await pool.drain() }
                }
            case .ended(_, let end): print("one was ended by \(end.signal.map { "\($0)" } ?? "nothing")")
            case .restarting(_, let delay): print("another comes after \(delay)")
            case .drained: print("none is left")
            default: print(event)
            }
        }
    }
}
