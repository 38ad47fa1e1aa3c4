// SPDX-License-Identifier: Apache-2.0
import CCompare
import Interprocess
import InterprocessMessaging

/// Topics as a subject of Benchmarks/compare: the command line of `compare.h`.
@main
enum CompareInterprocess {
    static func main() {
        let run = UnsafeMutablePointer<compare>.allocate(capacity: 1)
        compare_begin(run, CommandLine.argc, CommandLine.unsafeArgv)
        do throws(IPCError) {
            if String(cString: run.pointee.workload) == "startup" { try StartUp.measure(run) } else { try measure(run) }
        } catch {
            print(error)
            compare_failed("topics")
        }
    }

    /// One instance for each size that is measured.
    private static func measure(_ run: UnsafeMutablePointer<compare>) throws(IPCError) {
        switch run.pointee.bytes {
        case 64: try go(Channels<8>(run: run))
        case 1024: try go(Channels<128>(run: run))
        case 4096: try go(Channels<512>(run: run))
        case 65536: try go(Channels<8192>(run: run))
        case 1 << 20: try go(Channels<131072>(run: run))
        default: compare_unsupported("not one of the sizes that the program was built for")
        }
    }

    private static func go<let count: Int>(_ channels: Channels<count>) throws(IPCError) {
        let run = channels.run
        let isParent = run.pointee.child < 0
        if isParent && String(cString: run.pointee.mode) == "async" {
            try AsyncLatency.measure(channels)
        } else if run.pointee.exchanges != 0 {
            let publisher = try channels.publisher()
            compare_spawn(run)
            let subscriber = try channels.subscriber(after: publisher)
            var loops = Loops(run, Exchange(run: run, publisher: publisher, subscriber: subscriber))
            loops.go()
        } else if isParent {
            let publisher = try channels.publisher()
            compare_spawn(run)
            try channels.wait(for: Int(run.pointee.child_count), of: publisher)
            var loops = Loops(run, Source(run: run, publisher: publisher))
            loops.go()
        } else {
            var loops = Loops(run, Sink(run: run, subscriber: try channels.subscriber()))
            loops.go()
        }
    }
}
