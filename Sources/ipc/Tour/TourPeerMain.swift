// SPDX-License-Identifier: Apache-2.0
import Interprocess
import InterprocessSyscalls
import SystemPackage

/// The hidden verb: the other process of a stop of the tour, or of the bench.
enum TourPeerMain {
    /// - Parameter words: `receive`, mechanism, size, rounds, address; or `write`, mechanism, size, part, file;
    ///   or what the bench says.
    static func run(_ words: [String]) -> Never {
        let control = TourControl(reading: 3, writing: 4)
        do {
            if words.first == "bench" {
                try sysSetCloseOnExec(3, true)
                try sysSetCloseOnExec(4, true)
                try BenchPeerMain.run(words, control)
                Cleaning.exit(0)
            }
            guard words.count == 5, let mechanism = TourMechanism(rawValue: words[1]), let size = Int(words[2]),
                let rounds = Int(words[3])
            else { throw Failure("this verb is the tour's own") }
            try sysSetCloseOnExec(3, true)
            try sysSetCloseOnExec(4, true)
            if words[0] == "write" {
                let sink = try TourWriters.FragmentSink(adopting: 5)
                try control.say("ready -")
                _ = try control.hear()
                try TourWriters.write(part: rounds, of: FilePath(words[4]), size: size, through: sink)
                Cleaning.exit(0)
            }
            var receiver = TourReceiver(control, mechanism, try source(mechanism, words[4], control))
            try receiver.run(size: size, rounds: rounds)
            Cleaning.exit(0)
        } catch {
            fail(control, Failure.describe(error))
        }
    }

    private static func fail(_ control: TourControl, _ reason: String) -> Never {
        try? control.say("failed \(reason)")
        Cleaning.exit(1)
    }

    private static func source(
        _ mechanism: TourMechanism, _ address: String, _ control: TourControl
    ) throws -> any Source {
        switch mechanism {
        case .pipe, .splice, .pipeWriters:
            let source: any Source =
                mechanism == .pipeWriters ? try TourWriters.Assembly(adopting: 5) : try PipeSource(adopting: 5)
            try control.say("ready -")
            return source
        case .fifo:
            // Opening waits for the other side, which waits for this word.
            try control.say("ready \(address)")
            return try Carriers.source(try Address(address), SourcePlan())
        case .shm, .mappedFile:
            let source: any Source =
                mechanism == .shm
                ? try TourRing<NamedSemaphore>.named(address, .openExisting)
                : try TourRing<SharedSemaphore>.inFile(FilePath(address), create: false)
            try control.say("ready -")
            return source
        case .topic:
            let source = try TourTopicSource(in: FilePath(address))
            try control.say("ready -")
            return source
        case .signal:
            let source = try SignalSource()
            try control.say("ready -")
            return source
        case .control:
            let source = try ControlledSource()
            try control.say("ready \(source.address)")
            // Under control before the first stop.
            _ = try control.hear()
            return source
        default:
            let address = try Address(address)
            let source = try Carriers.source(
                address,
                SourcePlan(
                    follow: address.kind == .file, listen: address.kind.isSocket,
                    wantsDescriptors: mechanism == .descriptor || mechanism == .memfd))
            let bound =
                (source as? ListeningSource)?.boundAddress ?? (source as? DatagramSource)?.boundAddress ?? address
            try control.say("ready \(bound)")
            return mechanism == .memfd ? SealedSource(source) : source
        }
    }
}
